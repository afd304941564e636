"""What is hidden is neither content nor style."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.pipeline import Encoded, Pictures, Settings, paint
from artnet_core.runtime import Tiles
from artnet_core.transfer.adain import align, channel_statistics
from artnet_core.transfer.matching import match_patches, visible_patches
from artnet_core.transfer.sandwich import matching_at, sandwich_swap
from artnet_core.transfer.swap import Matching, copied_positions, find_matches, swap

from .conftest import maps


@pytest.fixture(scope="module")
def small(photo: Tensor) -> Tensor:
    return photo[..., 16:144, 64:208]


@pytest.fixture(scope="module")
def disc() -> Tensor:
    """A round mask with a soft edge, [1, 128, 144]."""
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(144.0), indexing="ij")
    return (1.5 - ((rows - 60) ** 2 + (columns - 80) ** 2).sqrt() / 40).clamp(0, 1)[None]


def stained(picture: Tensor, mask: Tensor, seed: int) -> Tensor:
    """Other colours, noise, where the mask is 0."""
    noise = torch.rand(picture.shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(mask > 0, picture, noise)


def frames_of(frames: Iterator[Tensor]) -> Tensor:
    return torch.cat(list(frames))


@pytest.mark.parametrize(
    "settings",
    [Settings(), Settings(detail=0.0, stroke_size=1.0), Settings(strength=0.6, detail=0.8), Settings(steady=True)],
)
def test_what_lies_hidden_never_matters(
    model: artnet.ArtNet, small: Tensor, painting: Tensor, palette: Tensor, disc: Tensor, settings: Settings
) -> None:
    """Under a content, a texture style and a colour style, in two frames of a batch whose content's mask moves."""
    masks = torch.cat([disc, disc.roll(7, -1)])
    style_mask, color_mask = torch.zeros(1, *painting.shape[2:]), torch.zeros(1, *palette.shape[2:])
    style_mask[:, 30:130, 60:200], color_mask[:, :90, :130] = 1, 1
    results = []
    for seed in (1, 2):
        content = torch.cat([stained(small, mask, seed) for mask in masks])
        results.append(
            frames_of(
                paint(
                    model,
                    Pictures.of(content, "content", masks),
                    Pictures.of(stained(painting, style_mask, seed), "style", style_mask),
                    Pictures.of(stained(palette, color_mask, seed), "color style", color_mask),
                    settings,
                )
            )
        )
    assert torch.equal(*results)
    unmasked = frames_of(paint(model, *(Pictures.of(x, "x") for x in (content, painting, palette)), settings))
    assert (results[0] - unmasked).abs().mean() > 0.01


def test_tiles_change_nothing(model: artnet.ArtNet, small: Tensor, painting: Tensor, disc: Tensor) -> None:
    tiles = Tiles()
    tiles._tiles = {128: 64}
    pictures = Pictures.of(small, "content", disc), Pictures.of(painting, "style")
    whole, tiled = next(paint(model, *pictures)), next(paint(model, *pictures, tiles=tiles))
    assert (whole - tiled).abs().max() < 1e-3


def test_a_cut_style_paints_as_what_is_left_of_it(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    """Issue 29's case: a style cut out on black painted black."""
    mask = torch.zeros(1, *painting.shape[2:])
    mask[:, 24:136, 64:176] = 1
    crop = Pictures.of(painting[..., 24:136, 64:176], "style")
    for hidden in (0.0, 1.0):
        cut = torch.where(mask > 0, painting, hidden)
        for detail in (0.0, 0.3):
            settings = Settings(detail=detail)
            found = next(paint(model, Pictures.of(small, "content"), Pictures.of(cut, "style", mask), None, settings))
            wanted = next(paint(model, Pictures.of(small, "content"), crop, None, settings))
            blind = next(paint(model, Pictures.of(small, "content"), Pictures.of(cut, "style"), None, settings))
            of_colors = [(x - wanted).mean((2, 3)).abs().max() for x in (found, blind)]
            assert of_colors[0] < 0.02 < of_colors[1]


def test_ones_change_nothing(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    ones = torch.ones(1, 9, 9)
    weighted = paint(model, Pictures.of(small, "content", ones), Pictures.of(painting, "style", ones))
    assert torch.equal(
        next(weighted), next(paint(model, Pictures.of(small, "content"), Pictures.of(painting, "style")))
    )
    # Also by the way that weights take through the transfer.
    content, style = model.encode(small), model.encode(painting)
    plain = sandwich_swap(content, style, detail=0.0).data
    ones = torch.ones(1, 128, 144), torch.ones(1, *painting.shape[2:])
    counted = sandwich_swap(model.encode(small, None, ones[0]), model.encode(painting, None, ones[1]), detail=0.0).data
    assert ((plain - counted).abs().amax(1) > 1e-2).float().mean() < 0.01


def test_a_content_of_which_nothing_is_seen_stays_as_it_is(
    model: artnet.ArtNet, small: Tensor, painting: Tensor
) -> None:
    zeros = torch.zeros(1, 5, 5)
    assert torch.equal(next(paint(model, Pictures.of(small, "content", zeros), Pictures.of(painting, "style"))), small)
    encoded = model.encode(small, None, zeros)
    assert torch.equal(sandwich_swap(encoded, model.encode(painting)).data, encoded.data)


def test_a_style_of_which_nothing_is_seen_is_refused(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    zeros = torch.zeros(1, 5, 5)
    content, style, nothing = (
        Pictures.of(small, "content"),
        Pictures.of(painting, "style"),
        Pictures.of(painting, "style", zeros),
    )
    with pytest.raises(ValueError, match="Nothing of the texture style is seen: all of it is transparent or masked"):
        next(paint(model, content, nothing))
    with pytest.raises(ValueError, match="Nothing of the color style is seen"):
        next(paint(model, content, style, nothing))
    with pytest.raises(ValueError, match="Nothing of the texture style is seen"):
        sandwich_swap(model.encode(small), model.encode(painting, None, zeros))


def test_weighted_statistics_are_those_of_what_counts() -> None:
    features = torch.rand(2, 5, 12, 10) * 9 + 3
    weight = torch.zeros(2, 1, 12, 10)
    weight[0, :, 2:7, 3:9], weight[1, :, :, 5:] = 1, 1
    parts = features[:1, :, 2:7, 3:9], features[1:, :, :, 5:]
    for found, first, second in zip(
        channel_statistics(features, weight), *(channel_statistics(part) for part in parts), strict=True
    ):
        torch.testing.assert_close(found, torch.cat([first, second]))
    # A position of half the weight counts half as often.
    twice = torch.tensor([1.0, 1.0, 4.0]).view(1, 1, 1, 3)
    halves = torch.tensor([1.0, 0.5]).view(1, 1, 1, 2)
    for found, wanted in zip(
        channel_statistics(torch.tensor([1.0, 4.0]).view(1, 1, 1, 2), halves), channel_statistics(twice), strict=True
    ):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_channel_that_is_constant_where_it_counts_stays_in_bounds(dtype: torch.dtype) -> None:
    features = torch.rand(1, 3, 70, 90, dtype=dtype)
    features[:, 0, :50] = 0.7
    weight = torch.zeros(1, 1, 70, 90)
    weight[..., :50, :] = 1
    aligned = align(features, torch.full((1, 3, 1, 1), 2.0), torch.full((1, 3, 1, 1), 3.0), weight)
    torch.testing.assert_close(aligned[:, 0], torch.full_like(aligned[:, 0], 2.0))
    mean, std = channel_statistics(aligned, weight)
    torch.testing.assert_close(mean.flatten(), torch.full((3,), 2.0), atol=0.01, rtol=0)
    torch.testing.assert_close(std.flatten()[1:], torch.full((2,), 3.0), atol=0.01, rtol=0)


@pytest.mark.parametrize("pooling", [None, 2, 3])
@pytest.mark.parametrize("detail", [0.0, 0.3])
@pytest.mark.parametrize("mask", ["corner", "stripe", "scattered", "thin", "point"])
def test_nothing_hidden_is_ever_copied(mask: str, detail: float, pooling: int | None) -> None:
    content, style = maps(0, 6, (30, 27), (24, 33))
    weight = torch.zeros(24, 33)
    if mask == "corner":
        weight[14:, 20:] = 1
    elif mask == "stripe":
        weight[:, 9:13] = 1
    elif mask == "scattered":
        weight[::2, ::3] = 1
    elif mask == "thin":
        weight[5:20, 7] = 0.1
    else:
        weight[23, 32] = 1
    # What is hidden is all that the content looks like: unhidden it would be copied.
    style[:, weight == 0] = content.flatten(1)[:, : int((weight == 0).sum())]
    style[0] = torch.where(weight > 0, 1.0, 100.0)
    matching = matching_at(detail, 3, 6)
    matching = Matching(3, 6, matching.coherence, matching.continuity, 4.0, pooling)
    swapped = swap(content[None], style[None], matching, weight=weight[None, None])
    torch.testing.assert_close(swapped[0, 0], torch.ones_like(swapped[0, 0]))
    assert swap(content[None], style[None], matching)[0, 0].max() > 50


def test_a_mask_of_a_rectangle_is_as_good_as_a_cut(photo: Tensor) -> None:
    content, style = maps(1, 8, (20, 21), (22, 23))
    visible = torch.zeros(22, 23, dtype=torch.bool)
    visible[4:16, 6:20] = True
    found = match_patches(content, style, 3, visible=visible)
    wanted = match_patches(content, style[:, 4:16, 6:20], 3)
    assert torch.equal(found // 23 - 4, wanted // 14) and torch.equal(found % 23 - 6, wanted % 14)
    assert visible_patches(visible, 3).sum() == 10 * 12


def test_a_frame_keeps_no_match_that_is_hidden_by_now() -> None:
    content, style = maps(2, 4, (12, 12), (14, 14))
    weight = torch.ones(14, 14)
    weight[:7] = 0
    style[0] = weight

    def stubborn(matches: Tensor, *_rest: object) -> Tensor:
        return torch.zeros_like(matches)  # the patch at the upper left, which was copied before

    swapped = swap(content[None], style[None], Matching(), stubborn, weight[None, None])
    torch.testing.assert_close(swapped[0, 0], torch.ones(12, 12))


def test_half_of_the_heaviest_may_be_copied() -> None:
    assert copied_positions(torch.full((3, 4), 0.3)).all()
    assert copied_positions(torch.tensor([[0.0, 0.2, 0.5, 1.0]])).tolist() == [[False, False, True, True]]
    content, style = maps(3, 4, (9, 9), (9, 9))
    everywhere = find_matches(content, style, Matching(), torch.ones(9, 9, dtype=torch.bool))
    assert torch.equal(everywhere, find_matches(content, style, Matching()))


def test_a_finish_sees_nothing_hidden(model: artnet.ArtNet, small: Tensor, painting: Tensor, disc: Tensor) -> None:
    content, style = small[..., :64, :80], painting[..., :128, :144]
    results = []
    for seed in (1, 2):
        of_style = Pictures.of(stained(style, disc, seed), "style", disc)
        results.append(next(paint(model, Pictures.of(content, "content"), of_style, of_style, Settings(finish=2))))
    assert torch.equal(*results)


def test_a_picture_counts_by_alpha_and_mask(model: artnet.ArtNet, small: Tensor, disc: Tensor) -> None:
    half = torch.ones(1, 2, 2)
    half[..., 0] = 0
    encoded = Pictures.of(small, "content", disc).weighted(half).encoded(model, 0)
    assert encoded.weight is not None
    torch.testing.assert_close(encoded.weight[..., 110:], disc[None, ..., 110:], atol=1e-4, rtol=0)
    assert not encoded.weight[..., :36].any()
    assert torch.equal(encoded.original, small)
    assert torch.equal(Encoded(model, small, weight=torch.ones(1, 1, 3, 3)).picture, small)
