"""The benchmark of half precision."""

from __future__ import annotations

import pytest

from artnet_core.transfer.sandwich import DEFAULT_DETAIL
from benchmarks.precision import main


def test_the_picture_of_float32(capsys: pytest.CaptureFixture[str]) -> None:
    """In the mean of all pairs of examples; a single small picture may take other patches here and there."""
    assert main(["--size", "128", "--detail", "0", str(DEFAULT_DETAIL)]) == 0
    largest, mean = differences(capsys)
    assert len(mean) == 4 and 0 < max(mean) < 2.5e-3
    assert max(largest) < 3e-2


def test_float32_is_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--size", "64", "--detail", "0", "--dtype", "float32"]) == 0
    assert differences(capsys) == ([0, 0], [0, 0])


def differences(capsys: pytest.CaptureFixture[str]) -> tuple[list[float], list[float]]:
    """The columns of the table: the largest and the mean differences."""
    rows = [row.strip("| ").split(" | ") for row in capsys.readouterr().out.splitlines()[2:]]
    return [float(row[2]) for row in rows], [float(row[3]) for row in rows]
