"""The photograph's own lines, given back to a painting that is to be faithful.

Towards a ``detail`` of 1 no strokes are copied, and what the decoder makes of recoloured features has softer lines than
the photograph. The finest bands of a Laplacian pyramid (Burt and Adelson 1983) hold those lines. Here the painting's
bands of luma give way to the photograph's, each with the deviation that the band has in the painting: AdaIN on the
bands, so that neither colours nor contrast come back with the lines.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..resizing import double, halve

_BANDS = 3
"""Of 2, 4 and 8 pixels."""

LUMA = (0.299, 0.587, 0.114)

# How much stronger or weaker than in the photograph a band may become.
_GAINS = (0.3, 3.0)
_SMALLEST_DEVIATION = 1e-4


def keep_lines(painting: Tensor, photograph: Tensor, share: float | Tensor) -> Tensor:
    """Puts this share of the photograph's lines in place of the painting's.

    Args:
        painting: ``[B, 3, H, W]``, float32, RGB, 0..1.
        photograph: likewise.
        share: 0 returns the painting itself, 1 draws all lines as in the photograph; a number, or a map
            ``[1 or B, 1, H, W]``.

    Returns:
        ``[B, 3, H, W]``, clamped to 0..1.
    """
    if (not isinstance(share, Tensor) and share == 0) or min(painting.shape[-2:]) < 2**_BANDS:
        return painting
    seen, wanted = luma(painting), luma(photograph.to(painting))
    sizes, bands = [], []
    for _ in range(_BANDS):
        size = seen.shape[-2], seen.shape[-1]
        smaller, wanted_smaller = halve(seen), halve(wanted)
        band, wanted_band = seen - double(smaller, size), wanted - double(wanted_smaller, size)
        gain = (_deviation(band) / _deviation(wanted_band)).clamp(*_GAINS)
        sizes.append(size)
        bands.append(gain * wanted_band - band)
        seen, wanted = smaller, wanted_smaller
    change = bands[-1]
    for size, band in zip(sizes[-2::-1], bands[-2::-1], strict=True):
        change = double(change, size) + band
    return (painting + change * share).clamp_(0, 1)


def _deviation(band: Tensor) -> Tensor:
    return band.std((2, 3), keepdim=True, correction=0).clamp(min=_SMALLEST_DEVIATION)


def luma(images: Tensor) -> Tensor:
    """How light each pixel is: RGB ``[B, 3, H, W]`` to ``[B, 1, H, W]``."""
    red, green, blue = torch.split(images, 1, 1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
