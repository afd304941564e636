"""Multi-level feature aggregation: all encoder blocks, and the picture's cosines, concatenated at one stride.

The trunk pads its convolutions with zeros, so border features resemble border features of any other picture and a swap
would draw a frame. Here the picture is reflected outwards before the encoder, and the positions nearest to the zeros
are cut off again.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from .encoder import BLOCK_STRIDES

MARGIN = 16
"""Pixels of reflection on each side, cut off again after aggregation."""

LAYERS = (*BLOCK_STRIDES, "dct")
"""What is aggregated, in the order of the channels: the encoder's blocks (of a trunk that ends early those it has), and
:func:`artnet_core.network.cosines.dct`."""

MULTIPLE = max(BLOCK_STRIDES.values())
"""The encoder's strides fit pictures whose sides are multiples of this."""


def reflect_indices(size: int, before: int, after: int, device: torch.device | None = None) -> Tensor:
    """Source positions of a line of ``size`` samples that is reflected at its ends, as often as it takes.

    Unlike ``F.pad(mode="reflect")`` the padding may be longer than the line; a line of one sample is repeated.

    Returns:
        int64 ``[before + size + after]`` with values in ``0..size - 1``.
    """
    period = max(2 * (size - 1), 1)
    position = torch.arange(-before, size + after, device=device).remainder(period)
    return torch.minimum(position, period - position) if size > 1 else torch.zeros_like(position)


def reflect(images: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Reflects ``[..., H, W]`` at its borders: so many rows above and below, and columns on the left and right."""
    for axis, (before, after) in ((-2, rows), (-1, columns)):
        if before or after:
            images = images.index_select(axis, reflect_indices(images.shape[axis], before, after, images.device))
    return images


def pad_images(images: Tensor) -> Tensor:
    """Reflects images by :data:`MARGIN` on each side, and on at the right and bottom to a multiple of :data:`MULTIPLE`.

    Args:
        images: ``[B, C, H, W]``.

    Returns:
        ``[B, C, ceil(H / 16) * 16 + 32, ceil(W / 16) * 16 + 32]``
    """
    height, width = images.shape[-2:]
    after_rows, after_columns = MARGIN + -height % MULTIPLE, MARGIN + -width % MULTIPLE
    if height > after_rows and width > after_columns:
        return F.pad(images, (MARGIN, after_columns, MARGIN, after_rows), mode="reflect")
    return reflect(images, (MARGIN, after_rows), (MARGIN, after_columns))


def resample_block(block: Tensor, stride: int, target: int) -> Tensor:
    """Brings ``[B, C, h, w]`` from one stride to another: average pooling to a larger, bilinear to a smaller one."""
    if stride < target:
        return F.avg_pool2d(block, target // stride)
    if stride > target:
        return F.interpolate(block, scale_factor=stride // target, mode="bilinear", align_corners=False)
    return block


def aggregate(
    layers: Iterable[tuple[int, Tensor]],
    channels: int,
    stride: int,
    dtype: torch.dtype,
    cut_top: int = MARGIN,
    cut_bottom: int = MARGIN,
) -> Tensor:
    """Concatenates layers of a padded picture at one stride and cuts the margin off.

    Args:
        layers: strides s_i with maps ``[B, C_i, H / s_i, W / s_i]``, in the order of :data:`LAYERS`.
        channels: sum of all C_i.
        stride: stride of the result, 8 or 16.
        dtype: of the result.
        cut_top: pixels of the picture to cut off at the top, a multiple of 16.
        cut_bottom: likewise at the bottom.

    Returns:
        ``[B, channels, (H - cut_top - cut_bottom) / stride, (W - 32) / stride]``, channels_last.
    """
    side = MARGIN // stride
    result: Tensor | None = None
    first = 0
    for layer_stride, layer in layers:
        positions = resample_block(layer, layer_stride, stride)
        positions = positions[..., cut_top // stride : positions.shape[-2] - cut_bottom // stride, side:-side]
        if result is None:
            shape = len(positions), channels, *positions.shape[-2:]
            result = torch.empty(shape, dtype=dtype, device=positions.device, memory_format=torch.channels_last)
        result[:, first : first + positions.shape[1]] = positions
        first += positions.shape[1]
        del layer, positions  # while the next one is made
    assert result is not None and first == channels
    return result
