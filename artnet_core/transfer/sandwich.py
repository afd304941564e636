"""S2, the sandwich swap transform: AdaIN, Swap, AdaIN (paper, Section 4.2)."""

from __future__ import annotations

from typing import overload

import torch
from torch import Tensor

from ..features import Features, check_style
from ..network.cosines import CHANNELS as DCT_CHANNELS
from ..network.cosines import MEANS as DCT_MEANS
from ..progress import Progress, ignore, in_turn
from .adain import align
from .chroma_from_luma import chroma_from_luma
from .swap import Matching, Settle, check_patch_size, matching_pool, swap

DEFAULT_DETAIL = 0.3
"""From here on the cosines that vary within a position are the content's own."""

# The first layer, alone, finds better matches than all together, where the largest channels of the deeper ones decide:
# texture, colours and edges all gain (docs/decisions.md), with a twelfth of the multiplications.
COMPARED_LAYER = "conv1"

COHERENCE = 0.97
"""Share of the best patch's score for which one is taken that keeps together with its neighbours', see ``swap``."""

CONTINUITY = 0.95
"""Share of what a patch then scores for which one is taken that continues a neighbour's, at a ``detail`` of 0. Towards
``DEFAULT_DETAIL`` it rises to 1, since there nothing is copied within positions that could be continued."""

FALLOFF = 4.0
"""How many times less a copied patch counts with each step away from its middle, along rows and along columns: of 3 x 3
positions the middle one has 16 shares of 36, those beside it 4, the corners 1. So an edge's patches reach half as much
beyond it, see docs/decisions.md."""

_TIMES = (4, 1)
"""How long the swap takes, and all the rest, on a CPU."""


def content_shares(channels: int, detail: float | Tensor, device: torch.device | None = None) -> Tensor:
    """Share of the projected content in each channel of what the last AdaIN sees; the rest are swapped patches.

    Lines come first. The cosines that vary within a position are swapped in patches that rarely continue one another:
    they lose the content's lines, draw few of the style's, and where one patch matches a whole area they repeat in
    every position, or in every few where matches are passed on. With rising ``detail`` they soon give way to the
    content's own, all other channels, colours among them, late.

    Args:
        channels: of the aggregated features; the last are the cosines.
        detail: 0..1; a number, or a map ``[1 or B, 1, h, w]``.
        device: of the result; the CPU by default.

    Returns:
        float32 ``[1, channels, 1, 1]``, or for a map ``[1 or B, channels, h, w]``: 0 where ``detail`` is 0, 1 where it
        is 1.
    """
    channel = torch.arange(channels, device=device) - (channels - DCT_CHANNELS)
    varies = channel >= 0
    for mean in DCT_MEANS:
        varies &= channel != mean
    if isinstance(detail, Tensor):
        detail = detail.to(device, torch.float32)
        return torch.where(varies.view(1, -1, 1, 1), _share_of_lines(detail), detail)
    shares = torch.full((1, channels, 1, 1), detail, dtype=torch.float32, device=device)
    return shares.masked_fill_(varies.view(1, -1, 1, 1), _share_of_lines(detail))


@overload
def _share_of_lines(detail: float) -> float: ...


@overload
def _share_of_lines(detail: Tensor) -> Tensor: ...


def _share_of_lines(detail: float | Tensor) -> float | Tensor:
    """How much of what varies within positions is the content's own."""
    return (detail / DEFAULT_DETAIL).clamp(max=1) if isinstance(detail, Tensor) else min(1.0, detail / DEFAULT_DETAIL)


def matching_at(
    detail: float, patch_size: int, compared: int, even: bool = True, pooling: int | None = None
) -> Matching:
    """How S2 chooses patches at this ``detail``: towards 0 it lets them continue their neighbours'.

    Args:
        detail: 0..1.
        patch_size: side of the patches in positions, odd.
        compared: channels of :data:`COMPARED_LAYER`.
        even: whether the style is used evenly. Prices differ from frame to frame, so in a video it would flicker more.
        pooling: positions per side that are matched as one at first; by default as suits the sizes of the maps.
    """
    continuity = 1 - (1 - CONTINUITY) * max(0.0, 1 - detail / DEFAULT_DETAIL)
    # Surroundings may cost what continuing a neighbour may.
    coherence = min(COHERENCE, continuity)
    return Matching(patch_size, compared, coherence, continuity, FALLOFF, pooling, even)


def pooling_for(content: Features, texture: Features, drawn: bool = False) -> int:
    """The pooling that suits the sizes of content and texture, see :func:`~artnet_core.transfer.swap.matching_pool`.

    Args:
        content: of the whole picture: parts of it are matched as the whole would be.
        texture: of which its visible part is matched with.
        drawn: as there.
    """
    (height, width), (rows, columns) = content.data.shape[2:], texture.visible_part.data.shape[2:]
    return matching_pool((height, width), (rows, columns), drawn)


def sandwich_swap(
    content: Features,
    texture: Features,
    color: Features | None = None,
    strength: float = 1.0,
    detail: float | Tensor = DEFAULT_DETAIL,
    patch_size: int = 3,
    settle: Settle | None = None,
    progress: Progress = ignore,
    pooling: int | None = None,
    colors_follow: bool = True,
) -> Features:
    """Transfers texture and colour onto content.

    The first AdaIN projects the content into the texture style's space, the swap replaces its patches by the style's,
    the last AdaIN aligns mean and standard deviation of every channel to the colour style. Unlike in the paper, patches
    are compared by the channels of conv1 alone, while those of all layers are copied, count most in their middle, and
    keep together with their neighbours' where that costs little of their score; towards a ``detail`` of 0 they continue
    them.

    Where features have a weight, what is transparent or masked away enters no mean, no deviation and no match, and
    nothing of it is copied. A content picture that weighs nothing stays as it is.

    Args:
        content: features of B pictures.
        texture: features of the picture whose strokes are copied; a batch of 1 or B.
        color: features of the picture whose channel statistics are taken; a batch of 1 or B; the texture's by default.
        strength: 0 returns the content's features exactly, 1 the whole transfer.
        detail: how much of the projected content enters what the last AdaIN sees, see :func:`content_shares`: 0 copies
            patches everywhere, which is the paper's order of steps; 1 copies none, which is AdaIN but for the
            colours that follow. A number, or a map ``[1 or B, 1, h, w]`` with a value for each position.
        patch_size: side of the swapped patches in positions, odd.
        settle: what may still change which patches are copied, as the state of a video does, see
            :mod:`artnet_core.video.steadiness`. A batch is then the next frames in their order.
        progress: is told which share is done.
        pooling: see :func:`matching_at`.
        colors_follow: whether colours within positions follow the light where the content's lines are drawn, see
            :mod:`~artnet_core.transfer.chroma_from_luma`. Not where the colour style is the content: its own are right.

    Returns:
        Features of B pictures of the content's size. At strength 1 the mean and standard deviation of every channel
        are the colour style's, where the content counts; deviations of the ten cosines that follow may be smaller.

    Raises:
        ValueError: features of different models, a style batch that is neither 1 nor B, a style of which nothing is
            seen, or a number out of range.

    Example:
        >>> model = artnet.load()
        >>> content, style = torch.rand(1, 3, 96, 128), torch.rand(1, 3, 80, 80)
        >>> features = artnet.sandwich_swap(model.encode(content), model.encode(style), detail=0.2)
        >>> model.decode(features).shape
        torch.Size([1, 3, 96, 128])
    """
    color = texture if color is None else color
    check_patch_size(patch_size)
    if isinstance(detail, Tensor):
        detail = detail.to(content.data.device, torch.float32)
    least, most = (float(end) for end in detail.aminmax()) if isinstance(detail, Tensor) else (detail, detail)
    for name, value in (("strength", strength), ("detail", least), ("detail", most)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in 0..1, got {value}.")
    check_style("texture style", content, texture)
    check_style("color style", content, color)
    if strength == 0:
        return content

    weight = seen = None
    if content.weight is not None:
        seen = content.weight.amax((1, 2, 3), keepdim=True) > 0
        weight = torch.where(seen, content.weight, 1)
    mixed = content.data  # what the first AdaIN does to it alone the last one replaces
    if least < 1:
        projected = align(content.data, *texture.statistics, weight)
        # Where more detail is wanted patches keep together too: little of them is left to see there.
        matching = matching_at(least, patch_size, content.layers[COMPARED_LAYER], settle is None, pooling)
        of_texture = texture.visible_part
        of_swap, _ = in_turn(progress, *_TIMES)
        swapped = swap(projected, of_texture.data, matching, settle, of_texture.weight, of_swap, weight)
        shares = content_shares(projected.shape[1], detail, projected.device)
        mixed = swapped.to(projected.dtype).lerp_(projected, shares.to(projected.dtype))
        del projected, swapped  # the last AdaIN takes their room
    transferred = align(mixed, *color.statistics, weight)
    if colors_follow:
        transferred = chroma_from_luma(transferred, color, _share_of_lines(detail))
    if seen is not None:
        transferred = torch.where(seen, transferred, content.data)
    if strength < 1:
        transferred = torch.lerp(content.data, transferred, strength)
    progress(1.0)
    return content.with_data(transferred)
