"""Tensors and numbers of all kinds, for those who call the library from Python."""

from __future__ import annotations

import functools
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.checkpoint import FAST_MODEL, shipped_models
from artnet_core.images import check_images
from artnet_core.transfer.mix import mix_styles

from .damage import ODD_NUMBERS
from .outcomes import Run


@functools.cache
def fast_model() -> artnet.ArtNet:
    """The smallest of the shipped models."""
    return artnet.load(shipped_models()[FAST_MODEL])


def noise(seed: int, height: int, width: int, batch: int = 1) -> Tensor:
    """Pictures ``[batch, 3, height, width]`` of 0..1."""
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def check_painting(painted: Tensor, content: Tensor) -> None:
    """Raises AssertionError unless this is a painting of the content."""
    assert painted.shape[-2:] == content.shape[-2:] and painted.shape[1] == 3
    assert painted.dtype == torch.float32 and painted.device == content.device
    assert painted.isfinite().all(), "the painting has values that are not finite"
    assert painted.min() >= 0 and painted.max() <= 1


def picture(source: random.Random, odd: float) -> Any:
    """A picture; with this probability something that is none."""
    sides = [source.choice((1, 2, 7, 16, 17, 33)) for _ in range(2)]
    plain = noise(source.getrandbits(32), *sides, source.choice((1, 1, 1, 2, 3)))
    if source.random() >= odd:
        return source.choice(
            (plain, plain.half(), plain.double(), plain.contiguous(memory_format=torch.channels_last), plain * 0)
        )
    value = source.choice(ODD_NUMBERS)
    shape = [source.choice((0, 1, 2, 3, 4, 5)) for _ in range(source.randrange(6))]
    return source.choice(
        (
            lambda: torch.full_like(plain.double(), float(value)).float(),
            lambda: plain.index_put((torch.tensor(0),), torch.tensor(float(value)).float()),
            lambda: torch.zeros(shape),
            lambda: plain * 255,
            lambda: plain.mul(255).byte(),
            lambda: plain > 0.5,
            lambda: plain.to(torch.complex64),
            lambda: plain.to(torch.float8_e4m3fn),
            lambda: plain.to_sparse(),
            lambda: plain.to("meta"),
            lambda: plain[:, :1].expand(-1, 3, -1, -1),
            lambda: plain.clone().requires_grad_(),
            lambda: plain.movedim(1, -1),
            lambda: plain[0],
            lambda: [plain],
            lambda: plain.numpy(),
            lambda: np.zeros(shape),
            lambda: None,
            lambda: "picture.png",
            lambda: {"picture": plain},
            lambda: value,
        )
    )()


def number(source: random.Random, plain: float) -> Any:
    """A number, or a strange one."""
    return plain if source.random() < 0.7 else source.choice(ODD_NUMBERS)


def checked_pictures(source: random.Random, _folder: Path) -> Run:
    """What is let through must be pictures."""
    images = picture(source, odd=0.8)

    def run() -> None:
        check_images(images)
        assert images.ndim == 4 and images.shape[1] == 3 and images.isfinite().all()

    return run


def stylized(source: random.Random, _folder: Path) -> Run:
    """Tensors and settings of all kinds are painted with."""
    odd = source.choice((0.0, 0.1, 0.4))
    content, style = picture(source, odd), picture(source, odd)
    color = source.choice((None, None, content, picture(source, odd)))
    strength, detail = number(source, source.random()), number(source, source.random())
    patch_size, steady = number(source, source.choice((1, 3, 5))), source.random() < 0.3
    stroke_size = number(source, source.choice((0, 0, 0.5)))

    def run() -> None:
        painted = fast_model().stylize(content, style, color, strength, detail, patch_size, steady, stroke_size)
        check_painting(painted, content)

    return run


def mixed(source: random.Random, _folder: Path) -> Run:
    """Styles are mixed with weights of all kinds, and painted with."""
    count = source.choice((1, 2, 2, 3))
    styles: list[Any] = [fast_model().encode(picture(source, 0)) for _ in range(count)]
    if source.random() < 0.3:
        other = picture(source, 0.7)
        styles[0] = source.choice((other, styles[0].with_data(other), styles[0].with_data(styles[0].data[..., :0])))
    weights: Any = [number(source, source.random()) for _ in range(count + (source.random() < 0.05))]

    def run() -> None:
        mix = mix_styles(styles, weights)
        assert mix.data.isfinite().all() and mix.data.ndim == 4
        content = noise(0, 20, 20)
        painted = fast_model().decode(artnet.sandwich_swap(fast_model().encode(content), mix.pick(0)))
        check_painting(painted, content)

    return run


def pruned(source: random.Random, _folder: Path) -> Run:
    """Pictures and thresholds of all kinds."""
    odd = source.choice((0.0, 0.5))
    calibration = source.choice((None, picture(source, odd), [picture(source, odd), picture(source, odd)], []))
    threshold = number(source, source.choice((0.0, 0.0, 5.0, 1e6)))

    def run() -> None:
        smaller, report = artnet.prune_zero_channels(fast_model(), calibration, threshold)
        before, after = report.channels
        assert after <= before and report.largest_image_difference >= 0
        assert np.isfinite(report.largest_feature_difference)
        content = noise(0, 20, 20)
        check_painting(smaller.stylize(content, content), content)

    return run
