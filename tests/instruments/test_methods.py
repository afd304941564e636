"""The experiments of Table 2 and Fig. 8, and the scores of features that they add."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from artnet_core.scores import patch_likeness, statistics_gap
from artnet_core.transfer.adain import adain
from artnet_core.transfer.methods import ABLATIONS
from artnet_core.transfer.swap import swap
from benchmarks.judge import Judge
from experiments import ablation
from experiments.methods import main

from .conftest import EXAMPLES
from .judges import use_tiny_judge


@pytest.fixture
def tiny_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    return use_tiny_judge(tmp_path / "judge", monkeypatch)


def maps() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 6, 12, 9, generator=generator), 3 * torch.rand(1, 6, 10, 14, generator=generator)


def test_statistics_gap_is_zero_after_adain_and_one_for_a_shift_by_a_deviation() -> None:
    content, style = maps()
    assert statistics_gap(adain(content, style), style).max() < 1e-4
    moved = style + style.std((2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(statistics_gap(moved, style), torch.ones(1))


def test_patch_likeness_against_all_pairs() -> None:
    content, style = maps()
    mean, std = style.mean((2, 3), keepdim=True), style.std((2, 3), correction=0, keepdim=True)
    patches = F.normalize(F.unfold((content - mean) / std, 3), dim=1)
    known = F.normalize(F.unfold((style - mean) / std, 3), dim=1)
    expected = (patches.transpose(1, 2) @ known).amax(2).mean(1)
    torch.testing.assert_close(patch_likeness(content, style), expected)


def test_patch_likeness_is_one_for_pieces_of_the_style() -> None:
    content, style = maps()
    torch.testing.assert_close(patch_likeness(style[..., 2:8, 3:11], style), torch.ones(1))
    swapped = patch_likeness(swap(content, style), style)
    assert (patch_likeness(content, style) < swapped).all() and (swapped < 1).all()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    pair = tmp_path / "content", tmp_path / "style"
    for folder, names in zip(pair, (("chelsea",), ("great_wave", "spring")), strict=True):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.jpg").write_bytes((EXAMPLES / folder.name / f"{name}.jpg").read_bytes())
    return pair


def test_run(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    places = ["--content", str(folders[0]), "--style", str(folders[1]), "--out", str(out), "--size", "96"]
    assert main([*places, "--methods", "s2", "adain", "style_swap"]) == 0
    printed = capsys.readouterr().out
    assert [line.split("|")[1].strip() for line in printed.splitlines() if "±" in line] == ["S2", "AdaIN", "StyleSwap"]
    results = json.loads((out / "methods.json").read_text())["results"]
    assert len(results) == 6
    by_method = {name: [row for row in results if row["method"] == name] for name in ("s2", "adain", "style_swap")}
    assert all(row["statistics"] < 0.05 for row in by_method["s2"])
    assert all(row["statistics"] > 0.3 for row in by_method["style_swap"])
    for swapped, aligned in zip(by_method["s2"], by_method["adain"], strict=True):
        assert swapped["patches"] > aligned["patches"] and swapped["edges"] < aligned["edges"]
    assert Image.open(out / "methods.jpg").width > 400


def test_the_ablation_is_that_of_s2(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--content", str(folders[0]), "--style", str(folders[1]), "--out", str(tmp_path), "--size", "64"]
    assert ablation.main(places) == 0
    results = json.loads((tmp_path / "ablation.json").read_text())["results"]
    assert list(dict.fromkeys(row["method"] for row in results)) == list(ABLATIONS)
    gap = {name: max(row["statistics"] for row in results if row["method"] == name) for name in ABLATIONS}
    assert gap["s2"] < 0.1 < gap["s2_without_last_adain"]
    with Image.open(tmp_path / "ablation.jpg") as image:
        assert image.width > (2 + len(ABLATIONS)) * 64


def test_edges_by_the_papers_detector(
    folders: tuple[Path, Path], tmp_path: Path, tiny_judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    """What --edges names is what scores, and the report says so."""
    places = ["--content", str(folders[0]), "--style", str(folders[1]), "--size", "64", "--methods", "adain"]
    scores = {}
    for name in ("sobel", "hed"):
        assert main([*places, "--edges", name, "--out", str(tmp_path / name)]) == 0
        document = json.loads((tmp_path / name / "methods.json").read_text())
        scores[document["edges"]] = document["results"][0]["edges"]
    assert scores.keys() == {"sobel", "hed"} and scores["sobel"] != scores["hed"]
