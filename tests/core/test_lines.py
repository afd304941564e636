"""The photograph's lines in a faithful painting: back, but without its colours and its contrast."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.scores import color_distance, edge_ssim
from artnet_core.transfer.lines import keep_lines


def test_no_share_changes_nothing(photo: Tensor, painting: Tensor) -> None:
    painted = torch.rand_like(photo)
    assert keep_lines(painted, photo, 0.0) is painted


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_map_of_one_value_is_the_number(share: float, photo: Tensor) -> None:
    """Where lines are cut off at black and white too, in a painting of strong contrast."""
    painted = (2 * photo.flip(3) - 0.5).clamp(0, 1)
    lined = keep_lines(painted, photo, torch.full((1, 1, *photo.shape[2:]), share))
    torch.testing.assert_close(lined, keep_lines(painted, photo, share), atol=1e-6, rtol=0)


def test_lines_come_back_without_the_colours(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    content, style = model.encode(photo), model.encode(painting)
    painted = model.decode(artnet.sandwich_swap(content, style, detail=1.0))
    edges, colors = [], []
    for share in (0.0, 0.5, 1.0):
        lined = keep_lines(painted, photo, share)
        edges.append(edge_ssim(photo, lined).item())
        colors.append(color_distance(painting, lined).item())
    assert edges[0] + 0.1 < edges[1] + 0.05 < edges[2]
    assert max(colors) < min(colors) + 0.02
    assert (lined.mean((2, 3)) - painted.mean((2, 3))).abs().max() < 0.01


def test_contrast_stays_that_of_the_painting(photo: Tensor) -> None:
    """Of a painting that is the photograph at half its contrast nothing changes but at the ends of the range."""
    painted = 0.25 + 0.5 * photo
    assert (keep_lines(painted, photo, 1.0) - painted).abs().max() < 1e-3


@pytest.mark.parametrize("size", [(1, 1), (5, 200), (33, 47)])
def test_any_size(size: tuple[int, int]) -> None:
    painted, photo = torch.rand(2, 3, *size), torch.rand(2, 3, *size)
    lined = keep_lines(painted, photo, 1.0)
    assert lined.shape == painted.shape and lined.isfinite().all()


def test_detail_leads_from_strokes_to_lines(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    edges = [edge_ssim(photo, model.stylize(photo, painting, detail=detail)).item() for detail in (0.0, 0.3, 0.65, 1.0)]
    assert edges == sorted(edges)
    assert edges[3] > edges[1] + 0.1
