"""StyleSwap: each content patch is replaced by the best matching style patch (Chen and Schmidt 2016).

Chen and Schmidt average patches where they overlap. Here a patch may count less the farther a cell is from its middle,
as in the windows that Efros and Leung 1999 ("Texture Synthesis by Non-parametric Sampling") compare: so less of it
reaches where other patches fit better. That is the role of ``falloff``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .constants import constant
from .matching import match_patches
from .propagation import propagate_matches
from .refinement import refine_matches, windows_near
from .steadiness import FrameBefore

# Elsewhere (MPS, DirectML) F.embedding_bag may be missing or fall back to the CPU.
_BAG_DEVICES = ("cpu", "cuda")

COHERENT_CELLS = 2
"""Cells per side that surroundings are matched by where patches are not pooled but keep together."""


def reassemble(matches: Tensor, style: Tensor, patch_size: int = 3, falloff: float = 1.0) -> Tensor:
    """Puts the matched style patches in place of the content's, and takes weighted means where they overlap.

    Args:
        matches: ``[rows, columns]`` as :func:`~artnet_core.matching.match_patches` returns it.
        style: ``[C, hs, ws]``, the values to be copied.
        patch_size: k.
        falloff: how many times less a patch counts with each step away from its middle, along rows and along columns,
            at least 1.

    Returns:
        ``[C, rows + k - 1, columns + k - 1]`` in the style's dtype, the channels of a cell side by side in memory.
    """
    k, (rows, columns), beyond = patch_size, matches.shape, patch_size - 1
    cells = style.permute(1, 2, 0).flatten(0, 1)  # [hs * ws, C]
    # The patches that cover a cell begin at it and up to k - 1 cells before it; where one would lie outside of the map
    # its share is zero.
    before = torch.arange(beyond, -1, -1, device=matches.device)
    place = before[:, None] * style.shape[2] + before  # [k, k], of the cell in such a patch
    patches, covers = (
        F.pad(of_patch, (beyond,) * 4).unfold(0, k, 1).unfold(1, k, 1)  # [rows + k - 1, columns + k - 1, k, k]
        for of_patch in (matches, torch.ones(rows, columns, device=style.device))
    )
    covers = covers * constant(falloff_weights, style.device, torch.float32, k, falloff)
    sources = (patches + place).reshape(-1, k * k)
    shares = (covers / covers.sum((2, 3), keepdim=True)).reshape(-1, k * k).to(style.dtype)
    return weighted_rows(cells, sources, shares).view(rows + beyond, columns + beyond, -1).permute(2, 0, 1)


def falloff_weights(patch_size: int, falloff: float) -> Tensor:
    """How much each cell of a patch counts: ``[k, k]``, 1 in the middle."""
    steps = (torch.arange(patch_size, device="cpu") - patch_size // 2).abs()
    # Cells at the map's corners see nothing but the corners of patches: those count too.
    return (falloff ** -(steps[:, None] + steps).float()).clamp(min=torch.finfo(torch.float32).tiny)


def weighted_rows(table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of rows of a table: ``F.embedding_bag``, and the same on backends that may lack it.

    Args:
        table: ``[N, C]``.
        rows: int64 ``[n, k]``.
        weights: ``[n, k]``, in the table's dtype.

    Returns:
        ``[n, C]``.
    """
    if table.device.type in _BAG_DEVICES:
        return F.embedding_bag(rows, table, mode="sum", per_sample_weights=weights)
    total = table.new_zeros(len(rows), table.shape[1], dtype=torch.float32)
    for of_each, weight in zip(rows.T, weights.T, strict=True):
        total += table[of_each] * weight[:, None]
    return total.to(table.dtype)


class Steps(NamedTuple):
    """The steps of the swap: functions like those of their names here and in the modules above."""

    match_patches: Callable[..., Tensor]
    refine_matches: Callable[..., Tensor]
    propagate_matches: Callable[..., Tensor]
    reassemble: Callable[..., Tensor]


_STEPS = Steps(match_patches, refine_matches, propagate_matches, reassemble)

STEPS_ON: dict[str, Steps] = {}
"""Other steps by type of device, such as ``"cuda"``."""


def swap(
    content: Tensor,
    style: Tensor,
    patch_size: int = 3,
    pooling: int = 1,
    compared: int | None = None,
    coherence: float = 1.0,
    continuity: float = 1.0,
    before: FrameBefore | None = None,
    falloff: float = 1.0,
) -> Tensor:
    """Replaces each k x k patch of the content by the best matching patch of the style.

    With ``pooling`` > 1 patches are matched on maps averaged over ``pooling`` x ``pooling`` cells first, and then each
    near what was found: the number of comparisons falls with ``pooling**4``.

    Args:
        content: ``[B, C, h, w]``.
        style: ``[B, C, hs, ws]`` or ``[1, C, hs, ws]``.
        patch_size: k, odd. A map smaller than k * pooling is matched with the largest odd patch that fits.
        pooling: cells per side that are matched as one at first.
        compared: how many channels, the first ones, patches are compared by; all of them by default. All are copied.
        coherence: 0..1. Below 1 a patch is taken from where its surroundings match, as with a ``pooling`` of 2, if the
            best there scores at least this share of the best of all; so neighbours keep together. Nothing changes with
            ``pooling`` > 1, and for maps too small to be pooled.
        continuity: 0..1. Below 1 a patch that continues a neighbour's is taken if it scores at least this share of what
            was found without, at each scale; see :func:`~artnet_core.propagation.propagate_matches`.
        before: what frames of a video take over from the one before; a batch is its frames in their order.
        falloff: of the patches where they overlap, at least 1, see :func:`reassemble`; 1 is their mean.

    Returns:
        ``[B, C, h, w]``, every value a weighted mean of style values.

    Raises:
        ValueError: the patch size is even or not positive, or the falloff is below 1 or not finite.
    """
    check_patch_size(patch_size)
    if not 1 <= falloff < math.inf:
        raise ValueError(f"falloff must be a finite number of at least 1, got {falloff}.")
    smallest = min(*content.shape[-2:], *style.shape[-2:])
    pooling = min(pooling, smallest)
    patch_size = min(patch_size, (smallest // pooling - 1) // 2 * 2 + 1)

    steps = STEPS_ON.get(content.device.type, _STEPS)
    swapped = []
    for index, of_content in enumerate(content):
        of_style = style[index if len(style) > 1 else 0]
        compared_maps = of_content[:compared], of_style[:compared]
        matches = _match(steps, *compared_maps, patch_size, pooling, coherence, continuity)
        if before is not None:
            whole_style = style if len(style) == 1 else of_style
            matches = before.steady(matches, *compared_maps, patch_size, whole_style)
        swapped.append(steps.reassemble(matches, of_style, patch_size, falloff))
    # A stack is a copy, and video comes one frame at a time.
    return swapped[0][None] if len(swapped) == 1 else torch.stack(swapped)


def check_patch_size(patch_size: int) -> None:
    """Raises ValueError unless it is odd and positive."""
    if patch_size < 1 or patch_size % 2 == 0:
        raise ValueError(f"patch_size must be an odd number of cells (1, 3, 5, ...), got {patch_size}.")


def _match(
    steps: Steps,
    content: Tensor,
    style: Tensor,
    patch_size: int,
    pooling: int,
    coherence: float,
    continuity: float,
) -> Tensor:
    sizes = (content.shape[1], content.shape[2]), (style.shape[1], style.shape[2])

    def continued(matches: Tensor, content: Tensor, style: Tensor) -> Tensor:
        if continuity == 1:
            return matches
        return steps.propagate_matches(matches, content, style, patch_size, continuity)

    def coarse(pooling: int) -> Tensor:
        """Matches of both maps averaged over ``pooling`` x ``pooling`` cells."""
        maps = F.avg_pool2d(content[None], pooling, ceil_mode=True)[0], F.avg_pool2d(style[None], pooling)[0]
        return continued(steps.match_patches(*maps, patch_size), *maps)

    if pooling > 1:
        matches = steps.refine_matches(coarse(pooling), content, style, patch_size, pooling)
    elif coherence == 1 or min(*sizes[0], *sizes[1]) < COHERENT_CELLS * patch_size:
        matches = steps.match_patches(content, style, patch_size)
    else:
        near = windows_near(coarse(COHERENT_CELLS), *sizes, patch_size, COHERENT_CELLS)
        matches = steps.match_patches(content, style, patch_size, near, coherence)
    return continued(matches, content, style)
