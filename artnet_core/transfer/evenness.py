"""Even use of the style: a patch that would be copied much costs more, so that others come in its place.

The best match alone takes one patch for a whole sky, and most of a style is never seen. Gu et al. 2018 ("Arbitrary
Style Transfer with Deep Feature Reshuffle") let each patch be used about once. Here that is asked for softly, as in
optimal transport between patches of both pictures with an entropy (Cuturi 2013) and loose ends (Chizat et al. 2018):
the dual variables of the style's patches are their prices, and scores are multiplied by them.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .matching import visible_patches

# How far scores, which are cosines here, may differ to count as alike, and how dear it is to be used more or less than
# others: the larger, the more evenly patches are used.
_TEMPERATURE = 0.02
_EVENNESS = 0.1

_ITERATIONS = 8
_LEAST_USE = 1e-4

# Patches of either picture that are looked at, at the most.
_CONTENT_PATCHES, _STYLE_PATCHES = 256, 2304


@torch.no_grad()
def patch_prices(
    content: Tensor, style: Tensor, patch_size: int, visible: Tensor | None = None, counts: Tensor | None = None
) -> Tensor:
    """What the scores of each style patch are to be multiplied by, for the style to be used more evenly.

    Args:
        content: ``[C, h, w]``, the channels that are compared.
        style: ``[C, hs, ws]``, likewise.
        patch_size: k; both maps are at least k x k.
        visible: bool ``[hs, ws]``, the style's positions that may be copied, at least one whole patch of them; all by
            default.
        counts: ``[h, w]``, 0..1, how much each of the content's positions counts, some of them; all alike by default.

    Returns:
        float32 ``[hs - k + 1, ws - k + 1]``, around 1: less where patches would be copied more than others.
    """
    k = patch_size
    size = style.shape[1] - k + 1, style.shape[2] - k + 1
    step = _step(size, _STYLE_PATCHES)
    content_step = _step((content.shape[1] - k + 1, content.shape[2] - k + 1), _CONTENT_PATCHES)
    scores = _directions(content, k, content_step).T @ _directions(style, k, step)  # [n, m]
    if visible is not None:
        shown = visible_patches(visible, k)[::step, ::step].flatten()
        if not shown.any():
            return torch.ones(size, dtype=torch.float32, device=style.device)
        scores = scores.masked_fill(~shown, -math.inf)
    kernel = ((scores - scores.amax(1, keepdim=True)) / _TEMPERATURE).exp()
    loose = _EVENNESS / (_EVENNESS + _TEMPERATURE)
    factors, wants = kernel.new_ones(kernel.shape[1]), kernel.new_ones(kernel.shape[0])
    if counts is not None:
        least = -F.max_pool2d(-counts[None].to(kernel), k, 1)[0]  # of each patch
        wants = least[::content_step, ::content_step].flatten()
        wants = wants / wants.mean().clamp(min=_LEAST_USE)
    for _ in range(_ITERATIONS):
        used = kernel.T @ (wants / (kernel @ factors))
        # What is used by none, as what is hidden, has the price of what is used least.
        factors = used.clamp(min=_LEAST_USE).pow(-loose)
    prices = _TEMPERATURE * factors.log().view(1, 1, *(-(-side // step) for side in size))
    return F.interpolate((prices - prices.mean()).exp(), size, mode="bilinear", align_corners=True)[0, 0]


def _step(size: tuple[int, int], most: int) -> int:
    """Of a grid of about so many patches, at the most, among so many rows and columns."""
    return math.ceil(math.sqrt(size[0] * size[1] / most))


def _directions(features: Tensor, patch_size: int, step: int) -> Tensor:
    """Patches on a grid, each divided by its norm: float32 ``[C * k * k, n]``."""
    return F.normalize(F.unfold(features[None].float(), patch_size, stride=step)[0], dim=0)
