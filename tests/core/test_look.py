"""A large painting looks like its small copy."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.images import read_picture
from artnet_core.painting.look import detail_where_kept, keep_look, keeps_most, kept_at, kept_share
from artnet_core.pipeline import Pictures, Region, Settings, level_sides, paint
from artnet_core.resizing import enlarge, resize
from artnet_core.transfer.swap import Matching, find_matches

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
    assert shares[2] == 0 < shares[3] and shares[-2] == shares[-1] == 1


def test_less_stays_where_nothing_is_copied() -> None:
    details = [0.0, 0.2, 0.22, 0.28, 0.3, 1.0]
    found = [kept_at(detail, True) for detail in details]
    assert found == sorted(found, reverse=True) and found[:2] == [0.85] * 2 and found[4:] == [0.5] * 2
    torch.testing.assert_close(kept_at(torch.tensor(details), True), torch.tensor(found))
    assert [kept_at(detail, False) for detail in details] == [0.85] * len(details)


def test_nothing_is_copied_where_most_is_kept_and_lines_are_the_contents() -> None:
    details = [0.0, 0.1, 0.2, 0.25, 0.29, 0.3, 0.5, 1.0]
    found = [detail_where_kept(detail, True) for detail in details]
    assert found == sorted(found) and found[:3] == details[:3] and found[5:] == [1.0] * 3
    torch.testing.assert_close(detail_where_kept(torch.tensor(details), True), torch.tensor(found))
    assert [detail_where_kept(detail, False) for detail in details] == details


def test_most_is_kept_if_it_is_everywhere() -> None:
    most = torch.full((1, 1, 2, 3), 0.95)
    assert keeps_most(0.95) and keeps_most(most)
    most[..., 0] = 0
    assert not any(keeps_most(share) for share in (0.0, 0.8, most))


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
    one_pass = [model.stylize(resize(photo, side), style, stroke_size=0) for side in (512, 1024)]
    moved = (resize(one_pass[1], 512) - one_pass[0]).abs().mean()
    assert (resize(large, 512) - small).abs().mean() < 0.25 * moved and moved > 0.045
    finer = (large - enlarge(small, (large.shape[-2], large.shape[-1]))).abs().mean()
    assert finer > 0.01


def strip(pair: tuple[Tensor, Tensor]) -> tuple[Pictures, Pictures]:
    """Of 1024 x 128 pixels, which three levels paint, and a small style."""
    assert level_sides(1024, 0.75) == [256, 512, 1024]
    return Pictures.of(pair[0][..., 300:428, :], "photo"), Pictures.of(resize(pair[1], 256), "style")


@pytest.mark.parametrize("in_region", [False, True])
@pytest.mark.parametrize(("detail", "expected"), [(0.0, [256, 512, 1024]), (0.3, [256, 512]), (0.5, [256, 512])])
def test_the_last_level_searches_patches_for_painterly_pictures_alone(
    detail: float,
    expected: list[int],
    in_region: bool,
    model: artnet.ArtNet,
    pair: tuple[Tensor, Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched = []

    def find(content: Tensor, style: Tensor, matching: Matching, *others: object) -> Tensor:
        searched.append(content.shape[2] * model.stride)
        return find_matches(content, style, matching, *others)  # type: ignore[arg-type]

    monkeypatch.setattr("artnet_core.transfer.swap.find_matches", find)
    photo, style = strip(pair)
    settings = Settings(detail=detail)
    regions = [Region(torch.ones(3, 5), style, settings=settings)] if in_region else []
    next(paint(model, photo, None if in_region else style, None, settings, regions=regions))
    assert searched == expected


@pytest.mark.parametrize("what", ["stroke map", "detail map", "region"])
def test_large_levels_are_the_same_by_maps_and_regions(
    what: str, model: artnet.ArtNet, pair: tuple[Tensor, Tensor]
) -> None:
    photo, style = strip(pair)
    # Beside weights other patches may be as good, so none are copied there at all.
    settings = Settings(detail=0.5 if what == "stroke map" else 1.0)
    plain = next(paint(model, photo, style, None, settings))
    if what == "stroke map":
        flat = torch.full((3, 5), settings.stroke_size)
        found = next(paint(model, photo, style, None, replace(settings, stroke_size=0), stroke_map=flat))
    elif what == "detail map":
        found = next(paint(model, photo, style, detail_map=torch.ones(3, 5)))
    else:
        found = next(paint(model, photo, None, regions=[Region(torch.ones(3, 5), style, settings=settings)]))
    assert (found - plain).abs().mean() < 1e-3


def test_in_a_pan_a_flat_map_is_the_number(model: artnet.ArtNet, pair: tuple[Tensor, Tensor]) -> None:
    """What is kept moves with the grid, which begins above and to the left of a frame."""
    photo, style = pair[0][..., 300:440, :], strip(pair)[1]
    frames = Pictures.of(torch.cat([photo[..., :128, 3:], photo[..., 5:133, :-3]]), "frames")
    settings, flat = Settings(steady=True), torch.full((3, 5), Settings().stroke_size)
    plain = list(paint(model, frames, style, None, settings))
    found = list(paint(model, frames, style, None, settings, stroke_map=flat))
    assert (torch.cat(found) - torch.cat(plain)).abs().max() < 1e-3
