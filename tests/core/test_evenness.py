"""Even use of the style's patches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from artnet_core import ArtNet
from artnet_core.images import read_picture
from artnet_core.transfer.evenness import patch_prices
from artnet_core.transfer.matching import match_patches, visible_patches
from artnet_core.transfer.sandwich import matching_at
from artnet_core.transfer.swap import find_matches

from .conftest import EXAMPLES, compared_maps, maps


def entropy(matches: Tensor) -> float:
    """Of how often each patch is copied, in bits."""
    shares = matches.flatten().bincount().float() / matches.numel()
    shares = shares[shares > 0]
    return float(-(shares * shares.log2()).sum())


def calm_part(photo: Tensor) -> Tensor:
    """The calmest square of 96 pixels: plain sky, wall or water."""
    squares = photo.mean(1)[0].unfold(0, 96, 16).unfold(1, 96, 16)
    row, column = divmod(int(squares.std((2, 3)).argmin()), squares.shape[1])
    return photo[..., row * 16 : row * 16 + 96, column * 16 : column * 16 + 96]


@pytest.mark.parametrize("name", ["rocket", "astronaut"])
@pytest.mark.parametrize("detail", [0.0, 0.3])
def test_a_picture_and_its_calmest_part_take_more_of_the_style(
    model: ArtNet, painting: Tensor, name: str, detail: float
) -> None:
    photo = read_picture(EXAMPLES / "content" / f"{name}.jpg", 256).rgb
    for picture in (photo, calm_part(photo)):
        content, style = compared_maps(model, picture, painting)
        even = replace(matching_at(detail, 3, len(content)), pooling=1)
        assert even.even
        best, evenly = (find_matches(content, style, matching) for matching in (replace(even, even=False), even))
        assert entropy(evenly) > entropy(best) + 0.1
        assert evenly.flatten().bincount().max() <= best.flatten().bincount().max()


def test_scores_hardly_fall(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    """What comes in place of the best patch is nearly as like."""
    content, style = compared_maps(model, photo, painting)
    prices = patch_prices(content, style, 3)
    assert prices.shape == (style.shape[1] - 2, style.shape[2] - 2) and prices.dtype == torch.float32
    assert 0.7 < prices.min() < 1 < prices.max() < 1.3


def test_what_is_used_alike_costs_alike() -> None:
    """A map matched to itself takes each patch once; patches that are all the same are no dearer than one another."""
    _, style = maps(4, 16, (9, 9), (16, 18))
    torch.testing.assert_close(patch_prices(style, style, 3), torch.ones(14, 16), atol=1e-3, rtol=0)
    content, _ = maps(5, 16, (9, 9), (1, 1))
    same = torch.ones(16, 12, 12)
    torch.testing.assert_close(patch_prices(content, same, 3), torch.ones(10, 10), atol=1e-6, rtol=0)


def test_a_patch_that_all_would_take_becomes_dear() -> None:
    content, style = maps(6, 16, (16, 16), (12, 12))
    content = 0.2 * content + style[:, 5:6, 7:8]  # nearly one patch of the style everywhere
    style[:, 4:7, 6:9] = style[:, 5:6, 7:8].clone()
    prices = patch_prices(content, style, 3)
    assert prices.argmin() == 4 * 10 + 6


@pytest.mark.parametrize("pooling", [1, 2])
@pytest.mark.parametrize("detail", [0.0, 0.3])
def test_nothing_hidden_is_copied(detail: float, pooling: int) -> None:
    content, style = maps(7, 8, (24, 22), (26, 28))
    visible = torch.zeros(26, 28, dtype=torch.bool)
    visible[6:20, 4:18] = True
    matching = replace(matching_at(detail, 3, 8), pooling=pooling)
    matches = find_matches(content, style, matching, visible)
    assert visible_patches(visible, 3)[matches // 28, matches % 28].all()
    # Nor does it have any part in what is.
    other = torch.where(visible, style, torch.rand(style.shape))
    assert torch.equal(patch_prices(content, style, 3, visible), patch_prices(content, other, 3, visible))


def test_content_that_does_not_count_uses_nothing() -> None:
    content, style = maps(11, 8, (14, 18), (12, 13))
    counts = torch.zeros(14, 18)
    counts[:, :9] = 1
    other = content.clone()
    other[..., 9:] = style[:, 4:5, 4:5]
    assert torch.equal(patch_prices(content, style, 1, None, counts), patch_prices(other, style, 1, None, counts))
    alone = patch_prices(content[..., :9], style, 1)
    torch.testing.assert_close(patch_prices(content, style, 1, None, counts), alone, atol=0.02, rtol=0)


def test_prices_are_the_same_each_time(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    content, style = compared_maps(model, photo, painting)
    before = torch.get_rng_state()
    assert torch.equal(patch_prices(content, style, 3), patch_prices(content, style, 3))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (3, 40), (200, 4)])
@pytest.mark.parametrize("patch_size", [1, 3])
def test_maps_of_any_size(size: tuple[int, int], patch_size: int) -> None:
    height, width = (max(side, patch_size) for side in size)
    for content, style in (maps(8, 4, (height, width), (9, 7)), maps(9, 4, (9, 7), (height, width))):
        prices = patch_prices(content, style, patch_size)
        assert prices.shape == tuple(side - patch_size + 1 for side in style.shape[1:])
        assert prices.isfinite().all() and (prices > 0).all()


def test_prices_multiply_scores() -> None:
    content, style = maps(10, 4, (8, 9), (7, 6))
    dear = torch.ones(5, 4)
    found = match_patches(content, style, 3)
    dear[found[0, 0] // 6, found[0, 0] % 6] = 1e-3
    assert match_patches(content, style, 3, prices=dear)[0, 0] != found[0, 0]
    assert torch.equal(match_patches(content, style, 3, prices=torch.ones(5, 4)), found)
