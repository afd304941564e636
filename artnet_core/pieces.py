"""How much of a large map is worked on at a time."""

from __future__ import annotations

import torch

# Elements of an intermediate result that are held at a time: on a GPU (float32: 64 MiB), and on a CPU, whose caches
# hold that many.
_BLOCK_ELEMENTS = 2**24
_CACHED_ELEMENTS = 2**20


def piece_elements(device: torch.device) -> int:
    """Elements to go over at a time: more cost memory on a GPU, and on a CPU the time it takes to fetch them again."""
    return _CACHED_ELEMENTS if device.type == "cpu" else _BLOCK_ELEMENTS
