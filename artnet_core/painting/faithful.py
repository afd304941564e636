"""The faithful end of ``detail``: the photograph comes back, first its lines, then the photograph in other colours.

What the decoder makes of recoloured features is no more than near to the photograph, and tones change its contrasts.
Who wants still more of it is given the photograph itself, with mean and covariance of the style's colours: edges of 0.6
become 0.7, and the style stays nearer than if the photograph shone through as it is (docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import overload

import torch
from torch import Tensor

from ..transfer.histograms import Tones, match_colors
from ..transfer.sandwich import DEFAULT_DETAIL

LINES_FROM = DEFAULT_DETAIL
"""Above this detail the photograph's lines come back, see :mod:`~artnet_core.transfer.lines`."""

PHOTOGRAPH_FROM = 0.6
"""Above this detail the photograph itself does, in the style's colours."""

# At a detail of 1: how much is the photograph, and how much of that has its own colours, which come last.
_MOST_OF_PHOTOGRAPH, _MOST_OF_OWN_COLORS = 0.85, 0.2


@overload
def share_above(least: float, detail: float, most: float = 1.0) -> float: ...


@overload
def share_above(least: float, detail: Tensor, most: float = 1.0) -> Tensor: ...


@overload
def share_above(least: float, detail: float | Tensor, most: float = 1.0) -> float | Tensor: ...


def share_above(least: float, detail: float | Tensor, most: float = 1.0) -> float | Tensor:
    """How far a detail lies on the way from the least one, 0, to the most, 1; of each pixel of a map.

    Example:
        >>> from artnet_core.painting.faithful import share_above
        >>> share_above(0.6, 0.5), share_above(0.6, 1.0)
        (0.0, 1.0)
    """
    share = (detail - least) / (most - least)
    return share.clamp(0, 1) if isinstance(share, Tensor) else min(max(share, 0.0), 1.0)


def finished_share(detail: float | Tensor) -> float | Tensor:
    """How far a finish may go: as far as what it finishes is painting, or it would paint over the photograph.

    Example:
        >>> from artnet_core.painting.faithful import finished_share
        >>> finished_share(0.5), round(finished_share(1.0), 2)
        (1.0, 0.15)
    """
    return 1 - _MOST_OF_PHOTOGRAPH * share_above(PHOTOGRAPH_FROM, detail)


def give_way(painting: Tensor, photograph: Tensor, share: float | Tensor, styles: Iterable[Tones]) -> Tensor:
    """Lets the painting give way to the photograph in the styles' colours.

    Args:
        painting: ``[1, 3, H, W]``, float32, RGB, 0..1.
        photograph: likewise.
        share: a number or a map ``[1, 1, H, W]``, 0..1 to rounding; 0 returns the painting itself.
        styles: whose colours these are, and where.

    Returns:
        ``[1, 3, H, W]``.
    """
    if not isinstance(share, Tensor) and share == 0:
        return painting
    share = share.clamp(0, 1) if isinstance(share, Tensor) else share
    photograph = photograph.to(painting)
    own = torch.lerp(match_colors(photograph, styles), photograph, share * share * _MOST_OF_OWN_COLORS)
    return torch.lerp(painting, own, share * _MOST_OF_PHOTOGRAPH)
