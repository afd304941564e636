"""Refining coarse matches in one kernel: each coarse cell's patches against the window they share."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..refinement import windows
from .cells import Cells, block_channels, keep_best, patch_scores, precision
from .starting import on_its_device

_LARGEST_BLOCK = 64


@on_its_device
@torch.no_grad()
def refine_matches(coarse: Tensor, content: Tensor, style: Tensor, patch_size: int, pooling: int) -> Tensor:
    """:func:`artnet_core.refinement.refine_matches`, fused."""
    cells = Cells(content, style, patch_size)
    sizes = (content.shape[1], content.shape[2]), (style.shape[1], style.shape[2])
    near = windows(coarse, *sizes, patch_size, pooling)
    block_patches, block_window = (_block(count) for count in (pooling**2, near.height * near.width))
    refined = torch.empty(cells.rows, cells.columns, dtype=torch.int64, device=content.device)
    _best_in_window[near.tops.numel(), triton.cdiv(pooling**2, block_patches)](
        *cells.of_both,
        near.tops.contiguous(),
        near.lefts.contiguous(),
        refined,
        cells.width,
        cells.style_width,
        cells.rows,
        cells.columns,
        cells.style_columns,
        near.tops.shape[1],
        near.height,
        near.width,
        channels=cells.channels,
        k=patch_size,
        pooling=pooling,
        block_patches=block_patches,
        block_window=block_window,
        block_channels=block_channels(cells.channels, cells.dtype),
        precision=precision(cells.dtype),
    )
    return refined


def _block(count: int) -> int:
    return max(16, min(_LARGEST_BLOCK, int(triton.next_power_of_2(count))))


@triton.jit(
    do_not_specialize=[
        "width",
        "style_width",
        "rows",
        "columns",
        "style_columns",
        "coarse_columns",
        "window_rows",
        "window_columns",
    ]
)
def _best_in_window(
    content_cells: tl.tensor,
    style_cells: tl.tensor,
    weights: tl.tensor,
    tops: tl.tensor,
    lefts: tl.tensor,
    matches: tl.tensor,
    width: tl.tensor,
    style_width: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    style_columns: tl.tensor,
    coarse_columns: tl.tensor,
    window_rows: tl.tensor,
    window_columns: tl.tensor,
    channels: tl.constexpr,
    k: tl.constexpr,
    pooling: tl.constexpr,
    block_patches: tl.constexpr,
    block_window: tl.constexpr,
    block_channels: tl.constexpr,
    precision: tl.constexpr,
) -> None:
    """The best of its window for each patch whose middle lies in one coarse cell."""
    coarse = tl.program_id(0)
    top = tl.load(tops + coarse).to(tl.int32)
    left = tl.load(lefts + coarse).to(tl.int32)
    patch = tl.program_id(1) * block_patches + tl.arange(0, block_patches)
    row = coarse // coarse_columns * pooling - k // 2 + patch // pooling
    column = coarse % coarse_columns * pooling - k // 2 + patch % pooling
    there = (patch < pooling * pooling) & (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    cell = row * width + column
    highest = tl.full([block_patches], float("-inf"), tl.float32)
    best = tl.zeros([block_patches], tl.int32)
    for start in range(0, window_rows * window_columns, block_window):
        place = start + tl.arange(0, block_window)
        in_window = place < window_rows * window_columns
        style_row, style_column = top + place // window_columns, left + place % window_columns
        style_cell = style_row * style_width + style_column
        scored = patch_scores(
            content_cells,
            style_cells,
            cell,
            there,
            width,
            style_cell,
            weights + style_row * style_columns + style_column,
            in_window,
            style_width,
            channels,
            k,
            block_channels,
            precision,
        )
        score, found = tl.max(scored, 1, return_indices=True)
        highest, best = keep_best(highest, best, score, start + found)
    match = (top + best // window_columns) * style_width + left + best % window_columns
    tl.store(matches + row * columns + column, match.to(tl.int64), there)
