"""A large painting looks like its small copy."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.images import read_picture
from artnet_core.painting.look import keep_look, kept_share
from artnet_core.resizing import enlarge, resize

from .conftest import EXAMPLES


@pytest.mark.parametrize("size", [(96, 128), (97, 131)])
def test_what_was_painted_stays_and_finer_strokes_are_added(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    side = -(-max(size) // 2)
    forms = 0.3 + 0.4 * torch.rand(1, 3, 12, 16, generator=generator)
    before, other = (resize(enlarge(of_forms, size), side) for of_forms in (forms, 0.9 - forms))
    strokes = 0.1 * torch.randn(1, 3, *size, generator=generator)
    strokes -= enlarge(enlarge(strokes, (before.shape[-2], before.shape[-1])), size)  # too fine for the small picture
    kept = keep_look(enlarge(other, size) + strokes, before, 1.0)
    assert (resize(kept, side) - before).abs().mean() < 0.1 * (other - before).abs().mean()
    assert (kept - enlarge(before, size) - strokes).abs().mean() < 0.2 * strokes.abs().mean()
    assert keep_look(strokes, before, 0.0) is strokes


def test_a_map_says_where() -> None:
    before, painting = torch.full((1, 3, 32, 32), 0.75), torch.full((1, 3, 64, 64), 0.25)
    where = torch.zeros(1, 1, 64, 64)
    where[..., 32:] = 0.5
    kept = keep_look(painting, before, where)
    assert torch.equal(kept[..., :32], painting[..., :32])
    torch.testing.assert_close(kept[..., 32:], torch.full((1, 3, 64, 32), 0.5))


def test_sketches_are_painted_over() -> None:
    shares = [kept_share(side) for side in (1, 128, 256, 300, 400, 512, 4096)]
    assert shares == sorted(shares)
    assert shares[2] == 0 < shares[3] and shares[-2] == shares[-1] == 0.85


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    """Of 1024 pixels."""
    photo, style = (read_picture(EXAMPLES / path, 1024).rgb for path in ("content/coffee.jpg", "style/poppies.jpg"))
    return photo, style


def test_a_painting_of_twice_the_size_is_the_same_with_finer_strokes(
    model: artnet.ArtNet, pair: tuple[Tensor, Tensor]
) -> None:
    photo, style = pair
    small, large = (model.stylize(resize(photo, side), style) for side in (512, 1024))
    assert (resize(large, 512) - small).abs().mean() < 0.015
    one_pass = [model.stylize(resize(photo, side), style, stroke_size=0) for side in (512, 1024)]
    assert (resize(one_pass[1], 512) - one_pass[0]).abs().mean() > 0.045
    finer = (large - enlarge(small, (large.shape[-2], large.shape[-1]))).abs().mean()
    assert finer > 0.01
