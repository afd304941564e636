"""The benchmark of speed: that it runs, and that what it times are the methods it names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import speed
from benchmarks.peers import Peer, vgg_encoder
from benchmarks.speed import parse_size, take_turns
from experiments.speed import main
from experiments.vgg19 import PEERS, style_swap_vgg, vgg_decoder


def frozen(module: nn.Module) -> nn.Module:
    return module.eval().requires_grad_(False)


@pytest.mark.parametrize("name", PEERS)
def test_peers_paint_batches(name: str) -> None:
    torch.manual_seed(0)
    make: Callable[..., Peer] = PEERS[name]
    painted = make(frozen)(torch.rand(1, 3, 64, 48))(torch.rand(2, 3, 48, 64))
    assert painted.shape == (2, 3, 48, 64)
    assert painted.isfinite().all() and painted.std() > 0


@pytest.mark.parametrize(("level", "channels", "stride"), [(1, 64, 1), (3, 256, 4), (4, 512, 8), (5, 512, 16)])
def test_vgg_and_its_mirror(level: int, channels: int, stride: int) -> None:
    features = vgg_encoder(level)(torch.rand(1, 3, 32, 64))
    assert features.shape == (1, channels, 32 // stride, 64 // stride)
    assert vgg_decoder(level)(features).shape == (1, 3, 32, 64)


def test_style_swap_copies_style_patches() -> None:
    """With an encoder and a decoder that change nothing, content equal to a piece of the style comes back."""
    modules = iter([nn.Identity(), nn.Identity()])
    style = torch.rand(1, 3, 12, 14)
    stylize = style_swap_vgg(lambda _module: next(modules))(style)
    torch.testing.assert_close(stylize(style[..., 2:9, 3:12]), style[..., 2:9, 3:12])


def test_sizes() -> None:
    assert [parse_size(text) for text in ("512", "640x360", "4k")] == [(512, 512), (360, 640), (2160, 3840)]


def test_turns() -> None:
    order: list[str] = []
    results = take_turns({name: lambda name=name: order.append(name) for name in "ab"}, 2, torch.device("cpu"))
    assert order[:2] == ["a", "b"]
    assert sorted(order[2:4]) == sorted(order[4:]) == ["a", "b"]
    assert [len(times) for times, _ in results.values()] == [2, 2]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "PAUSE", 0.0)


def test_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--sizes", "32", "48x32", "--batches", "1", "2", "--rounds", "2", "--peers", "AdaIN, VGG19"]
    assert main([*arguments, "--largest-peer", "32", "--out", str(tmp_path)]) == 0
    timings = json.loads((tmp_path / "speed.json").read_text())["timings"]
    seen = [(row["method"].split(",")[0], row["width"], row["batch"]) for row in timings]
    assert ("AdaIN", 32, 2) in seen and ("ArtNet: S2", 48, 1) in seen
    assert not any(name == "AdaIN" and width == 48 for name, width, _ in seen)
    assert all(row["milliseconds"] > 0 for row in timings)
    assert [row["relative"] for row in timings if row["method"] == "ArtNet, float32"] == [1.0] * 4
    assert "| 48 x 32 | 2 | ArtNet, float32 |" in capsys.readouterr().out
    assert (tmp_path / "speed.png").is_file()


def test_ours_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert speed.main(["--sizes", "32", "--rounds", "2", "--out", str(tmp_path)]) == 0
    timings = json.loads((tmp_path / "speed.json").read_text())["timings"]
    assert {row["method"].split(",")[0].split(":")[0] for row in timings} == set(speed.OUR_MODELS)
    with pytest.raises(SystemExit):
        speed.main(["--rounds", "1", "--out", str(tmp_path)])
    assert "--rounds must be at least 2, for quartiles, got 1" in capsys.readouterr().err
