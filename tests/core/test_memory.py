"""Memory estimates against measured peaks, and strips after a failed attempt."""

from __future__ import annotations

import pytest
import torch

import artnet_core as artnet
from artnet_core.aggregation import MARGIN
from artnet_core.checkpoint import shipped_models
from artnet_core.memory import Strips, _decoder_bytes, _encoder_bytes, inference_bytes, transfer_bytes
from artnet_core.picture import read_picture
from artnet_core.sandwich import DEFAULT_DETAIL
from artnet_core.transfers import ALL_METHODS
from benchmarks.traffic import peak_bytes

from .conftest import EXAMPLES


@pytest.mark.parametrize("name", shipped_models())
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(256, 256), (512, 512), (1000, 700)])
def test_the_estimate_fits_the_measured_peak(name: str, size: tuple[int, int], dtype: torch.dtype) -> None:
    model = artnet.load(shipped_models()[name], dtype=dtype)
    frame = torch.rand(1, 3, *size)

    def work() -> None:
        style, content = model.encode(frame), model.encode(frame)
        artnet.sandwich_swap(content, style, detail=0.0)  # the only one that passes matches on
        transferred = artnet.sandwich_swap(content, style)
        del content
        model.decode(transferred)

    measured = peak_bytes(work)
    assert measured <= inference_bytes(model, *size) <= 2.2 * measured


@pytest.mark.parametrize("name", ["artnet", "artnet_fast"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("height", "width"), [(512, 512), (1008, 704)])
def test_encoder_and_decoder_fit_their_own_estimates(name: str, dtype: torch.dtype, height: int, width: int) -> None:
    """Where S2 takes more than either, the estimate of all does not show what they hold."""
    model = artnet.load(name, dtype=dtype)
    frame = torch.rand(1, 3, height, width)
    features = model.encode(frame)
    padded = (height + 2 * MARGIN) * (width + 2 * MARGIN)
    encoder = _encoder_bytes(model, padded, dtype.itemsize, model.device) + features.data.nbytes
    copy = features.data.nbytes if model.feature_dtype != dtype else 0
    decoder = _decoder_bytes(model, height * width, dtype.itemsize, model.device) + copy + frame.nbytes
    for measured, estimate in (
        (peak_bytes(lambda: model.encode(frame)), encoder),
        (peak_bytes(lambda: model.decode(features)), decoder),
    ):
        assert measured <= 1.1 * estimate <= 1.8 * measured


@pytest.mark.parametrize("method", ALL_METHODS)
def test_transfers_in_float32_fit_their_estimate(method: str) -> None:
    """At this size the maps count more than the correlation volume, and all but S2 copy them."""
    model = artnet.load(dtype=torch.bfloat16)
    content, style = model.encode(torch.rand(1, 3, 1200, 900)), model.encode(torch.rand(1, 3, 900, 1200))
    measured = peak_bytes(lambda: ALL_METHODS[method](content, style, strength=1.0))
    assert measured <= transfer_bytes(content, style, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("detail", [0.0, DEFAULT_DETAIL])
def test_a_transfer_of_half_precision_fits_its_estimate(detail: float) -> None:
    """Of a photograph with constant channels, and a style that counts for little beside its maps."""
    model = artnet.load(dtype=torch.bfloat16)
    content = model.encode(read_picture(EXAMPLES / "content" / "chelsea.jpg", 1400).rgb)
    style = model.encode(read_picture(EXAMPLES / "style" / "great_wave.jpg", 400).rgb)
    measured = peak_bytes(lambda: artnet.sandwich_swap(content, style, detail=detail))
    assert measured <= transfer_bytes(content, style, torch.device("cpu"))


def strips_tried(height: int, fitting: int) -> list[int | None]:
    """The strips that are tried where only ``fitting`` rows fit into memory."""
    tried: list[int | None] = []

    def work(strip: int | None) -> int | None:
        tried.append(strip)
        if (strip or height) > fitting:
            raise torch.OutOfMemoryError("no more")
        return strip

    strips = Strips(height, lambda error: isinstance(error, torch.OutOfMemoryError), lambda: None)
    assert strips.run(work) == tried[-1]
    count = len(tried)
    assert strips.run(work) == tried[count - 1]
    assert len(tried) == count + 1  # the second frame starts where the first one ended
    return tried[:count]


def test_strips_are_halved_until_they_fit() -> None:
    assert strips_tried(1080, 1080) == [None]
    assert strips_tried(1080, 1000) == [None, 544]
    assert strips_tried(1080, 64) == [None, 544, 272, 144, 80, 64]


def test_too_little_memory_for_any_strip() -> None:
    with pytest.raises(MemoryError, match="not even in strips of 64 rows"):
        strips_tried(1080, 63)


def test_other_errors_pass() -> None:
    def work(strip: int | None) -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        Strips(100, lambda error: isinstance(error, torch.OutOfMemoryError), lambda: None).run(work)
