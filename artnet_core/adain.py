"""Adaptive instance normalisation (Huang and Belongie 2017, equation 8)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .pieces import piece_elements

_SMALLEST_STD = 1e-5


def channel_statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and (population) standard deviation of every channel, in float32.

    Args:
        features: ``[B, C, h, w]``.

    Returns:
        Two tensors ``[B, C, 1, 1]``.
    """
    cells = features.shape[2] * features.shape[3]
    zero = features.new_zeros(*features.shape[:2], 1, 1, dtype=torch.float32)
    mean = sum((piece.sum((2, 3), keepdim=True) for _, piece in _pieces(features)), zero) / cells
    squares = ((piece - mean).square().sum((2, 3), keepdim=True) for _, piece in _pieces(features))
    return mean, (sum(squares, zero) / cells).sqrt()


def adain(content: Tensor, style: Tensor) -> Tensor:
    """Gives each channel of ``content`` the mean and standard deviation it has in ``style``.

    A channel that is constant in ``content`` becomes the style's mean.

    Args:
        content: ``[B, C, h, w]``.
        style: ``[B, C, h', w']`` or ``[1, C, h', w']``.

    Returns:
        ``[B, C, h, w]`` in the dtype of ``content``; statistics are taken in float32.
    """
    return align(content, *channel_statistics(style))


def align(features: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Gives each channel this mean and standard deviation; a constant channel becomes the mean.

    Args:
        features: ``[B, C, h, w]``.
        mean: ``[B or 1, C, 1, 1]``, float32.
        std: likewise.

    Returns:
        ``[B, C, h, w]`` in the dtype of ``features``.
    """
    own_mean, own_std = channel_statistics(features)
    scale = std / own_std.clamp(min=_SMALLEST_STD)
    aligned = torch.empty_like(features)
    for rows, piece in _pieces(features):
        aligned[:, :, rows] = torch.addcmul(mean, piece - own_mean, scale)
    return aligned


def _pieces(features: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Some rows at a time, in float32, so that a large map in half precision is never copied as a whole."""
    batch, channels, height, width = features.shape
    count = max(1, piece_elements(features.device) // (batch * channels * width))
    for top in range(0, height, count):
        rows = slice(top, top + count)
        yield rows, features[:, :, rows].float()
