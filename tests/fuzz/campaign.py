"""Many cases in turn."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .commands import command
from .models import model_file
from .outcomes import Kind, Verdict, verdict
from .pictures import picture_file
from .states import training_state
from .tensors import checked_pictures, mixed, pruned, stylized

KINDS: dict[str, tuple[Kind, int]] = {
    "model": (model_file, 30),
    "picture": (picture_file, 32),
    "check": (checked_pictures, 12),
    "stylize": (stylized, 7),
    "mix": (mixed, 6),
    "prune": (pruned, 1),
    "command": (command, 4),
    "state": (training_state, 8),
}
"""What makes cases, and how many of a hundred are its."""


def names(cases: int, seed: int) -> Iterator[str]:
    """The names of so many cases, ``KIND:SEED:NUMBER``, all kinds mixed."""
    round_of = [kind for kind, (_, share) in KINDS.items() for _ in range(share)]
    for index in range(cases):
        # 37 has no divisor in common with 100: each hundred has every kind, in turn.
        yield f"{round_of[37 * index % len(round_of)]}:{seed}:{index}"


def run_case(name: str) -> Verdict:
    """Runs the case of this name, in a folder of its own."""
    kind = name.partition(":")[0]
    folder = Path(tempfile.mkdtemp(prefix="f"))
    try:
        return verdict(KINDS[kind][0], name, folder)
    finally:
        shutil.rmtree(folder)
