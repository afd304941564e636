"""How much of a large map is worked on at a time."""

from __future__ import annotations

import torch

# Elements of an intermediate result that are held at a time (float32: 64 MiB).
BLOCK_ELEMENTS = 2**24

# Of these, those that a CPU goes over at a time, few enough to stay in its caches.
CACHED_ELEMENTS = 2**20


def piece_elements(device: torch.device) -> int:
    """Elements to go over at a time: more cost memory on a GPU, and on a CPU the time it takes to fetch them again."""
    return CACHED_ELEMENTS if device.type == "cpu" else BLOCK_ELEMENTS
