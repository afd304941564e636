"""The same look at any resolution: a large level keeps what was painted before it, and adds finer strokes.

Each level paints its picture anew, so every doubling of the size would move colours and forms a little, and a painting
of 4096 pixels would end as another picture than its small copy. Here a level gives up what the level before could show
as well, the low band of a Laplacian pyramid (Burt and Adelson 1983), for what that level has painted.
"""

from __future__ import annotations

import math

from torch import Tensor

from ..resizing import halve, resize, resize_linearly

# Levels of fewer pixels are sketches, and are painted over as a whole; levels of twice as many and more are kept.
_SKETCH = 256

# All of it would be nearer still to the small painting and farther from the style, see docs/decisions.md.
_KEPT = 0.85


def kept_share(side: int) -> float:
    """How much of a level the next one keeps: 0 up to 256 pixels of its longer side, 0.85 from 512 on.

    Example:
        >>> [round(kept_share(side), 2) for side in (256, 384, 512, 1024)]
        [0.0, 0.5, 0.85, 0.85]
    """
    return _KEPT * min(max(math.log2(side / _SKETCH), 0.0), 1.0)


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
