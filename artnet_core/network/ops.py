"""Operations that several networks share: pooling, and how much of a large map is worked on at a time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Elements of an intermediate result that are held at a time: on a GPU (float32: 64 MiB), and on a CPU, whose caches
# hold that many.
_CHUNK_ELEMENTS = 2**24
_CACHED_ELEMENTS = 2**20


def chunk_elements(device: torch.device) -> int:
    """Elements to go over at a time: more cost memory on a GPU, and on a CPU the time it takes to fetch them again."""
    return _CACHED_ELEMENTS if device.type == "cpu" else _CHUNK_ELEMENTS


def avg_pool(x: Tensor, side: int) -> Tensor:
    """Means over ``side`` x ``side`` values; what is left at the right and at the bottom makes smaller windows.

    The same as ``F.avg_pool2d(x, side, ceil_mode=True)``, which was wrong on MPS up to torch 2.8.

    Args:
        x: ``[B, C, h, w]`` or ``[C, h, w]``.
        side: of the windows.

    Returns:
        ``[..., ceil(h / side), ceil(w / side)]``.
    """
    height, width = x.shape[-2:]

    def bands(size: int) -> list[tuple[int, int, int]]:
        """First line, count and window of the whole windows, and of the one that is left."""
        whole = size - size % side
        return [band for band in ((0, whole, side), (whole, size - whole, size - whole)) if band[1]]

    rows = [
        torch.cat(
            [
                F.avg_pool2d(x[..., top : top + rows, left : left + columns], (window_rows, window_columns))
                for left, columns, window_columns in bands(width)
            ],
            -1,
        )
        for top, rows, window_rows in bands(height)
    ]
    return torch.cat(rows, -2)


def max_pool(x: Tensor, stride: int) -> Tensor:
    """The highest value of each 3x3 window, for the encoder's two kinds of pool.

    Where no gradient is asked for a CPU takes maxima along rows and then along columns, a chunk of the map at a time:
    PyTorch's pool finds with each value its place too, an int64, and that takes longer than all the comparing.

    Args:
        x: ``[B, C, h, w]``, h and w at least 2.
        stride: 1, with a border that is never the highest, or 2, without one.

    Returns:
        ``[B, C, h // stride, w // stride]``. A stride of 2 takes what is left of the last window, as ``ceil_mode``.
    """
    if x.device.type != "cpu" or (x.requires_grad and torch.is_grad_enabled()):
        return F.max_pool2d(x, 3, stride, padding=2 - stride, ceil_mode=True)
    batch, channels, height, width = x.shape
    shape = batch, channels, height // stride, width // stride
    result = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    rows = max(1, chunk_elements(x.device) // (batch * channels * width))
    for top in range(0, shape[2], rows):
        chunk = result[:, :, top : top + rows]
        wide = (*chunk.shape[:3], width)
        of_rows = torch.empty(wide, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        _highest_of_three(x, 2, top, stride, of_rows)
        _highest_of_three(of_rows, 3, 0, stride, chunk)
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
        """``[B, C, h, w]`` to the same shape."""
        return max_pool(x, 1)
