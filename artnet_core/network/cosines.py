"""The discrete cosine transform of the picture's own squares: the fine detail that the trunk's features have lost.

At the features' stride the trunk's early blocks are averages, and its deep ones hardly know where a line runs. The
lowest cosines of each square say it outright. S2 aligns them like any other channel and copies them from the style only
where ``detail`` is low. Not in the paper, whose decoder has to guess what the pooling took; see docs/paper.md.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# A cosine is kept where its two frequencies add up to no more than this: 28 of luma, 6 of each of two chromas.
_LUMA_FREQUENCIES, _CHROMA_FREQUENCIES = 6, 2

CHANNELS = 40

MEANS = (0, 28, 34)
"""The channels of frequency 0: the mean of a square's luma, and of each chroma. All others vary within it."""


def _frequencies(highest: int) -> list[tuple[int, int]]:
    """Vertical and horizontal frequency of the cosines that are kept, row by row."""
    return [(down, across) for down in range(highest + 1) for across in range(highest + 1 - down)]


CHROMA_WAVES = len(_frequencies(_CHROMA_FREQUENCIES)) - 1
"""How many channels after the mean of each chroma vary within a square."""

LUMA_OF_CHROMA_WAVES = tuple(
    _frequencies(_LUMA_FREQUENCIES).index(wave) for wave in _frequencies(_CHROMA_FREQUENCIES)[1:]
)
"""For each of them the channel of luma with the same two frequencies."""

# Orthogonal: the mean of the colours, red against blue, green against both.
_LUMA_AND_CHROMA = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (-1.0, 2.0, -1.0))


def dct(images: Tensor, filters: Tensor) -> Tensor:
    """The lowest cosines of each square (Ahmed et al. 1974), orthonormal.

    Args:
        images: ``[B, 3, H, W]``, RGB; H and W multiples of the squares' side.
        filters: :func:`dct_filters`, on the images' device, in their dtype.

    Returns:
        ``[B, 40, H / side, W / side]``: of luma, then of each chroma, row by row of the frequencies.
    """
    return F.conv2d(images, filters, stride=filters.shape[-1])


def cosine_waves(side: int) -> Tensor:
    """All cosines of a line of ``side`` pixels, orthonormal: float64 ``[frequency, pixel]``."""
    # Angles in float32: the models were trained with them.
    frequency, pixel = torch.arange(side, dtype=torch.float32)[:, None], torch.arange(side, dtype=torch.float64)
    waves = torch.cos(math.pi / side * frequency * (pixel + 0.5)) * math.sqrt(2 / side)
    waves[0] /= math.sqrt(2)
    return waves


def dct_filters(side: int) -> Tensor:
    """The cosines as filters ``[40, 3, side, side]``, float64, each of norm 1 and orthogonal to all others.

    Args:
        side: of the squares in pixels, at least 8.
    """
    waves = cosine_waves(side)
    filters = []
    for color, highest in zip(_LUMA_AND_CHROMA, (_LUMA_FREQUENCIES, *2 * [_CHROMA_FREQUENCIES]), strict=True):
        vertical, horizontal = (list(each) for each in zip(*_frequencies(highest), strict=True))
        weights = torch.tensor(color, dtype=torch.float64) / math.hypot(*color)
        filters.append(torch.einsum("c,ny,nx->ncyx", weights, waves[vertical], waves[horizontal]))
    return torch.cat(filters)
