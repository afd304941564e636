"""Camera motion of crops and of moved pictures."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from artnet_core.images import read_picture
from artnet_core.video.motion import averaged_luma, camera_motion

from .conftest import EXAMPLES

PHOTO = EXAMPLES / "content" / "astronaut.jpg"


def noisy(image: Tensor, seed: int) -> Tensor:
    return image + torch.randn(image.shape, generator=torch.Generator().manual_seed(seed)) / 255


def motion(before: Tensor, after: Tensor) -> tuple[float, float] | None:
    return camera_motion(averaged_luma(before)[0], averaged_luma(after)[0])


@pytest.mark.parametrize("step", [(0, 0), (1, 0), (0, -2), (5, 7), (-16, 3), (-20, -30)])
@pytest.mark.parametrize("size", [(256, 256), (255, 301), (96, 160)])
def test_crops(step: tuple[int, int], size: tuple[int, int]) -> None:
    photo = read_picture(PHOTO).rgb
    (height, width), (down, right) = size, step
    before = photo[..., 100 : 100 + height, 100 : 100 + width]
    after = photo[..., 100 + down : 100 + down + height, 100 + right : 100 + right + width]
    assert motion(noisy(before, 0), noisy(after, 1)) == pytest.approx(step, abs=0.15)


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ((1.5, 0.0), (1.5, 0.0)),
        ((0.2, -1.3), (0.2, -1.3)),
        ((-2.4, 1.6), (-2.4, 1.6)),
        ((0.9, 0.0), (0.9, 0.0)),
        ((0.4, 0.0), (0, 0)),
        ((0.0, -0.7), (0, 0)),
    ],
)
def test_fractions_of_a_pixel(step: tuple[float, float], found: tuple[float, float]) -> None:
    """Moved by the phases of its Fourier transform, which is exact. Less than 0.8 pixels count as none."""
    photo = read_picture(PHOTO).rgb
    rows, columns = torch.fft.fftfreq(photo.shape[-2])[:, None], torch.fft.fftfreq(photo.shape[-1])
    phases = torch.exp(2j * math.pi * (rows * step[0] + columns * step[1]))
    moved = torch.fft.ifft2(torch.fft.fft2(photo) * phases).real
    before, after = (image[..., 100:400, 100:400] for image in (photo, moved))
    assert motion(noisy(before, 0), noisy(after, 1)) == pytest.approx(found, abs=0.3)


def test_a_camera_that_stands_still_does_not_move_at_all() -> None:
    photo = read_picture(PHOTO).rgb
    assert motion(noisy(photo, 0), noisy(photo, 1)) == (0, 0)


def test_what_moves_before_a_camera_is_no_motion_of_it() -> None:
    photo = read_picture(PHOTO).rgb
    still, moved = photo[..., 50:306, 50:306], photo[..., 53:309, 56:312]
    part = still.clone()
    part[..., 90:150, 70:190] = moved[..., 90:150, 70:190]
    assert motion(noisy(still, 0), noisy(part, 1)) == (0, 0)
    part[..., :150] = moved[..., :150]
    assert motion(noisy(still, 0), noisy(part, 1)) in (None, (0, 0))
    nearly_all = moved.clone()
    nearly_all[..., 220:, 60:190] = 0  # a subtitle
    titled = still.clone()
    titled[..., 220:, 60:190] = 0
    assert motion(noisy(titled, 0), noisy(nearly_all, 1)) == pytest.approx((3, 6), abs=0.15)


def test_a_cut_a_zoom_and_noise_are_unknown() -> None:
    cat, cup = (read_picture(EXAMPLES / "content" / f"{name}.jpg", 300).rgb for name in ("chelsea", "coffee"))
    sides = [min(one, two) for one, two in zip(cat.shape[-2:], cup.shape[-2:], strict=True)]
    assert motion(*(image[..., : sides[0], : sides[1]] for image in (cat, cup))) is None
    photo = read_picture(PHOTO).rgb
    zoomed = F.interpolate(photo, scale_factor=1.05, mode="bicubic")[..., 12:524, 12:524]
    assert motion(noisy(photo, 0), noisy(zoomed, 1)) is None
    grey = torch.full((1, 3, 120, 160), 0.5)
    assert motion(noisy(grey, 0), noisy(grey, 1)) is None
    assert motion(grey, grey) is None


def test_large_frames_are_averaged() -> None:
    photo = F.interpolate(read_picture(PHOTO).rgb, scale_factor=6, mode="bicubic")
    before, after = photo[..., 100:1600, 100:2300], photo[..., 112:1612, 82:2282]
    (first, side), (second, _) = (averaged_luma(image) for image in (before, after))
    assert side == 3 and max(first.shape) <= 1024
    assert camera_motion(first, second) == pytest.approx((4, -6), abs=0.1)


def test_brighter_than_white_is_white() -> None:
    """As for the encoder: a lamp that is fixed before the camera counts no more than a white spot."""
    photo = read_picture(PHOTO).rgb
    before, after = photo[..., 100:300, 100:300].clone(), photo[..., 100:300, 108:308].clone()
    for frame in (before, after):
        frame[..., 50:54, 50:54] = 1e20
    assert motion(before, after) == pytest.approx((0, 8), abs=0.15)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (7, 7), (8, 8), (9, 30)])
def test_small_frames(size: tuple[int, int]) -> None:
    found = motion(torch.rand(1, 3, *size), torch.rand(1, 3, *size))
    assert found is None or all(abs(step) <= max(size) for step in found)
