"""What the finish changes: the luma of a painting, and at a fraction of its size the chroma."""

from __future__ import annotations

import torch
from torch import Tensor

from ..resizing import enlarge
from .tiles import Tile, whole

# Colours change at this stride: specks of colour would else be the cheapest way to vary.
_CHROMA_STRIDE = 8

# How red, green and blue change with luma and with the two of chroma.
_AXES = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (-0.5, 1.0, -0.5))

# Values of chroma next to a tile that its enlarged values depend on.
_REACH = 2

_BLACKEST = 0.01


class Canvas:
    """A painting ``[1, 3, H, W]``, 0..1, and what is changed of it, in logits.

    Args:
        painting: stays as it is.
        reach: ``[1, 1, H, W]``, 0 where nothing is to change and 1 elsewhere; None is 1 everywhere.

    Attributes:
        luma: ``[1, 1, H, W]``, takes gradients.
        chroma: ``[1, 2, ceil(H / stride), ceil(W / stride)]``, likewise.
    """

    def __init__(self, painting: Tensor, reach: Tensor | None = None) -> None:
        self._painting = painting
        self._reach = reach
        height, width = painting.shape[-2:]
        device = painting.device
        small = -(-height // _CHROMA_STRIDE), -(-width // _CHROMA_STRIDE)
        self.luma = torch.zeros(1, 1, height, width, dtype=torch.float32, device=device).requires_grad_()
        self.chroma = torch.zeros(1, 2, *small, dtype=torch.float32, device=device).requires_grad_()
        self._axes = torch.tensor(_AXES, dtype=torch.float32, device=device)

    def part(self, tile: Tile) -> tuple[Tensor, Tensor]:
        """What is seen of the picture by now ``[1, 3, h, w]``, 0..1, and of what was changed, in logits."""
        top, bottom, left, right = tile.seen
        rows, columns = (
            (max(start // _CHROMA_STRIDE - _REACH, 0), -(-stop // _CHROMA_STRIDE) + _REACH)
            for start, stop in ((top, bottom), (left, right))
        )
        chroma = self.chroma[..., slice(*rows), slice(*columns)]
        size = chroma.shape[-2] * _CHROMA_STRIDE, chroma.shape[-1] * _CHROMA_STRIDE
        above, before = top - rows[0] * _CHROMA_STRIDE, left - columns[0] * _CHROMA_STRIDE
        colors = enlarge(chroma, size)[..., above : above + bottom - top, before : before + right - left]
        change = torch.einsum("bkhw,kc->bchw", torch.cat([tile.of(self.luma), colors], 1), self._axes)
        if self._reach is not None:
            change = change * tile.of(self._reach)
        return torch.sigmoid(self._logits(tile) + change), change

    @torch.no_grad()
    def changed(self) -> Tensor:
        """How much the values of the whole picture have changed, ``[1, 3, H, W]``."""
        everything = whole(self._painting)
        return self.part(everything)[0].sub_(torch.sigmoid(self._logits(everything)))

    def _logits(self, tile: Tile) -> Tensor:
        return torch.logit(tile.of(self._painting).clamp(_BLACKEST, 1 - _BLACKEST))
