"""S2: statistics, strength, detail, separate texture and colour."""

from __future__ import annotations

import importlib
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from artnet_core import ArtNet, Features, adain, sandwich_swap, swap
from artnet_core.features import ModelId
from artnet_core.network.cosines import MEANS
from artnet_core.scores import edge_ssim
from artnet_core.transfer.adain import channel_statistics
from artnet_core.transfer.sandwich import COHERENCE, CONTINUITY, DEFAULT_DETAIL, FALLOFF, content_shares
from artnet_core.transfer.swap import Matching, matching_pool

from .conftest import FORETOLD


@pytest.fixture(scope="module")
def encoded(model: ArtNet, photo: Tensor, painting: Tensor, palette: Tensor) -> tuple[Features, Features, Features]:
    return model.encode(photo), model.encode(painting), model.encode(palette)


@pytest.mark.parametrize("detail", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("separate", [False, True])
def test_statistics_are_the_colour_styles(
    encoded: tuple[Features, Features, Features], detail: float, separate: bool
) -> None:
    content, texture, color = encoded
    result = sandwich_swap(content, texture, color if separate else None, detail=detail)
    expected = channel_statistics((color if separate else texture).data)
    found = channel_statistics(result.data)
    varying = found[1] > 1e-3  # a channel that no copied patch moves has no std that could be scaled
    if detail > 0:
        means, stds = (statistic[:, FORETOLD] for statistic in (found[0] - expected[0], found[1] / expected[1]))
        assert means.abs().max() < 1e-2 and stds.max() < 1
        varying[:, FORETOLD] = False
    assert varying.float().mean() > 0.95
    for statistic, target in zip(found, expected, strict=True):
        difference = (statistic - target).abs() / target.abs().clamp(min=1)
        assert difference[varying].max() < 1e-3


def test_detail_zero_is_adain_swap_adain(encoded: tuple[Features, Features, Features]) -> None:
    content, texture, color = encoded
    projected = adain(content.data, texture.data)
    keys = content.layers["conv1"]
    swapped = swap(projected, texture.data, Matching(3, keys, CONTINUITY, CONTINUITY, FALLOFF, even=True))
    expected = adain(swapped, color.data)
    torch.testing.assert_close(sandwich_swap(content, texture, color, detail=0.0).data, expected)


@pytest.mark.parametrize(("detail", "coherence", "continuity"), [(0.06, 0.96, 0.96), (0.15, 0.97, 0.975)])
def test_less_is_passed_on_towards_the_default_detail(
    encoded: tuple[Features, Features, Features], detail: float, coherence: float, continuity: float
) -> None:
    content, texture, color = encoded
    projected = adain(content.data, texture.data)
    keys = content.layers["conv1"]
    swapped = swap(projected, texture.data, Matching(3, keys, coherence, continuity, FALLOFF, even=True))
    expected = adain(torch.lerp(swapped, projected, content_shares(projected.shape[1], detail)), color.data)
    result = sandwich_swap(content, texture, color, detail=detail, colors_follow=False)
    torch.testing.assert_close(result.data, expected)


def test_nothing_is_passed_on_where_no_lines_are_copied(encoded: tuple[Features, Features, Features]) -> None:
    content, texture, color = encoded
    projected = adain(content.data, texture.data)
    swapped = swap(projected, texture.data, Matching(3, content.layers["conv1"], COHERENCE, falloff=FALLOFF, even=True))
    shares = content_shares(projected.shape[1], DEFAULT_DETAIL)
    expected = adain(torch.lerp(swapped, projected, shares), color.data)
    torch.testing.assert_close(sandwich_swap(content, texture, color, colors_follow=False).data, expected)


@pytest.mark.parametrize("style", ["painting", "palette"])
def test_patches_that_count_most_in_their_middle_keep_more_edges(
    model: ArtNet, photo: Tensor, style: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the style's tones, which blur and sharpen too, are given to the painting."""
    content, texture = model.encode(photo), model.encode(request.getfixturevalue(style))
    kept = edge_ssim(photo, model.decode(sandwich_swap(content, texture)))
    monkeypatch.setattr(importlib.import_module("artnet_core.transfer.sandwich"), "FALLOFF", 1.0)
    assert kept > edge_ssim(photo, model.decode(sandwich_swap(content, texture))) + 0.015


def test_detail_one_is_adain(encoded: tuple[Features, Features, Features]) -> None:
    content, texture, _ = encoded
    result = sandwich_swap(content, texture, detail=1.0, colors_follow=False).data
    torch.testing.assert_close(result, adain(content.data, texture.data), rtol=1e-3, atol=1e-2)


def test_strength_zero_is_the_content_exactly(encoded: tuple[Features, Features, Features]) -> None:
    content, texture, color = encoded
    assert torch.equal(sandwich_swap(content, texture, color, strength=0.0).data, content.data)


def test_strength_runs_evenly(encoded: tuple[Features, Features, Features]) -> None:
    content, texture, _ = encoded
    whole = sandwich_swap(content, texture).data
    half = sandwich_swap(content, texture, strength=0.5).data
    torch.testing.assert_close(half, (content.data + whole) / 2, rtol=1e-4, atol=1e-3)


def test_texture_and_colour_come_from_their_own_pictures(encoded: tuple[Features, Features, Features]) -> None:
    """What the last AdaIN undoes apart, the swapped patches depend on the texture style alone."""
    content, texture, color = encoded
    one, both = (sandwich_swap(content, texture, colors, colors_follow=False) for colors in (None, color))
    varying = (channel_statistics(both.data)[1] > 1e-3).expand_as(one.data)
    restored = adain(both.data, texture.data)
    torch.testing.assert_close(restored[varying], one.data[varying], rtol=1e-3, atol=0.05)


@pytest.mark.parametrize("detail", [0.0, 0.1, DEFAULT_DETAIL, 0.7, 1.0])
def test_lines_give_way_first(model: ArtNet, detail: float) -> None:
    shares = content_shares(sum(model.layers.values()), detail).flatten().tolist()
    cosines = shares[-model.layers["dct"] :]
    means = [cosines.pop(channel) for channel in reversed(MEANS)]
    others = shares[: -model.layers["dct"]] + means
    assert others == pytest.approx([detail] * len(others))
    assert cosines == pytest.approx([min(1, detail / DEFAULT_DETAIL)] * len(cosines))


def test_large_pictures_are_matched_coarsely_first() -> None:
    sizes = [(64, 64), (128, 128), (129, 128), (256, 256), (16, 256)]
    assert [matching_pool((64, 64), size) for size in sizes] == [1, 1, 3, 4, 1]
    assert [matching_pool(size, (64, 64)) for size in [(128, 128), (128, 129), (1080, 1920)]] == [1, 2, 2]
    # A painting that finer strokes are added to, beyond 320 x 320 pixels.
    assert [matching_pool((side, side), (side, side), drawn=True) for side in (40, 41, 64)] == [1, 2, 2]


@pytest.mark.parametrize(("name", "value"), [("strength", 1.5), ("strength", -0.1), ("detail", 2.0), ("detail", -1.0)])
def test_numbers_out_of_range(encoded: tuple[Features, Features, Features], name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must lie in 0..1, got {value}"):
        sandwich_swap(encoded[0], encoded[1], **{name: value})


def test_features_of_another_model(encoded: tuple[Features, Features, Features]) -> None:
    content, texture, _ = encoded
    foreign = replace(texture, model=ModelId("0123456789ab", "another"))
    told = "was encoded with another, the content with artnet: encode both with the same model"
    with pytest.raises(ValueError, match=f"The texture style {told}"):
        sandwich_swap(content, foreign)
    with pytest.raises(ValueError, match=f"The color style {told}"):
        sandwich_swap(content, texture, foreign)


def test_style_batch_that_fits_no_content_batch(encoded: tuple[Features, Features, Features]) -> None:
    content, texture, _ = encoded
    three = texture.with_data(texture.data.repeat(3, 1, 1, 1))
    with pytest.raises(ValueError, match="texture style is a batch of 3 pictures, the content of 1"):
        sandwich_swap(content, three)
