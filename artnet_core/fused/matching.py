"""Matching with products, their sums over a patch and the maximum in one kernel: no score lies in memory.

:func:`artnet_core.matching.match_patches` multiplies each pair of cells once and then reads and writes the products
several times. Here tensor cores multiply all k * k pairs of a pair of patches instead.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..matching import Windows
from .cells import Cells, block_channels, keep_best, patch_scores, precision
from .starting import on_its_device

_BLOCK = 64

# Enough to occupy the largest GPUs, where the content alone has too few blocks.
_PROGRAMS = 512


@on_its_device
@torch.no_grad()
def match_patches(
    content: Tensor, style: Tensor, patch_size: int = 3, near: Windows | None = None, coherence: float = 1.0
) -> Tensor:
    """:func:`artnet_core.matching.match_patches`, fused."""
    cells = Cells(content, style, patch_size)
    rows, columns = cells.rows, cells.columns
    patches, style_patches = rows * columns, cells.style_rows * cells.style_columns
    # Patches of the content at a time: as many as fit into any GPU's shared memory.
    block_content = _BLOCK if cells.dtype == torch.float32 else 2 * _BLOCK
    content_blocks, style_blocks = triton.cdiv(patches, block_content), triton.cdiv(style_patches, _BLOCK)
    blocks_of_part = triton.cdiv(style_blocks, max(1, _PROGRAMS // content_blocks))
    parts = triton.cdiv(style_blocks, blocks_of_part)

    found = 1 if near is None else 2  # the best of all, and the best nearby
    scores = torch.empty(found, parts, patches, device=content.device)
    places = torch.empty(found, parts, patches, dtype=torch.int32, device=content.device)
    tops, lefts = (places, places) if near is None else (near.tops.contiguous(), near.lefts.contiguous())
    _best_of_parts[content_blocks, parts](
        *cells.of_both,
        tops,
        lefts,
        scores,
        places,
        cells.width,
        cells.style_width,
        patches,
        columns,
        style_patches,
        cells.style_columns,
        blocks_of_part,
        0 if near is None else near.height,
        0 if near is None else near.width,
        channels=cells.channels,
        k=patch_size,
        nearby=near is not None,
        block_content=block_content,
        block_style=_BLOCK,
        block_channels=block_channels(cells.channels, cells.dtype),
        precision=precision(cells.dtype),
        num_warps=8,
    )
    best = torch.empty(rows, columns, dtype=torch.int64, device=content.device)
    _best_of_all[(triton.cdiv(patches, _BLOCK),)](
        scores,
        places,
        best,
        patches,
        parts,
        cells.style_columns,
        cells.style_width,
        coherence,
        nearby=near is not None,
        block=_BLOCK,
    )
    return best


@triton.jit(
    do_not_specialize=[
        "width",
        "style_width",
        "patches",
        "columns",
        "style_patches",
        "style_columns",
        "blocks_of_part",
        "window_rows",
        "window_columns",
    ]
)
def _best_of_parts(
    content_cells: tl.tensor,
    style_cells: tl.tensor,
    weights: tl.tensor,
    tops: tl.tensor,
    lefts: tl.tensor,
    scores: tl.tensor,
    places: tl.tensor,
    width: tl.tensor,
    style_width: tl.tensor,
    patches: tl.tensor,
    columns: tl.tensor,
    style_patches: tl.tensor,
    style_columns: tl.tensor,
    blocks_of_part: tl.tensor,
    window_rows: tl.tensor,
    window_columns: tl.tensor,
    channels: tl.constexpr,
    k: tl.constexpr,
    nearby: tl.constexpr,
    block_content: tl.constexpr,
    block_style: tl.constexpr,
    block_channels: tl.constexpr,
    precision: tl.constexpr,
) -> None:
    """Of one part of the style, what is best for one block of the content's patches, and what is best nearby."""
    patch = tl.program_id(0) * block_content + tl.arange(0, block_content)
    part = tl.program_id(1)
    there = patch < patches
    cell = patch // columns * width + patch % columns
    highest = tl.full([block_content], float("-inf"), tl.float32)
    best = tl.zeros([block_content], tl.int32)
    nearest_score = highest
    nearest = best
    if nearby:
        top = tl.load(tops + patch, there, 0).to(tl.int32)
        left = tl.load(lefts + patch, there, 0).to(tl.int32)

    for block in range(part * blocks_of_part, (part + 1) * blocks_of_part):
        style_patch = block * block_style + tl.arange(0, block_style)
        in_style = style_patch < style_patches
        row, column = style_patch // style_columns, style_patch % style_columns
        style_cell = row * style_width + column
        scored = patch_scores(
            content_cells,
            style_cells,
            cell,
            there,
            width,
            style_cell,
            weights + style_patch,
            in_style,
            style_width,
            channels,
            k,
            block_channels,
            precision,
        )
        score, place = tl.max(scored, 1, return_indices=True)
        highest, best = keep_best(highest, best, score, block * block_style + place)
        if nearby:
            below, beside = row - top[:, None], column - left[:, None]
            near = (below >= 0) & (below < window_rows) & (beside >= 0) & (beside < window_columns)
            score, place = tl.max(tl.where(near, scored, float("-inf")), 1, return_indices=True)
            nearest_score, nearest = keep_best(nearest_score, nearest, score, block * block_style + place)

    out = part * patches + patch
    tl.store(scores + out, highest, there)
    tl.store(places + out, best, there)
    if nearby:
        out += tl.num_programs(1) * patches
        tl.store(scores + out, nearest_score, there)
        tl.store(places + out, nearest, there)


@triton.jit(do_not_specialize=["patches", "parts", "style_columns", "style_width"])
def _best_of_all(
    scores: tl.tensor,
    places: tl.tensor,
    matches: tl.tensor,
    patches: tl.tensor,
    parts: tl.tensor,
    style_columns: tl.tensor,
    style_width: tl.tensor,
    coherence: tl.tensor,
    nearby: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Of what the parts of the style gave the best; or the best nearby, where that is nearly as good."""
    patch = tl.program_id(0) * block + tl.arange(0, block)
    there = patch < patches
    highest = tl.full([block], float("-inf"), tl.float32)
    best = tl.zeros([block], tl.int32)
    nearest_score = highest
    nearest = best
    for part in range(parts):
        out = part * patches + patch
        score, place = tl.load(scores + out, there, float("-inf")), tl.load(places + out, there, 0)
        highest, best = keep_best(highest, best, score, place)
        if nearby:
            out += parts * patches
            score, place = tl.load(scores + out, there, float("-inf")), tl.load(places + out, there, 0)
            nearest_score, nearest = keep_best(nearest_score, nearest, score, place)
    if nearby:
        best = tl.where(nearest_score >= coherence * highest, nearest, best)
    tl.store(matches + patch, (best // style_columns * style_width + best % style_columns).to(tl.int64), there)
