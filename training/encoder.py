"""Distils the encoder, a GoogLeNet with batch norm and zero channels, from BVLC GoogLeNet."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from artnet_core.network.encoder import (
    FULL_WIDTHS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    LAST_BLOCK,
    TRUNK,
    ConvBlock,
    Encoder,
    block_widths,
    trunk_up_to,
)

from .data import Pictures, draw
from .export import PrunedEncoder, save_encoder
from .least_squares import fit_when_called
from .loop import cosine_rate, set_rate
from .losses import distillation, relative_error
from .precision import autocast
from .teacher import Teacher
from .zeroing import allowed_parameters, default_floors, kill_channels, trunk_parameters

KEPT_BLOCK = "inception3b"
"""Up to here the trunk of an encoder that a run begins with stays as it is."""

_CALIBRATION_BATCHES = 8

# Channels with less energy than this share of the mean are not to make up for what the fit misses.
_FAINT = 1e-2

_SCORE_DECAY = 0.9
_WEIGHT_DECAY = 0.01

# The adaptors start as identities, which steps of the full rate would soon disturb.
_ADAPTOR_RATE = 0.2
_LARGEST_GRADIENT = 5.0


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of a run.

    Attributes:
        batch: pictures per step.
        size: their side in pixels.
        seed: of all random numbers.
        rate: highest learning rate.
        parameters: of the pruned encoder at the end, at the most.
        kill_every: steps between two rounds of dying channels.
    """

    batch: int = 128
    size: int = 176
    seed: int = 0
    rate: float = 1e-3
    parameters: int = 980_000
    kill_every: int = 25


class EncoderTask:
    """The student, its teacher, and one step of distillation.

    Args:
        settings: of the run.
        pictures: photographs and art are used alike.
        teacher: on the same device.
        start: an encoder, with its batch norms, whose trunk is kept up to :data:`KEPT_BLOCK`; only what follows is
            trained, from weights fitted to the teacher. By default the whole trunk is.

    Raises:
        ValueError: the wanted number of parameters is less than the floors of the layers allow, or ``start`` has no
            batch norms.
    """

    def __init__(
        self, settings: EncoderSettings, pictures: Pictures, teacher: Teacher, start: PrunedEncoder | None = None
    ) -> None:
        self.settings = settings
        self.pictures = torch.cat([pictures.photo, pictures.art])
        self.digest = pictures.digest
        self.teacher = teacher
        self.device = self.pictures.device
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.start = start
        alive = {name: torch.ones(width, dtype=torch.bool) for name, width in FULL_WIDTHS.items()}
        self.floors = default_floors()
        self.trained = tuple(TRUNK)
        if start is not None:
            if not start.trunk:
                raise ValueError("Only an encoder with its batch norms can be gone on from: give an unpruned one.")
            kept = trunk_up_to(KEPT_BLOCK)
            self.trained = tuple(name for name in TRUNK if name not in kept)
            alive |= {name: start.masks[name] for name in kept}
            self.floors |= {name: int(start.masks[name].sum()) for name in kept}
        if (smallest := trunk_parameters(self.floors)) > settings.parameters:
            raise ValueError(f"The layers' floors leave {smallest:,} parameters, more than {settings.parameters:,}.")
        self._let_live(alive)
        self.parameters_at_start = trunk_parameters({name: int(mask.sum()) for name, mask in alive.items()})

        self.student = student_of(teacher).to(self.device).to(memory_format=torch.channels_last)
        batches = [self._draw() for _ in range(_CALIBRATION_BATCHES)]
        if start is None:
            calibrate(self.student, teacher, batches, self.trained)
        else:
            begin_behind(start, self.student, teacher, batches, self.trained)
        # Linear maps from the student's features to the teacher's: the student may lack channels, not information.
        widths = block_widths({name: FULL_WIDTHS[name] for name in self.trained})
        self.blocks = tuple(widths)
        self.adaptors = nn.ModuleDict({block: _identity(width) for block, width in widths.items()})
        self.adaptors.to(self.device).to(memory_format=torch.channels_last)
        self.scores = torch.zeros(sum(FULL_WIDTHS.values()), device=self.device)
        self.optimizer = torch.optim.AdamW(_groups(self.student, self.adaptors, self.trained), lr=settings.rate)
        self.steps = 0

    def step(self, progress: float) -> dict[str, Tensor]:
        """One step; every so often channels die afterwards."""
        set_rate(self.optimizer, cosine_rate(progress, self.settings.rate))
        images = self._draw()
        if self.steps % 2:
            images = self._mix(images)
        _train_only(self.student, self.trained)
        with autocast(self.device):
            with torch.no_grad():
                target = self.teacher.features(images, self.blocks)
                target_logits = self.teacher.logits(target["inception4e"])
            features = self.student(images)
            adapted = {name: self.adaptors[name](features[name]) for name in self.blocks}
            logits = self.teacher.logits(adapted["inception4e"].relu())
        losses = {name: relative_error(adapted[name], of_teacher) for name, of_teacher in target.items()}
        losses["logits"] = distillation(logits, target_logits)
        losses["loss"] = torch.stack(list(losses.values())).sum()

        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses["loss"])
        self._score()
        nn.utils.clip_grad_norm_([p for g in self.optimizer.param_groups for p in g["params"]], _LARGEST_GRADIENT)
        self.optimizer.step()
        self.steps += 1
        if self.steps % self.settings.kill_every == 0:
            scores = torch.split_with_sizes(self.scores.cpu(), list(FULL_WIDTHS.values()))
            allowed = allowed_parameters(progress, self.parameters_at_start, self.settings.parameters)
            self._let_live(kill_channels(self.alive, dict(zip(TRUNK, scores, strict=True)), self.floors, allowed))
        self._silence()
        return losses

    def state_dict(self) -> dict[str, Any]:
        return {
            "student": self.student.state_dict(),
            "adaptors": self.adaptors.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "alive": self.alive,
            "scores": self.scores,
            "generator": self.generator.get_state(),
            "steps": self.steps,
            "digest": self.digest,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.student.load_state_dict(state["student"])
        self.adaptors.load_state_dict(state["adaptors"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._let_live(state["alive"])
        self.scores = state["scores"].to(self.device)
        self.generator.set_state(state["generator"])
        self.steps = state["steps"]

    def export(self, out: Path, provenance: Mapping[str, str]) -> None:
        """Writes the encoder with its batch norms, their statistics measured anew on unmixed pictures."""
        trained = {name: tensor.clone() for name, tensor in self.student.state_dict().items()}
        state = self.generator.get_state()
        measure_batch_norms(self.student, [self._draw() for _ in range(_CALIBRATION_BATCHES)], self.trained)
        self.generator.set_state(state)
        widths = {name: int(mask.sum()) for name, mask in self.alive.items()}
        summary = {
            "method": "GoogLeNet with batch norm, distilled from BVLC GoogLeNet (ImageNet)",
            "data": self.digest,
            "parameters": trunk_parameters(widths),
            "widths": widths,
        }
        origin = {"encoder": json.dumps(summary)}
        if self.start is not None:
            origin["encoder_start"] = f"conv1 to {KEPT_BLOCK} from: {self.start.provenance.get('encoder', 'unknown')}"
        save_encoder(self.student, out, {**provenance, **origin})
        self.student.load_state_dict(trained)

    def _draw(self) -> Tensor:
        return draw(self.pictures, self.settings.batch, self.settings.size, self.generator)

    def _mix(self, images: Tensor) -> Tensor:
        """Mixup (Zhang et al. 2018) with one share for the batch: pictures beyond the few thousand there are."""
        share = torch.rand((), generator=self.generator).item() * 0.5
        other = torch.randperm(len(images), generator=self.generator).to(self.device)
        return torch.lerp(images, images[other], share)

    def _score(self) -> None:
        """Takes in, to first order, what the loss would notice if a channel were zero: |gamma dgamma + beta dbeta|."""
        changes = []
        for name in TRUNK:
            bn = norm_of(self.student, name)
            change = torch.zeros_like(bn.weight)
            for parameter in (bn.weight, bn.bias):
                if parameter.grad is not None:
                    change += parameter.detach() * parameter.grad
            changes.append(change)
        self.scores.mul_(_SCORE_DECAY).add_(torch.cat(changes).abs(), alpha=1 - _SCORE_DECAY)

    def _let_live(self, alive: Mapping[str, Tensor]) -> None:
        """Sets which channels of each unit live, on the CPU, and brings the others to the device for all steps."""
        self.alive = dict(alive)
        self._dead = {name: ~mask.to(self.device) for name, mask in alive.items() if not mask.all()}

    @torch.no_grad()
    def _silence(self) -> None:
        """Keeps dead channels at exactly zero, whatever the optimiser's momentum does."""
        for name, dead in self._dead.items():
            norm_of(self.student, name).weight.masked_fill_(dead, 0)
            norm_of(self.student, name).bias.masked_fill_(dead, 0)


def norm_of(encoder: Encoder, name: str) -> nn.BatchNorm2d:
    """The batch norm of a unit."""
    block = encoder.get_submodule(name)
    assert isinstance(block, ConvBlock) and block.bn is not None
    return block.bn


def student_of(teacher: Teacher) -> Encoder:
    """An encoder with the teacher's filters: the 5x5 ones cut to their middle, colours and input range converted.

    Its batch norms are still the identity; see :func:`calibrate`.
    """
    encoder = Encoder(norm=True, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    state = encoder.state_dict()
    for name, unit in TRUNK.items():
        weight = teacher.state[f"{name}.weight"].cpu()
        cut = (weight.shape[-1] - unit.kernel) // 2
        weight = weight[..., cut : weight.shape[-2] - cut, cut : weight.shape[-1] - cut]
        if not unit.inputs:
            # The teacher reads 255 * rgb - mean in the order BGR; the constants go into the batch norm's mean.
            weight = weight.flip(1) * 255 * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
        state[f"{name}.conv.weight"] = _scaled(weight)
    encoder.load_state_dict(state)
    return encoder


@torch.no_grad()
def begin_behind(
    start: PrunedEncoder, student: Encoder, teacher: Teacher, batches: list[Tensor], units: Collection[str]
) -> None:
    """Puts the trunk of another encoder, for good, before these units, and begins these, the last, anew.

    Their convolutions are fitted to what the teacher's give before the ReLU, each from what those before it give.
    """
    state = student.state_dict()
    for name in TRUNK:
        if name not in units:
            state |= {key: tensor for key, tensor in start.trunk.items() if key.startswith(f"{name}.")}
            student.get_submodule(name).requires_grad_(False)
    student.load_state_dict(state)
    student.mean, student.std = start.encoder.mean, start.encoder.std

    take_moments(student, teacher, batches, units)
    images = torch.cat(batches)
    outputs: dict[str, Tensor] = {}

    def observe(name: str, values: Tensor) -> None:
        if name in units:
            outputs[name] = values

    teacher.features(images, (LAST_BLOCK,), observe)
    convs = {name: student.get_submodule(f"{name}.conv") for name in units}
    for name, conv in convs.items():
        fit_when_called(conv, outputs[name], _FAINT)
    _train_only(student, units)
    student(images)
    for conv in convs.values():
        weight = conv.get_parameter("weight")
        weight.copy_(_scaled(weight))
    measure_batch_norms(student, batches, units)


@torch.no_grad()
def calibrate(student: Encoder, teacher: Teacher, batches: list[Tensor], units: Collection[str] = TRUNK) -> None:
    """Sets the batch norms so that every channel has the mean and deviation it has in the teacher, before the ReLU.

    This also makes up for the teacher's local normalisation and for the cut filters as far as a scale and a shift can.
    """
    take_moments(student, teacher, batches, units)
    measure_batch_norms(student, batches, units)


@torch.no_grad()
def take_moments(student: Encoder, teacher: Teacher, batches: list[Tensor], units: Collection[str]) -> None:
    """Sets gamma and beta of these units to deviation and mean of the teacher's, before the ReLU."""
    sums: dict[str, tuple[Tensor, Tensor]] = {}

    def observe(name: str, values: Tensor) -> None:
        if name in units:
            mean, square = values.mean(dim=(0, 2, 3)), values.square().mean(dim=(0, 2, 3))
            before = sums.get(name, (torch.zeros_like(mean), torch.zeros_like(square)))
            sums[name] = (before[0] + mean, before[1] + square)

    for images in batches:
        teacher.features(images, (LAST_BLOCK,), observe)
    for name, (mean, square) in sums.items():
        mean, square = mean / len(batches), square / len(batches)
        bn = norm_of(student, name)
        bn.weight.copy_((square - mean.square()).clamp(min=0).sqrt())
        bn.bias.copy_(mean)


@torch.no_grad()
def measure_batch_norms(student: Encoder, batches: list[Tensor], units: Collection[str]) -> None:
    """Replaces the running statistics of these units by the mean over these batches."""
    norms = [norm_of(student, name) for name in units]
    momenta = [bn.momentum for bn in norms]
    for bn in norms:
        bn.reset_running_stats()
        bn.momentum = None  # a plain mean over all batches
    _train_only(student, units)
    for images in batches:
        student(images)
    for bn, momentum in zip(norms, momenta, strict=True):
        bn.momentum = momentum


def _train_only(student: Encoder, units: Collection[str]) -> None:
    """Puts these units into training; batch norms of all others keep the statistics they have."""
    student.eval()
    for name in units:
        student.get_submodule(name).train()


def _scaled(weight: Tensor) -> Tensor:
    """Filters, ``[out, in, k, k]``, of a size that suits the optimiser and fp16: batch norm makes up for any scale."""
    size = weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
    scaled: Tensor = weight / size * (2 / weight[0].numel()) ** 0.5
    return scaled


def _groups(student: Encoder, adaptors: nn.ModuleDict, units: Collection[str]) -> list[dict[str, Any]]:
    """Parameter groups for AdamW, which moves every weight by about the learning rate, whatever its size.

    Gammas and betas have the size of the teacher's features, from below 1 to hundreds, and each unit's rate too.
    """
    convs = [student.get_submodule(f"{name}.conv").get_parameter("weight") for name in units]
    groups: list[dict[str, Any]] = [
        {"params": convs, "weight_decay": _WEIGHT_DECAY},
        {"params": list(adaptors.parameters()), "weight_decay": 0.0, "scale": _ADAPTOR_RATE},
    ]
    for name in units:
        bn = norm_of(student, name)
        scale = bn.weight.detach().square().mean().sqrt().item()
        groups.append({"params": [bn.weight, bn.bias], "weight_decay": 0.0, "scale": scale})
    return groups


def _identity(width: int) -> nn.Conv2d:
    conv = nn.Conv2d(width, width, 1)
    nn.init.dirac_(conv.weight)
    torch.nn.init.zeros_(conv.get_parameter("bias"))
    return conv
