"""Trains a decoder for an encoder that stays as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from artnet_core.features import Features
from artnet_core.model import ArtNet, layer_widths
from artnet_core.network.aggregation import pad_images
from artnet_core.network.decoder import Decoder, upsampling_kernel
from artnet_core.pruning.zero_channels import parameters
from artnet_core.transfer.sandwich import COMPARED_LAYER, sandwich_swap

from .data import Pictures, draw
from .export import PrunedEncoder, save_models
from .imitation import begin_like
from .least_squares import fit_convolution
from .loop import cosine_rate, set_rate
from .losses import content, fixed_pattern, moments, perceptual, relative_error, seam, strokes, style
from .precision import autocast
from .teacher import Teacher

DEFAULT_STAGES = "8:160,128,128 4:64 2:32"
DEFAULT_WEIGHTS = {
    "pixels": 30.0,
    "perceptual": 2.0,
    "style": 8.0,
    "style_half": 0.0,
    "style_quarter": 0.0,
    "consistency": 0.5,
    "content": 0.5,
    "faithful": 0.0,
    "seam": 50.0,
    "fixed_pattern": 30.0,
    "strokes": 0.0,  # from random weights it would outweigh all others
    "imitation": 60.0,
}

_STYLE_LAYERS = ("conv1", "conv3", "inception3b", "inception4b", "inception4e")
_CONTENT_LAYERS = ("conv3", "inception3b", "inception4b")
_FAITHFUL_LAYERS = ("conv1", "conv3", "inception3b")

# How many times smaller pictures are when their style is compared a second and a third time: what a patch of features
# covers is then so many times larger.
_COARSE_STYLES = {"style_half": 2, "style_quarter": 4}
_SMALLEST_FOR_TEACHER = 32

# What the content loss weighs at detail 0 and adds towards detail 1: painterly is to be free, faithful is not.
_CONTENT_BASE, _CONTENT_SLOPE = 0.25, 1.5

_Weights = tuple[Tensor, ...] | list[Tensor]

_EMA_DECAY = 0.998
_HEAD_SCALE = 0.1
_SMALLEST_STD_SHARE = 0.2
_LARGEST_GRADIENT = 5.0
_CALIBRATION_PICTURES = 32
_FITTED_PICTURES = 8
_STRIDE = 8


@dataclass(frozen=True)
class DecoderSettings:
    """Settings of a run.

    Attributes:
        batch: photographs, and as many pictures of art, per step.
        size: their side in pixels, a multiple of 16.
        seed: of all random numbers.
        rate: highest learning rate.
        stages: shape of the decoder; see :func:`parse_stages`.
        weights: of the losses by name.
        start: fingerprint of the model whose decoder the run begins with; empty for random weights.
        imitated: fingerprint of the model whose decoder is imitated; empty for none.
    """

    batch: int = 8
    size: int = 256
    seed: int = 0
    rate: float = 4e-4
    stages: str = DEFAULT_STAGES
    weights: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    start: str = ""
    imitated: str = ""


def parse_stages(text: str) -> dict[int, list[int]]:
    """Reads the shape of a decoder, such as ``"8:256,128 4:64 2:32"``: widths of the convolutions at each stride.

    Raises:
        ValueError: it is not of this form, or the strides are not 8, 4 and 2.
    """
    try:
        stages = {int(stride): [int(w) for w in widths.split(",")] for stride, widths in _pairs(text)}
    except ValueError as error:
        raise ValueError(f'"{text}" is no decoder shape: write "8:256,128 4:64 2:32".') from error
    if sorted(stages) != [2, 4, _STRIDE] or min(min(widths) for widths in stages.values()) < 1:
        raise ValueError(f'"{text}" is no decoder shape: it needs convolutions at the strides 8, 4 and 2.')
    return stages


def stages_text(stages: Mapping[int, Sequence[int]]) -> str:
    """The inverse of :func:`parse_stages`."""
    return " ".join(f"{stride}:{','.join(map(str, widths))}" for stride, widths in stages.items())


def random_details(count: int, generator: torch.Generator) -> list[float]:
    """Values of the dial: even over 0..1, with a twelfth of them at each end, where people will leave it."""
    return (torch.rand(count, generator=generator) * 1.2 - 0.1).clamp(0, 1).tolist()


@torch.no_grad()
def initialize(decoder: Decoder) -> None:
    """Random weights that carry the signal through (He et al. 2015), a head that begins with nearly flat grey, and a
    skip connection that begins silent.

    PyTorch's own initial weights shrink the signal in every layer: after ten, nothing of the features is left. A
    transposed convolution begins as upsampling and a 3x3 convolution, which draw no checkerboard (Odena et al. 2016).
    """
    for module in decoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.get_parameter("bias"))
        if isinstance(module, nn.ConvTranspose2d) and module is not decoder.skip:
            convolution = module.weight.new_empty(module.out_channels, module.in_channels, 3, 3)
            module.weight.copy_(upsampling_kernel(nn.init.kaiming_normal_(convolution, nonlinearity="relu")))
            nn.init.zeros_(module.get_parameter("bias"))
    decoder.skip.get_parameter("weight").zero_()
    decoder.head.get_parameter("weight").mul_(_HEAD_SCALE)
    decoder.head.get_parameter("bias").fill_(0.5)


@torch.no_grad()
def remove_checkerboard(decoder: Decoder) -> None:
    """Takes out of the head what makes the diagonals of each 2 x 2 pixels differ.

    After every step, since no loss but ``strokes`` sees a checkerboard of single pixels whose sign changes within a
    picture. Decoders draw it on transfers, hardly ever on pictures; what is lost with it is the least of what pictures
    consist of.
    """
    sign = torch.tensor([1.0, -1.0, -1.0, 1.0], device=decoder.head.get_parameter("weight").device)
    for name in ("weight", "bias"):
        parameter = decoder.head.get_parameter(name)
        # As the pixel shuffle takes them: colour, place in the 2 x 2 pixels.
        by_pixel = parameter.view(3, 4, *parameter.shape[1:])
        signs = sign.view(1, 4, *[1] * (parameter.dim() - 1))
        by_pixel -= signs * (signs * by_pixel).mean(1, keepdim=True)


def _multiply_inputs(state: Mapping[str, Tensor], scale: Tensor) -> None:
    """Multiplies what a decoder of this state dict reads, by way of its weights; ``scale`` is ``[1, C, 1, 1]``."""
    state[f"stride{_STRIDE}.0.weight"].mul_(scale)
    state["skip.weight"].mul_(scale[:, -len(state["skip.weight"]) :].view(-1, 1, 1, 1))


class DecoderTask:
    """The model, the network behind its losses, and one step.

    Args:
        settings: of the run.
        pictures: to reconstruct, and to transfer from art to photographs.
        teacher: on the same device.
        source: the encoder.
        start: a model with the decoder to go on from; random weights by default. Where its encoder has other channels,
            the decoder's first layer is fitted to what it gave.
        imitated: a model whose pictures this one is to draw too, reconstructions and paintings alike; none by default.
            Without a decoder to go on from, the run begins with weights fitted to its decoder's.

    Raises:
        ValueError: the decoder of ``start`` has other stages than the settings, or pictures are too small for a style
            loss at half or quarter size.
    """

    def __init__(
        self,
        settings: DecoderSettings,
        pictures: Pictures,
        teacher: Teacher,
        source: PrunedEncoder,
        start: ArtNet | None = None,
        imitated: ArtNet | None = None,
    ) -> None:
        for name, times in _COARSE_STYLES.items():
            if settings.weights[name] and settings.size < times * _SMALLEST_FOR_TEACHER:
                raise ValueError(
                    f"The loss {name} needs pictures of {times * _SMALLEST_FOR_TEACHER} pixels or more, not "
                    f"{settings.size}: raise --size, or leave its --weight out."
                )
        self.settings = settings
        self.pictures = pictures
        self.teacher = teacher
        self.source = source
        self.device = pictures.photo.device
        self.generator = torch.Generator().manual_seed(settings.seed)
        channels = sum(layer_widths(source.encoder.widths).values())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            decoder = Decoder(channels, parse_stages(settings.stages))
            initialize(decoder)
        self.model = ArtNet(source.encoder, decoder, _STRIDE)
        self.model.to(self.device).to(memory_format=torch.channels_last)
        self.scale = self._feature_scale()
        if start is not None:
            self._start_from(start)
        self.imitated = None if imitated is None else imitated.to(self.device)
        if imitated is not None and start is None:
            self._begin_like(imitated)
        remove_checkerboard(self.model.decoder)
        self.ema = AveragedModel(self.model.decoder, multi_avg_fn=self._average)
        self.optimizer = torch.optim.Adam(self.model.decoder.parameters(), lr=settings.rate)

    def step(self, progress: float) -> dict[str, Tensor]:
        """One step on a batch of photographs, a batch of art, and transfers from the art to the photographs."""
        set_rate(self.optimizer, cosine_rate(progress, self.settings.rate))
        photo, art = (draw(kind, self.settings.batch, self.settings.size, self.generator) for kind in self._kinds())
        details = random_details(len(photo), self.generator)
        with torch.no_grad():
            features, example_features = decoder_inputs(self.model, self.imitated, photo, art, details)
        originals = torch.cat([photo, art])

        with autocast(self.device):
            scaled = (features * self.scale).contiguous(memory_format=torch.channels_last)
            images = self.model.decoder(scaled)
            losses = {
                "pixels": (images[: len(originals)].float() - originals).abs().mean(),
                # Apart, since paintings are fewer and show more.
                "seam": (seam(images[: len(originals)]) + seam(images[len(originals) :])) / 2,
                "fixed_pattern": fixed_pattern(images),
            }
            if self._weighs("strokes"):
                losses["strokes"] = strokes(images, torch.cat([originals, art]), self.generator)
            if self.imitated is not None:
                with torch.no_grad():
                    example = self.imitated.decoder(example_features)
                losses["imitation"] = (images.float() - example.float()).abs().mean()
            if self._weighs("consistency"):
                again = self._encode_again(images[len(originals) :])
                losses["consistency"] = relative_error(again * self.scale, scaled[len(originals) :])
            if self._weighs("perceptual", "style", *_COARSE_STYLES, "content", "faithful"):
                losses |= self._losses_of_features(images, photo, art, torch.tensor(details, device=self.device))
        losses["loss"] = torch.stack([self.settings.weights[name] * loss for name, loss in losses.items()]).sum()

        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses["loss"])
        nn.utils.clip_grad_norm_(self.model.decoder.parameters(), _LARGEST_GRADIENT)
        self.optimizer.step()
        remove_checkerboard(self.model.decoder)
        self.ema.update_parameters(self.model.decoder)
        return losses

    def state_dict(self) -> dict[str, Any]:
        return {
            "decoder": self.model.decoder.state_dict(),
            "scale": self.scale,
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.model.decoder.load_state_dict(state["decoder"])
        self.scale = state["scale"].to(self.device)
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])

    def export(self, out: Path, provenance: Mapping[str, str]) -> None:
        """Writes the model with the averaged decoder."""
        state = {name: tensor.clone() for name, tensor in self.ema.module.state_dict().items()}
        _multiply_inputs(state, self.scale)
        decoder = Decoder(self.scale.shape[1], self.model.decoder.stages)
        decoder.load_state_dict(state)
        summary = {"data": self.pictures.digest, "parameters": parameters(decoder)}
        trained = {f"decoder_{name}": text for name, text in provenance.items()}
        of_encoder = {
            name if name.startswith("encoder") else f"encoder_{name}": text
            for name, text in self.source.provenance.items()
            if not name.startswith("decoder")
        }
        model = ArtNet(self.source.encoder, decoder, _STRIDE, {**of_encoder, "decoder": json.dumps(summary), **trained})
        save_models(model, self.source, out)

    def _average(self, means: _Weights, present: _Weights, _updates: Tensor | int) -> None:
        """Polyak averaging. At first the past counts less, so that the start is forgotten."""
        # This count is on the CPU and so does not make the device wait, as the one that is given would.
        updates = int(self.ema.n_averaged)
        decay = min(_EMA_DECAY, (1 + updates) / (10 + updates))
        get_ema_multi_avg_fn(decay)(means, present, updates)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def _start_from(self, start: ArtNet) -> None:
        decoder, first = self.model.decoder, f"stride{_STRIDE}.0"
        if start.decoder.stages != decoder.stages:
            raise ValueError(
                f'The decoder to start from has the stages "{stages_text(start.decoder.stages)}", this run '
                f'"{self.settings.stages}": leave --stages out.'
            )
        state = start.decoder.state_dict()
        if start.layers != self.model.layers:
            features, features_of_start = self._examples_of(start)
            wanted = start.decoder.get_submodule(first)(features_of_start)
            state[f"{first}.weight"], state[f"{first}.bias"] = fit_convolution(features, 1, wanted)
        decoder.load_state_dict(state)
        _multiply_inputs(decoder.state_dict(), 1 / self.scale)  # on export the scale is multiplied in again

    @torch.no_grad()
    def _begin_like(self, imitated: ArtNet) -> None:
        features, example_features = self._examples_of(imitated)
        begin_like(self.model.decoder, features * self.scale, imitated.decoder, example_features)

    def _examples_of(self, model: ArtNet) -> tuple[Tensor, Tensor]:
        """What this decoder reads of some pictures and transfers, and what another model's reads of the same."""
        photo, art = (draw(kind, _FITTED_PICTURES, self.settings.size, self.generator) for kind in self._kinds())
        features, of_model = decoder_inputs(self.model, model, photo, art, random_details(len(photo), self.generator))
        assert of_model is not None
        return features, of_model

    def _weighs(self, *losses: str) -> bool:
        """Whether any of these losses counts; what does not is not computed."""
        return any(self.settings.weights[name] for name in losses)

    def _losses_of_features(self, images: Tensor, photo: Tensor, art: Tensor, detail: Tensor) -> dict[str, Tensor]:
        """What the teacher sees in reconstructions and paintings."""
        count = len(photo) + len(art)
        with torch.no_grad():
            targets = self.teacher.features(torch.cat([photo, art]), _STYLE_LAYERS)
        losses = {}
        if self._weighs("perceptual"):
            found = self.teacher.features(images, _STYLE_LAYERS)
            losses["perceptual"] = perceptual({layer: x[:count] for layer, x in found.items()}, targets)
            painted = {layer: x[count:] for layer, x in found.items()}
        else:
            painted = self.teacher.features(images[count:], _STYLE_LAYERS)
        of_content = {layer: targets[layer][: len(photo)] for layer in _CONTENT_LAYERS}
        of_style = {layer: targets[layer][len(photo) :] for layer in _STYLE_LAYERS}
        losses["style"] = style(painted, of_style, self.generator)
        losses["content"] = content(painted, of_content, _CONTENT_BASE + _CONTENT_SLOPE * detail)
        if self._weighs("faithful"):
            structure = {layer: targets[layer][: len(photo)] for layer in _FAITHFUL_LAYERS}
            # Squared, so that the faithful end of the dial gains lines and the painterly one keeps its freedom.
            losses["faithful"] = content(painted, structure, detail.square())
        for name, times in _COARSE_STYLES.items():
            if self._weighs(name):
                losses[name] = self._coarse_style(images[count:], art, times)
        return losses

    def _coarse_style(self, painted: Tensor, art: Tensor, times: int) -> Tensor:
        """The style loss of pictures so many times smaller: large strokes and forms, which full size hardly shows."""
        with torch.no_grad():
            wanted = self.teacher.features(F.avg_pool2d(art, times), _STYLE_LAYERS)
        found = self.teacher.features(F.avg_pool2d(painted.float(), times), _STYLE_LAYERS)
        return style(found, wanted, self.generator)

    def _kinds(self) -> tuple[Tensor, Tensor]:
        return self.pictures.photo, self.pictures.art

    def _encode_again(self, images: Tensor) -> Tensor:
        """``ArtNet.encode``, but with gradients also where a painting is brighter than white: ``[B, C, h, w]``."""
        return self.model.aggregate(pad_images(images.float()))

    @torch.no_grad()
    def _feature_scale(self) -> Tensor:
        """One over each feature's deviation, ``[1, C, 1, 1]``: what the decoder reads is then of one magnitude.

        On export the scale goes into the decoder's first convolution.
        """
        pictures = torch.cat(
            [draw(kind, _CALIBRATION_PICTURES, self.settings.size, self.generator) for kind in self._kinds()]
        )
        stds = [moments(self.model.encode(picture[None]).data)[1] for picture in pictures]
        std = torch.cat(stds).square().mean(0, keepdim=True).sqrt()  # [1, C, 1, 1]
        # A ReLU that hardly fires here may fire elsewhere: no channel is raised far above the others of its block. Of
        # the cosines the fine ones are small everywhere.
        *blocks, cosines = torch.split_with_sizes(std, list(self.model.layers.values()), dim=1)
        raised = [block.clamp(min=_SMALLEST_STD_SHARE * block.square().mean().sqrt().item()) for block in blocks]
        return torch.cat([*raised, cosines], 1).clamp(min=1e-4).reciprocal()


def decoder_inputs(
    model: ArtNet, imitated: ArtNet | None, photo: Tensor, art: Tensor, details: list[float]
) -> tuple[Tensor, Tensor | None]:
    """What a model's decoder reads: features of photographs, of art, and of transfers from the art to the photographs.

    A model that is imitated gets the patches that the other finds. With patches of its own choice it would have strokes
    where the other has none, and what imitates it blurs.

    Args:
        model: that is trained.
        imitated: the model that it imitates, or None.
        photo: ``[B, 3, H, W]``, 0..1.
        art: likewise.
        details: ``detail`` of each transfer.

    Returns:
        ``[3 * B, C, h, w]``, channels_last, and the same for the imitated model.
    """
    of_photo, of_art = model.encode(photo), model.encode(art)
    features = _with_transfers(of_photo, of_art, details)
    if imitated is None:
        return features, None
    example_photo = _compared_by(of_photo, imitated.encode(photo))
    example_art = _compared_by(of_art, imitated.encode(art))
    example_features = _with_transfers(example_photo, example_art, details)
    return features, example_features[:, model.layers[COMPARED_LAYER] :]


def _with_transfers(of_photo: Features, of_art: Features, details: list[float]) -> Tensor:
    """Features of photographs, of art, and of transfers between them: ``[3 * B, C, h, w]``, channels_last."""
    transfers = [
        sandwich_swap(of_photo.pick(index), of_art.pick(index), detail=detail).data
        for index, detail in enumerate(details)
    ]
    return torch.cat([of_photo.data, of_art.data, *transfers]).contiguous(memory_format=torch.channels_last)


def _compared_by(keys: Features, features: Features) -> Features:
    """Features with those of another model before them that patches are to be compared by."""
    compared = keys.data[:, : keys.layers[COMPARED_LAYER]]
    layers = {**features.layers, COMPARED_LAYER: compared.shape[1]}
    return replace(features, data=torch.cat([compared, features.data], 1), layers=layers)


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for stage in text.split():
        stride, _, widths = stage.partition(":")
        pairs.append((stride, widths))
    return pairs
