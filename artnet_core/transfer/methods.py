"""Every feature transfer by name: the methods that the paper compares (Table 2), and the ablation of S2 (Fig. 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..features import Features
from .ablations import s2, s2_compared_by_conv1, s2_without_aggregation, s2_without_first_adain, s2_without_last_adain
from .baselines import adain, avatar, optimal_wct, style_swap, wct
from .linear import linear_wct
from .sandwich import sandwich_swap


class Transfer(Protocol):
    """Content and style features of the same model to features of the content's size; strength lies in 0..1."""

    def __call__(self, content: Features, style: Features, /, *, strength: float = 1.0) -> Features:
        """See :func:`artnet_core.transfer.baselines.transfer_pairs`."""
        ...


def artnet(content: Features, style: Features, strength: float = 1.0) -> Features:
    """What ArtNet does by default.

    Patches are compared by conv1, keep together and count most in their middle; a share of the content is mixed in.
    """
    return sandwich_swap(content, style, strength=strength)


METHODS: Mapping[str, Transfer] = {
    "artnet": artnet,
    "s2": s2,
    "style_swap": style_swap,
    "adain": adain,
    "wct": wct,
    "linear_wct": linear_wct,
    "optimal_wct": optimal_wct,
    "avatar": avatar,
}
"""The methods of the paper's comparison; ``artnet`` is S2 as we use it, ``s2`` the paper's own."""

ABLATIONS: Mapping[str, Transfer] = {
    "s2": s2,
    "s2_without_first_adain": s2_without_first_adain,
    "s2_without_last_adain": s2_without_last_adain,
    "style_swap": style_swap,
    "adain": adain,
    "s2_without_aggregation": s2_without_aggregation,
    "s2_compared_by_conv1": s2_compared_by_conv1,
}
"""S2, what is left of it without one or two of its parts (swap only is StyleSwap), and with our choice of patches."""

ALL_METHODS: Mapping[str, Transfer] = {**METHODS, **ABLATIONS}
"""Both tables together."""

LABELS: Mapping[str, str] = {
    "artnet": "ArtNet",
    "s2": "S2",
    "style_swap": "StyleSwap",
    "adain": "AdaIN",
    "wct": "WCT",
    "linear_wct": "LinearWCT",
    "optimal_wct": "OptimalWCT",
    "avatar": "Avatar-Net",
    "s2_without_first_adain": "S2 without first AdaIN",
    "s2_without_last_adain": "S2 without last AdaIN",
    "s2_without_aggregation": "S2, each block by itself",
    "s2_compared_by_conv1": "S2, compared by conv1",
}
"""How each method is called on a sheet."""
