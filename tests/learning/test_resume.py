"""A run that is killed goes on as if nothing had happened."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from artnet_core.checkpoint import load
from training import loop, resume
from training.data import load_pictures, stored_side
from training.decoder import DecoderSettings, DecoderTask
from training.encoder import EncoderSettings, EncoderTask
from training.export import load_pruned_encoder
from training.linear import LinearSettings, LinearTask
from training.log import DivergedError
from training.loop import Schedule, Task, train
from training.resume import ResumeError, load_state, save_state, state_path
from training.teacher import load_teacher

from .conftest import CPU, curve

# Channels of the encoder die once, before the run is killed: if it forgot that, they would live again.
STEPS, KILLED_AT, CHANNELS_DIE_AT = 6, 5, 4
SCHEDULE = Schedule(minutes=1, steps=STEPS, log_every=2)

MakeTask = Callable[[], Task]


@pytest.fixture(params=["encoder", "decoder", "linear"])
def make_task(request: pytest.FixtureRequest, data: Path, teacher_file: Path, encoder_run: Path) -> MakeTask:
    """Makes the same task as often as it is called."""

    def make() -> Task:
        pictures = load_pictures([data], stored_side(48), CPU)
        if request.param == "linear":
            return LinearTask(LinearSettings(batch=2, size=48), pictures, load("artnet"))
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
    seconds = load_state(state_path(out))["seconds"]
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
    with pytest.raises(ResumeError, match="not a training state"):
        train(_Countdown(), schedule, out, {"batch": 8}, resume=True)


class _Diverging(_Countdown):
    """Loses a loss, or silently a weight, at its seventh step unless the rate is lowered."""

    def __init__(self, rate: float, *, silently: bool = False) -> None:
        super().__init__()
        self.rate, self.silently = rate, silently
        self.weight = torch.zeros(2)

    def step(self, progress: float) -> dict[str, torch.Tensor]:
        losses = super().step(progress)
        self.weight += self.rate
        if self.steps >= 7 and self.rate == 1:
            if self.silently:
                self.weight[1] = float("nan")
            else:
                losses = {**losses, "loss": torch.tensor(float("inf"))}
        return losses

    def state_dict(self) -> dict[str, object]:
        return {"steps": self.steps, "weights": [self.weight]}

    def load_state_dict(self, state: dict[str, object]) -> None:
        super().load_state_dict(state)
        (self.weight,) = state["weights"]


@pytest.mark.parametrize("silently", [False, True])
def test_a_run_that_diverges_keeps_its_last_good_state_and_goes_on_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silently: bool
) -> None:
    """Between two rows of the curve, whether a loss tells or a weight is lost while losses look well."""
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_SAVES", -1.0)
    out, schedule = tmp_path / "out.txt", Schedule(1, steps=40, log_every=20)
    with pytest.raises(DivergedError, match=r"step 7\. Its state of step 6 is kept.*--resume and a lower --rate"):
        train(_Diverging(1, silently=silently), schedule, out, {"rate": 1.0}, resume=False)
    assert not out.exists()
    state = load_state(state_path(out))
    assert state["step"] == 6
    assert torch.equal(state["task"]["weights"][0], torch.full((2,), 6.0))
    assert train(_Diverging(0.5), schedule, out, {"rate": 0.5}, resume=True)
    assert load_state(state_path(out))["task"]["weights"][0].tolist() == [23.0, 23.0]


def test_a_run_that_diverges_before_anything_is_saved_says_so(tmp_path: Path) -> None:
    schedule = Schedule(1, steps=40, log_every=2)
    with pytest.raises(DivergedError, match=r"at step 7\. Nothing was saved before: start anew"):
        train(_Diverging(1), schedule, tmp_path / "out.txt", {}, resume=False)
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_bit_in_a_state_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "state"
    save_state(path, _state(torch.rand(1000)))
    whole = path.read_bytes()
    for place in (3, 30, 60, len(whole) // 2, len(whole) - 1):
        flipped = bytearray(whole)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(ResumeError, match=r"damaged|not a training state"):
            load_state(path)
    path.write_bytes(whole[:-5])
    with pytest.raises(ResumeError, match="damaged"):
        load_state(path)
    path.write_bytes(whole)
    assert len(load_state(path)["task"]["weights"]) == 1000


class _Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch run_by_a_state",)


def test_files_that_are_no_states_are_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "state"
    for contents in ([torch.ones(2)], torch.tensor(3.0), {"step": 1}, {**_state(torch.ones(1)), "step": "one"}):
        _write_signed(path, contents)
        with pytest.raises(ResumeError, match="holds no training state"):
            load_state(path)
    save_state(path, {**_state(torch.ones(1)), "task": _Malicious()})
    with pytest.raises(ResumeError, match="more than a training state") as caught:
        load_state(path)
    assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "run_by_a_state").exists()
    torch.save(_state(torch.ones(1)), path)
    with pytest.raises(ResumeError, match="not a training state of this release"):
        load_state(path)


def test_a_state_of_another_task_is_refused_in_a_sentence(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    save_state(state_path(out), {**_state(torch.ones(1)), "task": {"other": 1}})
    with pytest.raises(ResumeError, match="of another release, or made up"):
        train(_Countdown(), Schedule(1, steps=3), out, {}, resume=True)


@pytest.mark.skipif(sys.platform == "win32", reason="file sizes are limited by POSIX")
def test_a_full_disk_leaves_the_old_state_and_a_sentence(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "state"
    save_state(path, _state(torch.zeros(10)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(ResumeError, match=r"cannot be written.*What was saved before is kept: free some room"):
            save_state(path, _state(torch.ones(100_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.name for file in tmp_path.iterdir()] == ["state"]
    assert load_state(path)["task"]["weights"].tolist() == [0.0] * 10


def test_a_state_is_moved_into_place_in_one_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is killed at any moment before leaves the old file."""
    path = tmp_path / "state"
    save_state(path, _state(torch.zeros(10)))
    old, seen = path.read_bytes(), []
    move = Path.replace

    def watched(self: Path, target: Path) -> Path:
        seen.append((target.read_bytes(), self.stat().st_size))
        return move(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    save_state(path, _state(torch.ones(500)))
    assert seen == [(old, path.stat().st_size)]
    (tmp_path / "plain").touch()
    assert _mode(path) == _mode(tmp_path / "plain")


def _write_signed(path: Path, contents: object) -> None:
    """Anything, with a right header and digest."""
    archive = io.BytesIO()
    torch.save(contents, archive)
    path.write_bytes(resume._HEADER + hashlib.sha256(archive.getvalue()).digest() + archive.getvalue())


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _state(weights: torch.Tensor) -> dict[str, object]:
    return {"task": {"weights": weights}, "log": {}, "settings": {}, "step": 1, "seconds": 0.5}
