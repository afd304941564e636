"""Trains LinearWCT's two networks for a model that stays as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from artnet_core.checkpoint import write_checkpoint
from artnet_core.model import ArtNet
from artnet_core.network.aggregation import pad_images
from artnet_core.transfer.linear import CHANNELS, FORMAT, LinearTransform, MatrixNetwork

from .data import Pictures, draw
from .loop import cosine_rate, set_rate
from .losses import content, style
from .precision import autocast

DEFAULT_LINEAR_WEIGHTS = {"covariance": 2.0, "structure": 1.0, "style": 8.0, "content": 1.0, "pixels": 10.0}

_OF_PICTURES = ("style", "content", "pixels")

_CONTENT_LAYERS = ("conv3", "inception3b")
_EXAMPLES = 32
_PAINTED_OF = 2
_FAINT = 1e-2
_SURROUNDINGS = 0.1

# About one over a deviation, for those around 1: 3 at 0, 1 at 1, a third at 3, and no less.
_INVERSE = {0.0: -2.0, 1.0: 1.67, 3.0: 0.33}
_SMALLEST_DEVIATION = 1e-3
_SMALLEST_SHARE = 1e-6
_LARGEST_GRADIENT = 5.0


@dataclass(frozen=True)
class LinearSettings:
    """Settings of a run.

    Attributes:
        batch: photographs, and as many pictures of art, per step.
        size: their side in pixels, a multiple of 16.
        seed: of all random numbers.
        rate: highest learning rate.
        weights: of the losses by name.
        model: fingerprint of the model that is trained for.
        start: digest of the networks that the run begins with; empty for none.
    """

    batch: int = 4
    size: int = 160
    seed: int = 0
    rate: float = 4e-5
    weights: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_LINEAR_WEIGHTS))
    model: str = ""
    start: str = ""


class LinearTask:
    """The networks, the model around them, and one step.

    Losses are those of the model's own encoder, so that no other network is needed.

    Args:
        settings: of the run.
        pictures: photographs to paint, and art to paint them like.
        model: frozen.
        start: networks to go on from.
    """

    def __init__(
        self, settings: LinearSettings, pictures: Pictures, model: ArtNet, start: LinearTransform | None = None
    ) -> None:
        self.settings = settings
        self.pictures = pictures
        self.device = pictures.photo.device
        self.model = model.to(self.device)
        self.generator = torch.Generator().manual_seed(settings.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.transform = LinearTransform(model.layers).to(self.device)
            if start is None:
                initialize(self.transform, model, torch.cat([self._draw(kind, _EXAMPLES) for kind in self._kinds()]))
            else:
                self.transform.load_state_dict(start.state_dict())
        self.optimizer = torch.optim.Adam(self.transform.parameters(), lr=settings.rate)

    def step(self, progress: float) -> dict[str, Tensor]:
        """One step on transfers from every piece of art to every photograph, of which some are painted."""
        set_rate(self.optimizer, cosine_rate(progress, self.settings.rate))
        photo, art = (self._draw(kind, self.settings.batch) for kind in self._kinds())
        with torch.no_grad():
            of_photo, of_art = self.model.encode(photo).data, self.model.encode(art).data
        losses = self._losses_of_features(of_photo, of_art)
        if any(self.settings.weights[name] for name in _OF_PICTURES):
            losses |= self._losses_of_pictures(photo, art, of_photo, of_art)
        losses["loss"] = torch.stack([self.settings.weights[name] * loss for name, loss in losses.items()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses["loss"])
        nn.utils.clip_grad_norm_(self.transform.parameters(), _LARGEST_GRADIENT)
        self.optimizer.step()
        return losses

    def _losses_of_features(self, of_photo: Tensor, of_art: Tensor) -> dict[str, Tensor]:
        """What all pairs of a batch become, as far as covariances of compressed features tell.

        It takes no decoder, so that many pairs cost less than a single painting.
        """
        (contents, of_content), (styles, of_style) = (
            self._matrices(network, features)
            for network, features in ((self.transform.of_content, of_photo), (self.transform.of_style, of_art))
        )
        linear = styles[None] @ contents[:, None]  # [photographs, art, 64, 64]
        product = linear @ of_content[:, None]
        moved, wanted = product @ linear.mT, of_style[None]
        error = (moved - wanted).square().sum((2, 3))
        # In units of both, since a flat style would outweigh all others.
        covariance = error / (moved.square().sum((2, 3)) + wanted.square().sum((2, 3)))
        variances = moved.diagonal(dim1=2, dim2=3) * of_content.diagonal(dim1=1, dim2=2)[:, None]
        correlation = product.diagonal(dim1=2, dim2=3) / (variances + _FAINT).sqrt()
        return {"covariance": covariance.mean(), "structure": 1 - correlation.mean()}

    def _matrices(self, network: MatrixNetwork, features: Tensor) -> tuple[Tensor, Tensor]:
        """The network's matrix of every picture, and the covariance of its compressed features: ``[B, 64, 64]``."""
        # Left as it is: from here the least error would be that of channels which all show the same.
        compress = self.transform.compress.weight.detach()
        matrices, covariances = [], []
        for picture in features:
            centred = self.transform.centred(picture)[0]
            positions = compress @ centred[0].flatten(1)
            matrices.append(network(centred, None))
            covariances.append(positions @ positions.T / positions.shape[1])
        return torch.stack(matrices), torch.stack(covariances)

    def _losses_of_pictures(self, photo: Tensor, art: Tensor, of_photo: Tensor, of_art: Tensor) -> dict[str, Tensor]:
        """What the model's encoder sees in some paintings, and how much of the art is lost on the way."""
        count = -(-len(photo) // _PAINTED_OF)
        again = -(-count // 2)
        with torch.no_grad():
            wanted = self.model.encoder(pad_images(art[:count]))
            structure = self.model.encoder(pad_images(photo[:count]))
        pairs = [*zip(of_photo[:count], of_art[:count], strict=True), *((same, same) for same in of_art[:again])]
        transferred = torch.stack([self.transform(*pair) for pair in pairs])
        with autocast(self.device):
            images = self.model.decoder(transferred.contiguous(memory_format=torch.channels_last)).float()
            found = self.model.encoder(pad_images(images[:count]))
        ones = torch.ones(count, device=self.device)
        return {
            "style": style(found, wanted, self.generator),
            "content": content(found, {layer: structure[layer] for layer in _CONTENT_LAYERS}, ones),
            "pixels": (images[count:] - art[:again]).abs().mean(),
        }

    def state_dict(self) -> dict[str, Any]:
        return {
            "transform": self.transform.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.transform.load_state_dict(state["transform"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])

    def export(self, out: Path, provenance: Mapping[str, str]) -> None:
        """Writes the networks in half precision."""
        state = {
            name: tensor.detach().to("cpu", torch.float16).contiguous()
            for name, tensor in self.transform.state_dict().items()
        }
        metadata = {
            "format": FORMAT,
            "layers": json.dumps(self.transform.layers),
            "provenance": json.dumps({"data": self.pictures.digest, **provenance}),
        }
        write_checkpoint(out, state, metadata)

    def _draw(self, kind: Tensor, count: int) -> Tensor:
        return draw(kind, count, self.settings.size, self.generator)

    def _kinds(self) -> tuple[Tensor, Tensor]:
        return self.pictures.photo, self.pictures.art


def initialize(transform: LinearTransform, model: ArtNet, images: Tensor) -> None:
    """Sets what the networks begin with, so that they paint about as AdaIN does and lose as little as can be seen.

    Compressed are the directions that show most in the decoded picture: principal components in the metric of the
    decoder, which a gradient of random pixels samples at each position. Each of the strongest is given the style's
    deviation, and all others are left as they are.

    Args:
        transform: to be set.
        model: whose decoder draws.
        images: ``[N, 3, H, W]``, 0..1.
    """
    channels = len(transform.deviations)
    variance = torch.zeros(channels, channels, device=images.device)
    metric = torch.zeros_like(variance)
    generator = torch.Generator().manual_seed(0)
    for image in images:
        with torch.no_grad():
            features = model.encode(image[None]).data
        centred = (features - features.mean((2, 3), keepdim=True))[0].flatten(1)
        variance += centred @ centred.T / centred.shape[1]
        features = features.clone().requires_grad_()
        drawn = model.decoder(features)
        gradient = torch.autograd.grad(drawn, features, torch.randn(drawn.shape, generator=generator).to(drawn))[0]
        metric += gradient[0].flatten(1) @ gradient[0].flatten(1).T
    deviations = (variance.diagonal() / len(images)).sqrt()
    deviations = deviations.clamp(min=_SMALLEST_DEVIATION)
    units = torch.outer(deviations, deviations)
    values, vectors = torch.linalg.eigh(metric * units)
    roots = values.clamp(min=_SMALLEST_SHARE * values[-1].item()).sqrt()
    seen = (vectors * roots) @ vectors.T
    energies, directions = torch.linalg.eigh(seen @ (variance / units / len(images)) @ seen)
    energies, directions = energies[-CHANNELS:], directions[:, -CHANNELS:]
    with torch.no_grad():
        transform.deviations.copy_(deviations)
        transform.compress.weight.copy_((directions / energies.sqrt()).T @ seen)
        transform.expand.weight.copy_((vectors / roots) @ vectors.T @ (directions * energies.sqrt()))
        _begin(transform.of_style, transform.compress.weight, {0.0: 1.0}, at_zero=0)
        _begin(transform.of_content, transform.compress.weight, _INVERSE, at_zero=3)


def _begin(network: MatrixNetwork, compress: Tensor, slopes: Mapping[float, float], at_zero: float) -> None:
    """Lets a network see the covariance of the strongest compressed channels, and answer with a diagonal.

    Args:
        network: to be set.
        compress: ``[64, C]``, the strongest channels last.
        slopes: of the entry for each channel as a function of its deviation: from where it changes, and by how much.
        at_zero: its value for a channel that does not vary.
    """
    seen = network.look.weight.shape[0]
    strongest = compress[-seen:, :, None, None]
    # Each is there twice, with either sign, so that nothing is lost behind the ReLU.
    network.reduce.weight.copy_(torch.cat([strongest, -strongest]))
    nn.init.kaiming_normal_(network.look.weight).mul_(_SURROUNDINGS)
    signs = torch.tensor([1.0, -1.0]).repeat_interleave(seen)
    network.look.weight[:, :, 1, 1] = (torch.eye(seen).repeat(1, 2) * signs).to(compress.device)
    nn.init.kaiming_normal_(network.hidden.weight, nonlinearity="relu")
    for layer in (network.reduce, network.look, network.hidden, network.matrix):
        nn.init.zeros_(layer.get_parameter("bias"))
    network.matrix.weight.zero_()
    # Deviations are the roots of the variances, which lie where the rows of the triangle end.
    deviations = torch.arange(1, seen + 1).cumsum(0) - 1
    diagonal = network.places.diagonal()
    network.matrix.bias[diagonal] = 1
    network.matrix.bias[diagonal[-seen:]] = at_zero
    for index, (begin, slope) in enumerate(slopes.items()):
        units = torch.arange(seen) + index * seen
        network.hidden.weight[units] = 0
        network.hidden.weight[units, deviations] = 1
        network.hidden.bias[units] = -begin
        network.matrix.weight[diagonal[-seen:], units] = slope
