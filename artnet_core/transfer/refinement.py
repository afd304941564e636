"""From coarse matches to fine ones: each patch looks for a better one around what its surroundings have found.

Large maps are matched coarsely first, since comparing all patches with all is quadratic in the pictures' size. If whole
coarse positions were copied then, a calm area that matches one place everywhere would repeat that place, position by
position. With a match of its own for every patch it stays calm, and lines are followed more closely.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..network.ops import chunk_elements
from ..progress import Progress, ignore
from .matching import Windows, comparable_positions, visible_patches

REACH = 1
"""How many fine positions a patch may move beyond the coarse position that was matched with its own."""


@torch.no_grad()
def refine_matches(
    coarse: Tensor,
    content: Tensor,
    style: Tensor,
    patch_size: int,
    pooling: int,
    visible: Tensor | None = None,
    progress: Progress = ignore,
) -> Tensor:
    """For every content patch, the best style patch near the place that coarse matching found.

    The patches whose middle lies in one coarse position share a window of the style: the position that the coarse match
    puts in its place, and one fine position more on each side.

    Args:
        coarse: what :func:`artnet_core.transfer.matching.match_patches` found, with the same patch size, for both maps
            averaged over ``pooling`` x ``pooling`` positions: int64 ``[rows, columns]``.
        content: ``[C, h, w]``.
        style: ``[C, hs, ws]``.
        patch_size: k, odd.
        pooling: fine positions per side of a coarse one, at least 2.
        visible: bool ``[hs, ws]``, the style's positions that may be copied, all those of the coarse patches that were
            found among them; all by default. Where a window shows no whole patch, the coarse patch's first is taken.
        progress: is told which share is done.

    Returns:
        int64 ``[h - k + 1, w - k + 1]``: the style's position ``row * ws + column`` at the upper left of the best
        patch.
    """
    (height, width), (style_height, style_width) = content.shape[1:], style.shape[1:]
    k, p, middle = patch_size, pooling, patch_size // 2
    content_positions, style_positions, weight = comparable_positions(
        content, style, k
    )  # [h * w, C], [C, hs * ws], of patches
    content_positions, style_positions = content_positions.contiguous(), style_positions.T.contiguous()
    weight_columns = weight.shape[1]
    sizes = (height, width), (style_height, style_width)
    tops, lefts, window_rows, window_columns = windows(coarse, *sizes, k, p)
    hidden = None if visible is None else ~visible_patches(visible, k).flatten()
    first_rows, first_columns = (corner * p for corner in _of_middles(coarse, *sizes, k, p)[:2])

    def along(size: int) -> Tensor:
        return torch.arange(size, device=coarse.device)

    rows, columns = (along(side) for side in tops.shape)
    tile = along(p + k - 1)  # all positions of a coarse position's patches
    tile_rows = (rows[:, None] * p - middle + tile).clamp(0, height - 1)  # [rows, p + k - 1]
    tile_columns = (columns[:, None] * p - middle + tile).clamp(0, width - 1)
    area_rows, area_columns = along(window_rows + k - 1), along(window_columns + k - 1)

    values = len(columns) * content.shape[0] * (len(tile) ** 2 + len(area_rows) * len(area_columns))
    block = max(1, chunk_elements(content.device) // values)
    refined = []
    for first in range(0, len(rows), block):
        top, left = (of_window[first : first + block].flatten()[:, None, None] for of_window in (tops, lefts))
        top_row, end_row = max(first * p - middle, 0), min((first + block) * p - middle + k - 1, height)
        of_rows = content_positions[top_row * width : end_row * width]
        positions = (tile_rows[first : first + block, None, :, None] - top_row) * width + tile_columns[:, None, :]
        style_area = (top + area_rows[:, None]) * style_width + left + area_columns  # [n, of rows, of columns]
        tiles = F.embedding(positions.flatten(2).flatten(0, 1), of_rows)  # [n, positions of a tile, C]
        products = torch.bmm(tiles, F.embedding(style_area.flatten(1), style_positions).mT)
        products = products.view(-1, len(tile), len(tile), len(area_rows), len(area_columns))
        scores = _diagonal_sums(_diagonal_sums(products, 1, k), 2, k)  # [n, p, p, window_rows, window_columns]
        of_window = (top + along(window_rows)[:, None]) * weight_columns + left + along(window_columns)
        scores = scores * weight.flatten()[of_window][:, None, None]
        if hidden is not None:
            scores = scores.masked_fill_(hidden[of_window][:, None, None], -math.inf)
        best = scores.flatten(3).argmax(3)  # [n, p, p]
        position = (top + best // window_columns) * style_width + left + best % window_columns
        if hidden is not None:
            # The first patch of the coarse one is visible, since all of that is.
            highest = scores.flatten(3).amax(3)
            of_coarse = (first_rows * style_width + first_columns)[first : first + block].flatten()[:, None, None]
            position = torch.where(highest == -math.inf, of_coarse, position)
        refined.append(position.view(-1, len(columns), p, p).transpose(1, 2).flatten(2).flatten(0, 1))
        progress(min(first + block, len(rows)) / len(rows))
    patches = torch.cat(refined)  # [rows * p, columns * p], the first of them above and left of the map
    return patches[middle : middle + height - k + 1, middle : middle + width - k + 1]


def windows_near(
    coarse: Tensor, content: tuple[int, int], style: tuple[int, int], patch_size: int, pooling: int
) -> Windows:
    """The style patches among which :func:`refine_matches` chooses: a window for every content patch.

    Args:
        coarse: as there.
        content: height and width of the content's map in positions.
        style: likewise.
        patch_size: k, odd.
        pooling: fine positions per side of a coarse one.

    Returns:
        Windows of ``[h - k + 1, w - k + 1]`` patches.
    """
    shared = windows(coarse, content, style, patch_size, pooling)
    # The coarse position of each patch's middle.
    rows, columns = (
        (torch.arange(side - patch_size + 1, device=coarse.device) + patch_size // 2) // pooling for side in content
    )
    return shared._replace(tops=shared.tops[rows][:, columns], lefts=shared.lefts[rows][:, columns])


def windows(coarse: Tensor, content: tuple[int, int], style: tuple[int, int], patch_size: int, pooling: int) -> Windows:
    """The windows of the content's coarse positions, ``[ceil(h / p), ceil(w / p)]``; arguments as above."""
    k, p, middle = patch_size, pooling, patch_size // 2
    limits = [side - k + 1 for side in style]
    height, width = (min(p + 2 * REACH, limit) for limit in limits)
    first_rows, first_columns, rows_on, columns_on = _of_middles(coarse, content, style, k, p)
    tops = ((first_rows + rows_on[:, None]) * p - middle - REACH).clamp(0, limits[0] - height)
    lefts = ((first_columns + columns_on) * p - middle - REACH).clamp(0, limits[1] - width)
    return Windows(tops, lefts, height, width)


def _of_middles(
    coarse: Tensor, content: tuple[int, int], style: tuple[int, int], patch_size: int, pooling: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The coarse style patch that each of the content's coarse positions goes by; arguments as above.

    Returns:
        Row and column of the patch's first position, ``[rows, columns]`` each, and how many rows and columns further on
        the position itself lies, ``[rows]`` and ``[columns]``.
    """
    # Each coarse position goes by the patch that has it in its middle, at the borders by the one nearest to that.
    rows, columns = (torch.arange(-(-side // pooling), device=coarse.device) for side in content)
    patch_rows = (rows - patch_size // 2).clamp(0, coarse.shape[0] - 1)
    patch_columns = (columns - patch_size // 2).clamp(0, coarse.shape[1] - 1)
    found = coarse[patch_rows][:, patch_columns]  # [rows, columns]
    style_columns = style[1] // pooling
    return found // style_columns, found % style_columns, rows - patch_rows, columns - patch_columns


def _diagonal_sums(products: Tensor, axis: int, count: int) -> Tensor:
    """Sums of ``count`` products that follow one another along one axis of both maps, ``axis`` and ``axis + 2``."""
    total = products.narrow(axis, 0, products.shape[axis] - count + 1)
    total = total.narrow(axis + 2, 0, products.shape[axis + 2] - count + 1).clone()
    for turn in range(1, count):
        total += products.narrow(axis, turn, total.shape[axis]).narrow(axis + 2, turn, total.shape[axis + 2])
    return total
