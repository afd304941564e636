"""AdaIN as a feature transfer (Huang and Belongie 2017); S2 without its swap."""

from __future__ import annotations

from torch import Tensor

from ..adain import adain as align
from ..features import Features
from .pairs import transfer_pairs


def adain(content: Features, style: Features, strength: float = 1.0) -> Features:
    """Gives each channel of the content the mean and standard deviation it has in the style.

    Args, returns and errors are those of :func:`~artnet_core.transfers.pairs.transfer_pairs`.
    """

    def transfer(content_map: Tensor, style_map: Tensor) -> Tensor:
        return align(content_map[None], style_map[None])[0]

    return transfer_pairs(content, style, strength, transfer)
