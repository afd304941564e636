"""S2, the sandwich swap transform: AdaIN, Swap, AdaIN."""

from __future__ import annotations

import math

import torch

from .adain import adain
from .features import Features, check_style
from .swap import swap

DEFAULT_DETAIL = 0.4

# Style cells that content is compared with at the most; above, patches are matched on pooled maps.
_MOST_STYLE_CELLS = 4096


def matching_pool(height: int, width: int) -> int:
    """Cells per side to pool so that a style map of this size has at most 4,096 cells to match."""
    return max(1, math.ceil(math.sqrt(height * width / _MOST_STYLE_CELLS)))


def sandwich_swap(
    content: Features,
    texture: Features,
    color: Features | None = None,
    strength: float = 1.0,
    detail: float = DEFAULT_DETAIL,
    patch_size: int = 3,
) -> Features:
    """Transfers texture and colour onto content.

    The first AdaIN projects the content into the texture style's space, the swap replaces its patches by the style's,
    the last AdaIN aligns mean and standard deviation of every channel to the colour style.

    Args:
        content: features of B pictures.
        texture: features of the picture whose strokes are copied; a batch of 1 or B.
        color: features of the picture whose channel statistics are taken; a batch of 1 or B; the texture's by default.
        strength: 0 returns the content's features exactly, 1 the whole transfer.
        detail: share of the projected content in what the last AdaIN sees: 0 copies patches everywhere, which is the
            paper's S2; 1 copies none, which is AdaIN.
        patch_size: side of the swapped patches in cells, odd.

    Returns:
        Features of B pictures of the content's size. At strength 1 the mean and standard deviation of every channel
        are the colour style's.

    Raises:
        ValueError: features of different models, a style batch that is neither 1 nor B, or a number out of range.
    """
    color = texture if color is None else color
    _check(content, texture, color, strength, detail)
    if strength == 0:
        return content

    projected = adain(content.data.float(), texture.data)
    if detail < 1:
        pooling = matching_pool(*texture.data.shape[-2:])
        swapped = swap(projected, texture.data.float(), patch_size, pooling)
        mixed = torch.lerp(swapped, projected, detail)
    else:
        mixed = projected
    transferred = adain(mixed, color.data)
    return content.with_data(torch.lerp(content.data.float(), transferred, strength).to(content.data.dtype))


def _check(content: Features, texture: Features, color: Features, strength: float, detail: float) -> None:
    for name, value in (("strength", strength), ("detail", detail)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in 0..1, got {value}.")
    check_style("texture style", content, texture)
    check_style("color style", content, color)
