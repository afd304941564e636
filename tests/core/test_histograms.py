"""Bands of a painting with the style's histograms."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import artnet_core as artnet
from artnet_core.images import read_picture
from artnet_core.painting.mixed import Mix, MixedStyles
from artnet_core.pipeline import Encoded, Pictures, Settings, paint, paint_frame
from artnet_core.transfer.histograms import (
    Histograms,
    Tones,
    histograms,
    in_colors_of,
    match_histograms,
    mix_histograms,
)

from .conftest import EXAMPLES


def example(folder: str, name: str, side: int = 256) -> Tensor:
    return read_picture(EXAMPLES / folder / f"{name}.jpg", side).rgb


def distance(one: Histograms, other: Histograms) -> float:
    """Between the points of luma and chroma, of all bands, in deviations."""
    return sum(
        float(((a - b).abs().mean(1, keepdim=True) / deviation.clamp(min=1e-3)).mean())
        for a, b, deviation in zip(one.bands, other.bands, other.deviations, strict=True)
    ) / len(one.bands)


@pytest.mark.parametrize(("photograph", "share"), [("astronaut", 0.4), ("coffee", 0.5), ("rocket", 0.85)])
@pytest.mark.parametrize("style", ["great_wave", "village_street_in_auvers"])
def test_bands_take_the_styles_histograms(photograph: str, share: float, style: str) -> None:
    """Of a photograph, which is farther away than any painting; most of one is smooth sky, so bounds hold it back."""
    picture, wanted = example("content", photograph), histograms(example("style", style))
    found = histograms(match_histograms(picture, [Tones(wanted)]))
    assert distance(found, wanted) < share * distance(histograms(picture), wanted)
    assert (found.mean - wanted.mean).abs().max() < 0.03


def test_a_picture_of_the_style_hardly_changes(painting: Tensor) -> None:
    assert (match_histograms(painting, [Tones(histograms(painting))]) - painting).abs().mean() < 0.003
    assert distance(histograms(painting), histograms(painting)) == 0


def test_paintings_have_their_styles_tones(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    wanted = histograms(painting)
    painted = histograms(model.stylize(photo, painting))
    assert distance(painted, wanted) < 0.2 < 0.5 * distance(histograms(photo), wanted)


def test_no_value_grows_or_shrinks_beyond_bounds(photo: Tensor) -> None:
    """A photograph of a hundredth of the contrast gains three times of it in bands, five times below them."""
    faint = 0.5 + (photo - 0.5) / 100
    lent = match_histograms(faint, [Tones(histograms(photo))])
    found, before = histograms(lent), histograms(faint)
    for deviation, was in zip(found.deviations, before.deviations, strict=True):
        assert (deviation < 3.5 * was + 1e-5).all()
    assert (found.covariance.diagonal() < 26 * before.covariance.diagonal() + 1e-5).all()
    calmed = match_histograms(photo, [Tones(before)])
    for deviation, was in zip(histograms(calmed).deviations, histograms(photo).deviations, strict=True):
        assert (deviation > 0.25 * was).all()


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_flat_and_grey_pictures_stay_finite(value: float, photo: Tensor) -> None:
    flat, grey = torch.full((1, 3, 64, 70), value), photo.mean(1, keepdim=True).expand(1, 3, 256, 256)
    speck = flat.clone()
    speck[..., 30, 30] = 1 - value
    pictures = flat, grey, speck, photo
    for picture in pictures:
        for style in pictures:
            matched = match_histograms(picture, [Tones(histograms(style))])
            assert matched.isfinite().all() and matched.min() >= 0 and matched.max() <= 1
    # A flat picture becomes as bright as the style, and grey ones stay without colour.
    matched = match_histograms(flat, [Tones(histograms(photo))])
    assert (matched.mean((2, 3)) - photo.mean((2, 3))).abs().max() < 0.02
    matched = match_histograms(grey, [Tones(histograms(grey.flip(3) ** 2))])
    assert (matched.amax(1) - matched.amin(1)).max() < 0.01


def test_an_amount_of_nothing_leaves_the_picture(photo: Tensor, painting: Tensor) -> None:
    wanted = histograms(painting)
    assert torch.equal(match_histograms(photo, [Tones(wanted, 0.0)]), photo)
    assert torch.equal(match_histograms(photo, []), photo)
    half, whole = (match_histograms(photo, [Tones(wanted, amount)]) for amount in (0.5, 1.0))
    assert (half - (photo + whole) / 2).abs().mean() < 0.01  # but for what is clamped


def test_a_map_of_amounts_holds_where_it_is(photo: Tensor, painting: Tensor) -> None:
    amount = torch.zeros(1, 1, 256, 256)
    amount[..., 128:] = 1
    wanted = histograms(painting)
    found, whole = (match_histograms(photo, [Tones(wanted, of)]) for of in (amount, 1.0))
    assert torch.equal(found[..., :128], photo[..., :128])
    assert torch.equal(found[..., 128:], whole[..., 128:])
    both = match_histograms(photo, [Tones(wanted, amount), Tones(wanted, 1 - amount)])
    assert (both - whole).abs().max() < 1e-4


def test_a_weight_decides_what_counts(photo: Tensor, painting: Tensor) -> None:
    """Of the style and of the painting: hidden colours do not, to the bit where nothing blurs them in."""
    weight = torch.zeros(1, 1, 256, 256)
    weight[..., :128] = 1
    stained = torch.where(weight > 0, photo, torch.rand(photo.shape))
    filled = [histograms(Encoded(None, x, weight=weight).picture, weight) for x in (photo, stained)]  # type: ignore[arg-type]
    for one, other in zip(filled[0].bands, filled[1].bands, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(filled[0].mean, filled[1].mean) and torch.equal(filled[0].covariance, filled[1].covariance)
    left = match_histograms(photo, [Tones(histograms(painting), weight=weight)])
    cut = match_histograms(photo[..., :128], [Tones(histograms(painting))])
    assert (left[..., :64] - cut[..., :64]).abs().mean() < 0.02
    assert torch.equal(match_histograms(photo, [Tones(filled[0], weight=0 * weight)]), match_histograms(photo, []))


@pytest.mark.parametrize("size", [(256, 256), (251, 203)])
@pytest.mark.parametrize("place", [(slice(0, 128), slice(0, 96)), (slice(70, 171), slice(101, 256)), (5, 7)])
def test_a_region_is_moved_as_the_whole_would_be(
    place: tuple[slice | int, slice | int], size: tuple[int, int], photo: Tensor, painting: Tensor
) -> None:
    """Though its finest bands are moved in a rectangle alone; and nothing around it changes."""
    photo = photo[..., : size[0], : size[1]]
    region = torch.zeros(1, 1, *size)
    region[..., place[0], place[1]] = 1
    wanted = histograms(painting)
    found, whole = (match_histograms(photo, [Tones(wanted, amount, region)]) for amount in (region, 1.0))
    torch.testing.assert_close(found * region, whole * region, atol=1e-6, rtol=0)
    assert torch.equal(found * (1 - region), photo * (1 - region))


def test_a_column_that_equal_steps_would_miss_is_looked_at(photo: Tensor, painting: Tensor) -> None:
    """Of 6,000 values every third is looked at, which in rows of 33 is one of every third column."""
    tall = F.interpolate(photo, (6000, 33))
    column = torch.zeros(1, 1, 6000, 33)
    column[..., 1] = 1
    found = match_histograms(tall, [Tones(histograms(painting), column, column)])
    assert (found - tall)[..., 1].abs().mean() > 0.01
    assert torch.equal(found[..., 2:], tall[..., 2:])


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (131, 62), (32, 500)])
def test_odd_sizes(size: tuple[int, int], photo: Tensor) -> None:
    picture = F.interpolate(photo, size)
    for style in (photo, picture, photo[..., :1, :1], photo[..., :5, :200]):
        matched = match_histograms(picture, [Tones(histograms(style))])
        assert matched.shape == picture.shape and matched.isfinite().all()
    tiny = picture[..., :31]
    assert match_histograms(tiny, [Tones(histograms(photo))]) is tiny


def test_what_is_no_number_stays_none(photo: Tensor, painting: Tensor) -> None:
    """And is looked up nowhere."""
    broken = photo.clone()
    broken[..., 100, 100] = torch.nan
    matched = match_histograms(broken, [Tones(histograms(painting))])
    assert matched[..., 100, 100].isnan().all()


def test_colours_come_from_the_colour_style(photo: Tensor, painting: Tensor, palette: Tensor) -> None:
    texture, color = histograms(painting), histograms(palette)
    joined = in_colors_of(texture, color)
    for band, of_color, of_texture, was, wanted in zip(
        joined.bands, color.bands, texture.bands, texture.deviations, color.deviations, strict=True
    ):
        assert torch.equal(band[1:], of_color[1:])
        torch.testing.assert_close(band[0] / wanted[0], of_texture[0] / was[0])
    found = histograms(match_histograms(photo, [Tones(joined)]))
    assert (found.mean - color.mean).abs().max() < 0.02


def test_mixed_styles_have_tones_between_theirs(
    model: artnet.ArtNet, photo: Tensor, painting: Tensor, palette: Tensor
) -> None:
    one, other = histograms(painting), histograms(palette)
    torch.testing.assert_close(mix_histograms([one, other], [2, 6]).mean, (one.mean + 3 * other.mean) / 4)
    assert torch.equal(mix_histograms([one, one], [1e308, 1e308]).mean, one.mean)  # a sum of which is no number
    styles = [Encoded(model, painting), Encoded(model, palette)]
    mixed = MixedStyles(styles, [1.0, 1.0])
    assert mixed.histograms(256) is mixed.histograms(256)
    wanted = (one.mean + other.mean) / 2
    found = histograms(paint_frame(model, Encoded(model, photo), mixed)).mean
    assert (found - wanted).abs().max() < 0.02 < (one.mean - other.mean).abs().max()


def test_a_video_is_painted_without(
    model: artnet.ArtNet, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stronger bands, and prices that differ from frame to frame, would make it flicker more."""
    still, frame = (model.stylize(photo, painting, steady=steady) for steady in (False, True))
    monkeypatch.setattr("artnet_core.painting.level.match_histograms", lambda painted, _parts: painted)
    monkeypatch.setattr("artnet_core.transfer.swap.patch_prices", lambda *_: None)
    assert torch.equal(frame, model.stylize(photo, painting)) and not torch.equal(frame, still)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_style_of_which_features_are_left_has_tones_too(
    model: artnet.ArtNet, photo: Tensor, painting: Tensor, weighted: bool
) -> None:
    weight = torch.zeros(1, *painting.shape[2:])
    weight[..., 32:160] = 1
    features = model.encode(painting, None, weight) if weighted else model.encode(painting)
    (painted,) = paint(model, Pictures.of(photo, "photo"), Mix("styles", [features], [1.0]))
    wanted = histograms(painting, weight[None] if weighted else None)
    assert (histograms(painted).mean - wanted.mean).abs().max() < 0.03


def test_half_precision_has_the_same_tones(photo: Tensor, painting: Tensor) -> None:
    half, whole = (
        artnet.load("artnet", dtype=dtype).stylize(photo, painting) for dtype in (torch.float16, torch.float32)
    )
    assert half.dtype == torch.float32
    assert distance(histograms(half), histograms(whole)) < 0.02


def test_a_strength_keeps_the_photographs_share(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    content, style = Pictures.of(photo, "content"), Pictures.of(painting, "style")
    means = [
        histograms(next(paint(model, content, style, None, Settings(strength=strength)))).mean
        for strength in (0.0, 0.5, 1.0)
    ]
    assert (means[1] - (means[0] + means[2]) / 2).abs().max() < 0.03
