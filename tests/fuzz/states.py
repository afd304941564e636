"""States of training runs, damaged, and such that hold code."""

from __future__ import annotations

import functools
import hashlib
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


def _sealed(archive: bytes) -> bytes:
    """A file that whoever made it up has given the right digest."""
    start = _saved().index(b"\n") + 1
    return _saved()[:start] + hashlib.sha256(archive).digest() + archive


def _made_up(source: random.Random) -> dict[str, Any]:
    """A state of which some part is another thing."""
    state = _state()
    place = source.choice((state, state, state["task"], state["log"], state["settings"]))
    key = source.choice(list(place))
    if source.random() < 0.8:
        place[key] = source.choice((odd(source), torch.zeros(3), torch.full((1,), float("nan"))))
    else:
        del place[key]
    return state


def training_state(source: random.Random, folder: Path) -> Run:
    """A file that a run would be resumed from."""
    marker = folder / "code has run"
    content, as_saved = source.choice(
        (
            lambda: (damaged(_saved(), source), True),
            lambda: (damaged(_saved(), source), True),
            lambda: (_saved(), True),
            lambda: (_saved()[: source.randrange(len(_saved()))], True),
            lambda: (source.randbytes(source.randrange(100)), True),
            lambda: (_archive(_state()), True),
            lambda: (_sealed(_archive(_made_up(source))), False),
            lambda: (_sealed(_archive(_made_up(source))), False),
            lambda: (_sealed(damaged(_archive(_state()), source)), False),
            lambda: (_sealed(_archive(odd(source))), False),
            lambda: (_sealed(_archive(_state() | {"task": _Code(marker)})), False),
            lambda: (_sealed(pickle.dumps(_Code(marker))), False),
        )
    )()
    path = folder / "run.state"
    path.write_bytes(content)

    def run() -> None:
        try:
            state = load_state(path)
        finally:
            assert not marker.exists(), "code in the file has run"
        if as_saved:
            assert torch.equal(state["task"].pop("weights"), _state()["task"]["weights"])
            expected = _state()
            del expected["task"]["weights"]
            assert state == expected, "damage went unnoticed"

    return run
