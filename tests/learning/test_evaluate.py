"""Scores on held-out pictures, for models and for other methods."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from artnet_core.checkpoint import DEFAULT_MODEL, shipped_models
from artnet_core.figures import BACKGROUND, BLUE, ORANGE
from artnet_core.images import read_picture
from artnet_core.scores import style_distance
from training.__main__ import main
from training.evaluate import crossing
from training.judge import choose_judge
from training.plot import line_plot

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_models_and_other_methods_are_scored_on_the_same_pairs(
    data: Path, decoder_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["evaluate", "--data", str(data), "--pairs", "2", "--size", "64", "--device", "cpu"]
    pairs, out = tmp_path / "pairs", tmp_path / "out"
    models = ["--model", str(decoder_run), "--model", str(shipped_models()[DEFAULT_MODEL])]
    results = ["--write-pairs", str(pairs), "--results", f"nothing={pairs / 'content'}"]
    assert main([*common, *models, *results, "--out", str(out)]) == 0
    report = json.loads((out / "scores.json").read_text())
    trained, default, nothing = (report["models"][name] for name in (decoder_run.stem, "artnet", "nothing"))
    assert trained["psnr"] < default["psnr"]
    assert nothing["curve"][0]["edge_ssim"] == pytest.approx(1, abs=1e-3)
    assert len(default["curve"]) >= 6
    assert default["psnr"] > 15
    # A method that leaves the content as it is keeps all edges, and misses the style more than the model does.
    assert default["curve"][0]["style_distance"] < nothing["curve"][0]["style_distance"]
    assert default["curve"][0]["edge_ssim"] < default["curve"][-1]["edge_ssim"]
    for name in ("curve.png", "sheet.jpg"):
        with Image.open(out / name) as image:
            assert image.width > 300
    assert "random weights" in capsys.readouterr().out


def test_a_judge_can_be_given(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    torch.save(models.squeezenet1_1().state_dict(), tmp_path / "judge.pth")
    common = ["evaluate", "--data", str(data), "--pairs", "1", "--size", "64", "--device", "cpu"]
    common += ["--out", str(tmp_path / "out")]
    assert main([*common, "--judge", str(tmp_path / "judge.pth")]) == 0
    assert "SqueezeNet" in capsys.readouterr().out
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    assert main([*common, "--judge", str(tmp_path / "other.pth")]) == 1
    assert "squeezenet1_1" in capsys.readouterr().err


def test_a_judge_trained_on_imagenet_comes_from_pypi() -> None:
    photo = read_picture(EXAMPLES / "content" / "astronaut.jpg").rgb[..., :256, :256]
    painting = read_picture(EXAMPLES / "style" / "great_wave.jpg").rgb[..., :256, :256]
    network, name = choose_judge("efficientnet_lite0")
    assert name == "EfficientNet-Lite0"
    assert [tuple(m.shape[1:]) for m in network(photo[..., :64, :96])] == [
        (32, 32, 48),
        (24, 16, 24),
        (40, 8, 12),
        (112, 4, 6),
    ]
    own = style_distance(painting, painting[..., 20:], network)
    assert own < style_distance(painting, photo, network)


def test_crossings_lie_between_the_points() -> None:
    line = [(0.2, 0.5), (0.3, 0.6), (0.5, 0.8)]
    assert crossing(line, 0.4) == pytest.approx(0.7)
    assert crossing(line, 0.2) == pytest.approx(0.5)
    assert crossing(line, 0.6) is None


def test_plots_leave_out_what_has_no_place() -> None:
    """What is not finite or not positive moves no axis: the picture is the one without it, to the pixel."""
    line = [(0.0, 1.0), (2.0, 4.0), (3.0, 10.0)]
    odd = [(0.0, 1.0), (1.0, float("nan")), (2.0, 4.0), (2.5, float("inf")), (2.6, 0.0), (3.0, 10.0)]
    plots = [line_plot({"a": points}, "title", "x", "y", log_y=True) for points in (line, odd)]
    assert plots[0].size == (1040, 560)
    assert plots[0].tobytes() == plots[1].tobytes()
    assert len(line_plot({}, "title", "x", "y").getcolors(1 << 20)) < len(plots[0].getcolors(1 << 20))


def test_lines_have_the_colours_of_the_other_figures() -> None:
    plot = line_plot({"a": [(0.0, 1.0), (1.0, 2.0)], "b": [(0.0, 2.0), (1.0, 1.0)]}, "title", "x", "y", marks=True)
    colors = {color for _, color in plot.getcolors(1 << 20)}
    assert {BACKGROUND, BLUE, ORANGE} <= colors


def test_a_judge_that_is_no_state_dict_is_named(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["evaluate", "--data", str(data), "--pairs", "1", "--size", "64", "--device", "cpu"]
    common += ["--out", str(tmp_path / "out"), "--judge"]
    path = tmp_path / "judge.pth"
    for contents in ([torch.ones(2)], torch.tensor(3.0), {"a": "text"}, {1: torch.ones(1)}, Path("pickled")):
        torch.save(contents, path)
        assert main([*common, str(path)]) == 1
        message = capsys.readouterr().err
        assert message.count("\n") == 1 and str(path) in message and "weights_only" not in message
    path.write_bytes(path.read_bytes()[:-100])
    assert main([*common, str(path)]) == 1
    assert "weights_only" not in capsys.readouterr().err
