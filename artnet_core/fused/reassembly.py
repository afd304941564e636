"""Putting matched patches in place in one kernel: every value of the result is written once."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..constants import constant
from ..swap import falloff_weights
from .starting import on_its_device, refuse_gradients

_BLOCK_CELLS, _BLOCK_CHANNELS = 8, 128


@on_its_device
def reassemble(matches: Tensor, style: Tensor, patch_size: int = 3, falloff: float = 1.0) -> Tensor:
    """:func:`artnet_core.swap.reassemble`, fused.

    Raises:
        RuntimeError: the style takes gradients, which do not pass.
    """
    refuse_gradients(style)
    channels, _, style_width = style.shape
    rows, columns = matches.shape
    height, width = rows + patch_size - 1, columns + patch_size - 1
    cells = style.permute(1, 2, 0).flatten(0, 1)
    out = cells.new_empty(height, width, channels)
    grid = triton.cdiv(height * width, _BLOCK_CELLS), triton.cdiv(channels, _BLOCK_CHANNELS)
    _mean_of_patches[grid](
        matches.contiguous(),
        cells,
        constant(falloff_weights, style.device, torch.float32, patch_size, falloff),
        out,
        cells.stride(0),
        cells.stride(1),
        style_width,
        rows,
        columns,
        channels,
        k=patch_size,
        block_cells=_BLOCK_CELLS,
        block_channels=_BLOCK_CHANNELS,
    )
    return out.permute(2, 0, 1)


@triton.jit(do_not_specialize=["style_width", "rows", "columns", "channels"])
def _mean_of_patches(
    matches: tl.tensor,
    style_cells: tl.tensor,
    weights_of_patch: tl.tensor,
    out: tl.tensor,
    cell_stride: tl.tensor,
    channel_stride: tl.tensor,
    style_width: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    channels: tl.tensor,
    k: tl.constexpr,
    block_cells: tl.constexpr,
    block_channels: tl.constexpr,
) -> None:
    """Some channels of some cells: the weighted mean of what the patches that cover a cell put there."""
    width = columns + k - 1
    cell = tl.program_id(0) * block_cells + tl.arange(0, block_cells)
    channel = tl.program_id(1) * block_channels + tl.arange(0, block_channels)
    row, column = cell // width, cell % width
    total = tl.zeros([block_cells, block_channels], tl.float32)
    weights = tl.zeros([block_cells], tl.float32)
    for within in range(k * k):
        patch_row, patch_column = row - within // k, column - within % k
        there = (patch_row >= 0) & (patch_row < rows) & (patch_column >= 0) & (patch_column < columns)
        match = tl.load(matches + patch_row * columns + patch_column, there, 0)
        source = match + within // k * style_width + within % k
        weight = there.to(tl.float32) * tl.load(weights_of_patch + within)
        values = tl.load(
            style_cells + source[:, None] * cell_stride + channel.to(tl.int64) * channel_stride,
            there[:, None] & (channel < channels),
            0.0,
        )
        total += values.to(tl.float32) * weight[:, None]
        weights += weight
    mean = total / weights[:, None]
    inside = (row < rows + k - 1)[:, None] & (channel < channels)
    tl.store(out + cell.to(tl.int64)[:, None] * channels + channel, mean.to(out.dtype.element_ty), inside)
