"""Counted operations and bytes."""

from __future__ import annotations

import pytest
import torch

import artnet_core as artnet
from artnet_core.picture import read_picture
from artnet_core.sandwich import DEFAULT_DETAIL
from benchmarks.speed import OUR_MODELS, STYLE
from benchmarks.traffic import count, main, operations_and_bytes


def test_what_is_read_and_written_counts_and_views_are_free() -> None:
    first, second = torch.ones(1000), torch.ones(1000)
    traffic = count(lambda: (first + second).view(10, 100).T)
    assert (traffic.operations, traffic.moved, traffic.peak) == (1, 3 * 4000, 4000)


def test_of_a_table_counts_what_is_gathered() -> None:
    table, rows = torch.ones(1000, 8), torch.arange(10)
    for gather in (lambda: table[rows], lambda: torch.nn.functional.embedding(rows, table)):
        assert count(gather).moved == 10 * 8 + 2 * 10 * 8 * 4


def test_work_in_place_counts_and_holds_nothing() -> None:
    values = torch.ones(1000)
    traffic = count(values.neg_)
    assert (traffic.operations, traffic.moved) == (1, 2 * 4000)
    assert traffic.peak == 0


def test_the_table_has_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sizes", "64"]) == 0
    rows = [row.split(" | ") for row in capsys.readouterr().out.splitlines()[2:]]
    names = [
        f"{model}{stage}" for model in OUR_MODELS for stage in ("", ", detail 0.1", ": encode", ": S2", ": decode")
    ]
    assert [row[1] for row in rows] == names
    for first in range(0, len(rows), 5):
        whole, painterly, *stages = (int(row[2]) for row in rows[first : first + 5])
        assert painterly > whole >= sum(stages)


@pytest.mark.parametrize("detail", [0.1, DEFAULT_DETAIL])
def test_a_pixel_of_a_large_picture_moves_no_more_than_one_of_a_small(detail: float) -> None:
    """Once matching is bounded, which it is at both sizes: cost grows with the pixels and not faster."""
    model = artnet.load(dtype=torch.bfloat16)
    style = model.encode(read_picture(STYLE, 512).rgb)

    def moved_per_pixel(side: int) -> float:
        frame = torch.rand(1, 3, side, side)
        _, moved = operations_and_bytes(lambda: model.stylize_frame(frame, style, detail=detail))
        return moved / side**2

    assert moved_per_pixel(1536) <= 1.05 * moved_per_pixel(768)
