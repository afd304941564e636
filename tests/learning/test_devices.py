"""Steps of training on a GPU that is not at hand: all but the way back, which torch does not take without one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from pretended import CUDA, Pretended, pretended
from torch import Tensor

import artnet_core as artnet
from artnet_core.checkpoint import UNPRUNED_MODEL, shipped_models
from training.data import Pictures
from training.decoder import DEFAULT_WEIGHTS, DecoderSettings, DecoderTask
from training.encoder import EncoderSettings, EncoderTask
from training.export import PrunedEncoder, load_pruned_encoder
from training.loop import Task
from training.teacher import Teacher

from .conftest import teacher_state

# Without a GPU autocast is switched off, with a warning.
pytestmark = pytest.mark.filterwarnings("ignore:CUDA is not available:UserWarning")

SIZE, SIDE = 64, 72


@pytest.fixture(params=[CUDA])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    # A copied module lies on the same device, not on one of its own.
    monkeypatch.setattr(Pretended, "__deepcopy__", lambda device, _memo: device, raising=False)
    with pretended(request.param):
        yield torch.device(request.param)


@pytest.fixture
def pictures(gpu: torch.device) -> Pictures:
    photo, art = (torch.zeros(20, 3, SIDE, SIDE, dtype=torch.uint8).to(gpu) for _ in range(2))
    return Pictures(photo, art, "digest")


@pytest.fixture
def teacher(gpu: torch.device) -> Teacher:
    return Teacher(teacher_state()).to(gpu)


@pytest.fixture
def source(gpu: torch.device) -> PrunedEncoder:
    return load_pruned_encoder(shipped_models()[UNPRUNED_MODEL], torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8))


def losses_of_a_step(task: Task, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    def backward(_loss: Tensor) -> None:
        for group in task.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)

    monkeypatch.setattr(torch.autograd, "backward", backward)
    return task.step(0.5)


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_step_of_the_encoder_stays_on_the_gpu(
    pictures: Pictures, teacher: Teacher, source: PrunedEncoder, goes_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = EncoderSettings(batch=2, size=SIZE, kill_every=1)
    task = EncoderTask(settings, pictures, teacher, source if goes_on else None)
    for _ in range(2):  # pictures as they are, then mixed
        losses = losses_of_a_step(task, monkeypatch)
        assert {loss.device.type for loss in losses.values()} == {"cuda"}


@pytest.mark.parametrize("role", ["start", "imitated"])
def test_a_step_of_the_decoder_stays_on_the_gpu(
    pictures: Pictures, teacher: Teacher, source: PrunedEncoder, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = DecoderSettings(batch=2, size=SIZE, weights={**DEFAULT_WEIGHTS, "strokes": 20.0})
    other = artnet.load()
    if role == "start":
        settings = replace(settings, stages="8:256,256,128,128 4:64,64 2:48,48")
    task = DecoderTask(settings, pictures, teacher, source, **{role: other})
    losses = losses_of_a_step(task, monkeypatch)
    assert ("imitation" in losses) == (role == "imitated")
    assert {loss.device.type for loss in losses.values()} == {"cuda"}
