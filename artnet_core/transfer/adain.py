"""Adaptive instance normalisation (Huang and Belongie 2017, equation 8)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..network.ops import chunk_elements

_SMALLEST_STD = 1e-5

# Deviations from the mean that a position which does not count may have: its channel may hardly vary where it counts.
_FARTHEST = 8

# So many rows and columns of a map, at the most, show whether a channel may be constant.
_SAMPLES = 8

# So many positions, at the most, tell about where the mean of a channel is.
_POSITIONS_SAMPLED = 256

# Where batch norm takes half precision with statistics in float32.
_MIXING_DEVICES = ("cpu", "cuda")


def channel_statistics(features: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and (population) standard deviation of every channel, in float32.

    Args:
        features: ``[B, C, h, w]``.
        weight: ``[1 or B, 1, h, w]``, 0..1, how much each position counts, some of it above 0; all alike by default.

    Returns:
        Two tensors ``[B, C, 1, 1]``.
    """
    if weight is not None:
        return _weighted_statistics(features, weight)
    positions = features.shape[2] * features.shape[3]
    zero = features.new_zeros(*features.shape[:2], 1, 1, dtype=torch.float32)
    mean = sum((piece.sum((2, 3), keepdim=True) for piece in _pieces(features)), zero) / positions
    squares = ((piece - mean).square().sum((2, 3), keepdim=True) for piece in _pieces(features))
    return mean, (sum(squares, zero) / positions).sqrt()


def adain(content: Tensor, style: Tensor) -> Tensor:
    """Gives each channel of ``content`` the mean and standard deviation it has in ``style``.

    A channel that is constant in ``content`` becomes the style's mean.

    Args:
        content: ``[B, C, h, w]``.
        style: ``[B, C, h', w']`` or ``[1, C, h', w']``.

    Returns:
        ``[B, C, h, w]`` in the dtype of ``content``; statistics are taken in float32.

    Example:
        >>> content, style = torch.rand(1, 4, 16, 16), 3 * torch.rand(1, 4, 8, 12) + 5
        >>> aligned = artnet.adain(content, style)
        >>> torch.allclose(aligned.mean((2, 3)), style.mean((2, 3)), atol=1e-4)
        True
    """
    return align(content, *channel_statistics(style))


def align(features: Tensor, mean: Tensor, std: Tensor, weight: Tensor | None = None) -> Tensor:
    """Gives each channel this mean and standard deviation; a constant channel becomes the mean.

    Args:
        features: ``[B, C, h, w]``.
        mean: ``[B or 1, C, 1, 1]``, float32.
        std: likewise.
        weight: as in :func:`channel_statistics`. Positions that do not count follow the others, but not far: a channel
            that hardly varies where it counts may be anything elsewhere.

    Returns:
        ``[B, C, h, w]`` in the dtype of ``features``. What float16 cannot hold, as the one lit position of a night may
        become, is its largest value.
    """
    if features.shape[2] * features.shape[3] == 1:
        return mean.expand(len(features), -1, -1, -1).to(features.dtype, copy=True)  # which may be changed in place
    mixes = features.device.type in _MIXING_DEVICES and features.dtype.itemsize == 2
    values = features if mixes else features.float()
    values = values.contiguous(memory_format=torch.channels_last)  # on a CPU a quarter of the time
    means, stds = (statistic.expand(len(values), -1, -1, -1).flatten(1) for statistic in (mean, std))
    pictures = zip(torch.split(values, 1), means, stds, strict=True)
    if weight is None:
        aligned = [_align_picture(picture, m, s) for picture, m, s in pictures]
    else:
        weights = torch.split(weight.expand(len(values), -1, -1, -1), 1)
        aligned = [_align_where_it_counts(*each, w) for each, w in zip(pictures, weights, strict=True)]
    result = torch.cat(aligned) if len(aligned) > 1 else aligned[0]
    if features.dtype == torch.float16:
        largest = torch.finfo(torch.float16).max
        result = result.clamp_(-largest, largest)
    return result.to(features.dtype)


def _batch_norm(picture: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """The batch norm of a single picture is AdaIN, in one operation: ``[1, C, h, w]``, statistics ``[C]``."""
    return F.batch_norm(picture, None, None, std, mean, training=True, eps=_SMALLEST_STD**2)


def _align_picture(picture: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """:func:`_batch_norm`, but for channels that a sample of their positions shows to be constant.

    The sum of thousands of equal values is not exact: what it is off by would pass for a deviation. So they are taken
    less that value. A channel that is not constant after all takes no harm, since a shift changes no batch norm.
    """
    row_step, column_step = (-(-side // _SAMPLES) for side in picture.shape[2:])
    value = picture[..., :1, :1]
    perhaps = (picture[..., ::row_step, ::column_step] == value).all((2, 3), keepdim=True) & (value != 0)
    if picture.device.type != "cpu":  # to ask which would be to wait for the device
        return _batch_norm(picture - torch.where(perhaps, value, 0), mean, std)
    aligned = _batch_norm(picture, mean, std)
    channels = perhaps.flatten().nonzero().flatten()
    if len(channels):
        aligned[:, channels] = _batch_norm(picture[:, channels] - value[:, channels], mean[channels], std[channels])
    return aligned


def _align_where_it_counts(picture: Tensor, mean: Tensor, std: Tensor, weight: Tensor) -> Tensor:
    """``[1, C, h, w]`` by weighted statistics, in the picture's dtype; statistics ``[C]``."""
    own_mean, own_std = (statistic.flatten() for statistic in _weighted_statistics(picture, weight))
    scale = torch.where(own_std > _SMALLEST_STD, std, 0)
    variance = own_std.square()
    aligned = F.batch_norm(picture, own_mean, variance, scale, mean, training=False, eps=_SMALLEST_STD**2)
    # Positions beside each other, as the channels of one lie in memory.
    places = (weight.to(picture.device).flatten() <= 0).nonzero().flatten()
    if len(places):
        values, reach = aligned[0].flatten(1).T, _FARTHEST * std
        values[places] = values[places].clamp((mean - reach).to(values), (mean + reach).to(values))
    return aligned


def _weighted_statistics(features: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    weight = weight.to(features.device, torch.float32)
    pictures = zip(features, weight.expand(len(features), -1, -1, -1), strict=True)
    means, deviations = zip(*(_statistics_of(picture, counts.flatten()) for picture, counts in pictures), strict=True)
    return torch.stack(means)[..., None, None], torch.stack(deviations)[..., None, None]


def _statistics_of(picture: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Of ``[C, h, w]`` with a weight ``[h * w]``: two tensors ``[C]``."""
    positions = picture.flatten(1).T
    # A sum of equal values is not exact, and what it is off by would pass for a deviation. So all are taken less one of
    # those that count most, by which a constant channel becomes zero, and less the mean of some others: then one look
    # is enough, since squares are hardly larger than the variance that they are to give.
    value = positions[weight.argmax()].float()
    step = -(-len(weight) // _POSITIONS_SAMPLED)
    of_sample = weight[::step]
    sample = positions[::step].float().sub(value)
    value = value + of_sample @ sample / of_sample.sum().clamp(min=torch.finfo(torch.float32).tiny)
    at_once = max(1, chunk_elements(picture.device) // len(value))
    mean, squares = torch.zeros(2, len(value), dtype=torch.float32, device=picture.device)
    shares = torch.split(weight / weight.sum(), at_once)
    for piece, share in zip(torch.split(positions, at_once), shares, strict=True):
        beyond = piece.float().sub(value)
        mean += share @ beyond
        squares += share @ beyond.square_()
    return value + mean, (squares - mean.square()).clamp(min=0).sqrt()


def _pieces(features: Tensor) -> Iterator[Tensor]:
    """Some rows at a time, in float32, so that a large map in half precision is never copied as a whole."""
    return (piece.float() for piece in torch.split(features, _rows_at_once(features), 2))


def _rows_at_once(features: Tensor) -> int:
    batch, channels, _, width = features.shape
    return max(1, chunk_elements(features.device) // (batch * channels * width))
