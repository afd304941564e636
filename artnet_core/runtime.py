"""Where and how work is done: devices, dtypes, and what to do when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import torch

from .features import Features
from .network.aggregation import MULTIPLE
from .network.decoder import Decoder
from .network.encoder import Encoder

T = TypeVar("T")

_SMALLEST_TILE = 64

# Turing cards without the units that multiply float16: products there overflow to NaN.
_WITHOUT_FLOAT16 = ("GTX 16", "T500", "T550", "T600", "MX550", "MX450", "CMP 30HX")

# What backends without a type for it say: several; cuBLAS and cuDNN; DirectML; the CPU; oneDNN, which convolves there.
_OUT_OF_MEMORY = (
    "out of memory",
    "alloc_failed",
    "not enough gpu video memory",
    "not enough memory",
    "can't allocate memory",
    "could not create a primitive",
)

# Measured on CPUs with and without units for bfloat16, by what the process took: how many tensors of the widest maps'
# size there are at a time, a quarter more than were seen; and what a small frame takes whatever its size.
_SHARE = 2.25
_LEAST = 64 * 2**20


class Sized(Protocol):
    """What memory is reckoned from: an :class:`~artnet_core.model.ArtNet`."""

    encoder: Encoder
    decoder: Decoder
    stride: int
    layers: dict[str, int]

    @property
    def dtype(self) -> torch.dtype: ...


def fastest_dtype(device: torch.device) -> torch.dtype:
    """What a model works fastest in, with float32's picture: from 256 pixels on the mean difference is below 0.01.

    float16 on a CUDA GPU that multiplies it, bfloat16 on a CPU that does, else float32.
    """
    if device.type == "cuda":
        return torch.float16 if _multiplies_float16(device) else torch.float32
    return torch.bfloat16 if device.type == "cpu" and multiplies_bfloat16(device) else torch.float32


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for products of bfloat16; without them it would only be slower."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older versions of torch cannot say.
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    known = ("avx512_bf16", "amx_bf16", "bf16")  # the last on arm64
    return device.type == "cpu" and any(capabilities.get(name) for name in known)


def _multiplies_float16(device: torch.device) -> bool:
    if torch.version.hip:
        return True
    name = torch.cuda.get_device_name(device)
    return torch.cuda.get_device_capability(device) >= (7, 0) and not any(card in name for card in _WITHOUT_FLOAT16)


def memory_used(model: Sized, height: int, width: int) -> int:
    """Bytes that one frame takes at most on its way through encoder, S2 and decoder, weights not counted.

    A bound, not a count: it goes by the widest maps alone, with a share that was measured for the shipped models. Where
    a device has less, :class:`Tiles` work in parts.

    Args:
        model: the layers' widths and the dtype are read from it.
        height: of the frame, or of the style if that is larger, in pixels.
        width: likewise.
    """
    pixels = (height + -height % MULTIPLE) * (width + -width % MULTIPLE)
    first = model.encoder.widths["conv1"] / 4  # values for each pixel: conv1's map has a fourth of them
    features = sum(model.layers.values()) / model.stride**2
    last_stage, *_ = sorted(model.decoder.stages)
    painted = model.decoder.stages[last_stage][0] / last_stage**2
    # CPUs work in bfloat16, and those without units for it on copies in float32.
    size = 4 if model.dtype == torch.bfloat16 else model.dtype.itemsize
    return int(_LEAST + _SHARE * pixels * size * (max(first, painted) + 3 * features + 6))


def transfer_memory(content: Features, style: Features, float32: bool = False) -> int:
    """Bytes that a transfer alone takes at most for one frame, its inputs not counted.

    Args:
        content: of any number of frames.
        style: likewise.
        float32: whether the transfer makes copies in float32 and compares patches by all channels, as all but
            :func:`~artnet_core.transfer.sandwich.sandwich_swap` do.
    """
    values = content.data[0].numel() + style.data[0].numel()
    size = 4 if float32 else content.data.element_size()
    return int(_LEAST + _SHARE * 3 * values * size)


def tile_bounds(start: int, stop: int, tile: int | None) -> Iterator[tuple[int, int]]:
    """Cuts the rows ``start..stop`` into tiles: yields first row and the row after the last.

    Raises:
        ValueError: ``tile`` is not a positive multiple of 16.
    """
    if tile is not None and (tile < MULTIPLE or tile % MULTIPLE):
        raise ValueError(f"tile must be a positive multiple of {MULTIPLE} rows, got {tile}.")
    for top in range(start, stop, tile or stop):
        yield top, min(top + (tile or stop), stop)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception of torch means that memory ran out."""
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def empty_cache() -> None:
    """Gives memory that torch keeps for later back to the device, whichever it is."""
    for backend in (torch.cuda, getattr(torch, "xpu", None), torch.mps):
        if backend is not None and backend.is_available():
            backend.empty_cache()


class Tiles:
    """How many rows of a picture are worked on at once: all, until memory runs out, then half and half again.

    Args:
        is_out_of_memory: whether an exception means that.
        release: gives cached memory back to the device.
    """

    def __init__(
        self,
        is_out_of_memory: Callable[[Exception], bool] = is_out_of_memory,
        release: Callable[[], None] = empty_cache,
    ) -> None:
        self._is_out_of_memory = is_out_of_memory
        self._release = release
        self._tiles: dict[int, int] = {}  # by the picture's height

    def run(self, height: int, work: Callable[[int | None], T]) -> T:
        """Calls ``work(tile)`` with ever smaller tiles until it succeeds.

        What worked is where the next call with a picture of the same height starts.

        Raises:
            MemoryError: even the smallest tile was too large.
        """
        while True:
            try:
                return work(self._tiles.get(height))
            except Exception as error:
                if not self._is_out_of_memory(error):
                    raise
            # Here and not in the except block, whose traceback keeps the failed attempt's tensors alive.
            self._release()
            self._halve(height)

    def _halve(self, height: int) -> None:
        rows = self._tiles.get(height) or _round_up(height)
        if rows <= _SMALLEST_TILE:
            raise MemoryError(
                f"There is not enough memory for this picture, not even in tiles of {_SMALLEST_TILE} rows: "
                "use a smaller picture or smaller styles, or close other programs that use the device."
            )
        self._tiles[height] = max(_SMALLEST_TILE, _round_up(rows // 2))


def _round_up(rows: int) -> int:
    return rows + -rows % MULTIPLE
