"""Max pooling over 3 x 3 cells."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .pieces import piece_elements

MAX_POOL_ON: dict[str, Callable[[Tensor, int], Tensor]] = {}
"""Other functions like :func:`max_pool` by type of device, such as ``"cuda"``."""


def max_pool(x: Tensor, stride: int) -> Tensor:
    """The highest value of each 3x3 cells, for the encoder's two kinds of pool.

    Where no gradient is asked for a CPU takes maxima along rows and then along columns, a piece of the map at a time:
    PyTorch's pool finds with each value its place too, an int64, and that takes longer than all the comparing.

    Args:
        x: ``[B, C, h, w]``, h and w at least 2.
        stride: 1, with a border that is never the highest, or 2, without one.

    Returns:
        ``[B, C, h // stride, w // stride]``. A stride of 2 takes what is left of the last window, as ``ceil_mode``.
    """
    if (other := MAX_POOL_ON.get(x.device.type)) is not None:
        return other(x, stride)
    if x.device.type != "cpu" or (x.requires_grad and torch.is_grad_enabled()):
        return F.max_pool2d(x, 3, stride, padding=2 - stride, ceil_mode=True)
    batch, channels, height, width = x.shape
    shape = batch, channels, height // stride, width // stride
    result = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    rows = max(1, piece_elements(x.device) // (batch * channels * width))
    for top in range(0, shape[2], rows):
        piece = result[:, :, top : top + rows]
        wide = (*piece.shape[:3], width)
        of_rows = torch.empty(wide, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        _highest_of_three(x, 2, top, stride, of_rows)
        _highest_of_three(of_rows, 3, 0, stride, piece)
    return result


def _highest_of_three(x: Tensor, dim: int, first: int, stride: int, out: Tensor) -> None:
    """Maxima of lines with the lines before and after them, into ``out``: as many as that takes.

    Args:
        x: ``[B, C, h, w]``.
        dim: 2 for rows, 3 for columns.
        first: window to begin with; the middle of window i is line i at a stride of 1, and line 2 * i + 1 at 2.
        stride: of the windows.
        out: ``[B, C, h', w']``, of the size of ``x`` but along ``dim``.
    """
    count, last = out.shape[dim], x.shape[dim] - 1

    def lines(start: int, count: int) -> Tensor:
        every = (slice(None),) * dim + (slice(start, start + (count - 1) * stride + 1, stride),)
        return x[every]

    middle = first * stride + stride - 1
    out.copy_(lines(middle, count))
    for step in (-1, 1):
        # A window at the border lacks a line.
        begin = int(middle + step < 0)
        end = count - int(middle + (count - 1) * stride + step > last)
        if end > begin:
            part = out.narrow(dim, begin, end - begin)
            torch.maximum(part, lines(middle + begin * stride + step, end - begin), out=part)


class MaxPool(nn.Module):
    """:func:`max_pool` of stride 1, as a module of an Inception branch."""

    def forward(self, x: Tensor) -> Tensor:
        return max_pool(x, 1)
