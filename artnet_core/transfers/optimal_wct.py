"""OptimalWCT: the closed-form optimal transport between Gaussians (Lu et al. 2019, ICCV)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..features import Features
from .gaussian import fit_gaussian
from .pairs import transfer_pairs

_RESOLUTION = torch.finfo(torch.float32).eps


def optimal_wct(content: Features, style: Features, strength: float = 1.0) -> Features:
    """Gives the features the style's mean and covariance while moving them as little as possible.

    The map is ``T = Cc^(-1/2) (Cc^(1/2) Cs Cc^(1/2))^(1/2) Cc^(-1/2)``. Of all linear maps with ``T Cc T = Cs`` it has
    the least mean squared displacement, so it disturbs the content less than WCT.

    Args, returns and errors are those of :func:`~artnet_core.transfers.pairs.transfer_pairs`. The covariance is met as
    far as the content varies in as many directions as the style; a flat content becomes the style's mean.
    """
    return transfer_pairs(content, style, strength, _transfer)


def _transfer(content: Tensor, style: Tensor) -> Tensor:
    cells = content.flatten(1)
    source, target = fit_gaussian(cells), fit_gaussian(style.flatten(1))
    return target.color(transport_rotation(source.root, target.root) @ source.whiten(cells)).view_as(content)


def transport_rotation(source_root: Tensor, target_root: Tensor) -> Tensor:
    """The orthogonal R with ``Cs^(1/2) R Cc^(-1/2) = T``: what WCT lacks between whitening and colouring.

    With M = Cs^(1/2) Cc^(1/2) the inner root of T is (M^T M)^(1/2) = R^T M, where R is the orthogonal factor of M's
    polar decomposition. Taking it from M avoids a product of four roots, for which float32 has too few digits.
    Directions in which M vanishes are dropped, as they are in T.
    """
    left, values, right = torch.linalg.svd((target_root @ source_root).cpu())
    kept = values > values[0] * _RESOLUTION
    rotation: Tensor = left[:, kept] @ right[kept]
    return rotation.to(source_root.device)
