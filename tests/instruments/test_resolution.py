"""The comparison of resolutions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.judge import Judge
from benchmarks.resolution import main


def test_the_smallest_painting_is_what_others_are_compared_with(
    heldout: Path, tiny_judge: Judge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--heldout", str(heldout), "--pairs", "2", "--out", str(tmp_path), "--sizes", "256", "128"]
    assert main([*arguments, "--settings", "fast:model=artnet_fast,stroke_size=0|1"]) == 0
    rows = json.loads((tmp_path / "resolution.json").read_text())["rows"]
    assert [(row["painter"], row["size"]) for row in rows] == [
        ("fast, stroke_size 0", 128),
        ("fast, stroke_size 0", 256),
        ("fast, stroke_size 1", 128),
        ("fast, stroke_size 1", 256),
    ]
    for smallest, larger in zip(rows[::2], rows[1::2], strict=True):
        assert smallest["look"] == smallest["pixels"] == 0
        assert larger["look"] > 0 and larger["pixels"] > 0
        assert len(larger["styles"]) == 3 and 0 < larger["edges"] < 1
    assert len(list((tmp_path / "pictures").rglob("*.jpg"))) == 8
    assert "| fast, stroke_size 1 | 256 |" in capsys.readouterr().out


def test_sizes_are_multiples_of_the_smallest(heldout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--heldout", str(heldout), "--out", str(tmp_path), "--sizes", "128", "200"])
    assert "--sizes takes multiples of the smallest size, got 128 200." in capsys.readouterr().err
