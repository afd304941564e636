"""The faithful end of detail."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.painting.faithful import finished_share, give_way, share_above
from artnet_core.pipeline import Pictures, Region, Settings, paint
from artnet_core.scores import edge_ssim
from artnet_core.transfer.histograms import Tones, histograms, match_colors


def spread(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of a picture's colours."""
    values = picture[0].flatten(1)
    return values.mean(1), values.cov()


def test_a_recoloured_picture_has_the_mean_and_covariance_of_the_style(photo: Tensor, painting: Tensor) -> None:
    recoloured = match_colors(photo, [Tones(histograms(painting))])
    for was, found, wanted in zip(spread(photo), spread(recoloured), spread(painting), strict=True):
        assert (found - wanted).norm() < 0.35 * (was - wanted).norm()
    assert edge_ssim(photo, recoloured) > 0.75


def test_a_part_is_recoloured_by_what_it_shows(photo: Tensor, painting: Tensor) -> None:
    left = torch.zeros(1, 1, *photo.shape[-2:])
    left[..., :128] = 1
    wanted = histograms(painting)
    found = match_colors(photo, [Tones(wanted, left, left)])
    assert torch.equal(found[..., 128:], photo[..., 128:])
    alone = match_colors(photo[..., :128], [Tones(wanted)])
    torch.testing.assert_close(found[..., :128], alone, atol=1e-5, rtol=0)
    assert torch.equal(match_colors(photo, [Tones(wanted, left, 0 * left)]), photo)
    tiny = photo[..., :31]
    assert match_colors(tiny, [Tones(wanted)]) is tiny


def test_edges_come_back_with_detail(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    for stroke_size in (0.0, 1.0):
        paintings = [model.stylize(photo, painting, detail=x, stroke_size=stroke_size) for x in (0.3, 0.6, 0.8, 1.0)]
        edges = [edge_ssim(photo, x) for x in paintings]
        assert edges == sorted(edges) and edges[-1] > edges[1] + 0.05
        colors = [(spread(x)[0] - spread(painting)[0]).norm() for x in (photo, paintings[-1])]
        assert colors[1] < 0.4 * colors[0]


@pytest.mark.parametrize("detail", [0.6, 0.8, 1.0])
def test_a_map_of_one_value_is_the_number(model: artnet.ArtNet, photo: Tensor, painting: Tensor, detail: float) -> None:
    content, style = Pictures.of(photo, "content"), Pictures.of(painting, "style")
    number = next(paint(model, content, style, None, Settings(detail=detail)))
    of_map = next(paint(model, content, style, None, Settings(), detail_map=torch.full((9, 9), detail)))
    # Lines are cut off at black and white before they are blended, or after.
    assert (of_map - number).abs().mean() < 1e-3


def test_a_faithful_region_beside_a_painterly_one(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    left = torch.zeros(photo.shape[-2:])
    left[:, :128] = 1
    content, style = Pictures.of(photo, "content"), Pictures.of(painting, "style")
    regions = [
        Region(left, style, settings=Settings(detail=1.0)),
        Region(1 - left, style, settings=Settings(detail=0.1)),
    ]
    painted = next(paint(model, content, None, regions=regions))
    faithful, painterly = (
        edge_ssim(photo[..., part], painted[..., part]) for part in (slice(0, 120), slice(136, None))
    )
    assert faithful > painterly + 0.2


def test_a_finish_leaves_what_gave_way(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    """Most of a faithful half stays as it was, and all that is no more than painted is finished."""
    small = photo[..., :128, :128]
    faithful = torch.full((128, 128), 0.5)
    faithful[:, :64] = 1
    before, after = (model.stylize(small, painting, detail_map=faithful, finish=steps) for steps in (0, 6))
    moved = (after - before).abs().mean((0, 1, 2))
    assert 0 < moved[:60].mean() < 0.3 * moved[68:].mean()
    alone = [model.stylize(small, painting, detail=1.0, finish=steps) for steps in (0, 6)]
    assert edge_ssim(small, alone[1]) > edge_ssim(small, alone[0]) - 0.03


def test_a_steady_video_may_be_faithful(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    frames = torch.cat([photo[..., :200, shift : shift + 200] for shift in (0, 4, 8)])
    painted = model.stylize(frames, painting, detail=1.0, steady=True)
    for index in (0, 1):
        moved = (painted[index, :, :, 4:] - painted[index + 1, :, :, :-4]).abs().mean()
        assert moved < 0.02
    assert edge_ssim(frames[:1], painted[:1]) > edge_ssim(
        frames[:1], model.stylize(frames[:1], painting, detail=0.5, steady=True)
    )


def test_shares() -> None:
    assert [share_above(0.6, x) for x in (0.0, 0.6, 1.0)] == [0.0, 0.0, 1.0]
    torch.testing.assert_close(finished_share(torch.tensor([0.6, 0.8, 1.0])), torch.tensor([1.0, 0.575, 0.15]))
    torch.testing.assert_close(share_above(0.6, torch.tensor([0.1, 0.8, 1.0])), torch.tensor([0.0, 0.5, 1.0]))
    picture = torch.rand(1, 3, 40, 40)
    assert give_way(picture, picture, 0.0, []) is picture
