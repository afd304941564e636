"""Memory estimates against measured peaks, and tiles after a failed attempt."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

import pytest
import torch

import artnet_core as artnet
from artnet_core.checkpoint import shipped_models
from artnet_core.pipeline import Encoded, Settings, paint_frame
from artnet_core.runtime import Tiles, memory_used, transfer_memory
from artnet_core.transfer.methods import ALL_METHODS
from artnet_core.transfer.sandwich import DEFAULT_DETAIL


def peak_bytes(work: Callable[[], object]) -> int:
    """The most memory that torch's CPU tensors took at a time during a call."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    # The public list of events drops the allocations made inside of operators.
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events), default=0)


@pytest.mark.parametrize("name", shipped_models())
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (256, 256), (512, 512), (1000, 700)])
@pytest.mark.parametrize("patch_size", [3, 7])
def test_a_frame_fits_its_bound(name: str, height: int, width: int, dtype: torch.dtype, patch_size: int) -> None:
    """On any CPU: one without bfloat16 makes copies in float32, for which the bound has room."""
    model = artnet.load(name, dtype=dtype)
    frame = torch.rand(1, 3, height, width)
    settings = [Settings(detail=detail, patch_size=patch_size) for detail in (0.0, DEFAULT_DETAIL)]

    def work() -> None:
        style = Encoded(model, frame)
        for each in settings:
            paint_frame(model, Encoded(model, frame), style, None, each)

    assert peak_bytes(work) <= memory_used(model, height, width)


def test_the_bound_is_no_wild_guess() -> None:
    """A host frees other models for what is asked for."""
    model = artnet.load()
    frame = torch.rand(1, 3, 1024, 1024)
    measured = peak_bytes(lambda: model.decode(artnet.sandwich_swap(model.encode(frame), model.encode(frame))))
    assert memory_used(model, 1024, 1024) <= 4 * measured


@pytest.mark.parametrize("method", ALL_METHODS)
@pytest.mark.parametrize("sizes", [((1200, 900), (900, 1200)), ((1200, 1200), (200, 200)), ((200, 200), (200, 200))])
def test_a_transfer_fits_its_bound(method: str, sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    model = artnet.load(dtype=torch.bfloat16)
    content, style = (model.encode(torch.rand(1, 3, *size)) for size in sizes)
    measured = peak_bytes(lambda: ALL_METHODS[method](content, style, strength=1.0))
    assert measured <= transfer_memory(content, style, float32=method != "artnet")


def tiles_tried(height: int, fitting: int) -> list[int | None]:
    """The tiles that are tried where only ``fitting`` rows fit into memory."""
    tried: list[int | None] = []

    def work(tile: int | None) -> int | None:
        tried.append(tile)
        if (tile or height) > fitting:
            raise torch.OutOfMemoryError("no more")
        return tile

    tiles = Tiles(lambda error: isinstance(error, torch.OutOfMemoryError), lambda: None)
    assert tiles.run(height, work) == tried[-1]
    count = len(tried)
    assert tiles.run(height, work) == tried[count - 1]
    assert len(tried) == count + 1  # the second frame starts where the first one ended
    return tried[:count]


def test_tiles_are_halved_until_they_fit() -> None:
    assert tiles_tried(1080, 1080) == [None]
    assert tiles_tried(1080, 1000) == [None, 544]
    assert tiles_tried(1080, 64) == [None, 544, 272, 144, 80, 64]


def test_too_little_memory_for_any_tile() -> None:
    with pytest.raises(MemoryError, match="not even in tiles of 64 rows"):
        tiles_tried(1080, 63)


def test_other_errors_pass() -> None:
    def work(tile: int | None) -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        Tiles(release=lambda: None).run(100, work)
