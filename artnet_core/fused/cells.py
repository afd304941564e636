"""What all kernels that compare patches share: what they read, and how they multiply it."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..matching import patch_weights


class Cells:
    """Both maps as tables of cells, whose values lie side by side, and what each style patch's score is multiplied by.

    Args:
        content: ``[C, h, w]``.
        style: ``[C, hs, ws]``.
        patch_size: k.
    """

    def __init__(self, content: Tensor, style: Tensor, patch_size: int) -> None:
        beyond = patch_size - 1
        self.channels, height, self.width = content.shape
        _, style_height, self.style_width = style.shape
        self.rows, self.columns = height - beyond, self.width - beyond
        self.style_rows, self.style_columns = style_height - beyond, self.style_width - beyond
        half = content.dtype == style.dtype and style.dtype.itemsize == 2
        self.dtype = style.dtype if half else torch.float32
        tables = (of.to(self.dtype).flatten(1).T.contiguous() for of in (content, style))  # [h * w, C], [hs * ws, C]
        self.of_both = (*tables, patch_weights(style, patch_size))


def block_channels(channels: int, dtype: torch.dtype) -> int:
    """How many channels are multiplied at a time: as many as fit beside each other into any GPU's shared memory."""
    most = 128 // dtype.itemsize
    return max(16, min(most, 1 << (channels - 1).bit_length()))


def precision(dtype: torch.dtype) -> str:
    """What float32 is multiplied in: three products of TensorFloat-32, nearly as exact. Half precision as it is."""
    return "tf32x3" if dtype == torch.float32 else "ieee"


@triton.jit
def patch_scores(
    content_cells: tl.tensor,
    style_cells: tl.tensor,
    cell: tl.tensor,
    there: tl.tensor,
    width: tl.tensor,
    style_cell: tl.tensor,
    weights: tl.tensor,
    in_style: tl.tensor,
    style_width: tl.tensor,
    channels: tl.constexpr,
    k: tl.constexpr,
    block_channels: tl.constexpr,
    precision: tl.constexpr,
) -> tl.tensor:
    """What some patches of the content score with some of the style, by the cells at their upper left and pointers to
    the weights of the latter: float32."""
    channel = tl.arange(0, block_channels)
    products = tl.zeros([cell.shape[0], style_cell.shape[0]], tl.float32)
    for within in range(k * k):
        of_patch = cell + within // k * width + within % k
        of_style_patch = style_cell + within // k * style_width + within % k
        for first in range(0, channels, block_channels):
            known = first + channel < channels
            content_values = tl.load(
                content_cells + of_patch.to(tl.int64)[:, None] * channels + first + channel,
                there[:, None] & known,
                0.0,
            )
            style_values = tl.load(
                style_cells + of_style_patch.to(tl.int64) * channels + (first + channel)[:, None],
                known[:, None] & in_style,
                0.0,
            )
            products = tl.dot(content_values, style_values, products, input_precision=precision)
    scores = products * tl.load(weights, in_style, 0.0)
    return tl.where(in_style, scores, float("-inf"))


@triton.jit
def keep_best(highest: tl.tensor, best: tl.tensor, score: tl.tensor, place: tl.tensor) -> tuple[tl.tensor, tl.tensor]:
    """The highest score and its place, of those so far and others; of equal ones the first."""
    better = score > highest
    return tl.where(better, score, highest), tl.where(better, place, best)
