"""The state of a run that is not finished, in one file next to its result."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch


class ResumeError(ValueError):
    """A run that cannot be started or resumed; the message says why and what to do."""


def state_path(out: Path) -> Path:
    """Where the state of the run that makes ``out`` lies."""
    return out.with_name(out.name + ".state")


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Writes tensors, numbers, strings and containers of them, by way of a second file: a kill leaves the old state."""
    partial = path.with_name(path.name + ".part")
    torch.save(dict(state), partial)
    partial.replace(path)


def load_state(path: Path) -> dict[str, Any]:
    """Reads what :func:`save_state` wrote; tensors come to the CPU, code in the file is not run.

    Raises:
        ResumeError: there is no state, or it is damaged.
    """
    if not path.is_file():
        raise ResumeError(f"There is no {path} to resume from: start without --resume.")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise ResumeError(f"{path} is damaged ({error}).") from error
    return state


def file_digest(path: Path) -> str:
    """By which a run knows the files it was started with."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def check_settings(stored: Mapping[str, object], given: Mapping[str, object]) -> None:
    """Makes sure that a run goes on as it began.

    Raises:
        ResumeError: a setting differs.
    """
    for name in {**stored, **given}:
        if stored.get(name) != given.get(name):
            raise ResumeError(
                f"The run was started with {name} {stored.get(name)}, not {given.get(name)}: resume it with that."
            )
