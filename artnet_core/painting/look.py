"""The same look at any resolution: a large level keeps what was painted before it, and adds finer strokes.

Each level paints its picture anew, so every doubling of the size would move colours and forms a little, and a painting
of 4096 pixels would end as another picture than its small copy. Here a level gives up what the level before could show
as well, the low band of a Laplacian pyramid (Burt and Adelson 1983), for what that level has painted.

What is left for the largest levels to add is too fine for copied patches to show, so they copy none unless a painterly
``detail`` has lines come from patches too.
"""

from __future__ import annotations

import math
from typing import overload

from torch import Tensor

from ..resizing import halve, resize, resize_linearly
from ..transfer.sandwich import DEFAULT_DETAIL
from .faithful import share_above

# Levels of fewer pixels are sketches, and are painted over as a whole; levels of twice as many and more are kept.
_SKETCH = 256

# Where a level is kept this far, copied patches hardly show in what the next one adds once lines are the content's own:
# none are copied then. Fewer are from a little below that detail on, since maps may pass it gradually.
_MOST = 0.9
_FEWER_FROM = 0.2

# How much stays of a level that is kept: where the next one copies patches, which move forms, and where it copies none.
# All of it would be nearer still to the small painting and farther from the style, see docs/decisions.md.
_KEPT_BY_COPIES, _KEPT = 0.85, 0.5


def kept_share(side: int) -> float:
    """How far the next level keeps one of this longer side: 0 up to 256 pixels, 1 from 512 on.

    Example:
        >>> [round(kept_share(side), 2) for side in (256, 384, 512, 1024)]
        [0.0, 0.58, 1.0, 1.0]
    """
    return min(max(math.log2(side / _SKETCH), 0.0), 1.0)


def keeps_most(share: float | Tensor) -> bool:
    """Whether a level keeps the one before so far, everywhere, that patches hardly show in what it adds.

    Args:
        share: see :func:`kept_share`; a number, or a map.
    """
    return (float(share.min()) if isinstance(share, Tensor) else share) >= _MOST


def kept_at(detail: float | Tensor, most: bool) -> float | Tensor:
    """How much stays of a level that is kept: less where the next one, which keeps most of it, copies no patches.

    Example:
        >>> from artnet_core.painting.look import kept_at
        >>> kept_at(0.1, True), kept_at(0.5, True), kept_at(0.5, False)
        (0.85, 0.5, 0.85)
    """
    if not most:
        return _KEPT_BY_COPIES
    return _KEPT_BY_COPIES + (_KEPT - _KEPT_BY_COPIES) * share_above(_FEWER_FROM, detail, DEFAULT_DETAIL)


@overload
def detail_where_kept(detail: float, most: bool) -> float: ...


@overload
def detail_where_kept(detail: Tensor, most: bool) -> Tensor: ...


def detail_where_kept(detail: float | Tensor, most: bool) -> float | Tensor:
    """The detail that features are transferred with at a level that may keep most of the one before.

    If it does that is 1 from a ``detail`` of 0.3 on: no patches are searched for and copied.

    Example:
        >>> from artnet_core.painting.look import detail_where_kept
        >>> detail_where_kept(0.5, True), detail_where_kept(0.5, False), detail_where_kept(0.1, True)
        (1.0, 0.5, 0.1)
    """
    if not most:
        return detail
    if isinstance(detail, Tensor):
        return share_above(_FEWER_FROM, detail, DEFAULT_DETAIL).maximum(detail)
    return max(detail, share_above(_FEWER_FROM, detail, DEFAULT_DETAIL))


def keep_look(painting: Tensor, before: Tensor, share: float | Tensor) -> Tensor:
    """Puts this share of what the level before has painted in place of what the painting has of it.

    Args:
        painting: ``[1, 3, H, W]``, float32, RGB, 0..1.
        before: ``[1, 3, h, w]``, likewise, the painting of the level before.
        share: 0..1; a number, or a map ``[1, 1, H, W]``. 0 returns the painting itself.

    Returns:
        ``[1, 3, H, W]``, clamped to 0..1.
    """
    if not isinstance(share, Tensor) and share == 0:
        return painting
    (height, width), size = before.shape[-2:], (painting.shape[-2], painting.shape[-1])
    # Means of 2 x 2 pixels are found in a fifth of the time, but an odd size has no such.
    low = halve(painting) if size == (2 * height, 2 * width) else resize(painting, max(height, width))
    change = before.to(painting) - low
    if not isinstance(share, Tensor):
        return resize_linearly(change.mul_(share), size).add_(painting).clamp_(0, 1)
    return resize_linearly(change, size).mul_(share).add_(painting).clamp_(0, 1)
