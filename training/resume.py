"""The state of a run that is not finished, in one file next to its result."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

# A state begins with this line and its digest; torch's archive follows, whose own check sums torch does not look at.
_HEADER = b"ArtNet training state 2\n"
_DIGEST_BYTES = 32

_PARTS = {"task": dict, "log": dict, "settings": dict, "step": int, "seconds": float}

_CHANGEABLE = ("rate",)
"""Settings that may differ when a run goes on: a run that diverged goes on from before with a lower rate."""


class ResumeError(ValueError):
    """A run that cannot be started, saved or resumed; the message says why and what to do."""


def state_path(out: Path) -> Path:
    """Where the state of the run that makes ``out`` lies."""
    return out.with_name(out.name + ".state")


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Writes tensors, numbers, strings and containers of them.

    The file is written in a folder of its own beside the old state and moved over it: a kill or a full disk leaves the
    old state as it was.

    Raises:
        ResumeError: the file cannot be written.
    """
    archive = io.BytesIO()
    torch.save(dict(state), archive)
    try:
        with tempfile.TemporaryDirectory(prefix=".state-", dir=path.parent) as folder:
            partial = Path(folder) / path.name
            with partial.open("wb") as file:
                file.write(_HEADER)
                file.write(hashlib.sha256(archive.getbuffer()).digest())
                file.write(archive.getbuffer())
            partial.replace(path)
    except OSError as error:
        kept = "What was saved before is kept" if path.is_file() else "Nothing was saved before"
        raise ResumeError(f"{path} cannot be written ({error.strerror}). {kept}: free some room.") from error


def load_state(path: Path) -> dict[str, Any]:
    """Reads what :func:`save_state` wrote; tensors come to the CPU, code in the file is not run.

    Raises:
        ResumeError: there is no state, it is damaged, or it is none.
    """
    if not path.is_file():
        raise ResumeError(f"There is no {path} to resume from: start without --resume.")
    data = memoryview(path.read_bytes())
    archive = data[len(_HEADER) + _DIGEST_BYTES :]
    if data[: len(_HEADER)] != _HEADER:
        raise ResumeError(f"{path} is not a training state of this release: delete it and start anew.")
    if data[len(_HEADER) :][:_DIGEST_BYTES] != hashlib.sha256(archive).digest():
        raise ResumeError(f"{path} is damaged: put a copy of it back, or delete it and start anew.")
    try:
        state = torch.load(io.BytesIO(archive), map_location="cpu", weights_only=True)
    # A made-up file can have a right digest, and what a made-up pickle raises is no closed list.
    except Exception as error:
        raise ResumeError(f"{path} holds more than a training state: delete it and start anew.") from error
    if not isinstance(state, dict) or any(not isinstance(state.get(name), kind) for name, kind in _PARTS.items()):
        raise ResumeError(f"{path} holds no training state: delete it and start anew.")
    return state


def file_digest(path: Path) -> str:
    """By which a run knows the files it was started with: 16 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def check_settings(stored: Mapping[str, object], given: Mapping[str, object]) -> None:
    """Makes sure that a run goes on as it began; its rate may change.

    Raises:
        ResumeError: a setting differs.
    """
    for name in {**stored, **given}:
        if name not in _CHANGEABLE and stored.get(name) != given.get(name):
            raise ResumeError(
                f"The run was started with {name} {stored.get(name)}, not {given.get(name)}: resume it with that."
            )
