"""Avatar-Net's style decorator: whiten, swap patches, colour (Sheng et al. 2018)."""

from __future__ import annotations

from torch import Tensor

from ..features import Features
from ..sandwich import bounded_swap
from .gaussian import fit_gaussian
from .pairs import transfer_pairs


def avatar(content: Features, style: Features, strength: float = 1.0) -> Features:
    """Replaces whitened content patches by whitened style patches and colours them as the style.

    Whitening puts both on an equal footing, so that the match looks at structure and not at colours. Avatar-Net
    also applies AdaIN at every stage of its decoder, which the one decoder of ArtNet does not have.

    Args, returns and errors are those of :func:`~artnet_core.transfers.pairs.transfer_pairs`.
    """

    def transfer(content_map: Tensor, style_map: Tensor) -> Tensor:
        content_cells, style_cells = content_map.flatten(1), style_map.flatten(1)
        target = fit_gaussian(style_cells)
        whitened = fit_gaussian(content_cells).whiten(content_cells).view_as(content_map)
        patches = target.whiten(style_cells).view_as(style_map)
        swapped = bounded_swap(whitened[None], patches[None])[0]
        return target.color(swapped.flatten(1)).view_as(content_map)

    return transfer_pairs(content, style, strength, transfer)
