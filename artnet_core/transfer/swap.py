"""StyleSwap: each content patch is replaced by the best matching style patch (Chen and Schmidt 2016).

Chen and Schmidt average patches where they overlap. Here a patch may count less the farther a position is from its
middle, as in the windows that Efros and Leung 1999 ("Texture Synthesis by Non-parametric Sampling") compare: so less of
it reaches where other patches fit better. That is the role of ``falloff``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..network.ops import avg_pool
from ..progress import Progress, ignore, in_turn
from .evenness import patch_prices
from .matching import Windows, match_patches, visible_patches
from .propagation import propagate_matches
from .refinement import refine_matches, windows_near

# Comparisons up to which all patches are matched with all: 512 x 512 pixels with 1024 x 1024, or the other way round.
# Beyond that, style positions that content is compared with at the most before matches are refined.
_MOST_COMPARISONS = 2**26
# The same for a painting that finer strokes are added to: 320 x 320 pixels with a style as large.
_MOST_COMPARISONS_OF_DRAWN = 40**4
_MOST_STYLE_POSITIONS = 4096

# Elsewhere (MPS, DirectML) F.embedding_bag may be missing or fall back to the CPU.
_BAG_DEVICES = ("cpu", "cuda")

# Measured on a CPU with pictures of 512 to 4,096 pixels: how long finding takes, and copying. Where maps are pooled and
# where not: how long it takes to find matches of small maps, of large ones, and to continue those.
_TIMES_OF_SWAP = (9, 1)
_TIMES_POOLED = (3, 1, 6)
_TIMES_OF_ALL = (1, 12, 1)

COHERENT_POSITIONS = 2
"""Positions per side that surroundings are matched by where patches are not pooled but keep together."""


def reassemble(matches: Tensor, style: Tensor, patch_size: int = 3, falloff: float = 1.0) -> Tensor:
    """Puts the matched style patches in place of the content's, and takes weighted means where they overlap.

    Args:
        matches: ``[rows, columns]`` as :func:`artnet_core.transfer.matching.match_patches` returns it.
        style: ``[C, hs, ws]``, the values to be copied.
        patch_size: k.
        falloff: how many times less a patch counts with each step away from its middle, along rows and along columns,
            at least 1.

    Returns:
        ``[C, rows + k - 1, columns + k - 1]`` in the style's dtype, the channels of a position side by side in memory.
    """
    k, (rows, columns), beyond = patch_size, matches.shape, patch_size - 1
    positions = style.permute(1, 2, 0).flatten(0, 1)  # [hs * ws, C]
    # The patches that cover a position begin at it and up to k - 1 positions before it; where one would lie outside of
    # the map its share is zero.
    before = torch.arange(beyond, -1, -1, device=matches.device)
    place = before[:, None] * style.shape[2] + before  # [k, k], of the position in such a patch
    patches, covers = (
        F.pad(of_patch, (beyond,) * 4).unfold(0, k, 1).unfold(1, k, 1)  # [rows + k - 1, columns + k - 1, k, k]
        for of_patch in (matches, torch.ones(rows, columns, dtype=torch.float32, device=style.device))
    )
    covers = covers * falloff_weights(k, falloff, style.device)
    sources = (patches + place).reshape(-1, k * k)
    shares = (covers / covers.sum((2, 3), keepdim=True)).reshape(-1, k * k).to(style.dtype)
    return weighted_rows(positions, sources, shares).view(rows + beyond, columns + beyond, -1).permute(2, 0, 1)


def falloff_weights(patch_size: int, falloff: float, device: torch.device | None = None) -> Tensor:
    """How much each position of a patch counts: ``[k, k]``, 1 in the middle."""
    steps = (torch.arange(patch_size, device=device) - patch_size // 2).abs()
    # Positions at the map's corners see nothing but the corners of patches: those count too.
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


def check_patch_size(patch_size: int) -> None:
    """Raises ValueError unless it is odd and positive."""
    if not isinstance(patch_size, int) or patch_size < 1 or patch_size % 2 == 0:
        raise ValueError(f"patch_size must be an odd number of positions (1, 3, 5, ...), got {patch_size}.")


@dataclass(frozen=True)
class Matching:
    """How patches are chosen and put together.

    Attributes:
        patch_size: side k of the patches in positions, odd. A map smaller than k * pooling is matched with the largest
            odd patch that fits.
        compared: how many channels, the first ones, patches are compared by; all of them by default. All are copied.
        coherence: 0..1. Below 1 a patch is taken from where its surroundings match, as with a ``pooling`` of 2, if the
            best there scores at least this share of the best of all; so neighbours keep together. Nothing changes with
            ``pooling`` > 1, and for maps too small to be pooled.
        continuity: 0..1. Below 1 a patch that continues a neighbour's is taken if it scores at least this share of what
            was found without, at each scale; see :func:`artnet_core.transfer.propagation.propagate_matches`.
        falloff: how many times less a copied patch counts with each step away from its middle, at least 1, see
            :func:`reassemble`; 1 takes the mean.
        pooling: positions per side that are matched as one at first; by default as suits the sizes of the maps, see
            :func:`matching_pool`.
        even: whether a style patch that would be copied much gives way to others that are nearly as like, see
            :func:`artnet_core.transfer.evenness.patch_prices`.

    Raises:
        ValueError: the patch size is even or not positive, the falloff below 1 or not finite, or another number out of
            its range.
    """

    patch_size: int = 3
    compared: int | None = None
    coherence: float = 1.0
    continuity: float = 1.0
    falloff: float = 1.0
    pooling: int | None = None
    even: bool = False

    def __post_init__(self) -> None:
        check_patch_size(self.patch_size)
        if not 1 <= self.falloff < math.inf:
            raise ValueError(f"falloff must be a finite number of at least 1, got {self.falloff}.")
        for name, share in (("coherence", self.coherence), ("continuity", self.continuity)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must lie in 0..1, got {share}.")
        if self.pooling is not None and self.pooling < 1:
            raise ValueError(f"pooling must be at least 1, got {self.pooling}.")


PAPER = Matching()
"""As in the paper: all channels compared, every patch the best of all, overlaps averaged."""

Settle = Callable[[Tensor, Tensor, Tensor, int, Tensor], Tensor]
"""What may still change the matches of a picture, as a video's state does, see
:meth:`artnet_core.video.steadiness.TemporalState.steady`: of matches, both maps as they were compared, the patch size
and the style with all its channels, the matches that are used."""


def matching_pool(content: tuple[int, int], style: tuple[int, int], drawn: bool = False) -> int:
    """Positions per side that are matched as one at first, before matches are refined.

    1 for small pictures, 2 for large ones, and more for a style map of more than 16,384 positions. Time then grows with
    the content's size and no more with the style's. Where there is time for it, comparing all with all keeps more of
    small things such as faces, since a coarse match is decided by what is around them.

    Args:
        content: height and width of the content's map in positions.
        style: likewise.
        drawn: whether the content is a painting already, to which finer strokes are added. Small things are in it.
    """
    style_positions = style[0] * style[1]
    most = _MOST_COMPARISONS_OF_DRAWN if drawn else _MOST_COMPARISONS
    if content[0] * content[1] * style_positions <= most:
        return 1
    return max(2, math.ceil(math.sqrt(style_positions / _MOST_STYLE_POSITIONS)))


def swap(
    content: Tensor,
    style: Tensor,
    matching: Matching = PAPER,
    settle: Settle | None = None,
    weight: Tensor | None = None,
    progress: Progress = ignore,
    counts: Tensor | None = None,
) -> Tensor:
    """Replaces each k x k patch of the content by the best matching patch of the style.

    With a pooling of p > 1 patches are matched on maps averaged over p x p positions first, and then each near what was
    found: the number of comparisons falls with p**4.

    Args:
        content: ``[B, C, h, w]``.
        style: ``[B, C, hs, ws]`` or ``[1, C, hs, ws]``.
        matching: how patches are chosen and put together.
        settle: what may still change the matches; of a batch the pictures come in their order.
        weight: ``[1 or B, 1, hs, ws]``, 0..1, of the style's positions; all 1 by default. A position may be copied if
            it weighs at least half of what the heaviest does. Where no patch is wholly of such positions smaller ones
            are taken.
        progress: is told which share is done.
        counts: ``[1 or B, 1, h, w]``, 0..1, how much each of the content's positions counts where the style is used
            evenly; all alike by default.

    Returns:
        ``[B, C, h, w]``, every value a weighted mean of style values.

    Example:
        >>> content, style = torch.rand(1, 8, 6, 7), torch.rand(1, 8, 9, 5)
        >>> swapped = artnet.swap(content, style)
        >>> swapped.shape
        torch.Size([1, 8, 6, 7])
        >>> torch.allclose(artnet.swap(style, style), style, atol=1e-5)
        True
    """
    sizes = (content.shape[2], content.shape[3]), (style.shape[2], style.shape[3])
    smallest = min(*sizes[0], *sizes[1])
    pooling = min(matching.pooling or matching_pool(*sizes), smallest)
    patch_size = min(matching.patch_size, (smallest // pooling - 1) // 2 * 2 + 1)
    whole = replace(matching, patch_size=patch_size, pooling=pooling)

    swapped = []
    of_pictures = in_turn(progress, *[1] * len(content))
    for index, of_content in enumerate(content):
        of_style = style[index if len(style) > 1 else 0]
        visible, matching = None, whole
        if weight is not None:
            visible = copied_positions(weight[index if len(weight) > 1 else 0, 0].to(content.device))
            matching = _fitting(whole, visible)
        compared = of_content[: matching.compared], of_style[: matching.compared]
        of_matches, of_copies = in_turn(of_pictures[index], *_TIMES_OF_SWAP)
        of_counts = None if counts is None else counts[index if len(counts) > 1 else 0, 0]
        matches = find_matches(*compared, matching, visible, of_matches, of_counts)
        if settle is not None:
            found = matches
            matches = settle(found, *compared, matching.patch_size, style if len(style) == 1 else of_style)
            if visible is not None:  # what was copied before may be hidden by now
                hidden = ~visible_patches(visible, matching.patch_size)
                row, column = matches // style.shape[3], matches % style.shape[3]
                matches = torch.where(hidden[row, column], found, matches)
        swapped.append(reassemble(matches, of_style, matching.patch_size, matching.falloff))
        of_copies(1.0)
    # A stack is a copy, and video comes one frame at a time.
    return swapped[0][None] if len(swapped) == 1 else torch.stack(swapped)


def copied_positions(weight: Tensor) -> Tensor:
    """Which positions of a style may be copied: those that weigh at least half of what the heaviest does.

    Half, as what an edge cuts through shows little of either side; of the heaviest, so that a style that is half
    transparent everywhere, or seen through a thin line, is a style too.

    Args:
        weight: ``[hs, ws]``, 0..1, some of it above 0.

    Returns:
        bool ``[hs, ws]``.
    """
    return (weight > 0) & (weight >= 0.5 * weight.max())


def _fitting(matching: Matching, visible: Tensor) -> Matching:
    """The same with the largest patches and the most pooling at which some patch is wholly visible."""
    pooling, patch_size = matching.pooling or 1, matching.patch_size
    for size in range(patch_size, 0, -2):
        side = pooling
        while side > 0:
            if visible_patches(_all_visible(visible, side), size).any():
                return replace(matching, patch_size=size, pooling=side)
            side //= 2
    raise ValueError("Nothing of the style may be copied: its weight is 0 everywhere.")


def _all_visible(visible: Tensor, pooling: int) -> Tensor:
    """Which squares of ``pooling`` x ``pooling`` positions are visible as a whole: bool ``[hs, ws]`` to less."""
    return F.max_pool2d((~visible).float()[None], pooling)[0] == 0


def find_matches(
    content: Tensor,
    style: Tensor,
    matching: Matching,
    visible: Tensor | None = None,
    progress: Progress = ignore,
    counts: Tensor | None = None,
) -> Tensor:
    """Matches of ``[C, h, w]`` in ``[C, hs, ws]``, by way of pooled maps where ``matching`` says so.

    Args:
        content: the channels that are compared.
        style: likewise.
        matching: with a pooling, and a patch size that fits both maps and what is visible.
        visible: bool ``[hs, ws]``, the style's positions that may be copied; all by default.
        progress: is told which share is done.
        counts: ``[h, w]``, 0..1, see :func:`swap`.

    Returns:
        int64 ``[h - k + 1, w - k + 1]``, as :func:`artnet_core.transfer.matching.match_patches` has them.
    """
    sizes = (content.shape[1], content.shape[2]), (style.shape[1], style.shape[2])
    patch_size, pooling = matching.patch_size, matching.pooling or 1
    small, large, further = _TIMES_POOLED if pooling > 1 else _TIMES_OF_ALL
    of_small, of_large, of_rest = in_turn(progress, small, large, further if matching.continuity < 1 else 0)

    def continued(
        matches: Tensor, content: Tensor, style: Tensor, visible: Tensor | None, progress: Progress = ignore
    ) -> Tensor:
        if matching.continuity == 1:
            return matches
        return propagate_matches(matches, content, style, patch_size, matching.continuity, visible, progress)

    def best(
        content: Tensor,
        style: Tensor,
        visible: Tensor | None,
        counts: Tensor | None,
        progress: Progress,
        near: Windows | None = None,
    ) -> Tensor:
        prices = patch_prices(content, style, patch_size, visible, counts) if matching.even else None
        return match_patches(content, style, patch_size, near, matching.coherence, visible, progress, prices)

    def coarse(pooling: int) -> Tensor:
        """Matches of both maps averaged over ``pooling`` x ``pooling`` positions."""
        maps = avg_pool(content[None], pooling)[0], F.avg_pool2d(style[None], pooling)[0]
        shown = None if visible is None else _all_visible(visible, pooling)
        counting = None if counts is None else avg_pool(counts[None, None], pooling)[0, 0]
        return continued(best(*maps, shown, counting, of_small), *maps, shown)

    def coherent() -> bool:
        if matching.coherence == 1 or min(*sizes[0], *sizes[1]) < COHERENT_POSITIONS * patch_size:
            return False
        return visible is None or bool(visible_patches(_all_visible(visible, COHERENT_POSITIONS), patch_size).any())

    if pooling > 1:
        matches = refine_matches(coarse(pooling), content, style, patch_size, pooling, visible, of_large)
    elif not coherent():
        matches = best(content, style, visible, counts, of_large)
    else:
        near = windows_near(coarse(COHERENT_POSITIONS), *sizes, patch_size, COHERENT_POSITIONS)
        matches = best(content, style, visible, counts, of_large, near)
    return continued(matches, content, style, visible, of_rest)
