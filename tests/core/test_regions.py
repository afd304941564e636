"""What is hidden is neither content nor style; several styles in one painting."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.painting.settings import drawn_share
from artnet_core.pipeline import Encoded, Pictures, Region, Settings, level_sides, paint
from artnet_core.progress import Progress, ignore
from artnet_core.runtime import Tiles
from artnet_core.scores import edge_ssim
from artnet_core.transfer.adain import align, channel_statistics
from artnet_core.transfer.matching import match_patches, visible_patches
from artnet_core.transfer.methods import ALL_METHODS, Transfer
from artnet_core.transfer.regions import Part, transfer_regions
from artnet_core.transfer.sandwich import matching_at, sandwich_swap
from artnet_core.transfer.swap import Matching, copied_positions, find_matches, swap

from .conftest import FORETOLD, maps


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
    left, right = halves(128, 144)
    region = Region(left, Pictures.of(painting.flip(-1), "style"), texture_mask=torch.ones_like(painting[:, 0]).tril())
    for varied in ({}, {"regions": [region], "detail_map": disc, "strength_map": right * 0.5 + 0.5}):
        whole, tiled = next(paint(model, *pictures, **varied)), next(paint(model, *pictures, tiles=tiles, **varied))
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
    matching = replace(matching, pooling=pooling)
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


def halves(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Masks of the left and of the right half, [1, H, W], with their border between two positions."""
    left = torch.zeros(1, height, width)
    left[..., : width // 16 * 8] = 1
    return left, 1 - left


@pytest.mark.parametrize("detail", [0.0, 0.3, 1.0])
def test_a_region_has_the_statistics_of_its_own_style(
    model: artnet.ArtNet, small: Tensor, painting: Tensor, palette: Tensor, detail: float
) -> None:
    content, styles = model.encode(small), [model.encode(painting), model.encode(palette)]
    upper = torch.zeros(1, 1, *content.data.shape[2:])
    upper[..., :7, :] = 1
    soft = (upper + torch.rand(upper.shape) * (1 - upper)) * upper  # of any share inside
    masks = (upper, 1 - upper)
    mixed = transfer_regions(
        content, [Part(style, share=mask, detail=detail) for style, mask in zip(styles, masks, strict=True)]
    )
    alone = transfer_regions(content, [Part(styles[0], share=soft, detail=detail)])
    for mask, style in zip(masks, styles, strict=True):
        found, wanted = channel_statistics(mixed.data, mask), style.statistics
        varying = found[1] > 1e-3  # a channel that no copied patch moves has no deviation that could be scaled
        if detail > 0:  # chroma that follows luma varies less
            varying[:, FORETOLD] = False
        assert varying.float().mean() > 0.9
        for statistic, target in zip(found, wanted, strict=True):
            assert ((statistic - target).abs() / target.abs().clamp(min=1))[varying].max() < 1e-3
    assert torch.equal(alone.data[..., 7:, :], content.data[..., 7:, :])


def test_each_region_is_painted_in_its_style(
    model: artnet.ArtNet, small: Tensor, painting: Tensor, palette: Tensor
) -> None:
    content, first, second = (Pictures.of(x, name) for x, name in ((small, "c"), (painting, "a"), (palette, "b")))
    left, right = halves(128, 144)
    both = next(paint(model, content, None, regions=[Region(left, first), Region(right, second)]))
    # Each style lends its colours to its own half.
    for mask, style in ((left, painting), (right, palette)):
        found = (both * mask).sum((0, 2, 3)) / mask.sum()
        assert (found - style.mean((0, 2, 3))).abs().max() < 0.06
    # The style of the whole fills what no region covers, and the order of regions does not matter.
    filled = next(paint(model, content, second, regions=[Region(left, first)]))
    turned = next(paint(model, content, None, regions=[Region(right, second), Region(left, first)]))
    assert (filled - both).abs().max() < 1e-3
    assert (turned - both).abs().max() < 1e-3


def test_one_region_of_everything_is_no_region(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    content, style = Pictures.of(small, "content"), Pictures.of(painting, "style")
    for settings in (Settings(detail=0.0), Settings(strength=0.5, stroke_size=1.0)):
        whole = next(paint(model, content, style, None, settings))
        region = next(paint(model, content, None, None, settings, regions=[Region(torch.ones(3, 5), style)]))
        assert ((region - whole).abs().amax(1) > 0.02).float().mean() < 0.02


def test_holes_and_empty_regions_keep_the_photograph(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    content, style = Pictures.of(small, "content"), Pictures.of(painting, "style")
    left, _ = halves(128, 144)
    nothing = torch.zeros(1, 4, 4)
    painted = next(paint(model, content, None, regions=[Region(left, style), Region(nothing, style)]))
    assert torch.equal(painted[..., 72:], small[..., 72:])
    assert (painted - small)[..., :64].abs().mean() > 0.05
    assert torch.equal(painted, next(paint(model, content, None, regions=[Region(left, style)])))
    assert torch.equal(next(paint(model, content, None, regions=[Region(nothing, style)])), small)
    # A mask and a region in its place leave the same pixels as they are.
    masked = next(paint(model, content, style, mask=left))
    assert torch.equal(masked[..., 72:], small[..., 72:])


def test_overlaps_soft_borders_and_other_sizes(
    model: artnet.ArtNet, small: Tensor, painting: Tensor, palette: Tensor
) -> None:
    content, first, second = (Pictures.of(x, name) for x, name in ((small, "c"), (painting, "a"), (palette, "b")))
    ramp = torch.linspace(0, 1, 36).expand(1, 20, 36)
    soft = next(paint(model, content, None, regions=[Region(ramp, first), Region(1 - ramp, second)]))
    one, other = (next(paint(model, content, style)) for style in (first, second))
    for pure, wrong, columns in ((other, one, slice(0, 24)), (one, other, slice(120, 144))):
        distances = [(soft - x)[..., columns].abs().mean() for x in (pure, wrong)]
        assert distances[0] < distances[1]
    assert torch.isfinite(soft).all()
    # Two regions of one place share it, however heavy they are.
    ones = torch.ones(1, 2, 2)
    shared = [
        next(paint(model, content, None, regions=[Region(m, first), Region(m, second)])) for m in (ones, ones / 2)
    ]
    assert (shared[0] - (one + other) / 2).abs().mean() < 0.1
    assert (shared[1] - shared[0]).abs().max() < 1e-4
    strokes = Settings(detail=0.3)  # and no lines of the photograph's own
    half, one = (
        next(paint(model, content, None, None, strokes, regions=[Region(mask, first)])) for mask in (ones / 2, ones)
    )
    torch.testing.assert_close(half, (small + one) / 2, atol=0.02, rtol=0)


def test_sky_takes_sky(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    """Two regions of the picture take from two regions of one style; neither sees the other's."""
    height, width = painting.shape[2:]
    blue, red = painting.clone(), painting.clone()
    blue[:, 0], red[:, 2] = 0, 0
    style = torch.where(torch.arange(width) < width // 2, blue, red)
    pictures = Pictures.of(style, "style")
    of_style, of_content = halves(height, width), halves(128, 144)
    regions = [Region(a, pictures, texture_mask=b) for a, b in zip(of_content, of_style, strict=True)]
    result = next(paint(model, Pictures.of(small, "content"), None, regions=regions))
    mixed = next(paint(model, Pictures.of(small, "content"), pictures))
    for channel, without, with_it in ((0, slice(0, 64), slice(80, 144)), (2, slice(80, 144), slice(0, 64))):
        assert result[:, channel, :, without].mean() < 0.2 < 0.35 < result[:, channel, :, with_it].mean()
        assert mixed[:, channel, :, without].mean() > 0.2


def test_settings_and_colours_of_a_region(
    model: artnet.ArtNet, small: Tensor, painting: Tensor, palette: Tensor
) -> None:
    content, style, color = (Pictures.of(x, name) for x, name in ((small, "c"), (painting, "a"), (palette, "b")))
    left, right = halves(128, 144)
    faint = [Region(left, style, settings=Settings(strength=0.0)), Region(right, style)]
    result = next(paint(model, content, None, regions=faint))
    assert torch.equal(result[..., :56], small[..., :56])
    assert (result - small)[..., 80:].abs().mean() > 0.05
    own = next(paint(model, content, None, regions=[Region(left, style, content), Region(right, style, color)]))
    # In each region the colours are those of its color style, of the content's own part of the picture too.
    # Stronger contrasts are cut off at black and white, which moves means a little.
    assert (own - small)[..., :72].mean((2, 3)).abs().max() < 0.06
    assert (own[..., 72:].mean((2, 3)) - palette.mean((2, 3))).abs().max() < 0.06


@pytest.mark.parametrize("settings", [Settings(detail=0.1), Settings(steady=True), Settings(stroke_size=1.0)])
def test_regions_of_frames_and_batches(
    model: artnet.ArtNet, small: Tensor, painting: Tensor, palette: Tensor, settings: Settings
) -> None:
    """A mask for each frame; without a video each frame as if it were alone."""
    frames = torch.cat([small, small.roll(3, -1), small.roll(6, -1)])
    left, right = halves(128, 144)
    masks = torch.cat([left, left.roll(5, -1), torch.zeros_like(left)])
    first, second = Pictures.of(painting, "a"), Pictures.of(palette, "b")
    regions = [Region(masks, first), Region(right, second)]
    found = frames_of(paint(model, Pictures.of(frames, "c"), None, None, settings, regions=regions))
    assert found.shape == frames.shape and torch.isfinite(found).all()
    assert torch.equal(found[2, ..., :64], frames[2, ..., :64])  # the first region is empty there
    if not settings.steady:
        for index in (0, 1):
            alone = [Region(masks[index], first), Region(right, second)]
            single = next(
                paint(model, Pictures.of(frames[index : index + 1], "c"), None, None, settings, regions=alone)
            )
            assert (single - found[index]).abs().max() < 1e-3
    one_picture = frames_of(paint(model, Pictures.of(small, "c"), None, None, Settings(), regions=regions))
    assert len(one_picture) == 3
    with pytest.raises(ValueError, match="mask of region 1 2"):
        next(paint(model, Pictures.of(frames, "c"), None, regions=[Region(masks[:2], first)]))


def test_nothing_to_paint_with(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    with pytest.raises(ValueError, match="nothing to paint with"):
        next(paint(model, Pictures.of(small, "content"), None))
    hidden = Region(torch.ones(2, 2), Pictures.of(painting, "style"), texture_mask=torch.zeros(2, 2))
    for region, name in ((hidden, "region 1"), (replace(hidden, name="sky"), "sky")):
        with pytest.raises(ValueError, match=f"Nothing of the texture style of {name} is seen"):
            next(paint(model, Pictures.of(small, "content"), None, regions=[region]))
    with pytest.raises(ValueError, match="one picture at a time"):
        transfer_regions(model.encode(small.repeat(2, 1, 1, 1)), [])


def test_a_finish_of_each_region(model: artnet.ArtNet, small: Tensor, painting: Tensor, palette: Tensor) -> None:
    content, first, second = (
        Pictures.of(x, n) for x, n in ((small[..., :64, :96], "c"), (painting, "a"), (palette, "b"))
    )
    left, right = halves(64, 96)
    regions = [Region(left, first, settings=Settings(strength=0.0)), Region(right, second)]
    shares: list[float] = []
    finished = next(paint(model, content, None, None, Settings(finish=2), regions=regions, progress=shares.append))
    plain = next(paint(model, content, None, regions=regions))
    assert torch.equal(finished[..., :40], plain[..., :40])
    assert (finished - plain)[..., 56:].abs().mean() > 1e-3
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)


def test_a_hundred_regions_in_bounded_memory(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    """Counted is how many maps of features live at a time, which are what fills memory."""
    alive, most = [0], 0
    encode = model.encode

    def gone() -> None:
        alive[0] -= 1

    class Counting:
        stride, encoder, device, decode = model.stride, model.encoder, model.device, model.decode

        def encode(self, images: Tensor, tile: int | None = None, *, progress: Progress = ignore) -> artnet.Features:
            nonlocal most
            features = encode(images, tile, progress=progress)
            alive[0] += 1
            weakref.finalize(features.data, gone)
            most = max(most, alive[0])
            return features

    cells = torch.arange(128)[:, None] // 13 * 10 + torch.arange(144) // 15
    masks = [(cells == cell).float()[None] for cell in range(100)]
    styles = [Pictures.of(painting[..., i : i + 64, i : i + 64], "style") for i in range(100)]
    regions = [Region(mask, style) for mask, style in zip(masks, styles, strict=True)]
    painted = next(paint(Counting(), Pictures.of(small, "content"), None, regions=regions))
    assert torch.isfinite(painted).all()
    assert (painted - small).abs().mean() > 0.05
    assert most <= 4


def test_a_flat_map_is_the_number(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    content, style = Pictures.of(small, "content"), Pictures.of(painting, "style")
    for detail, strength in ((0.0, 1.0), (0.2, 0.5), (0.8, 1.0)):
        wanted = next(paint(model, content, style, None, Settings(strength, detail)))
        maps = {"detail_map": torch.full((3, 5), detail), "strength_map": torch.full((1, 4, 4), strength)}
        found = next(paint(model, content, style, **maps))
        assert ((found - wanted).abs().amax(1) > 0.02).float().mean() < 0.02


@pytest.mark.parametrize("settings", [Settings(), Settings(stroke_size=1.0), Settings(steady=True)])
def test_strength_varies_over_the_picture(
    model: artnet.ArtNet, small: Tensor, painting: Tensor, settings: Settings
) -> None:
    """Where the map is 0 the photograph stays, to the bit; in frames each map for its own."""
    left, _ = halves(128, 144)
    style = Pictures.of(painting, "style")
    strengths = torch.cat([left, 1 - left])
    found = frames_of(paint(model, Pictures.of(small, "c"), style, None, settings, strength_map=strengths))
    assert torch.equal(found[0, ..., 72:], small[0, ..., 72:]) and torch.equal(found[1, ..., :64], small[0, ..., :64])
    plain = next(paint(model, Pictures.of(small, "c"), style, None, settings))
    assert (found[0] - plain[0])[..., :40].abs().mean() < 0.02
    assert (found[0] - small[0])[..., :40].abs().mean() > 0.05


def test_detail_varies_over_the_picture(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    """A face keeps its lines, while the rest is painted with strokes."""
    content, style = Pictures.of(small, "content"), Pictures.of(painting, "style")
    left, _ = halves(128, 144)
    found = next(paint(model, content, style, detail_map=left))
    painterly, faithful = (next(paint(model, content, style, None, Settings(detail=detail))) for detail in (0.0, 1.0))
    for columns, near, far in ((slice(0, 56), faithful, painterly), (slice(88, 144), painterly, faithful)):
        assert edge_ssim(found[..., columns], near[..., columns]) > edge_ssim(found[..., columns], far[..., columns])
    assert edge_ssim(found[..., :56], small[..., :56]) > edge_ssim(painterly[..., :56], small[..., :56]) + 0.1


def test_maps_reach_into_regions(model: artnet.ArtNet, small: Tensor, painting: Tensor, palette: Tensor) -> None:
    content, first, second = (Pictures.of(x, name) for x, name in ((small, "c"), (painting, "a"), (palette, "b")))
    left, right = halves(128, 144)
    upper = torch.zeros(1, 128, 144)
    upper[:, :64] = 1
    regions = [Region(left, first, settings=Settings(strength=0.3)), Region(right, second)]
    found = next(paint(model, content, None, regions=regions, strength_map=upper, detail_map=right))
    assert torch.equal(found[..., 72:, :], small[..., 72:, :])
    assert (found - small)[..., :56, :].abs().mean() > 0.05


def test_wrong_maps(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    content, style = Pictures.of(small, "content"), Pictures.of(painting, "style")
    nothing = torch.full((4, 4), float("nan"))
    with pytest.raises(ValueError, match="The detail map has values that are not finite"):
        next(paint(model, content, style, detail_map=nothing))
    with pytest.raises(ValueError, match="The mask of sky has values that are not finite"):
        next(paint(model, content, style, regions=[Region(nothing, style, name="sky")]))
    with pytest.raises(ValueError, match="detail map 2"):
        next(paint(model, Pictures.of(small.repeat(3, 1, 1, 1), "c"), style, detail_map=torch.ones(2, 4, 4)))
    with pytest.raises(ValueError, match="detail must lie"):
        sandwich_swap(model.encode(small), model.encode(painting), detail=torch.full((1, 1, 16, 18), 1.5))


@pytest.mark.parametrize("method", ALL_METHODS.values(), ids=ALL_METHODS)
def test_other_methods_see_nothing_hidden(
    method: Transfer, model: artnet.ArtNet, small: Tensor, painting: Tensor
) -> None:
    """A corner of the style counts, then it alone is the style."""
    corner, left = torch.zeros(1, *painting.shape[2:]), halves(128, 144)[0]
    corner[:, :96, :128] = 1
    content, style = model.encode(small), model.encode(painting)
    weighted, cut = style.weighted(corner[None]), style.cut((0, 12), (0, 16))
    torch.testing.assert_close(method(content, weighted).data, method(content, cut).data, atol=5e-3, rtol=1e-3)
    # What of the content does not count has no part in what becomes of the rest, but for patches across the border.
    counted, alone, unweighted = (
        method(part, style).data[..., :7]
        for part in (content.weighted(left[None]), content.cut((0, 16), (0, 9)), content)
    )
    assert (counted - alone).abs().mean() <= 0.4 * (unweighted - alone).abs().mean()
    # Nothing of it counts: it stays.
    assert torch.equal(method(content.weighted(torch.zeros(1, 1, 128, 144)), style).data, content.data)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_weights_and_regions(
    dtype: torch.dtype, model: artnet.ArtNet, photo: Tensor, painting: Tensor, palette: Tensor
) -> None:
    left, _ = halves(256, 256)
    mask = torch.zeros(1, *painting.shape[2:])
    mask[:, 16:120, 32:200] = 1
    arguments = Pictures.of(photo, "content"), Pictures.of(palette, "style")
    regions = [Region(left, Pictures.of(painting, "style"), texture_mask=mask)]
    half, whole = (next(paint(of, *arguments, regions=regions)) for of in (artnet.load("artnet", dtype=dtype), model))
    assert (half - whole).abs().mean() < 0.01


def test_the_default_dtype_changes_nothing(model: artnet.ArtNet, small: Tensor, painting: Tensor, disc: Tensor) -> None:
    left, _ = halves(128, 144)

    def painted() -> Tensor:
        regions = [Region(left, Pictures.of(painting, "style"), texture_mask=torch.ones_like(painting[:, 0]).tril())]
        content, style = Pictures.of(small, "content", disc), Pictures.of(painting, "style")
        return next(paint(model, content, style, regions=regions, detail_map=disc, strength_map=disc))

    expected = painted()
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(painted(), expected)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("steady", [False, True])
def test_a_flat_stroke_map_is_the_number(model: artnet.ArtNet, photo: Tensor, painting: Tensor, steady: bool) -> None:
    content, style = Pictures.of(photo, "content"), Pictures.of(painting, "style")
    for size in (0.0, 0.7, 1.0):
        wanted = next(paint(model, content, style, None, Settings(stroke_size=size, steady=steady)))
        flat = torch.full((3, 5), size)
        found = next(paint(model, content, style, None, Settings(steady=steady), stroke_map=flat))
        assert (found - wanted).abs().max() < 1e-3, size


def test_stroke_size_varies_over_the_picture(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    """Broad strokes at the left, fine ones at the right; in regions by their own settings too, and in each frame."""
    content, style = Pictures.of(photo, "content"), Pictures.of(painting, "style")
    left, right = halves(256, 256)
    broad = next(paint(model, content, style, None, Settings(detail=0.1, stroke_size=1.0)))
    maps = torch.cat([left, right, torch.zeros_like(left)])
    finest = Settings(detail=0.1, stroke_size=0.0)
    varied = frames_of(paint(model, content, style, None, finest, stroke_map=maps))
    broadest = Settings(detail=0.1, stroke_size=1.0)
    own, broad_halves, fine_halves = (
        next(
            paint(model, content, None, regions=[Region(left, style, settings=one), Region(right, style, settings=two)])
        )
        for one, two in ((broadest, finest), (broadest, broadest), (finest, finest))
    )
    fine = varied[2:]
    assert torch.equal(fine, next(paint(model, content, style, None, finest)))
    columns = {"left": slice(0, 96), "right": slice(160, 256)}
    for found, broadly, finely, all_broad, all_fine in (
        (varied[:1], "left", "right", broad, fine),
        (varied[1:2], "right", "left", broad, fine),
        (own, "left", "right", broad_halves, fine_halves),
    ):
        for where, near, far in ((broadly, all_broad, all_fine), (finely, all_fine, all_broad)):
            distances = [(found - x)[..., columns[where]].abs().mean() for x in (near, far)]
            assert distances[0] < 0.8 * distances[1]


def test_strokes_grow_smoothly_over_a_ramp(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    """No step shows where another level begins: what a level takes of the one before is a smooth share."""
    ramp = torch.linspace(0, 1, 512).view(1, 1, 1, 512)
    for halvings in (0, 1):
        taken = drawn_share(512, ramp, halvings)
        assert taken.min() == 0 and taken.max() == 1
        assert (taken[..., 1:] - taken[..., :-1]).abs().max() < 0.03
    assert level_sides(512, 1.0) == [128, 256, 512] and not drawn_share(512, torch.zeros(1), 0).any()
    assert torch.isfinite(
        next(paint(model, Pictures.of(photo, "c"), Pictures.of(painting, "s"), stroke_map=ramp[0]))
    ).all()


def test_a_video_whose_broadest_stroke_changes(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    """Frames have other levels than the one before, and each level goes on with its own strokes."""
    frames, style = Pictures.of(photo.repeat(4, 1, 1, 1), "c"), Pictures.of(painting, "s")
    maps = torch.tensor([1.0, 0.0, 1.0, 0.0]).view(4, 1, 1)
    found = frames_of(paint(model, frames, style, None, Settings(steady=True), stroke_map=maps))
    for first, again, other in ((0, 2, 1), (1, 3, 2)):
        distances = [(found[first] - found[index]).abs().mean() for index in (again, other)]
        assert distances[0] < 0.5 * distances[1]


def test_the_library_in_one_call(model: artnet.ArtNet, small: Tensor, painting: Tensor, palette: Tensor) -> None:
    """``model.stylize`` with everything that varies is the pipeline with it."""
    frames, style_mask = torch.cat([small, small.flip(-1)]), torch.zeros(1, *painting.shape[2:])
    style_mask[..., 40:160] = 1
    left, right = halves(128, 144)
    regions = [artnet.Region(left, artnet.Pictures.of(palette, "palette"))]
    maps = {"detail_map": right, "strength_map": torch.cat([left, right]) * 0.5 + 0.5, "stroke_map": left}
    found = model.stylize(
        frames, painting, palette, mask=right, style_mask=style_mask, color_mask=left, regions=regions, **maps
    )
    wanted = paint(
        model,
        Pictures.of(frames, "content"),
        Pictures.of(painting, "style", style_mask),
        Pictures.of(palette, "color style", left),
        Settings(),
        right,
        regions=regions,
        **maps,
    )
    assert torch.equal(found, frames_of(wanted))
    alone = model.stylize(small, regions=regions)
    assert torch.equal(alone[..., 72:], small[..., 72:])
    with pytest.raises(ValueError, match="nothing to paint with"):
        model.stylize(small)
    with pytest.raises(ValueError, match="batches do not fit together"):
        model.stylize(frames, painting, mask=torch.ones(3, 4, 4))
