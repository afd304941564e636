"""S2, the sandwich swap transform: AdaIN, Swap, AdaIN."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .adain import align
from .constants import constant
from .dct import CHANNELS as DCT_CHANNELS
from .dct import MEANS as DCT_MEANS
from .features import Features, check_style
from .steadiness import FrameBefore
from .swap import check_patch_size, swap

DEFAULT_DETAIL = 0.3
"""From here on the cosines that vary within a cell are the content's own."""

# The first layer, alone, finds better matches than all together, where the largest channels of the deeper ones decide:
# texture, colours and edges all gain (benchmarks/HISTORY.md), with a twelfth of the multiplications.
COMPARED_LAYER = "conv1"

COHERENCE = 0.97
"""Share of the best patch's score for which one is taken that keeps together with its neighbours', see ``swap``."""

CONTINUITY = 0.95
"""Share of what a patch then scores for which one is taken that continues a neighbour's, at a ``detail`` of 0. Towards
``DEFAULT_DETAIL`` it rises to 1, since there nothing is copied within cells that could be continued."""

FALLOFF = 4.0
"""How many times less a copied patch counts with each step away from its middle, along rows and along columns: of 3 x 3
cells the middle one has 16 shares of 36, those beside it 4, the corners 1. So an edge's patches reach half as much
beyond it, see benchmarks/HISTORY.md."""

# Comparisons up to which all patches are matched with all: 512 x 512 pixels with 1024 x 1024, or the other way round.
# Beyond that, style cells that content is compared with at the most before matches are refined.
_MOST_COMPARISONS = 2**26
_MOST_STYLE_CELLS = 4096


def matching_pool(content: tuple[int, int], style: tuple[int, int]) -> int:
    """Cells per side that are matched as one at first, before matches are refined.

    1 for small pictures, 2 for large ones, and more for a style map of more than 16,384 cells. Time then grows with
    the content's size and no more with the style's. Where there is time for it, comparing all with all keeps more of
    small things such as faces, since a coarse match is decided by what is around them.

    Args:
        content: height and width of the content's map in cells.
        style: likewise.
    """
    style_cells = style[0] * style[1]
    if content[0] * content[1] * style_cells <= _MOST_COMPARISONS:
        return 1
    return max(2, math.ceil(math.sqrt(style_cells / _MOST_STYLE_CELLS)))


def bounded_swap(
    content: Tensor,
    style: Tensor,
    patch_size: int = 3,
    compared: int | None = None,
    coherence: float = 1.0,
    continuity: float = 1.0,
    before: FrameBefore | None = None,
    falloff: float = 1.0,
) -> Tensor:
    """:func:`~artnet_core.swap.swap` with the pooling that suits the sizes of the maps."""
    (height, width), (style_height, style_width) = content.shape[-2:], style.shape[-2:]
    pooling = matching_pool((height, width), (style_height, style_width))
    return swap(content, style, patch_size, pooling, compared, coherence, continuity, before, falloff)


def content_shares(channels: int, detail: float, device: torch.device | None = None) -> Tensor:
    """Share of the projected content in each channel of what the last AdaIN sees; the rest are swapped patches.

    Lines come first. The cosines that vary within a cell are swapped in patches that rarely continue one another: they
    lose the content's lines, draw few of the style's, and where one patch matches a whole area they repeat in every
    cell, or in every few where matches are passed on. With rising ``detail`` they soon give way to the content's own,
    all other channels, colours among them, late.

    Args:
        channels: of the aggregated features; the last are the cosines.
        detail: 0..1.
        device: of the result; the CPU by default.

    Returns:
        float32 ``[1, channels, 1, 1]``: 0 everywhere for a ``detail`` of 0, 1 everywhere for 1.
    """
    varies = constant(_varies_in_cells, device or torch.device("cpu"), torch.bool, channels)
    return torch.where(varies, min(1.0, detail / DEFAULT_DETAIL), detail)


def _varies_in_cells(channels: int) -> Tensor:
    """Which of the channels are cosines that vary within a cell, bool ``[1, channels, 1, 1]``."""
    of_cosines = [channel not in DCT_MEANS for channel in range(DCT_CHANNELS)]
    return torch.tensor([False] * (channels - DCT_CHANNELS) + of_cosines).view(1, -1, 1, 1)


def sandwich_swap(
    content: Features,
    texture: Features,
    color: Features | None = None,
    strength: float = 1.0,
    detail: float = DEFAULT_DETAIL,
    patch_size: int = 3,
    before: FrameBefore | None = None,
) -> Features:
    """Transfers texture and colour onto content.

    The first AdaIN projects the content into the texture style's space, the swap replaces its patches by the style's,
    the last AdaIN aligns mean and standard deviation of every channel to the colour style. Unlike in the paper, patches
    are compared by the channels of conv1 alone, while those of all layers are copied, count most in their middle, and
    keep together with their neighbours' where that costs little of their score; towards a ``detail`` of 0 they continue
    them.

    Args:
        content: features of B pictures.
        texture: features of the picture whose strokes are copied; a batch of 1 or B.
        color: features of the picture whose channel statistics are taken; a batch of 1 or B; the texture's by default.
        strength: 0 returns the content's features exactly, 1 the whole transfer.
        detail: how much of the projected content enters what the last AdaIN sees, see :func:`content_shares`: 0 copies
            patches everywhere, which is the paper's order of steps; 1 copies none, which is AdaIN.
        patch_size: side of the swapped patches in cells, odd.
        before: steadies the strokes of a video: the content is its next frames, and each takes over from the one before
            which patches it copies where they still fit, see :mod:`~artnet_core.steadiness`.

    Returns:
        Features of B pictures of the content's size. At strength 1 the mean and standard deviation of every channel
        are the colour style's.

    Raises:
        ValueError: features of different models, a style batch that is neither 1 nor B, or a number out of range.
    """
    color = texture if color is None else color
    check_patch_size(patch_size)
    _check(content, texture, color, strength, detail)
    if strength == 0:
        return content

    mixed = content.data  # what the first AdaIN does to it alone the last one replaces
    if detail < 1:
        projected = align(content.data, *texture.statistics)
        compared = content.layers[COMPARED_LAYER]
        continuity = 1 - (1 - CONTINUITY) * max(0.0, 1 - detail / DEFAULT_DETAIL)
        # Surroundings may cost what continuing a neighbour may.
        coherence = min(COHERENCE, continuity)
        swapped = bounded_swap(projected, texture.data, patch_size, compared, coherence, continuity, before, FALLOFF)
        shares = content_shares(projected.shape[1], detail, projected.device)
        mixed = swapped.to(projected.dtype).lerp_(projected, shares.to(projected.dtype))
        del projected, swapped  # the last AdaIN takes their room
    transferred = align(mixed, *color.statistics)
    if strength < 1:
        transferred = torch.lerp(content.data, transferred, strength)
    return content.with_data(transferred)


def _check(content: Features, texture: Features, color: Features, strength: float, detail: float) -> None:
    for name, value in (("strength", strength), ("detail", detail)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in 0..1, got {value}.")
    check_style("texture style", content, texture)
    check_style("color style", content, color)
