"""Which patch of the style is most like each patch of the content: normalised cross-correlation.

The usual form unfolds every k x k patch of the style into a convolution filter (Chen and Schmidt 2016). The score of a
pair of patches is a sum over k * k pairs of positions, and neighbouring pairs of patches share those positions, so here
the positions are multiplied once (one matrix product) and the products are summed along diagonals: the same scores with
1 / k**2 of the multiplications. Content is taken in blocks of rows; the whole correlation volume never exists.

The best patches of neighbours may come from anywhere in the style. Hertzmann et al. 2001 ("Image Analogies", section
3.2) take a patch that continues what lies around it instead, where it is nearly as good: the role of ``near`` here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..network.ops import chunk_elements
from ..progress import Progress, ignore

_SMALLEST_NORM = 1e-8


class Windows(NamedTuple):
    """For each of some patches a window of the style's patches.

    Attributes:
        tops: int64 ``[rows, columns]``, row of the window's first patch among the style's.
        lefts: likewise, its column.
        height: of each window in patches.
        width: likewise.
    """

    tops: Tensor
    lefts: Tensor
    height: int
    width: int


def patch_norms(features: Tensor, patch_size: int) -> Tensor:
    """Euclidean norm of every k x k patch of ``[C, h, w]``: float32 ``[h - k + 1, w - k + 1]``."""
    energy = features.float().square().sum(0)[None, None]  # [1, 1, h, w]
    return F.avg_pool2d(energy, patch_size, stride=1)[0, 0].mul(patch_size**2).sqrt()


def patch_weights(style: Tensor, patch_size: int) -> Tensor:
    """What scores are multiplied by, for every k x k patch of ``[C, hs, ws]``: float32 ``[hs - k + 1, ws - k + 1]``."""
    return patch_norms(style, patch_size).clamp(min=_SMALLEST_NORM).reciprocal()


def visible_patches(visible: Tensor, patch_size: int) -> Tensor:
    """Which k x k patches are visible as a whole: bool ``[hs, ws]`` to ``[hs - k + 1, ws - k + 1]``."""
    return F.max_pool2d((~visible).float()[None], patch_size, stride=1)[0] == 0


@torch.no_grad()
def match_patches(
    content: Tensor,
    style: Tensor,
    patch_size: int = 3,
    near: Windows | None = None,
    coherence: float = 1.0,
    visible: Tensor | None = None,
    progress: Progress = ignore,
    prices: Tensor | None = None,
) -> Tensor:
    """For every content patch, the style patch with the largest normalised cross-correlation.

    Only the style's norms enter: the norm of a content patch scales all its scores alike.

    Args:
        content: ``[C, h, w]``.
        style: ``[C, hs, ws]``.
        patch_size: k; both maps are at least k x k.
        near: for each content patch a window of the style. The best there is taken where its score is at least
            ``coherence`` times the best of all.
        coherence: 0..1.
        visible: bool ``[hs, ws]``, the style's positions that may be copied, at least one whole patch of them; all by
            default.
        progress: is told which share is done.
        prices: ``[hs - k + 1, ws - k + 1]``, above 0, what the scores of each style patch are multiplied by; 1 by
            default.

    Returns:
        int64 ``[h - k + 1, w - k + 1]``: the style's position ``row * ws + column`` at the upper left of the best
        patch.
    """
    height, width = content.shape[1:]
    style_height, style_width = style.shape[1:]
    k = patch_size
    rows, columns = height - k + 1, width - k + 1

    content_positions, style_positions, weight = comparable_positions(
        content, style, k
    )  # [h * w, C], [C, hs * ws], of patches
    if prices is not None:
        weight = weight * prices
    style_rows, style_columns = weight.shape
    weight = F.pad(weight, (0, style_width - style_columns, 0, style_height - style_rows))
    pairs = style_positions.shape[1]
    volume = width * pairs  # products of one row of content positions
    block_rows = max(1, min(rows, chunk_elements(content.device) // volume))

    hidden = None if visible is None else ~visible_patches(visible, k)

    # Taken once: fresh memory costs a CPU more than what is done with it.
    products = style_positions.new_empty(block_rows + k - 1, volume)
    sums = torch.empty(2, products.numel(), dtype=torch.float32, device=content.device)
    best = torch.empty(rows, columns, dtype=torch.int64, device=content.device)
    if near is not None:
        corners = near.tops * style_width + near.lefts
        of_row, of_column = (torch.arange(side, device=content.device) for side in (near.height, near.width))
        within = (of_row[:, None] * style_width + of_column).flatten()
    for top in range(0, rows, block_rows):
        end = min(top + block_rows, rows)
        known = k - 1 if top else 0  # rows of content positions that the block before has multiplied
        for row in range(known):
            products[row] = products[block_rows + row]
        positions = content_positions[(top + known) * width : (end + k - 1) * width]
        torch.mm(positions, style_positions, out=products[known : end - top + k - 1].view(-1, pairs))

        # A neighbour in both maps lies equally far on in memory for all pairs of positions, so what is added is flat.
        # Sums that run over an edge are no scores.
        block = products[: end - top + k - 1].view(-1)
        along_row = _sums(block, pairs + 1, k, sums[1])
        _sums(along_row, volume + style_width, k, sums[0])
        scores = sums[0, : (end - top) * volume].view(end - top, width, style_height, style_width)
        scores.mul_(weight)
        scores[:, :, style_rows:] = -math.inf
        scores[..., style_columns:] = -math.inf
        if hidden is not None:
            scores[:, :, :style_rows, :style_columns].masked_fill_(hidden, -math.inf)
        scores = scores[:, :columns]
        highest, best[top:end] = _max(scores)
        if near is not None:
            places = corners[top:end, :, None] + within  # [n, columns, window]
            score, choice = scores.flatten(2).gather(2, places).max(2)
            nearest = places.gather(2, choice[..., None])[..., 0]
            best[top:end] = torch.where(score >= coherence * highest, nearest, best[top:end])
        progress(end / rows)
    return best


def _max(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The highest of each content patch's scores and its place: of ``[n, columns, h, w]`` two of ``[n, columns]``.

    The best row first, then the best in it: on a CPU a maximum takes a tenth of the time of its position.
    """
    row = scores.amax(3).argmax(2)
    of_row = scores.gather(2, row[..., None, None].expand(-1, -1, 1, scores.shape[3]))[:, :, 0]
    highest, column = of_row.max(2)
    return highest, row * scores.shape[3] + column


def pair_scores(
    content: Tensor, style: Tensor, patch_size: int, visible: Tensor | None = None
) -> Callable[[Tensor, Tensor], Tensor]:
    """What some pairs of patches score, where :func:`match_patches` scores all of them.

    Args:
        content: ``[C, h, w]``.
        style: ``[C, hs, ws]``.
        patch_size: k.
        visible: as there.

    Returns:
        A function of n content patches and m patches of the style for each, rows and columns of the positions at their
        upper left: int64 ``[2, n]`` and ``[2, n, m]`` to float32 ``[n, m]``.
    """
    width, style_width, device = content.shape[2], style.shape[2], content.device
    content_positions, style_positions, weight = comparable_positions(content, style, patch_size)
    content_positions, style_positions = content_positions.contiguous(), style_positions.T.contiguous()
    within = torch.arange(patch_size, device=device)
    positions_of_patch, positions_of_style_patch = (
        (within[:, None] * side + within).flatten() for side in (width, style_width)
    )
    patch_values = patch_size**2 * content.shape[0]
    hidden = None if visible is None else ~visible_patches(visible, patch_size)

    def scores(patches: Tensor, places: Tensor) -> Tensor:
        positions = (patches[0] * width + patches[1])[:, None] + positions_of_patch
        style_patches = (places[0] * style_width + places[1])[..., None] + positions_of_style_patch
        block = max(1, chunk_elements(device) // ((places.shape[2] + 1) * patch_values))
        products = [
            torch.bmm(
                F.embedding(some, content_positions).flatten(1)[:, None],  # [block, 1, k * k * C]
                F.embedding(some_of_style, style_positions).flatten(2).mT,
            )[:, 0]
            for some, some_of_style in zip(
                torch.split(positions, block), torch.split(style_patches, block), strict=True
            )
        ]
        found = torch.cat(products) * weight[places[0], places[1]]
        return found if hidden is None else found.masked_fill_(hidden[places[0], places[1]], -math.inf)

    return scores


def comparable_positions(content: Tensor, style: Tensor, patch_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """What :func:`match_patches` multiplies: positions of both maps, and a weight for each style patch's score.

    All in float32, whatever the maps are in: by rounded products other patches would be the best.

    Args:
        content: ``[C, h, w]``.
        style: ``[C, hs, ws]``.
        patch_size: k.

    Returns:
        ``[h * w, C]``, ``[C, hs * ws]`` and ``[hs - k + 1, ws - k + 1]``.
    """
    return content.float().flatten(1).T, style.float().flatten(1), patch_weights(style, patch_size)


def _sums(values: Tensor, step: int, count: int, out: Tensor) -> Tensor:
    """Sums of ``count`` values that lie ``step`` apart: ``[n]`` to the first ``n - (count - 1) * step`` of ``out``."""
    total = out[: len(values) - (count - 1) * step]
    summands = [values[turn * step : turn * step + len(total)] for turn in range(count)]
    if count == 1:
        return total.copy_(values)
    torch.add(summands[0], summands[1], out=total)
    for summand in summands[2:]:
        total.add_(summand)
    return total
