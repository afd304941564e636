"""How far a painting is, is told while it is painted."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import pytest
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.batch import MixedStyles
from artnet_core.pipeline import Encoded, Pictures, Region, Settings, paint, paint_frame
from artnet_core.progress import in_turn
from artnet_core.resizing import enlarge
from artnet_core.runtime import Tiles

T = TypeVar("T")


def test_in_turn() -> None:
    told: list[float] = []
    first, nothing, last = in_turn(told.append, 2, 0, 6)
    for each in (first, nothing, last):
        each(0.0)
        each(1.0)
    assert told == [0, 0.25, 0.25, 0.25, 0.25, 1]


class _Cramped(Tiles):
    """Memory for 64 rows at a time."""

    def run(self, height: int, work: Callable[[int | None], T]) -> T:
        return work(64)


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        (Settings(), 12),
        (Settings(detail=0.0), 16),
        (Settings(strength=0.5, detail=0.7), 16),
        (Settings(strength=0.0), 8),
        (Settings(steady=True), 12),
        (Settings(stroke_size=1.0), 24),
        (Settings(patch_size=5, style_size=90, finish=1), 13),
    ],
    ids=str,
)
def test_each_frame_moves_on_in_steps_to_its_end(
    model: artnet.ArtNet, photo: Tensor, painting: Tensor, settings: Settings, steps: int
) -> None:
    """The first frame with its style, the second without; and what is painted stays the same to the bit."""
    frames, style = Pictures.of(torch.cat([photo, photo.flip(3)]), "frames"), Pictures.of(painting, "style")
    told: list[float] = []
    painted = paint(model, frames, style, settings=settings, progress=told.append)
    expected = paint(model, frames, style, settings=settings)
    for least in (steps, steps - 5):
        told.clear()
        frame = next(painted)
        assert told == sorted(told) and told[0] > 0 and told[-1] == 1
        assert len(set(told)) >= least
        assert torch.equal(frame, next(expected))


def test_each_tile_and_each_style_is_a_step(
    model: artnet.ArtNet, photo: Tensor, painting: Tensor, palette: Tensor
) -> None:
    told: list[float] = []
    tiles = _Cramped()
    content, style = Encoded(model, photo, tiles), Encoded(model, painting, tiles)
    paint_frame(model, content, style, tiles=tiles, progress=told.append)
    assert told == sorted(told) and told[-1] == 1 and len(set(told)) > 40

    told.clear()
    mixed = MixedStyles([Encoded(model, painting), Encoded(model, palette)], [1.0, 2.0])
    paint_frame(model, Encoded(model, photo), mixed, progress=told.append)
    assert told == sorted(told) and told[-1] == 1 and len(set(told)) > 16

    told.clear()
    regions = [Region(torch.eye(2)[None], Pictures.of(picture, "style")) for picture in (painting, palette)]
    next(paint(model, Pictures.of(photo, "content"), None, regions=regions, progress=told.append))
    assert told == sorted(told) and told[-1] == 1 and len(set(told)) > 20


def test_shares_are_those_of_the_time(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    """Of the processor's, since the machine may be busy: what is left can be reckoned from what is done."""
    paint_frame(model, Encoded(model, photo), Encoded(model, painting))  # what is done once is done
    content, style = Encoded(model, enlarge(photo, (1200, 1200))), Encoded(model, painting)
    told: list[tuple[float, float]] = []
    start = time.process_time()
    paint_frame(model, content, style, progress=lambda share: told.append((share, time.process_time() - start)))
    _, whole = told[-1]
    assert max(abs(share - seconds / whole) for share, seconds in told) < 0.25
    waits = [later - before for (_, before), (_, later) in pairwise(told)]
    assert max(waits) < 0.4 * whole


@pytest.mark.parametrize("after", [1, 7, 12])
def test_what_it_raises_ends_the_painting(model: artnet.ArtNet, photo: Tensor, painting: Tensor, after: int) -> None:
    told: list[float] = []

    def cancel(share: float) -> None:
        told.append(share)
        if len(told) == after:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        next(paint(model, Pictures.of(photo, "content"), Pictures.of(painting, "style"), progress=cancel))
    assert len(told) == after
