"""A run that is killed goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training import loop
from training.data import load_pictures, stored_side
from training.decoder import DecoderSettings, DecoderTask
from training.encoder import EncoderSettings, EncoderTask
from training.export import load_pruned_encoder
from training.log import DivergedError, Log
from training.loop import Schedule, Task, train
from training.resume import ResumeError, state_path
from training.teacher import load_teacher

from .conftest import CPU, curve

# Channels of the encoder die once, before the run is killed: if it forgot that, they would live again.
STEPS, KILLED_AT, CHANNELS_DIE_AT = 6, 5, 4
SCHEDULE = Schedule(minutes=1, steps=STEPS, log_every=2)

MakeTask = Callable[[], Task]


@pytest.fixture(params=["encoder", "decoder"])
def make_task(request: pytest.FixtureRequest, data: Path, teacher_file: Path, encoder_run: Path) -> MakeTask:
    """Makes the same task as often as it is called."""

    def make() -> Task:
        pictures = load_pictures([data], stored_side(48), CPU)
        teacher = load_teacher(teacher_file, CPU)
        if request.param == "encoder":
            return EncoderTask(EncoderSettings(batch=2, size=48, kill_every=CHANNELS_DIE_AT), pictures, teacher)
        settings = DecoderSettings(batch=1, size=48, stages="8:16 4:8 2:8")
        return DecoderTask(settings, pictures, teacher, load_pruned_encoder(encoder_run, pictures.photo[:1]))

    return make


def test_a_killed_run_gives_the_same_curve_and_weights(
    make_task: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_SAVES", -1.0)
    whole, broken = tmp_path / "whole.safetensors", tmp_path / "broken.safetensors"
    assert train(make_task(), SCHEDULE, whole, {"seed": 0}, resume=False)

    killed = make_task()
    step, taken = killed.step, []

    def step_until_killed(progress: float) -> dict[str, torch.Tensor]:
        if len(taken) == KILLED_AT:
            raise KeyboardInterrupt
        taken.append(progress)
        return step(progress)

    monkeypatch.setattr(killed, "step", step_until_killed)
    with pytest.raises(KeyboardInterrupt):
        train(killed, SCHEDULE, broken, {"seed": 0}, resume=False)
    assert not broken.exists()
    assert train(make_task(), SCHEDULE, broken, {"seed": 0}, resume=True)

    expected, found = curve(whole), curve(broken)
    assert [row["step"] for row in found] == [2, 4, 6]
    for row, wanted in zip(found, expected, strict=True):
        assert {**row, "seconds": 0} == pytest.approx({**wanted, "seconds": 0}, rel=1e-5)
    for name, tensor in load_file(whole).items():
        torch.testing.assert_close(load_file(broken)[name], tensor, rtol=1e-3, atol=1e-5)


class _Countdown:
    """A task that only counts."""

    def __init__(self) -> None:
        self.steps = 0

    def step(self, progress: float) -> dict[str, torch.Tensor]:
        self.steps += 1
        return {"loss": torch.tensor(1.0 / self.steps)}

    def state_dict(self) -> dict[str, object]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, object]) -> None:
        self.steps = int(str(state["steps"]))

    def export(self, out: Path, provenance: dict[str, str]) -> None:
        out.write_text(str(self.steps))


def test_a_process_that_stops_early_leaves_a_result_and_is_resumed(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    assert not train(_Countdown(), Schedule(1, steps=50, stop_after=0), out, {}, resume=False)
    assert out.read_text() == "0"
    assert train(_Countdown(), Schedule(1, steps=50), out, {}, resume=True)
    assert out.read_text() == "50"
    assert train(_Countdown(), Schedule(1, steps=80), out, {}, resume=True), "a finished run may be made longer"
    assert out.read_text() == "80"


def test_runs_by_the_clock_add_up_their_minutes(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    second = 1 / 60
    assert not train(_Countdown(), Schedule(second, stop_after=second / 4), out, {}, resume=False)
    assert train(_Countdown(), Schedule(second), out, {}, resume=True)
    seconds = torch.load(state_path(out), weights_only=True)["seconds"]
    assert 1 <= seconds < 1.5


def test_nothing_is_overwritten_or_mixed_up(tmp_path: Path) -> None:
    out, schedule = tmp_path / "out.txt", Schedule(1, steps=3)
    with pytest.raises(ResumeError, match="without --resume"):
        train(_Countdown(), schedule, out, {}, resume=True)
    train(_Countdown(), schedule, out, {"batch": 8}, resume=False)
    with pytest.raises(ResumeError, match="--resume, or delete"):
        train(_Countdown(), schedule, out, {"batch": 8}, resume=False)
    for settings, change in (({"batch": 4}, "batch 8, not 4"), ({}, "batch 8, not None")):
        with pytest.raises(ResumeError, match=change):
            train(_Countdown(), schedule, out, settings, resume=True)
    state_path(out).write_bytes(b"no state")
    with pytest.raises(ResumeError, match="damaged"):
        train(_Countdown(), schedule, out, {"batch": 8}, resume=True)


def test_a_run_that_diverges_stops() -> None:
    log = Log(2)
    log.add(1, 0.1, {"loss": torch.tensor(1.0)})
    with pytest.raises(DivergedError, match="step 2"):
        log.add(2, 0.2, {"loss": torch.tensor(float("nan"))})
