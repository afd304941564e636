"""S2 as the paper has it, with one part left out each (paper, Fig. 8), and with patches compared by conv1."""

from __future__ import annotations

import torch
from torch import Tensor

from ..features import Features
from .adain import align, channel_statistics
from .baselines import transfer_pairs
from .sandwich import COMPARED_LAYER
from .swap import PAPER, Matching, swap


def s2(content: Features, style: Features, strength: float = 1.0) -> Features:
    """The paper's S2: AdaIN, swap, AdaIN; patches compared by all channels, no share of the unswapped content."""
    return _s2(content, style, strength, PAPER)


def s2_compared_by_conv1(content: Features, style: Features, strength: float = 1.0) -> Features:
    """The paper's S2, but for patches that are compared by conv1's channels alone."""
    return _s2(content, style, strength, Matching(compared=content.layers[COMPARED_LAYER]))


def _s2(content: Features, style: Features, strength: float, matching: Matching) -> Features:
    def transfer(content_map: Tensor, style_map: Tensor, counts: Tensor | None, shown: Tensor | None) -> Tensor:
        target = style_map[None]
        statistics = channel_statistics(target, shown)
        swapped = swap(align(content_map[None], *statistics, counts), target, matching, weight=shown)
        return align(swapped, *statistics, counts)[0]

    return transfer_pairs(content, style, strength, transfer)


def s2_without_first_adain(content: Features, style: Features, strength: float = 1.0) -> Features:
    """Swap, AdaIN: patches are matched although content and style lie in different ranges."""

    def transfer(content_map: Tensor, style_map: Tensor, counts: Tensor | None, shown: Tensor | None) -> Tensor:
        swapped = swap(content_map[None], style_map[None], weight=shown)
        return align(swapped, *channel_statistics(style_map[None], shown), counts)[0]

    return transfer_pairs(content, style, strength, transfer)


def s2_without_last_adain(content: Features, style: Features, strength: float = 1.0) -> Features:
    """AdaIN, swap: averaging overlapping patches has narrowed the channels, and nothing widens them again."""

    def transfer(content_map: Tensor, style_map: Tensor, counts: Tensor | None, shown: Tensor | None) -> Tensor:
        projected = align(content_map[None], *channel_statistics(style_map[None], shown), counts)
        return swap(projected, style_map[None], weight=shown)[0]

    return transfer_pairs(content, style, strength, transfer)


def s2_without_aggregation(content: Features, style: Features, strength: float = 1.0) -> Features:
    """S2 on each encoder block by itself: the blocks' patches no longer come from the same place of the style.

    The paper takes a network that has no aggregation at all, which would need a decoder of its own.
    """
    widths = list(content.layers.values())

    def transfer(content_map: Tensor, style_map: Tensor, counts: Tensor | None, shown: Tensor | None) -> Tensor:
        parts = []
        for source, target in zip(torch.split(content_map, widths), torch.split(style_map, widths), strict=True):
            statistics = channel_statistics(target[None], shown)
            swapped = swap(align(source[None], *statistics, counts), target[None], weight=shown)
            parts.append(align(swapped, *statistics, counts)[0])
        return torch.cat(parts)

    return transfer_pairs(content, style, strength, transfer)
