"""The loop around every training: schedule, progress bar, log, saved states."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from .log import DivergedError, Log
from .resume import ResumeError, check_settings, load_state, save_state, state_path

_SECONDS_BETWEEN_SAVES = 60.0
_BAR = "{percentage:3.0f}%|{bar:30}| {desc}"


class Task(Protocol):
    """What is trained."""

    def step(self, progress: float) -> dict[str, Tensor]:
        """One step of the optimiser at 0 <= progress < 1; returns the losses by name, the sum as ``loss``."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that it takes to go on: weights, optimiser, random numbers."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from there."""

    def export(self, out: Path, provenance: Mapping[str, str]) -> None:
        """Writes the result as it is now."""


@dataclass(frozen=True)
class Schedule:
    """How long a run takes in all, interruptions not counted.

    Attributes:
        minutes: of training.
        steps: where given, the run takes so many steps instead, and progress does not depend on the machine.
        stop_after: minutes after which this process stops; the run is resumed later.
        log_every: steps per row of the curve.
    """

    minutes: float
    steps: int | None = None
    stop_after: float = math.inf
    log_every: int = 20

    def progress(self, step: int, seconds: float) -> float:
        """Share of the run that is done, 0..1."""
        done = step / self.steps if self.steps else seconds / (60 * self.minutes)
        return min(done, 1.0)


def cosine_rate(progress: float, peak: float, warmup: float = 0.02) -> float:
    """Learning rate at a share of the run: a linear rise, then half a cosine down to zero."""
    if progress < warmup:
        return peak * (0.05 + 0.95 * progress / warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of all groups, times the group's own ``scale`` where it has one."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)


def train(task: Task, schedule: Schedule, out: Path, settings: Mapping[str, object], *, resume: bool) -> bool:
    """Trains until the schedule is done or this process is to stop, and writes the result so far.

    Writes ``out``, its state, its curve as .csv and its plot as .png. The state is also saved once a minute.

    Args:
        task: freshly made.
        schedule: of the whole run; may be longer than the one it was started with.
        out: the result.
        settings: kept in the state and in the result's provenance; they may not change on the way.
        resume: go on from the state next to ``out``; only the rate may have changed.

    Returns:
        Whether the schedule is done.

    Raises:
        ResumeError: nothing to resume, other settings, a run that lies there and would be overwritten, or a state that
            cannot be read or written.
        DivergedError: a loss or a weight is not finite any more. The last state without it stays.
    """
    path = state_path(out)
    log = Log(schedule.log_every)
    step, earlier = 0, 0.0
    if resume:
        state = load_state(path)
        check_settings(state["settings"], settings)
        try:
            task.load_state_dict(state["task"])
            log.load_state_dict(state["log"])
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ResumeError(f"{path} is of another release, or made up: delete it and start anew.") from error
        step, earlier = state["step"], state["seconds"]
    elif path.exists():
        raise ResumeError(f"{path} holds a run already: go on with --resume, or delete it.")
    out.parent.mkdir(parents=True, exist_ok=True)
    kept = step if resume else None

    def check() -> None:
        if log.diverged_at:
            raise _diverged(f"a loss is not finite at step {log.diverged_at}", kept)

    def save(seconds: float) -> None:
        nonlocal kept
        check()
        state = {
            "task": task.state_dict(),
            "log": log.state_dict(),
            "settings": dict(settings),
            "step": step,
            "seconds": seconds,
        }
        if not _finite(state["task"]):
            raise _diverged(f"a weight is not finite at step {step}", kept)
        save_state(path, state)
        kept = step
        log.write(out)

    started = saved = time.monotonic()
    seconds = earlier
    bar = tqdm(total=1.0, initial=schedule.progress(step, seconds), bar_format=_BAR)
    while schedule.progress(step, seconds) < 1 and seconds - earlier < 60 * schedule.stop_after:
        losses = task.step(schedule.progress(step, seconds))
        step += 1
        now = time.monotonic()
        seconds = earlier + now - started
        log.add(step, seconds, losses)
        if log.row_is_due:
            check()
        if now - saved > _SECONDS_BETWEEN_SAVES:
            save(seconds)
            saved = now
        loss = f", loss {log.rows[-1]['loss']:.4f}" if log.rows else ""
        bar.set_description_str(f"step {step}, {seconds / 60:.1f} min{loss}", refresh=False)
        bar.update(schedule.progress(step, seconds) - bar.n)
    bar.close()
    save(seconds)
    provenance = {
        "settings": json.dumps(dict(settings)),
        "training": json.dumps(
            {"steps": step, "minutes": round(seconds / 60, 2), "curve": json.loads(log.as_metadata())}
        ),
        "torch": torch.__version__,
    }
    task.export(out, provenance)
    return schedule.progress(step, seconds) >= 1


def _diverged(what: str, kept: int | None) -> DivergedError:
    if kept is None:
        return DivergedError(f"The run diverged: {what}. Nothing was saved before: start anew with a lower --rate.")
    return DivergedError(
        f"The run diverged: {what}. Its state of step {kept} is kept: go on from it with --resume and a lower --rate."
    )


def _finite(state: object) -> bool:
    """Whether all floating tensors in nested containers are finite."""
    if isinstance(state, Tensor):
        return not state.is_floating_point() or bool(state.isfinite().all())
    if isinstance(state, Mapping):
        return all(map(_finite, state.values()))
    return not isinstance(state, (list, tuple)) or all(map(_finite, state))
