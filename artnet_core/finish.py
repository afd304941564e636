"""The finish: a painting is improved by optimisation, under the very encoder that it was painted with.

Gatys et al. 2016 paint by optimisation alone; the paper's pre-analysis does so with this network. Here optimisation
starts from a painting, so that a few steps are enough: strokes become crisp, follow forms, and the photograph's lines
come back. Style is Gram matrices and the sliced Wasserstein distance (Heitz et al. 2021) of features at two scales;
structure is features in units of each channel's deviation, so that it has no colour and no contrast of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .network.aggregation import MARGIN, pad_images
from .network.encoder import BLOCK_STRIDES, Encoder
from .resizing import enlarge, resize
from .transfer.gaussian import fit_gaussian, transport
from .transfer.swap import copied_positions

# Of all steps, those on a picture of half the size, which come first and cost a fourth.
_COARSE_SHARE = 0.4

# Pixels of the longer side that are optimised at the most; what a larger picture shows beyond them stays as it is.
_LARGEST_SIDE = 1536

_LEARNING_RATE = 0.08  # of logits; falls to 0 over the steps of a level
_CHROMA_RATE = 0.02
_BETAS = (0.9, 0.99)

# The picture's size and half of it.
_SCALES = (1, 2)

_DIRECTIONS = 32
_SAMPLES = 2048

# What structure and calm count beside style.
_STRUCTURE_WEIGHT, _CALM_WEIGHT = 1.5, 2.0
_STRUCTURE_LAYERS = ("conv3", "inception3b")

# Colours change at a fourth of the resolution: specks of colour would else be the cheapest way to vary.
_CHROMA_STRIDE = 4
_LUMA_AND_CHROMA = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (-0.5, 1.0, -0.5))

_SECONDS_BETWEEN_PICTURES = 1.0

_BLACKEST = 0.01
_SMALLEST_DEVIATION = 1e-3

Maps = Mapping[str, Tensor]
"""Features ``[C, h, w]`` by block."""


@dataclass(frozen=True)
class Target:
    """What one block's features are to be like.

    Attributes:
        gram: ``[C, C]``, of the style.
        directions: ``[D, C]``, unit vectors.
        quantiles: ``[D, S]``, the style's features along the directions, sorted and evenly sampled.
        variance: mean of the style's variances along the directions.
    """

    gram: Tensor
    directions: Tensor
    quantiles: Tensor
    variance: Tensor


def finish(
    encoder: Encoder,
    painting: Tensor,
    photograph: Tensor,
    texture: Tensor,
    color: Tensor | None = None,
    steps: int = 30,
    dtype: torch.dtype = torch.float32,
    progress: Callable[[float], None] = lambda _share: None,
    texture_weight: Tensor | None = None,
    *,
    shown: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Improves a painting by so many steps of Adam.

    The first two fifths of the steps see a picture of half the size, which settles larger forms at a fourth of the
    cost.

    Args:
        encoder: what the painting was made with; it stays as it is.
        painting: ``[1, 3, H, W]``, RGB, 0..1; its device is worked on.
        photograph: likewise, of the same size: whose structure is kept.
        texture: ``[1, 3, H', W']``, whose strokes are wanted.
        color: ``[1, 3, H'', W'']``, whose colours are wanted; the texture's by default.
        steps: 0 returns the painting itself.
        dtype: that convolutions work in: float32, or bfloat16 where it is faster.
        progress: is told which share is done, 0..1; what it raises ends the work.
        texture_weight: ``[1, 1, H', W']``, 0..1, some of it above 0: which of the texture is wanted; all by default.
        shown: is given the picture as it is by then, ``[1, 3, h, w]``, 0..1, at most once a second, for a preview; h
            and w are those that are worked on, so at first half of H and W.

    Returns:
        ``[1, 3, H, W]``, float32, 0..1.

    Raises:
        ValueError: ``steps`` is negative, or the sizes of painting and photograph differ.
    """
    if steps < 0:
        raise ValueError(f"finish must not be negative, got {steps}.")
    if painting.shape != photograph.shape:
        raise ValueError(
            f"Painting and photograph must have one size, got {list(painting.shape[-2:])} and "
            f"{list(photograph.shape[-2:])}."
        )
    if steps == 0:
        return painting
    with torch.inference_mode(False), torch.enable_grad():
        device = painting.device
        trunk = _copy(encoder, device, dtype)
        painting, photograph, texture = (x.to(device, torch.float32).clone() for x in (painting, photograph, texture))
        if color is not None:
            texture = recolor(texture, color.to(device, torch.float32).clone())
        if texture_weight is not None:
            texture_weight = texture_weight.to(device, torch.float32).clone()
        side = max(painting.shape[-2:])
        largest = min(side, _LARGEST_SIDE)
        coarse = round(steps * _COARSE_SHARE)
        done = 0
        last_shown = time.monotonic()

        def step_done(picture: Callable[[], Tensor]) -> None:
            nonlocal done, last_shown
            done += 1
            progress(done / steps)
            if shown is not None and time.monotonic() - last_shown >= _SECONDS_BETWEEN_PICTURES:
                shown(picture())
                last_shown = time.monotonic()

        result = painting
        for level, count in ((largest // 2, coarse), (largest, steps - coarse)):
            if count == 0:
                continue
            before = resize(result, level)
            photo = resize(photograph, level)
            after = _optimise(trunk, before, photo, texture, texture_weight, level / side, count, dtype, step_done)
            if level == side:
                result = after
            else:
                size = result.shape[-2], result.shape[-1]
                result = (result + enlarge(after - before, size)).clamp(0, 1)
        return result.detach()


def recolor(picture: Tensor, color: Tensor) -> Tensor:
    """A picture with the mean and covariance of another's colours: ``[1, 3, H, W]``, clamped to 0..1."""
    pixels = picture[0].flatten(1)
    recolored = transport(pixels, fit_gaussian(pixels), fit_gaussian(color[0].flatten(1)))
    return recolored.view_as(picture).clamp(0, 1)


def _optimise(
    trunk: Encoder,
    painting: Tensor,
    photograph: Tensor,
    texture: Tensor,
    weight: Tensor | None,
    scale: float,
    steps: int,
    dtype: torch.dtype,
    step_done: Callable[[Callable[[], Tensor]], None],
) -> Tensor:
    """Steps at one size; ``scale`` is that size in units of the picture's, and the texture is seen as much smaller."""
    generator = torch.Generator().manual_seed(0)
    side, texture_side = max(painting.shape[-2:]), max(texture.shape[-2:])
    with torch.no_grad():
        styles, structures = [], []
        for times in _SCALES:
            seen = min(max(round(texture_side * scale), 32), texture_side, max(side, 256)) // times
            seen = max(seen, 16)
            of_weight = None if weight is None else resize(weight, seen)
            styles.append(_targets(_features(trunk, resize(texture, seen), dtype), generator, of_weight))
            maps = _features(trunk, resize(photograph, max(side // times, 16)), dtype)
            structures.append({name: _structure(maps[name]) for name in _STRUCTURE_LAYERS})

    logits = torch.logit(painting.clamp(_BLACKEST, 1 - _BLACKEST))
    height, width = painting.shape[-2:]
    luma = torch.zeros(1, 1, height, width, dtype=torch.float32, device=painting.device, requires_grad=True)
    chroma_size = -(-height // _CHROMA_STRIDE), -(-width // _CHROMA_STRIDE)
    chroma = torch.zeros(1, 2, *chroma_size, dtype=torch.float32, device=painting.device, requires_grad=True)
    axes = torch.tensor(_LUMA_AND_CHROMA, dtype=torch.float32, device=painting.device)
    calm = _calm(photograph)

    def painted() -> tuple[Tensor, Tensor]:
        change = torch.cat([luma, enlarge(chroma, (height, width))], 1)
        change = torch.einsum("bkhw,kc->bchw", change, axes)
        return torch.sigmoid(logits + change), change

    def picture() -> Tensor:
        with torch.no_grad():
            return painted()[0]

    groups = [{"params": [luma], "lr": _LEARNING_RATE}, {"params": [chroma], "lr": _CHROMA_RATE}]
    optimizer = torch.optim.Adam(groups, betas=_BETAS)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / steps, max(steps - 1, 1))
    for _ in range(steps):
        images, change = painted()
        loss = _CALM_WEIGHT * _roughness(change, calm)
        for times, style, structure in zip(_SCALES, styles, structures, strict=True):
            maps = _features(trunk, resize(images, max(side // times, 16)), dtype)
            loss = loss + style_loss(maps, style, generator)
            found = torch.stack([F.mse_loss(_structure(maps[name]), structure[name]) for name in _STRUCTURE_LAYERS])
            loss = loss + _STRUCTURE_WEIGHT * found.sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        step_done(picture)
    return picture()


def style_loss(maps: Maps, style: Mapping[str, Target], generator: torch.Generator) -> Tensor:
    """How far features are from a style's: relative distance of Gram matrices, and sliced Wasserstein-2 distance.

    Args:
        maps: of the painting.
        style: of the same blocks.
        generator: of the positions that are looked at, on the CPU.

    Returns:
        A scalar, 0 for the style itself where it has few enough positions to be looked at as a whole.
    """
    total = torch.zeros((), dtype=torch.float32, device=next(iter(maps.values())).device)
    for name, target in style.items():
        values = maps[name].flatten(1)  # [C, h * w]
        total = total + (gram(values) - target.gram).norm() / target.gram.norm().clamp(min=_SMALLEST_DEVIATION)
        if values.shape[1] > _SAMPLES:
            chosen = torch.randint(values.shape[1], (_SAMPLES,), generator=generator).to(values.device)
            values = values[:, chosen]
        along = (target.directions @ values).sort(1).values  # [D, at most S]
        wanted = _quantiles(target.quantiles, along.shape[1])
        total = total + (along - wanted).square().mean() / target.variance
    return total


def gram(values: Tensor) -> Tensor:
    """Gram matrix ``[C, C]`` of ``[C, N]``, by the position."""
    return values @ values.T / values.shape[1]


def _targets(maps: Maps, generator: torch.Generator, weight: Tensor | None = None) -> dict[str, Target]:
    targets = {}
    for name, features in maps.items():
        values = features.flatten(1)
        if weight is not None:
            size = features.shape[-2], features.shape[-1]
            values = values[:, copied_positions(F.adaptive_avg_pool2d(weight, size)[0, 0]).flatten()]
        drawn = torch.randn(_DIRECTIONS, len(values), generator=generator, dtype=torch.float32)
        directions = F.normalize(drawn, dim=1).to(values.device)
        along = (directions @ values).sort(1).values
        variance = along.var(1, correction=0).mean().clamp(min=_SMALLEST_DEVIATION)
        targets[name] = Target(gram(values), directions, _quantiles(along, _SAMPLES), variance)
    return targets


def _quantiles(values: Tensor, count: int) -> Tensor:
    """Sorted values ``[D, N]``, read at ``count`` evenly spread places: ``[D, count]``."""
    size = values.shape[1]
    places = (torch.arange(count, dtype=torch.float32, device=values.device) + 0.5) * (size / count)
    return values[:, places.long().clamp(max=size - 1)]


def _structure(features: Tensor) -> Tensor:
    """``[C, h, w]`` in units of each channel's deviation, around its mean; of channels that hardly vary, nearly 0."""
    mean, std = features.mean((1, 2), keepdim=True), features.std((1, 2), keepdim=True, correction=0)
    return (features - mean) / (std + _SMALLEST_DEVIATION * (1 + std.mean()))


def _calm(photograph: Tensor) -> Tensor:
    """Where a photograph is flat, 1, and where it has edges or texture, towards 0: ``[1, 1, H, W]``."""
    luma = photograph.mean(1, keepdim=True)
    deviation = (F.avg_pool2d(luma.square(), 9, 1, 4) - F.avg_pool2d(luma, 9, 1, 4).square()).clamp(min=0).sqrt()
    return torch.exp(-deviation / 0.02)


def _roughness(change: Tensor, calm: Tensor) -> Tensor:
    """Total variation of what the finish changes, where the photograph is calm: there it would draw wrinkles."""
    down = change.diff(dim=2).abs().mean(1, keepdim=True) * calm[..., 1:, :]
    right = change.diff(dim=3).abs().mean(1, keepdim=True) * calm[..., 1:]
    return down.mean() + right.mean()


def _features(trunk: Encoder, images: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    maps = {}
    for name, block in trunk.blocks(pad_images(images), dtype):
        side = MARGIN // BLOCK_STRIDES[name]
        maps[name] = block[0, :, side : block.shape[2] - side, side : block.shape[3] - side].float()
    return maps


def _copy(encoder: Encoder, device: torch.device, dtype: torch.dtype) -> Encoder:
    """An encoder of torch's own layers, through which gradients can be taken even where a host's cannot."""
    # On the meta device no weights are drawn, so the random numbers of others stay as they are.
    trunk = Encoder(encoder.widths, mean=encoder.mean, std=encoder.std, device="meta")
    state: dict[str, Tensor] = {name: value.detach().float().clone() for name, value in encoder.state_dict().items()}
    trunk.load_state_dict(state, assign=True)
    trunk.requires_grad_(False).to(device, dtype)
    trunk.conv1.to(torch.float32)
    return trunk.to(memory_format=torch.channels_last)
