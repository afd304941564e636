"""Colours within a position follow its light, as they do in the colour style.

A photograph's own fine colours are wrong in another palette: where a red berry meets a green leaf, a painting in browns
would have a fringe of red and green along the line, and rainbows on a wall. So of the photograph only the light is
drawn within positions, and each chroma cosine is foretold from the luma cosine of the same wave, by the slope that both
have in the style. Codecs foretell chroma likewise (Trudeau et al. 2018, "Predicting Chroma from Luma in AV1").
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..features import Features
from ..network.cosines import CHANNELS, CHROMA_WAVES, LUMA_OF_CHROMA_WAVES, MEANS

_SMALLEST_VARIANCE = 1e-10


def chroma_from_luma(transferred: Tensor, color: Features, share: float | Tensor) -> Tensor:
    """Lets the chroma cosines that vary within positions follow the luma's.

    Args:
        transferred: ``[B, C, h, w]``, aligned to the colour style; changed in place.
        color: features of the colour style, a batch of 1 or B.
        share: 0..1, how far each goes to what is foretold; a number, or a map ``[1 or B, 1, h, w]``.

    Returns:
        ``transferred``. The means of its channels stay, deviations of chroma cosines become smaller.

    Example:
        >>> from artnet_core.transfer.chroma_from_luma import chroma_from_luma
        >>> model = artnet.load()
        >>> content, style = (model.encode(torch.rand(1, 3, 64, 64)) for _ in range(2))
        >>> chroma_from_luma(artnet.adain(content.data, style.data), style, 1.0).shape
        torch.Size([1, 746, 8, 8])
    """
    if not isinstance(share, Tensor) and share == 0:
        return transferred
    mean, _ = color.statistics
    luma = _luma(transferred) - _luma(mean)
    of_style = _luma(color.data) - _luma(mean)
    counted = of_style if color.weight is None else of_style * color.weight.to(of_style)
    variance = (counted * of_style).sum((2, 3), keepdim=True).clamp(min=_SMALLEST_VARIANCE)
    for chroma, style, center in zip(*map(_chromas, (transferred, color.data, mean)), strict=True):
        slope = (counted * (style - center)).sum((2, 3), keepdim=True) / variance
        foretold = luma * slope + center
        if isinstance(share, Tensor) or share < 1:
            foretold = torch.lerp(chroma.to(foretold), foretold, share)
        chroma.copy_(foretold)
    return transferred


def _luma(features: Tensor) -> Tensor:
    """Of ``[B, C, h, w]`` the luma cosines that chroma follows: float32 ``[B, 5, h, w]``."""
    first = features.shape[1] - CHANNELS
    # Slices, since an index of channels would lie on the CPU, and a GPU would wait for it.
    return torch.cat([features[:, first + wave : first + wave + 1] for wave in LUMA_OF_CHROMA_WAVES], 1).float()


def _chromas(features: Tensor) -> list[Tensor]:
    """The cosines of either chroma that vary within positions: views ``[B, 5, h, w]``."""
    firsts = [features.shape[1] - CHANNELS + mean + 1 for mean in MEANS[1:]]
    return [features[:, first : first + CHROMA_WAVES] for first in firsts]
