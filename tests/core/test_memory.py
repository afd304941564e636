"""Memory estimates against measured peaks, and tiles after a failed attempt."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import pytest
import torch

import artnet_core as artnet
from artnet_core.checkpoint import shipped_models
from artnet_core.finish import finish, finish_memory
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


MODELS = [file.stem for file in shipped_models().values()]

# A model, its dtype, height and width of frame and style, patch size and detail.
CASES = [
    ("artnet", "float32", 64, 64, 3, 0.0),
    ("artnet", "bfloat16", 256, 256, 1, DEFAULT_DETAIL),
    ("artnet", "float32", 700, 500, 7, 0.0),
    ("artnet_fast", "float32", 512, 512, 5, DEFAULT_DETAIL),
    ("artnet_unpruned", "bfloat16", 250, 400, 3, 0.0),
    ("artnet_unpruned", "float32", 512, 512, 7, 0.0),
    ("artnet", "float32", 1024, 1024, 3, 1.0),
]

CHILD = """
import ctypes, json, sys, torch
import artnet_core as artnet
from artnet_core.pipeline import Encoded, Settings, paint_frame

def status(key):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))

for name, dtype, height, width, patch_size, detail in json.loads(sys.argv[1]):
    model = artnet.load(name, dtype=getattr(torch, dtype))
    frame = torch.rand(1, 3, height, width)
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the highest so far becomes what there is now
    before = status("VmRSS")
    with torch.inference_mode():
        settings = Settings(detail=detail, patch_size=patch_size)
        paint_frame(model, Encoded(model, frame), Encoded(model, frame), None, settings)
    print(status("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").is_file(), reason="asks Linux for the process's memory")
def test_a_process_stays_within_the_bound() -> None:
    """Unlike the tensors alone that is also what oneDNN takes for itself, and what the allocator does not give back."""
    command = [sys.executable, "-c", CHILD, json.dumps(CASES)]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    for case, taken in zip(CASES, map(int, found), strict=True):
        name, dtype, height, width, *_ = case
        model = artnet.load(name, dtype=getattr(torch, dtype))
        bound = memory_used(model, height, width)
        assert 2**20 < taken <= bound, case
        if height * width >= 2**20:  # a host frees other models for what is asked for
            assert bound <= 3 * taken, case


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_frames_tensors_fit_the_bound(name: str, dtype: torch.dtype) -> None:
    model = artnet.load(name, dtype=dtype)
    frame, settings = torch.rand(1, 3, 256, 200), Settings(detail=0.0, patch_size=7)
    measured = peak_bytes(lambda: paint_frame(model, Encoded(model, frame), Encoded(model, frame), None, settings))
    assert measured <= memory_used(model, 256, 200)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_finish_fits_its_bound(name: str, dtype: torch.dtype) -> None:
    encoder, frame = artnet.load(name).encoder, torch.rand(1, 3, 400, 304)
    measured = peak_bytes(lambda: finish(encoder, frame, frame, frame, steps=1, dtype=dtype))
    bound = finish_memory(encoder, 400, 304)
    assert measured <= bound <= 3 * measured


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
