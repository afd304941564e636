"""What the losses see and what they do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from training.losses import (
    content,
    distillation,
    fixed_pattern,
    moments,
    perceptual,
    relative_error,
    seam,
    strokes,
    style,
)


def _features(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 5, 12, 12, generator=torch.Generator().manual_seed(seed)) * 40


def test_losses_vanish_for_equal_features() -> None:
    maps = {"a": _features()}
    assert relative_error(maps["a"], maps["a"]) == 0
    assert perceptual(maps, maps) == 0
    assert style(maps, maps, torch.Generator()) == 0
    assert content(maps, maps, torch.ones(2)) == 0
    assert distillation(torch.ones(2, 4), torch.ones(2, 4)).abs() < 1e-6


def test_style_ignores_places_and_content_ignores_contrast() -> None:
    maps, shuffled = {"a": _features()}, {"a": _features().flip(2)}
    assert style(shuffled, maps, torch.Generator()) < 1e-6
    assert content(shuffled, maps, torch.ones(2)) > 0.5
    brighter = {"a": _features() * 3 + 7}
    assert content(brighter, maps, torch.ones(2)) < 1e-6
    assert style(brighter, maps, torch.Generator()) > 0.5


def test_style_of_one_channel_is_the_distance_of_the_sorted_values() -> None:
    found, target = _features()[:1, :1], _features(1)[:1, :1] ** 2
    difference = np.sort(found.numpy().ravel()) - np.sort(target.numpy().ravel())
    wanted = np.square(difference).mean() / target.numpy().var(ddof=1)
    assert style({"a": found}, {"a": target}, torch.Generator()).item() == pytest.approx(wanted, rel=1e-4)


def test_style_sees_which_channels_fire_together() -> None:
    """Every channel has the same values in both, and so the same mean and deviation."""
    together, apart = _features(), _features()
    together[:, 0] = together[:, 1]
    apart[:, 0] = apart[:, 1].flip(1)
    for together_moment, apart_moment in zip(moments(together), moments(apart), strict=True):
        torch.testing.assert_close(together_moment, apart_moment)
    assert style({"a": apart}, {"a": together}, torch.Generator()) > 0.01


def test_content_weighs_samples() -> None:
    maps, other = {"a": _features()}, {"a": _features(1)}
    other["a"][0] = maps["a"][0]
    assert content(other, maps, torch.tensor([1.0, 0.0])) < 1e-6
    assert content(other, maps, torch.tensor([0.0, 1.0])) > 0.1


def test_seam_sees_grids_checkerboards_and_strokes_of_any_sign_but_no_picture() -> None:
    noise = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.2
    positions = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 0.2
    grid = noise + positions.repeat_interleave(8, 2).repeat_interleave(8, 3)
    rows = torch.arange(64).div(2, rounding_mode="floor") % 2
    checkerboard = noise + 0.2 * (rows[:, None] ^ rows[None, :])
    lattice = torch.zeros(8, 8)
    lattice[torch.arange(4), torch.arange(4)] = lattice[torch.arange(4) + 4, torch.arange(4) + 4] = 1.0
    signs = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(2)).sign()
    slanted = noise + 0.1 * signs.repeat_interleave(8, 2).repeat_interleave(8, 3) * lattice.repeat(8, 8)
    assert seam(noise) < 1e-3
    assert seam(slanted) > 10 * seam(noise)
    assert fixed_pattern(slanted) < 2 * fixed_pattern(noise)
    assert seam(grid) > 10 * seam(noise)
    assert seam(checkerboard) > 10 * seam(noise)


@pytest.mark.parametrize("pattern", ["stripes", "checkerboard", "grid of 4", "grid of 8"])
def test_fixed_patterns_are_seen_in_any_picture(pattern: str) -> None:
    """Even those that the seam misses, in which all neighbours differ alike: stripes and checkerboards of one pixel."""
    x, y = torch.arange(64), torch.arange(64)[:, None]
    patterns = {"stripes": x % 2, "checkerboard": (x + y) % 2, "grid of 4": x % 4 == 0, "grid of 8": y % 8 == 0}
    noise = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.2
    ramp = torch.linspace(0, 0.5, 64)
    assert fixed_pattern(noise + ramp) < 0.03
    assert fixed_pattern(noise + ramp + 0.05 * patterns[pattern] * torch.ones(64, 64)) > 0.08
    assert fixed_pattern(noise + ramp - 0.05 * patterns[pattern] * torch.ones(64, 64)) > 0.08


def test_strokes_see_grain_and_strokes_at_fixed_places_but_not_where_a_picture_lies() -> None:
    noise = torch.rand(8, 3, 130, 130, generator=torch.Generator().manual_seed(0))
    picture = F.avg_pool2d(noise, 3, stride=1) * 0.5  # [8, 3, 128, 128]
    signs = torch.randn(8, 1, 16, 16, generator=torch.Generator().manual_seed(1)).sign()
    of_positions = signs.repeat_interleave(8, 2).repeat_interleave(8, 3)
    x, y = torch.arange(128), torch.arange(128)[:, None]
    grain = picture + 0.05 * of_positions * (1 - 2 * ((x + y) % 2))
    lattice = picture + 0.1 * of_positions * ((x % 8 == y % 8) & (x % 8 < 5))

    def found(images: torch.Tensor) -> float:
        return strokes(images, picture, torch.Generator().manual_seed(2)).item()

    assert found(picture) == 0
    assert found(picture.roll((3, 5), (2, 3))) < 0.05
    assert found(grain) > 20 * found(picture.roll((3, 5), (2, 3)))
    assert found(lattice) > 20 * found(picture.roll((3, 5), (2, 3)))


def test_gradients_are_finite_for_flat_pictures() -> None:
    flat = torch.full((2, 3, 32, 32), 0.5, requires_grad=True)
    target = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    total = seam(flat) + fixed_pattern(flat) + strokes(flat, target, torch.Generator())
    total = total + style({"a": flat}, {"a": target}, torch.Generator())
    total = total + content({"a": flat}, {"a": target}, torch.ones(2))
    total.backward()
    assert flat.grad is not None and torch.isfinite(flat.grad).all()
