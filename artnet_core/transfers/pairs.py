"""What all feature transfers share: checks, pairs of one content and one style, and the blend with the content."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..features import Features, check_style


def transfer_pairs(
    content: Features, style: Features, strength: float, transfer: Callable[[Tensor, Tensor], Tensor]
) -> Features:
    """Applies a transfer to each content picture and its style, and blends the result with the content.

    Args:
        content: features of B pictures.
        style: features of 1 or B pictures.
        strength: 0 returns the content's features exactly, 1 the whole transfer.
        transfer: takes content ``[C, h, w]`` and style ``[C, hs, ws]``, both float32, and returns ``[C, h, w]``.

    Returns:
        Features of B pictures of the content's size, in the content's dtype.

    Raises:
        ValueError: features of different models, a style batch that is neither 1 nor B, or a strength out of range.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must lie in 0..1, got {strength}.")
    check_style("style", content, style)
    if strength == 0:
        return content
    sources, targets = content.data.float(), style.data.float()
    targets = targets.expand(len(sources), -1, -1, -1)
    transferred = torch.stack([transfer(a, b) for a, b in zip(sources, targets, strict=True)])
    return content.with_data(torch.lerp(sources, transferred, strength).to(content.data.dtype))
