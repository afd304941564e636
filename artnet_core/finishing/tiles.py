"""Rectangles that a large picture is looked at in, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..network.aggregation import MARGIN, MULTIPLE, pad_images
from ..network.encoder import BLOCK_STRIDES, Encoder

# Pixels around a tile that are seen but do not count. Features depend on pixels further away too, but hardly.
_SURROUNDINGS = 64

# The golden ratio's fraction: cuts of one step are far from those of the steps before.
_TURN = 0.618


@dataclass(frozen=True)
class Tile:
    """A rectangle of a picture: what counts, and what is seen.

    Attributes:
        top: first row that counts, a multiple of 16, like all that is not the picture's own end.
        bottom: the row after the last.
        left: first column.
        right: the column after the last.
        seen: the same four for what is seen.
    """

    top: int
    bottom: int
    left: int
    right: int
    seen: tuple[int, int, int, int]

    @property
    def pixels(self) -> int:
        """How many count."""
        return (self.bottom - self.top) * (self.right - self.left)

    def of(self, images: Tensor) -> Tensor:
        """What is seen of ``[B, C, H, W]``."""
        top, bottom, left, right = self.seen
        return images[..., top:bottom, left:right]

    def counted(self, seen: Tensor) -> Tensor:
        """What counts of what is seen, ``[B, C, h, w]``."""
        top, left = self.top - self.seen[0], self.left - self.seen[2]
        return seen[..., top : top + self.bottom - self.top, left : left + self.right - self.left]

    def positions(self, maps: Tensor, stride: int) -> Tensor:
        """What counts of features that were taken of the whole picture at this stride, ``[..., h, w]``."""
        return maps[..., self.top // stride : -(-self.bottom // stride), self.left // stride : -(-self.right // stride)]

    def features(self, trunk: Encoder, seen: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
        """Features ``[C, h, w]`` by block, float32, of what counts.

        Args:
            trunk: takes them.
            seen: ``[1, 3, h', w']``, what is seen of the picture.
            dtype: that convolutions work in.
        """
        maps = {}
        rows, columns = (_whole(self.bottom - self.top), _whole(self.right - self.left))
        for name, block in trunk.blocks(pad_images(seen).to(dtype)):
            stride = BLOCK_STRIDES[name]
            top, left = (MARGIN + self.top - self.seen[0]) // stride, (MARGIN + self.left - self.seen[2]) // stride
            maps[name] = block[0, :, top : top + rows // stride, left : left + columns // stride].float()
        return maps


def whole(images: Tensor) -> Tile:
    """The tile that is all of ``[B, C, H, W]``."""
    height, width = images.shape[-2:]
    return Tile(0, height, 0, width, (0, height, 0, width))


def tiles(height: int, width: int, side: int, step: int) -> Iterator[Tile]:
    """Cuts a picture into tiles of at most ``side`` pixels, at other places in each step.

    Example:
        >>> from artnet_core.finishing.tiles import tiles
        >>> [tile.left for tile in tiles(48, 300, 128, 0)], [tile.left for tile in tiles(48, 300, 128, 1)]
        ([0, 128, 256], [0, 64, 192])
    """
    for top, bottom in _cuts(height, side, step):
        for left, right in _cuts(width, side, step):
            seen = (
                max(top - _SURROUNDINGS, 0),
                min(bottom + _SURROUNDINGS, height),
                max(left - _SURROUNDINGS, 0),
                min(right + _SURROUNDINGS, width),
            )
            yield Tile(top, bottom, left, right, seen)


def _cuts(size: int, side: int, step: int) -> Iterator[tuple[int, int]]:
    first = int(side * (step * _TURN % 1)) // MULTIPLE * MULTIPLE or side
    start = 0
    for stop in (*range(first, size, side), size):
        yield start, stop
        start = stop


def _whole(size: int) -> int:
    return size + -size % MULTIPLE
