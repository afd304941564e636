"""Many cases in turn."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Collection, Iterator
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


def names(cases: int, seed: int, kinds: Collection[str] = tuple(KINDS)) -> Iterator[str]:
    """The names of so many cases, ``KIND:SEED:NUMBER``, these kinds mixed."""
    shares = [KINDS[kind][1] for kind in kinds]
    source = random.Random(seed)
    for index in range(cases):
        (kind,) = source.choices(list(kinds), shares)
        yield f"{kind}:{seed}:{index}"


def run_case(name: str) -> Verdict:
    """Runs the case of this name, in a folder of its own."""
    kind = name.partition(":")[0]
    folder = Path(tempfile.mkdtemp(prefix="f"))
    try:
        return verdict(KINDS[kind][0], name, folder)
    finally:
        shutil.rmtree(folder)
