"""The loop around every training: schedule, progress bar, log, saved states."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from .log import Log
from .resume import ResumeError, check_settings, load_state, save_state, state_path

_SECONDS_BETWEEN_SAVES = 60.0
_SECONDS_BETWEEN_REDRAWS = 0.5
_BAR_WIDTH = 30


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
        resume: go on from the state next to ``out``.

    Returns:
        Whether the schedule is done.

    Raises:
        ResumeError: nothing to resume, other settings, or a run that lies there and would be overwritten.
        DivergedError: a loss is not finite any more.
    """
    path = state_path(out)
    log = Log(schedule.log_every)
    step, earlier = 0, 0.0
    if resume:
        state = load_state(path)
        check_settings(state["settings"], settings)
        task.load_state_dict(state["task"])
        log.load_state_dict(state["log"])
        step, earlier = state["step"], state["seconds"]
    elif path.exists():
        raise ResumeError(f"{path} holds a run already: go on with --resume, or delete it.")
    out.parent.mkdir(parents=True, exist_ok=True)

    def save(seconds: float) -> None:
        state = {
            "task": task.state_dict(),
            "log": log.state_dict(),
            "settings": dict(settings),
            "step": step,
            "seconds": seconds,
        }
        save_state(path, state)
        log.write(out)

    started = saved = drawn = time.monotonic()
    seconds = earlier
    while schedule.progress(step, seconds) < 1 and seconds - earlier < 60 * schedule.stop_after:
        losses = task.step(schedule.progress(step, seconds))
        step += 1
        now = time.monotonic()
        seconds = earlier + now - started
        log.add(step, seconds, losses)
        if now - saved > _SECONDS_BETWEEN_SAVES:
            save(seconds)
            saved = now
        if now - drawn > _SECONDS_BETWEEN_REDRAWS:
            _draw_bar(schedule.progress(step, seconds), step, seconds, log)
            drawn = now
    _draw_bar(schedule.progress(step, seconds), step, seconds, log)
    print(file=sys.stderr)
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


def _draw_bar(progress: float, step: int, seconds: float, log: Log) -> None:
    filled = round(progress * _BAR_WIDTH)
    loss = f"  loss {log.rows[-1]['loss']:.4f}" if log.rows else ""
    bar = "#" * filled + "." * (_BAR_WIDTH - filled)
    print(
        f"\r[{bar}] {progress:4.0%}  step {step}  {seconds / 60:.1f} min{loss}  ", end="", file=sys.stderr, flush=True
    )
