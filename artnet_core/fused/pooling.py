"""The encoder's pools in one kernel, without the places of the maxima, which PyTorch writes as int64."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .starting import on_its_device, refuse_gradients

_BLOCK_CELLS, _BLOCK_CHANNELS = 8, 128


@on_its_device
def max_pool(x: Tensor, stride: int) -> Tensor:
    """:func:`artnet_core.pooling.max_pool`, fused.

    Raises:
        RuntimeError: the map takes gradients, which do not pass.
    """
    refuse_gradients(x)
    batch, channels, height, width = x.shape
    shape = batch, channels, height // stride, width // stride
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    cells = batch * shape[2] * shape[3]
    _highest_of_cells[triton.cdiv(cells, _BLOCK_CELLS), triton.cdiv(channels, _BLOCK_CHANNELS)](
        x.contiguous(memory_format=torch.channels_last),
        out,
        height,
        width,
        cells,
        channels,
        stride=stride,
        block_cells=_BLOCK_CELLS,
        block_channels=_BLOCK_CHANNELS,
    )
    return out


# channels are few kinds, and where they are a multiple of 16 several are read at once.
@triton.jit(do_not_specialize=["height", "width", "cells"])
def _highest_of_cells(
    x: tl.tensor,
    out: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    cells: tl.tensor,
    channels: tl.tensor,
    stride: tl.constexpr,
    block_cells: tl.constexpr,
    block_channels: tl.constexpr,
) -> None:
    """Some channels of some cells of the result: the highest values of the 3x3 cells that each stands for."""
    cell = tl.program_id(0) * block_cells + tl.arange(0, block_cells)
    channel = tl.program_id(1) * block_channels + tl.arange(0, block_channels)
    columns, rows = width // stride, height // stride
    picture, row, column = cell // (columns * rows), cell // columns % rows, cell % columns
    inside = (cell < cells)[:, None] & (channel < channels)
    highest = tl.full([block_cells, block_channels], float("-inf"), x.dtype.element_ty)
    for within in range(9):
        # A window of stride 1 begins a cell before its own.
        from_row = row * stride + within // 3 + stride - 2
        from_column = column * stride + within % 3 + stride - 2
        there = (from_row >= 0) & (from_row < height) & (from_column >= 0) & (from_column < width)
        source = (picture.to(tl.int64) * height + from_row) * width + from_column
        values = tl.load(x + source[:, None] * channels + channel, inside & there[:, None], float("-inf"))
        highest = tl.maximum(highest, values)
    tl.store(out + cell.to(tl.int64)[:, None] * channels + channel, highest, inside)
