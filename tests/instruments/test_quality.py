"""The comparison on held-out pictures: which pairs, which painters, what is kept, what is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image

import artnet_core as artnet
from artnet_core.images import PictureError
from artnet_core.transfer.methods import ALL_METHODS
from benchmarks.judge import Judge
from benchmarks.peers import adain_between, micro_ast, trained_autoencoder, vgg_encoder, wct_between
from benchmarks.quality import (
    ENDS,
    Painter,
    Scores,
    draw_pairs,
    evaluate,
    gatys_painter,
    grid_pairs,
    main,
    method_painters,
    our_painters,
    relative_table,
    square,
    style_at,
)


def names(folder: Path, count: int, seed: int = 0) -> list[tuple[str, str]]:
    return [(pair.photo_path.stem, pair.style_path.stem) for pair in draw_pairs(folder, count, 64, seed)]


def test_pairs_are_the_same_each_time_and_fewer_are_the_first_of_more(heldout: Path) -> None:
    pairs = names(heldout, 12)
    assert len(set(pairs)) == 12
    assert names(heldout, 5) == pairs[:5]
    assert names(heldout, 12, seed=1) != pairs
    assert len({photo for photo, _ in pairs[:3]}) == 3  # none again before all have come


def test_what_gives_no_pairs_is_said(heldout: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gives 12 pairs, got --pairs 13"):
        draw_pairs(heldout, 13, 64)
    for path in heldout.glob("art_*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"must hold pictures named photo_\* and art_\*"):
        draw_pairs(heldout, 1, 64)
    with pytest.raises(PictureError, match="holds no pictures"):
        draw_pairs(tmp_path, 1, 64)


def test_every_pair_of_a_grid_and_evenly_before_its_end(heldout: Path) -> None:
    pairs = [(pair.photo_path.stem, pair.style_path.stem) for pair in grid_pairs(heldout, 2, 4, 64)]
    assert len(set(pairs)) == 8 and {photo for photo, _ in pairs} == {"photo_0", "photo_1"}
    for count in (2, 4, 6):
        assert {[photo for photo, _ in pairs[:count]].count(name) for name in ("photo_0", "photo_1")} == {count // 2}
    assert {[style for _, style in pairs[:4]].count(f"art_{index}") for index in range(4)} <= {0, 1, 2}
    with pytest.raises(ValueError, match=r"holds 3 photo_\*, got --grid with 4"):
        grid_pairs(heldout, 4, 4, 64)


def test_methods_paint_as_they_do_without_the_grid(heldout: Path, model: artnet.ArtNet) -> None:
    (painter,) = method_painters(["adain"])
    pair = grid_pairs(heldout, 1, 1, 64)[0]
    expected = model.decode(ALL_METHODS["adain"](model.encode(pair.photo), model.encode(pair.style)))
    torch.testing.assert_close(painter.paint(pair.photo, pair.style), expected)
    assert painter.name == "AdaIN" and "adain" in painter.key


def test_squares_are_cut_from_the_middle(tmp_path: Path) -> None:
    image = Image.new("RGB", (60, 20), "red")
    image.paste("blue", (20, 0, 40, 20))
    image.save(tmp_path / "photo_wide.png")
    picture = square(tmp_path / "photo_wide.png", 20)
    torch.testing.assert_close(picture, torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 20, 20))


def test_the_ends_of_the_scale(heldout: Path, tiny_judge: Judge) -> None:
    pairs = draw_pairs(heldout, 2, 64)
    photo, style = (evaluate(paint, pairs) for paint in ENDS.values())
    assert photo.edges == pytest.approx(1, abs=1e-5) and photo.style > 0.1 and photo.color > 0.01
    assert style.style == pytest.approx(0, abs=1e-5) and style.edges < 0.9 and style.color < 1e-6
    assert photo.pairs == 2 and len(photo.styles) == 3


def test_settings_are_points_of_curves(model: artnet.ArtNet) -> None:
    painters = our_painters("ours:detail=0|0.5,strength=0.7")
    assert [painter.name for painter in painters] == ["ours, detail 0", "ours, detail 0.5"]
    content, style = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    expected = model.stylize(content, style, detail=0.5, strength=0.7)
    torch.testing.assert_close(painters[1].paint(content, style), expected)
    (fast,) = our_painters("fast:model=artnet_fast")
    assert fast.name == "fast" and fast.key != our_painters("default")[0].key


@pytest.mark.parametrize("setting", ["ours:details=0.1", "ours:detail", ":detail=0.1"])
def test_settings_of_another_form_are_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=r"takes NAME:key=value, keys detail, .*model"):
        our_painters(setting)


def made_of(points: Sequence[tuple[float, float]]) -> list[Scores]:
    return [Scores(1, edges, style, (style,), 0, 0) for edges, style in points]


def test_a_curve_between_its_points_and_beyond() -> None:
    curve = made_of([(0.6, 0.5), (0.2, 0.3), (0.4, 0.4)])
    assert style_at(0.5, curve) == pytest.approx(0.45)
    assert style_at(0.2, curve) == pytest.approx(0.3)
    assert style_at(0.61, curve) is None and style_at(0.1, curve) is None


def test_rivals_are_compared_at_their_own_edges() -> None:
    def painter(name: str, curve: str | None = None) -> Painter:
        return Painter(name, lambda photo, style: photo, name, curve)

    painters = [painter("near"), painter("far"), painter("a", "ours"), painter("b", "ours")]
    scores = dict(zip(("near", "far", "a", "b"), made_of([(0.5, 0.8), (0.9, 1), (0.4, 0.3), (0.6, 0.5)]), strict=True))
    lines = relative_table(painters, scores).splitlines()
    assert lines[2:] == ["| near | 0.50 |", "| far | out of reach |"]


def test_a_stopped_run_goes_on(
    heldout: Path, tmp_path: Path, tiny_judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    places = ["--heldout", str(heldout), "--size", "64", "--out", str(out), "--pictures", "1"]
    assert main([*places, "--pairs", "1", "--settings", "ours:detail=0|1"]) == 0
    first = (out / "scores.jsonl").read_text()
    assert len(first.splitlines()) == 4  # two ends and two settings
    assert main([*places, "--pairs", "2", "--settings", "ours:detail=0|1", "fast:model=artnet_fast"]) == 0
    both = (out / "scores.jsonl").read_text()
    assert both.startswith(first) and len(both.splitlines()) == 10  # one more setting, five painters, two pairs
    printed = capsys.readouterr().out
    assert "| ours, detail 1 |" in printed and "| the style itself |" in printed
    report = json.loads((out / "quality.json").read_text())
    assert report["pairs"] == 2 and report["scores"]["fast"]["pairs"] == 2
    with Image.open(out / "quality.jpg") as sheet:
        assert sheet.width > 5 * 64
    assert main([*places, "--grid", "2", "2", "--settings", "--methods", "adain", "wct"]) == 0
    printed = capsys.readouterr().out
    assert "| WCT |" in printed and "at the edges of" not in printed
    scores = json.loads((out / "quality.json").read_text())["scores"]
    assert scores["AdaIN"]["pairs"] == 4 and scores["AdaIN"]["deviations"][0] > 0


def test_optimisation_comes_nearer_to_the_style(heldout: Path, tiny_judge: Judge) -> None:
    pairs = draw_pairs(heldout, 1, 64)
    painters = ENDS["the photograph itself"], gatys_painter([2]).paint, gatys_painter([12]).paint
    photo, few, more = (evaluate(paint, pairs).style for paint in painters)
    assert more < few < photo


def test_optimisation_of_a_small_picture_first_brings_large_strokes(heldout: Path, tiny_judge: Judge) -> None:
    pairs = draw_pairs(heldout, 1, 64)
    at_once, coarse_first = (evaluate(gatys_painter(steps).paint, pairs) for steps in ([2], [12, 2]))
    assert coarse_first.styles[1] < at_once.styles[1]


def autoencoders(folder: Path) -> Path:
    """A folder like a clone of deep-transfer, of random weights."""
    torch.manual_seed(0)
    for level in (1, 2, 3):
        weights = folder / "models" / "autoencoder_vgg19" / f"vgg19_{level}"
        weights.mkdir(parents=True)
        convolutions = [layer for layer in vgg_encoder(level) if isinstance(layer, torch.nn.Conv2d)]
        # Reflection, convolution, ReLU: three places each; pools and enlargements take one more.
        places = {1: [2], 2: [2, 5, 9], 3: [2, 5, 9, 12, 16]}[level]
        down = {"0.weight": torch.eye(3).view(3, 3, 1, 1), "0.bias": torch.zeros(3)}
        for place, layer in zip(places, convolutions, strict=True):
            down |= {f"{place}.weight": layer.weight.detach(), f"{place}.bias": layer.bias.detach()}
        up = {}
        for place, layer in zip({1: [1], 2: [1, 5, 8], 3: [1, 5, 8, 12, 15]}[level], convolutions[::-1], strict=True):
            up |= {f"{place}.weight": torch.randn(layer.in_channels, layer.out_channels, 3, 3) / 40}
            up |= {f"{place}.bias": torch.full((layer.in_channels,), 0.1)}
        torch.save(down, weights / f"vgg_normalised_conv{level}_1.pth")
        torch.save(up, weights / f"feature_invertor_conv{level}_1.pth")
    return folder


def test_autoencoders_of_the_clone(tmp_path: Path) -> None:
    """Their weights lie where the clone has them, and give maps and pictures of the right sizes."""
    folder = autoencoders(tmp_path)
    levels = [trained_autoencoder(folder, level) for level in (3, 2, 1)]
    content, style = torch.rand(1, 3, 64, 48), torch.rand(1, 3, 40, 56)
    assert [tuple(encoder(content).shape[1:]) for encoder, _ in levels] == [(256, 16, 12), (128, 32, 24), (64, 64, 48)]
    unchanged = content
    for encoder, decoder in levels:
        unchanged = decoder(encoder(unchanged))
    assert wct_between(levels)(style)(content).shape == content.shape
    torch.testing.assert_close(wct_between(levels, 0.0)(style)(content), unchanged)
    assert adain_between(*levels[0])(style)(content).shape == content.shape


def test_folders_that_are_no_clones_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="pietrocarbo/deep-transfer"):
        trained_autoencoder(tmp_path, 3)
    with pytest.raises(FileNotFoundError, match="EndyWon/MicroAST"):
        micro_ast(tmp_path, lambda network: network)
