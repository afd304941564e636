"""How the camera has moved from one frame to another: phase correlation (Kuglin and Hines 1975)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..network.ops import avg_pool

# Pixels of the longer side that frames are averaged down to.
_LARGEST_SIDE = 1024

# Positions per side below which there is no telling.
_SMALLEST_SIDE = 8

# What a motion has to explain of what both frames show, and how many times as much as standing still would. Measured: a
# pan under noise and JPEG compression explains 0.8 and more, another picture 0.1. A slow zoom may explain as much as a
# pan, but then standing still does too.
_EXPLAINED, _OVER_STILL = 0.7, 4

# Share of each side over which the frame is faded out at both of its ends.
_FADED = 1 / 8

_SMALLEST_MAGNITUDE = 1e-6

# Elsewhere (MPS, DirectML) Fourier transforms may be missing.
_FOURIER_DEVICES = ("cpu", "cuda")


def averaged_luma(image: Tensor) -> tuple[Tensor, int]:
    """What :func:`camera_motion` compares: the mean of the colours, averaged over squares of pixels.

    Args:
        image: ``[1, 3, H, W]``, RGB, 0..1; what lies outside is clamped.

    Returns:
        float32 ``[ceil(H / n), ceil(W / n)]``, and n, with which no side is longer than 1,024.
    """
    side = -(-max(image.shape[-2:]) // _LARGEST_SIDE)
    luma = avg_pool(image.float().clamp(0, 1).mean(1), side)[0]
    return luma if luma.device.type in _FOURIER_DEVICES else luma.cpu(), side


def camera_motion(before: Tensor, after: Tensor) -> tuple[float, float] | None:
    """How far the camera has moved down and to the right.

    It stands still unless nearly all of the picture moves: what moves before it is no motion of the camera. Nor is less
    than about 0.8 of a row or column seen, so slow motions are to be compared with a frame that lies longer back.

    Args:
        before: ``[h, w]``.
        after: a later frame, of the same size.

    Returns:
        Rows and columns, to fractions of them, or exactly 0, 0. None where no one motion explains the change, as after
        a cut.
    """
    height, width = before.shape
    if min(height, width) < _SMALLEST_SIDE:
        return None
    rows, columns = (_window(side, before.device).to(before.dtype) for side in before.shape)
    window = rows[:, None] * columns
    first, second = (torch.fft.rfft2((frame - frame.mean()) * window) for frame in (before, after))
    cross = first * second.conj()
    correlation = torch.fft.irfft2(cross / cross.abs().clamp(min=_SMALLEST_MAGNITUDE), s=(height, width))
    row, column = divmod(int(correlation.argmax()), width)
    # Of a motion by a fraction of a position the neighbours have their share.
    around = correlation.roll((1 - row, 1 - column), (0, 1))[:3, :3].clamp(min=0)
    down = (row + height // 2) % height - height // 2  # beyond the middle lie the motions the other way
    right = (column + width // 2) % width - width // 2
    if around.sum() < _EXPLAINED * (1 - abs(down) / height) * (1 - abs(right) / width):
        return None
    if around[1, 1] < _OVER_STILL * correlation[0, 0]:
        return 0.0, 0.0
    shares = around / around.sum()
    return down + float(shares[2].sum() - shares[0].sum()), right + float(shares[:, 2].sum() - shares[:, 0].sum())


def _window(side: int, device: torch.device) -> Tensor:
    """1, and at both ends half a cosine down to 0 (Tukey): edges that are none would not move."""
    place = torch.arange(side, dtype=torch.float64, device=device) + 0.5
    share = torch.minimum(place, side - place) / (side * _FADED)
    return 0.5 - 0.5 * torch.cos(math.pi * share.clamp(max=1))
