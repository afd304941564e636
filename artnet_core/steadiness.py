"""Strokes that stay where they are from one frame of a video to the next.

Every frame is matched by itself, so where patches of the style score nearly alike noise decides, and strokes flicker.
Here a patch keeps the match of the frame before where that still scores nearly as well as what was found.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .matching import pair_scores

STEADINESS = 0.97
"""Share of the score of what was found that the match of the frame before keeps its place with."""


@torch.no_grad()
def keep_matches(
    matches: Tensor, before: Tensor, content: Tensor, style: Tensor, patch_size: int, share: float
) -> Tensor:
    """For every content patch the match of the frame before, if it scores at least ``share`` of the one of this frame.

    Args:
        matches: of this frame's patches: int64 ``[h - k + 1, w - k + 1]`` as
            :func:`~artnet_core.matching.match_patches` returns it.
        before: of the frame before, likewise.
        content: ``[C, h, w]``, of this frame.
        style: ``[C, hs, ws]``.
        patch_size: k.
        share: 0..1.

    Returns:
        Matches of the same form.
    """
    rows, columns = (torch.arange(side, device=matches.device) for side in matches.shape)
    patches = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).flatten(1)  # [2, n]
    both = torch.stack([matches, before], -1).flatten(0, 1)  # [n, 2]
    places = torch.stack([both // style.shape[2], both % style.shape[2]])  # [2, n, 2]
    found, kept = pair_scores(content, style, patch_size)(patches, places).view(*matches.shape, 2).unbind(-1)
    return torch.where(kept >= found - (1 - share) * found.abs(), before, matches)


@dataclass
class FrameBefore:
    """What a frame of a video takes over from the one before.

    Whoever paints a video in one style makes one of these and hands it to each frame in turn.

    Attributes:
        matches: of the frame painted last, before the first one None.
    """

    matches: Tensor | None = None
    _style_size: torch.Size | None = None

    def steady(self, matches: Tensor, content: Tensor, style: Tensor, patch_size: int) -> Tensor:
        """:func:`keep_matches` with those of the frame before, where that was of the same size, and so its style."""
        if self.matches is not None and (self.matches.shape, self._style_size) == (matches.shape, style.shape):
            matches = keep_matches(matches, self.matches, content, style, patch_size, STEADINESS)
        self.matches, self._style_size = matches, style.shape
        return matches
