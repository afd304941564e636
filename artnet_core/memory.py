"""Working memory: how much a frame takes, and what to do when there is not enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import torch

from .aggregation import MARGIN, MULTIPLE
from .decoder import last_stage_piece
from .encoder import conv1_piece
from .features import Features
from .model import ArtNet
from .pieces import piece_elements
from .refinement import REACH
from .sandwich import COMPARED_LAYER, matching_pool
from .swap import COHERENT_CELLS

T = TypeVar("T")

_SMALLEST_STRIP = 64

_FLOAT32, _INT64 = 4, 8

# The default, in cells; a larger one sees more rows at a time.
_PATCH_SIZE = 3

# What backends without a type for it say: several; cuBLAS and cuDNN; DirectML; the CPU; oneDNN, which convolves there.
_OUT_OF_MEMORY = (
    "out of memory",
    "alloc_failed",
    "not enough gpu video memory",
    "not enough memory",
    "can't allocate memory",
    "could not create a primitive",
)

# Convolutions may ask for workspaces, and allocators round up.
_RESERVE = 1.2


def inference_bytes(model: ArtNet, height: int, width: int, device: torch.device | None = None) -> int:
    """Estimates the most memory that one frame takes on its way through encoder, S2 and decoder, weights not counted.

    The three run one after the other, so the largest counts, together with what lies beside it: the frame and the
    features of content and style. The tensors that are alive at once are counted by the layers' widths:

    * encoder: the aggregated features, with the outputs of the first pool, conv2 and conv3, or of conv1, which is made
      in pieces on a CPU and where its dtype is another, and of its pool, elsewhere than on a CPU with int64 indices.
    * S2: the projected content with the cells that are matched, and a block of the correlation volume and its two sums
      beside the windows of its patches, or for large pictures what refining matches reads of both maps; or three
      maps of the content's size (projected, gathered, gathered in place) with a table of the style's cells.
    * decoder: the largest convolution: its input and output, and where it begins a stage a copy of each; of the last
      stage what it reads, a piece of its maps, and the picture in pieces and whole; beside the result and the features
      in the decoder's own dtype.

    The style is taken to be as large as the frame.

    Args:
        model: the layers' widths and the dtype are read from it.
        height: of the frame in pixels.
        width: likewise.
        device: where the work will be done; the model's own by default.

    Returns:
        Bytes, a fifth above the count.
    """
    element = model.dtype.itemsize
    rows, columns = height + -height % MULTIPLE, width + -width % MULTIPLE
    grid = rows // model.stride, columns // model.stride
    channels = sum(model.layers.values())
    feature_values = channels * grid[0] * grid[1]
    beside = 3 * height * width * _FLOAT32 + 2 * feature_values * element

    device = device or model.device
    padded = (rows + 2 * MARGIN) * (columns + 2 * MARGIN)
    encoder = _encoder_bytes(model, padded, element, device) + feature_values * element
    transfer = _transfer_bytes(channels, model.layers[COMPARED_LAYER], grid, grid, element, device)
    decoder = _decoder_bytes(model, rows * columns, element, device) + 3 * height * width * _FLOAT32
    if model.feature_dtype != model.dtype:
        decoder += feature_values * element
    return int(_RESERVE * (beside + max(encoder, transfer, decoder)))


def transfer_bytes(content: Features, style: Features, device: torch.device, dtype: torch.dtype | None = None) -> int:
    """Estimates the most memory that a transfer alone takes for one frame, its inputs not counted.

    Args:
        content: of any number of frames.
        style: likewise.
        device: where the work will be done.
        dtype: that the transfer works in. By default it is ``sandwich_swap``, which works in the features' own and
            compares patches by one layer; others first make copies in float32 and compare them by all.

    Returns:
        Bytes, a fifth above what :func:`inference_bytes` counts for S2, and above the copies.
    """
    _, channels, height, width = content.data.shape
    style_size = style.data.shape[-2], style.data.shape[-1]
    compared = content.layers[COMPARED_LAYER] if dtype is None else channels
    element = (dtype or content.data.dtype).itemsize
    count = _transfer_bytes(channels, compared, (height, width), style_size, element, device)
    if dtype is not None:
        count += channels * (height * width + style_size[0] * style_size[1]) * dtype.itemsize
    return int(_RESERVE * count)


def _transfer_bytes(
    channels: int,
    compared: int,
    content: tuple[int, int],
    style: tuple[int, int],
    element: int,
    device: torch.device,
) -> int:
    cells, style_cells = content[0] * content[1], style[0] * style[1]
    pooling = matching_pool(content, style)
    content_map = channels * cells
    key_values = compared * (cells + style_cells)
    coarse_values = key_values // pooling**2
    row_volume = math.ceil(content[1] / pooling) * style_cells // pooling**2
    block_rows = max(1, min(content[0], piece_elements(device) // row_volume)) + _PATCH_SIZE - 1

    matching = 2 * coarse_values * _FLOAT32 + 3 * block_rows * row_volume * _FLOAT32
    if pooling == 1:
        window = (COHERENT_CELLS + 2 * REACH) ** 2
        matching += (2 * cells + block_rows * content[1] * window) * _INT64
    else:
        matching = max(matching, _refining_bytes(compared, content, pooling, device))
        matching += coarse_values * element + 2 * (key_values + compared * style_cells) * _FLOAT32
    matching += content_map * element
    copying = (3 * content_map + channels * style_cells) * element
    return max(matching, copying)


def _refining_bytes(compared: int, content: tuple[int, int], pooling: int, device: torch.device) -> int:
    rows, columns = (math.ceil(side / pooling) for side in content)
    tile = (pooling + _PATCH_SIZE - 1) ** 2
    area = (pooling + _PATCH_SIZE - 1 + 2 * REACH) ** 2
    row_values = columns * compared * (tile + area)
    block = max(1, min(rows, piece_elements(device) // row_values))
    return block * (row_values + columns * 3 * tile * area) * _FLOAT32


def _encoder_bytes(model: ArtNet, pixels: int, element: int, device: torch.device) -> int:
    conv1, conv2, conv3 = (model.encoder.widths[name] for name in ("conv1", "conv2", "conv3"))
    convolutions = (conv1 + conv2 + conv3) * element / 16
    on_cpu, of_image = device.type == "cpu", model.image_dtype.itemsize
    # Beside a value of conv1 is its row's maximum, or a fourth of what the pool gives with its place.
    value = of_image + (of_image if on_cpu else (of_image + _INT64) / 4)
    if on_cpu or model.image_dtype != model.dtype:
        piece = min(pixels * conv1 / 4, conv1_piece(device))
        first = pixels * 2 * conv1 * element / 16 + piece * value
    else:
        first = pixels * conv1 / 4 * value
    return int(pixels * 3 * of_image + max(first, pixels * convolutions))


def _decoder_bytes(model: ArtNet, pixels: int, element: int, device: torch.device) -> int:
    largest = read = 0.0  # values
    for stride, widths in model.decoder.stages.items():
        given = [pixels * width / stride**2 for width in widths]
        # The first layer reads a copy with a border. What it gives is there twice: with a border in the first stage,
        # beside the skip connection's in the last, and in any for oneDNN.
        begin, later = 2 * given[0], max(map(sum, pairwise(given)), default=0.0)
        if stride > min(model.decoder.stages):
            needed = max(2 * read + begin, later)
        else:
            share = min(1.0, last_stage_piece(device) / given[0])
            needed = max(2 * read, read + share * max(begin, later) + 2 * 3 * pixels)
        largest = max(largest, needed)
        read = given[-1]
    return int(element * largest)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception of torch means that memory ran out."""
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


class Strips:
    """How many rows of a picture are worked on at once: all, until memory runs out, then half and half again.

    Args:
        height: of the pictures in pixels.
        is_out_of_memory: whether an exception means that.
        release: gives cached memory back to the device.
    """

    def __init__(self, height: int, is_out_of_memory: Callable[[Exception], bool], release: Callable[[], None]) -> None:
        self._height = height
        self._is_out_of_memory = is_out_of_memory
        self._release = release
        self._strip: int | None = None

    def run(self, work: Callable[[int | None], T]) -> T:
        """Calls ``work(strip)`` with ever smaller strips until it succeeds; what worked is where the next call starts.

        Raises:
            MemoryError: even the smallest strip was too large.
        """
        while True:
            try:
                return work(self._strip)
            except Exception as error:
                if not self._is_out_of_memory(error):
                    raise
            # Here and not in the except block, whose traceback keeps the failed attempt's tensors alive.
            self._release()
            self._halve()

    def _halve(self) -> None:
        rows = self._strip or _round_up(self._height)
        if rows <= _SMALLEST_STRIP:
            raise MemoryError(
                f"There is not enough memory for this picture, not even in strips of {_SMALLEST_STRIP} rows: "
                "use a smaller picture or smaller styles, or close other programs that use the device."
            )
        self._strip = max(_SMALLEST_STRIP, _round_up(rows // 2))


def _round_up(rows: int) -> int:
    return rows + -rows % MULTIPLE
