"""Features as a Gaussian: mean, covariance, and the roots of the covariance that whitening and colouring take.

All in float32. A covariance of 746 channels spans more orders of magnitude than that resolves, and a picture with fewer
positions than channels has a singular one. So directions whose variance is below the resolution are treated as
constant: whitening drops them instead of blowing rounding errors up to unit variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Variance below which a direction counts as constant: relative to the largest variance, and to the values themselves.
_RESOLUTION = torch.finfo(torch.float32).eps
_SMALLEST_CONTRAST = 1e-5


@dataclass(frozen=True)
class Gaussian:
    """First and second moments of the positions of a feature map.

    Attributes:
        mean: ``[C, 1]``.
        root: symmetric square root of the covariance, ``[C, C]``.
        inverse_root: pseudo-inverse of ``root``, ``[C, C]``.
    """

    mean: Tensor
    root: Tensor
    inverse_root: Tensor

    def whiten(self, positions: Tensor) -> Tensor:
        """Positions ``[C, N]`` of this distribution to zero mean and unit covariance (on the directions that vary)."""
        return self.inverse_root @ (positions - self.mean)

    def color(self, positions: Tensor) -> Tensor:
        """Positions ``[C, N]`` of zero mean and unit covariance to this distribution."""
        return self.root @ positions + self.mean


def fit_gaussian(positions: Tensor) -> Gaussian:
    """Moments of ``[C, N]`` by eigendecomposition of the (population) covariance.

    The decomposition runs on the CPU: a matrix of this size gains nothing on a GPU, and not every device has one.
    """
    mean = positions.mean(1, keepdim=True)
    centered = (positions - mean).cpu()
    smallest = (_SMALLEST_CONTRAST * float(positions.abs().max())) ** 2
    spread = centered.square().mean(1)
    # Channels that hardly vary fill the covariance with rounding errors, on which the solver may not converge.
    alive = spread > spread.max() * _RESOLUTION + smallest
    root, inverse_root = (centered.new_zeros(len(positions), len(positions)) for _ in range(2))
    if alive.any():
        part = centered[alive]
        variances, directions = torch.linalg.eigh(part @ part.T / positions.shape[1])  # [K] ascending, [K, K]
        varies = variances > variances[-1].clamp(min=0) * _RESOLUTION + smallest
        deviations, directions = variances[varies].sqrt(), directions[:, varies]
        block = torch.outer(alive, alive)
        root[block] = ((directions * deviations) @ directions.T).flatten()
        inverse_root[block] = ((directions / deviations) @ directions.T).flatten()
    return Gaussian(mean, root.to(positions.device), inverse_root.to(positions.device))


def transport(positions: Tensor, source: Gaussian, target: Gaussian) -> Tensor:
    """Positions ``[C, N]`` of one distribution to another, moved as little as possible.

    The optimal transport between Gaussians (Lu et al. 2019). On three channels it recolours a picture.
    """
    return target.color(transport_rotation(source.root, target.root) @ source.whiten(positions))


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
