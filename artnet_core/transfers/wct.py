"""WCT: whitening and colouring transform (Li et al. 2017, "Universal Style Transfer via Feature Transforms")."""

from __future__ import annotations

from torch import Tensor

from ..features import Features
from .gaussian import fit_gaussian
from .pairs import transfer_pairs


def wct(content: Features, style: Features, strength: float = 1.0) -> Features:
    """Gives the content's features the mean and the covariance of the style's.

    Both steps are symmetric (ZCA): ``Cs^(1/2) Cc^(-1/2) (x - mean_c) + mean_s``. The original repeats this at five
    depths with five decoders; here it acts once on the aggregated features.

    Args, returns and errors are those of :func:`~artnet_core.transfers.pairs.transfer_pairs`. The covariance is met as
    far as the content varies in as many directions as the style; a flat content becomes the style's mean.
    """
    return transfer_pairs(content, style, strength, _transfer)


def _transfer(content: Tensor, style: Tensor) -> Tensor:
    cells = content.flatten(1)
    return fit_gaussian(style.flatten(1)).color(fit_gaussian(cells).whiten(cells)).view_as(content)
