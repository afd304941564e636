"""Fine colours follow the light: the style's slopes, what is left alone, and what a painting gains."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import artnet_core as artnet
from artnet_core.features import Features
from artnet_core.network.cosines import CHANNELS, LUMA_OF_CHROMA_WAVES, MEANS, dct, dct_filters
from artnet_core.resizing import double, halve
from artnet_core.transfer.adain import adain
from artnet_core.transfer.chroma_from_luma import chroma_from_luma

from .conftest import FORETOLD

WAVES = [CHANNELS + channel for channel in FORETOLD]
LIGHT = [*LUMA_OF_CHROMA_WAVES, *LUMA_OF_CHROMA_WAVES]


def cosines(features: Tensor) -> Tensor:
    """The last channels of ``[1, C, h, w]``, of every position: float64 ``[40, h * w]``."""
    return features[0, -CHANNELS:].flatten(1).double()


@pytest.fixture(scope="module")
def style(model: artnet.ArtNet, painting: Tensor) -> Features:
    return model.encode(painting)


@pytest.fixture(scope="module")
def aligned(model: artnet.ArtNet, photo: Tensor, style: Features) -> Tensor:
    return adain(model.encode(photo).data, style.data)


@pytest.mark.parametrize("side", [8, 16])
def test_a_wave_of_chroma_is_paired_with_the_same_wave_of_luma(side: int) -> None:
    """A wave that is drawn in grey shows in the channel of luma, drawn in a colour without light in that of chroma."""
    filters = dct_filters(side)
    for channel, of_light in zip(WAVES, LIGHT, strict=True):
        grey = filters[of_light].mean(0, keepdim=True).expand(3, -1, -1)
        assert dct(grey[None], filters)[0, :, 0, 0].abs().argmax() == of_light
        tinted = grey * torch.tensor([1.0, 0.0, -1.0] if channel < MEANS[2] else [-1.0, 2.0, -1.0])[:, None, None]
        assert dct(tinted[None], filters)[0, :, 0, 0].abs().argmax() == channel


def test_slopes_are_those_of_least_squares(aligned: Tensor, style: Features) -> None:
    of_style, before = cosines(style.data), cosines(aligned)
    found = cosines(chroma_from_luma(aligned.clone(), style, 1.0))
    for channel, of_light in zip(WAVES, LIGHT, strict=True):
        known = torch.stack([of_style[of_light], torch.ones_like(of_style[of_light])], 1)
        slope, offset = torch.linalg.lstsq(known, of_style[channel][:, None]).solution.flatten()
        torch.testing.assert_close(found[channel], slope * before[of_light] + offset, atol=1e-3, rtol=1e-3)
    others = [channel for channel in range(CHANNELS) if channel not in WAVES]
    assert torch.equal(found[others], before[others])


@given(share=st.floats(0, 1))
def test_a_share_goes_as_far(aligned: Tensor, style: Features, share: float) -> None:
    whole = chroma_from_luma(aligned.clone(), style, 1.0)
    part = chroma_from_luma(aligned.clone(), style, share)
    torch.testing.assert_close(part, torch.lerp(aligned, whole, share), atol=1e-4, rtol=1e-4)
    shares = torch.full((1, 1, *aligned.shape[2:]), share)
    torch.testing.assert_close(chroma_from_luma(aligned.clone(), style, shares), part, atol=1e-5, rtol=1e-5)


def test_a_grey_style_leaves_no_colour(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    grey = model.encode(painting.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    found = cosines(chroma_from_luma(adain(model.encode(photo).data, grey.data), grey, 1.0))
    assert found[WAVES].abs().max() < 1e-3


def test_what_is_hidden_of_a_style_tells_nothing(model: artnet.ArtNet, aligned: Tensor, painting: Tensor) -> None:
    size = painting.shape[-1] // 16 * 8
    shown = torch.zeros(1, 1, *painting.shape[-2:])
    shown[..., :size] = 1
    whole = model.encode(painting)
    hidden = whole.weighted(shown)
    columns = (0, size // whole.stride)
    cut = replace(whole.cut((0, whole.data.shape[2]), columns), weight=None)
    torch.testing.assert_close(
        chroma_from_luma(aligned.clone(), hidden, 1.0),
        chroma_from_luma(aligned.clone(), cut, 1.0),
        atol=1e-3,
        rtol=1e-3,
    )


def test_pictures_of_one_position_leave_the_style_alone(model: artnet.ArtNet, style: Features) -> None:
    mean = style.statistics[0].clone()
    content = model.encode(torch.rand(2, 3, 8, 8)).cut((0, 1), (0, 1))
    painted = artnet.sandwich_swap(content, style, detail=1.0)
    torch.testing.assert_close(painted.data, mean.expand(2, -1, -1, -1))
    assert torch.equal(style.statistics[0], mean)


def fine_colors(picture: Tensor) -> Tensor:
    """How strongly colours without light vary within 8 pixels, in the mean."""
    chroma = torch.cat([picture[:, :1] - picture[:, 2:], picture[:, 1:2] - (picture[:, :1] + picture[:, 2:]) / 2], 1)
    rest = chroma
    for _ in range(3):
        rest = halve(rest)
    for _ in range(3):
        rest = double(rest, (2 * rest.shape[-2], 2 * rest.shape[-1]))
    return (chroma - rest[..., : chroma.shape[-2], : chroma.shape[-1]]).abs().mean()


@pytest.mark.parametrize("style", ["painting", "palette"])
def test_lines_of_a_photograph_have_no_coloured_fringes(
    model: artnet.ArtNet, photo: Tensor, style: str, request: pytest.FixtureRequest
) -> None:
    content, of_style = model.encode(photo), model.encode(request.getfixturevalue(style))
    fringed, clean = (
        model.decode(artnet.sandwich_swap(content, of_style, colors_follow=follow)) for follow in (False, True)
    )
    assert fine_colors(clean) < 0.95 * fine_colors(fringed)


def test_a_picture_in_its_own_colours_keeps_them(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    """Its own fine colours are right, so it is painted with them, as a copy, which nobody knows to be one, is not."""
    small = photo[..., :128, :128]
    own, copied = (model.stylize(small, painting, colors, detail=0.5) for colors in (small, small.clone()))
    error_of_own, error_of_copy = (fine_colors(painted - small) for painted in (own, copied))
    assert error_of_own < error_of_copy
    masked = model.stylize(small, painting, small, detail=0.5, color_mask=torch.ones(128, 128))
    assert torch.equal(masked, own)


def test_colours_of_a_part_of_the_picture_are_another_palette(
    model: artnet.ArtNet, photo: Tensor, painting: Tensor
) -> None:
    small, part = photo[..., :128, :128], torch.zeros(128, 128)
    part[:64] = 1
    of_part, of_copy = (
        model.stylize(small, painting, colors, detail=0.5, color_mask=part) for colors in (small, small.clone())
    )
    assert torch.equal(of_part, of_copy)
