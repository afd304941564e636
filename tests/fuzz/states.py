"""States of training runs, damaged, and such that hold code."""

from __future__ import annotations

import functools
import io
import os
import pickle
import random
import tempfile
from pathlib import Path
from typing import Any

import torch

from training.resume import load_state, save_state

from .damage import damaged, odd
from .outcomes import Run


class _Code:
    """What runs a command where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self._marker),)


def _state() -> dict[str, Any]:
    return {
        "task": {"weights": torch.arange(64.0).view(8, 8), "names": ["a", "b"]},
        "log": {"rows": [{"step": 1.0, "loss": 2.0}], "sums": {}, "count": 0},
        "settings": {"batch": 4, "rate": 1e-3},
        "step": 20,
        "seconds": 12.5,
    }


@functools.cache
def _saved() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.state"
        save_state(path, _state())
        return path.read_bytes()


def _archive(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def training_state(source: random.Random, folder: Path) -> Run:
    """A file that a run would be resumed from."""
    marker = folder / "code has run"
    content = source.choice(
        (
            lambda: damaged(_saved(), source),
            lambda: damaged(_saved(), source),
            lambda: _saved(),
            lambda: _saved()[: source.randrange(len(_saved()))],
            lambda: _archive(odd(source)),
            lambda: _archive({"task": _Code(marker)}),
            lambda: pickle.dumps(_Code(marker)),
            lambda: source.randbytes(source.randrange(100)),
        )
    )()
    path = folder / "run.state"
    path.write_bytes(content)

    def run() -> None:
        try:
            state = load_state(path)
        finally:
            assert not marker.exists(), "code in the file has run"
        assert torch.equal(state["task"].pop("weights"), _state()["task"].pop("weights"))
        expected = _state()
        del expected["task"]["weights"]
        assert state == expected, "damage went unnoticed"

    return run
