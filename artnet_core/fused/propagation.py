"""Passing matches on in one kernel per turn of a colour of the checkerboard."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..propagation import TURNS
from .cells import Cells, block_channels
from .starting import on_its_device

_BLOCK = 16


@on_its_device
@torch.no_grad()
def propagate_matches(matches: Tensor, content: Tensor, style: Tensor, patch_size: int, share: float) -> Tensor:
    """:func:`artnet_core.propagation.propagate_matches`, fused."""
    cells = Cells(content, style, patch_size)
    patches = cells.rows * cells.columns
    found = matches.clone(memory_format=torch.contiguous_format)
    begun, current = torch.empty(2, patches, device=content.device)
    for turn in range(TURNS):
        for color in (0, 1):
            _take_turn[(triton.cdiv((patches + 1) // 2, _BLOCK),)](
                *cells.of_both,
                found,
                begun,
                current,
                cells.width,
                cells.style_width,
                cells.rows,
                cells.columns,
                cells.style_rows,
                cells.style_columns,
                share,
                color=color,
                begins=turn == 0,
                channels=cells.channels,
                k=patch_size,
                block=_BLOCK,
                block_channels=block_channels(cells.channels, cells.dtype),
            )
    return found


@triton.jit(do_not_specialize=["width", "style_width", "rows", "columns", "style_rows", "style_columns"])
def _take_turn(
    content_cells: tl.tensor,
    style_cells: tl.tensor,
    weights: tl.tensor,
    matches: tl.tensor,
    scores: tl.tensor,
    currents: tl.tensor,
    width: tl.tensor,
    style_width: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    style_rows: tl.tensor,
    style_columns: tl.tensor,
    share: tl.tensor,
    color: tl.constexpr,
    begins: tl.constexpr,
    channels: tl.constexpr,
    k: tl.constexpr,
    block: tl.constexpr,
    block_channels: tl.constexpr,
) -> None:
    """Patches of one colour ask the four around them, which are of the other and stay as they are meanwhile."""
    # Of every two patches in a line one has the colour. Where rows have odd lengths the colours of the line alternate.
    pair = tl.program_id(0) * block + tl.arange(0, block)
    patch = 2 * pair + tl.where(columns % 2 == 1, color, (2 * pair // columns + color) % 2)
    there = patch < rows * columns
    row, column = patch // columns, patch % columns
    own = tl.load(matches + patch, there, 0).to(tl.int32)

    side = tl.arange(0, 4)[None, :]  # left, right, above, below
    row_step = tl.where(side < 2, 0, 2 * side - 5)
    column_step = tl.where(side < 2, 2 * side - 1, 0)
    asked_row, asked_column = row[:, None] + row_step, column[:, None] + column_step  # [block, 4]
    asked = there[:, None] & (asked_row >= 0) & (asked_row < rows) & (asked_column >= 0) & (asked_column < columns)
    theirs = tl.load(matches + asked_row * columns + asked_column, asked, 0).to(tl.int32)
    style_row, style_column = theirs // style_width - row_step, theirs % style_width - column_step
    fits = asked & (style_row >= 0) & (style_row < style_rows) & (style_column >= 0) & (style_column < style_columns)
    continued = tl.where(fits, style_row * style_width + style_column, 0)

    cell = row * width + column
    channel = tl.arange(0, block_channels)
    new = tl.zeros([block, 4], tl.float32)
    begun = tl.zeros([block], tl.float32)
    for within in range(k * k):
        of_patch = cell + within // k * width + within % k
        step = within // k * style_width + within % k
        for first in range(0, channels, block_channels):
            known = first + channel < channels
            values = tl.load(
                content_cells + of_patch.to(tl.int64)[:, None] * channels + first + channel,
                there[:, None] & known,
                0.0,
            ).to(tl.float32)
            style_values = tl.load(
                style_cells + (continued + step).to(tl.int64)[:, :, None] * channels + first + channel,
                fits[:, :, None] & known,
                0.0,
            ).to(tl.float32)
            new += tl.sum(values[:, None, :] * style_values, 2)
            if begins:
                own_values = tl.load(
                    style_cells + (own + step).to(tl.int64)[:, None] * channels + first + channel,
                    there[:, None] & known,
                    0.0,
                ).to(tl.float32)
                begun += tl.sum(values * own_values, 1)
    new *= tl.load(weights + style_row * style_columns + style_column, fits, 0.0)
    if begins:
        own_weight = own // style_width * style_columns + own % style_width
        begun *= tl.load(weights + own_weight, there, 0.0)
        tl.store(scores + patch, begun, there)
        current = tl.full([block], 1.0, tl.float32)
    else:
        begun = tl.load(scores + patch, there, 1.0)
        current = tl.load(currents + patch, there, 1.0)
    # What is no number, where a patch scored 0, is not taken.
    new = 1 + tl.div_rn(new - begun[:, None], tl.abs(begun)[:, None])
    new = tl.where(new > 1, 1.0, new)

    same = (continued[:, :, None] == continued[:, None, :]) & fits[:, None, :]
    value = new + (1 - share) * tl.sum(same.to(tl.float32), 2)
    value = tl.where(fits & (new >= share), value, float("-inf"))
    same_as_own = (continued == own[:, None]) & fits
    own_value = current + (1 - share) * tl.sum(same_as_own.to(tl.float32), 1)
    best, choice = tl.max(value, 1, return_indices=True)
    chosen = side == choice[:, None]
    better = best > own_value
    taken = tl.where(better, tl.sum(tl.where(chosen, continued, 0), 1), own)
    current = tl.where(better, tl.sum(tl.where(chosen, new, 0.0), 1), current)
    tl.store(matches + patch, taken.to(tl.int64), there)
    tl.store(currents + patch, current, there)
