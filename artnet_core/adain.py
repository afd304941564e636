"""Adaptive instance normalisation (Huang and Belongie 2017, equation 8)."""

from __future__ import annotations

import torch
from torch import Tensor

_SMALLEST_STD = 1e-5


def channel_statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and (population) standard deviation of every channel, in float32.

    Args:
        features: ``[B, C, h, w]``.

    Returns:
        Two tensors ``[B, C, 1, 1]``.
    """
    features = features.float()
    mean = features.mean(dim=(2, 3), keepdim=True)
    return mean, _deviation(features - mean)


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
    dtype, features = features.dtype, features.float()
    centred = features - features.mean(dim=(2, 3), keepdim=True)
    scale = std / _deviation(centred).clamp(min=_SMALLEST_STD)
    return torch.addcmul(mean, centred, scale).to(dtype)


def _deviation(centred: Tensor) -> Tensor:
    """Standard deviation of channels whose mean is 0."""
    return centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
