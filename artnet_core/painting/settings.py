"""What the artist sets, and which sizes a painting goes through for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..transfer.swap import check_patch_size

# Pixels of the longer side of the smallest level at a stroke size of 1. At 0.5 it has four times as many: the same in a
# picture of 512 pixels and in one of 4096.
_BROADEST = 128

# Stroke sizes of a map below this are none.
_FINEST = 1e-6

# A style is not reduced below this, or it would have too few patches to choose from.
_SMALLEST_STYLE = 256

Shown = Callable[[Tensor], None]
"""Is given a picture ``[1, 3, h, w]``, 0..1, that is still worked on."""


@dataclass(frozen=True)
class Settings:
    """What the artist sets.

    Attributes:
        strength: 0 leaves the picture as it is, 1 is the whole transfer.
        detail: 0 painterly, 1 faithful to the picture.
        patch_size: side of the copied patches in positions, odd.
        steady: whether the frames are a video, whose strokes keep their places in the scene.
        stroke_size: 0..1, relative to the picture, see :func:`level_sides`: 0 paints fine strokes in one pass, 1 begins
            with the broadest.
        style_size: pixels of the longer side that the texture style is resized to: fewer make strokes finer, more make
            them broader. At 0 it stays as it is, or is no larger than the picture where ``stroke_size`` is above 0.
        finish: steps of optimisation that each painting is improved by, see :mod:`~artnet_core.finish`.

    Raises:
        ValueError: a number is out of its range.
    """

    strength: float = 1.0
    detail: float = 0.5
    patch_size: int = 3
    steady: bool = False
    stroke_size: float = 0.75
    style_size: int = 0
    finish: int = 0

    def __post_init__(self) -> None:
        for name in ("strength", "detail", "stroke_size"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in 0..1, got {value}.")
        check_patch_size(self.patch_size)
        for name in ("style_size", "finish"):
            value = getattr(self, name)
            if value < 0:
                raise ValueError(f"{name} must not be negative, got {value}.")


DEFAULTS = Settings()
"""Broad strokes first, and as much detail as a face needs to stay one."""


def level_sides(side: int, stroke_size: float) -> list[int]:
    """Longer sides of the pictures that are painted one after the other, the picture's own last, each half of the next.

    The smallest has about ``128 / stroke_size**2`` pixels, whatever the picture has, so that strokes are as broad, in
    units of the picture, at any resolution.

    Args:
        side: longer side of the picture in pixels.
        stroke_size: 0..1; at 0 there is one level.

    Example:
        >>> level_sides(512, 0.5), level_sides(2048, 0.5)
        ([512], [512, 1024, 2048])
    """
    halvings = 0
    if stroke_size > 0:
        halvings = max(0, round(math.log2(side / _BROADEST) + 2 * math.log2(stroke_size)))
    return [-(-side // 2**level) for level in range(halvings, -1, -1)]


def drawn_share(side: int, stroke_sizes: Tensor, halvings: int) -> Tensor:
    """How much of the painting of the next coarser level a level begins with, where stroke sizes vary.

    Where strokes are fine a level begins with the photograph. A map of one value makes the levels of that number.

    Args:
        side: longer side of the picture in pixels.
        stroke_sizes: any shape, 0..1.
        halvings: how often the level is half of the picture.

    Returns:
        The same shape, 0..1; in between on either side of the stroke size from which :func:`level_sides` has the
        coarser level.
    """
    wanted = math.log2(side / _BROADEST) + 2 * stroke_sizes.clamp(min=_FINEST).log2()
    return (wanted - halvings + 0.5).clamp(0, 1)


def style_side(native: int, level: int, full: int, settings: Settings) -> int:
    """Longer side that a style is resized to for a level: alike for pictures of any resolution.

    Args:
        native: longer side of the style picture.
        level: longer side of the level.
        full: longer side of the picture that is painted.
        settings: its ``style_size``, if there is one, is meant for the last level.
    """
    if settings.style_size:
        return max(1, round(settings.style_size * level / full))
    return min(native, max(level, _SMALLEST_STYLE)) if settings.stroke_size else native
