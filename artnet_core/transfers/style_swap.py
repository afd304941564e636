"""StyleSwap: patches swapped in the raw features (Chen and Schmidt 2016); S2 without its two AdaINs."""

from __future__ import annotations

from torch import Tensor

from ..features import Features
from ..sandwich import bounded_swap
from .pairs import transfer_pairs


def style_swap(content: Features, style: Features, strength: float = 1.0) -> Features:
    """Replaces each patch of the content by the style patch it correlates with best.

    Args, returns and errors are those of :func:`~artnet_core.transfers.pairs.transfer_pairs`.
    """

    def transfer(content_map: Tensor, style_map: Tensor) -> Tensor:
        return bounded_swap(content_map[None], style_map[None])[0]

    return transfer_pairs(content, style, strength, transfer)
