"""The comparison of classification networks: which maps are taken, what is counted, what is painted."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

import artnet_core as artnet
from artnet_core.images import Picture, write_picture
from artnet_core.network.encoder import IMAGENET_MEAN, IMAGENET_STD

from .judges import use_tiny_judge

torchvision = pytest.importorskip("torchvision")

from benchmarks.gatys import gatys  # noqa: E402
from experiments import backbones  # noqa: E402 (it imports torchvision)

# Channels and height of every map of a picture of 128 x 128. Valid convolutions crop those of odd height.
MAPS = {
    "alexnet": {4: (64, 31), 8: (192, 15), 16: (256, 7)},
    "vgg11": {1: (64, 128), 2: (128, 64), 4: (256, 32), 8: (512, 16), 16: (512, 8)},
    "resnet18": {2: (64, 64), 4: (64, 32), 8: (128, 16), 16: (256, 8)},
    "squeezenet1_1": {2: (64, 63), 4: (128, 31), 8: (256, 15), 16: (512, 7)},
    "mobilenet_v3_small": {2: (16, 64), 4: (16, 32), 8: (24, 16), 16: (48, 8)},
    "googlenet": {2: (64, 64), 4: (192, 32), 8: (480, 16), 16: (832, 8)},
    "inception_v3": {2: (64, 61), 4: (192, 28), 8: (288, 13), 16: (768, 6)},
    "shufflenet_v2_x1_0": {2: (24, 64), 4: (24, 32), 8: (116, 16), 16: (232, 8)},
}


@pytest.fixture(scope="module")
def small_photo() -> Tensor:
    """[1, 3, 96, 128]."""
    return F.interpolate(torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(1)), (96, 128), mode="bicubic")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, small_photo: Tensor) -> tuple[str, str]:
    """Files of a content and a style."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = folder / "content.png", folder / "style.png"
    for path, picture in zip(paths, (small_photo, small_photo.flip(1, 3)), strict=True):
        write_picture(path, Picture(picture.clamp(0, 1)))
    return str(paths[0]), str(paths[1])


@pytest.mark.parametrize("name", MAPS)
def test_the_last_map_of_every_stride_is_kept(name: str) -> None:
    network = backbones.build(name)
    picture = torch.rand(1, 3, 128, 128)
    traced = backbones.trace(network, picture)
    assert {stride: tuple(maps.shape[1:3]) for stride, maps in traced.maps.items()} == MAPS[name]

    again = backbones.stride_maps(network, picture, len(traced.units))
    for stride, maps in traced.maps.items():
        torch.testing.assert_close(again[stride], maps)


def test_kept_maps_are_those_of_the_blocks_and_no_hook_stays_behind() -> None:
    network = backbones.build("resnet18")
    picture = torch.rand(1, 3, 128, 128)
    maps = backbones.stride_maps(network, picture)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    x = network.maxpool(network.relu(network.bn1(network.conv1((picture - mean) / std))))
    x = network.layer1(x)
    torch.testing.assert_close(maps[4], x)
    torch.testing.assert_close(maps[16], network.layer3(network.layer2(x)))
    assert not any(module._forward_hooks for module in network.modules())


def test_layers_beyond_the_last_map_are_not_counted() -> None:
    device = torch.device("cpu")
    network = backbones.backbone("vgg11", Path("nowhere"), random=False, size=(128, 128), device=device)
    row = backbones.measure(network, torch.rand(1, 3, 128, 128))
    # 3x3 convolutions: (inputs, outputs, side of the map).
    layers = [(3, 64, 128), (64, 128, 64), (128, 256, 32), (256, 256, 32), (256, 512, 16), (512, 512, 16)]
    layers += [(512, 512, 8), (512, 512, 8)]
    assert row.parameters == sum(9 * i * o + o for i, o, _ in layers)
    assert row.multiply_adds == sum(9 * i * o * side**2 for i, o, side in layers)
    assert row.forward_seconds > 0


def test_random_weights_are_the_same_every_time_and_keep_maps_in_range() -> None:
    picture = torch.rand(1, 3, 128, 128)
    first, second = backbones.build("mobilenet_v3_small"), backbones.build("mobilenet_v3_small")
    for network in (first, second):
        backbones.randomize(network)
    for stride, maps in backbones.stride_maps(first, picture).items():
        assert 0.01 < maps.std() < 100
        torch.testing.assert_close(backbones.stride_maps(second, picture)[stride], maps)


def test_five_steps_lower_the_loss(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    content, style = photo[..., ::2, ::2], painting[..., ::2, ::2]
    painted = gatys(partial(backbones.artnet_maps, model.encoder), content, style, 5)
    assert painted.picture.shape == content.shape
    assert painted.picture.min() >= 0 and painted.picture.max() <= 1
    assert painted.last_loss < 0.8 * painted.first_loss
    assert not torch.equal(content, painted.picture)


def test_a_picture_in_its_own_style_stays_as_it_is(model: artnet.ArtNet, photo: Tensor) -> None:
    content = photo[..., ::2, ::2]
    painted = gatys(partial(backbones.artnet_maps, model.encoder), content, content, 2)
    assert painted.first_loss == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(painted.picture, content, atol=1e-3, rtol=0)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", ["mnasnet1_0", "googlenet"])
def test_weights_are_found_by_their_file_name(tmp_path: Path, name: str, suffix: str) -> None:
    saved, loaded = backbones.build(name), backbones.build(name)
    backbones.randomize(saved)
    state = saved.state_dict()
    state["aux1.conv.conv.weight"] = torch.zeros(1)
    path = (tmp_path / backbones.weight_files(name)[-1]).with_suffix(suffix)
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)

    assert backbones.find_weights(name, tmp_path) == path
    backbones.load_weights(loaded, path)
    for key, value in saved.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], value)


def test_old_names_of_densenet_are_read(tmp_path: Path) -> None:
    network = backbones.build("densenet121")
    state = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", k): v for k, v in network.state_dict().items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in state
    torch.save(state, tmp_path / "old.pth")
    backbones.load_weights(network, tmp_path / "old.pth")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save(nn.Conv2d(3, 8, 3).state_dict(), path)
    with pytest.raises(ValueError, match=r"other.pth does not hold weights of this SqueezeNet"):
        backbones.load_weights(backbones.build("squeezenet1_1"), path)
    path.write_bytes(b"cut off")
    with pytest.raises(ValueError, match=r"other.pth does not hold weights"):
        backbones.load_weights(backbones.build("squeezenet1_1"), path)


def test_there_are_28_networks_and_no_other() -> None:
    assert len(set(backbones.NAMES)) == 28
    assert set(backbones.NAMES) <= set(torchvision.models.list_models())
    with pytest.raises(ValueError, match="There is no network 'lenet'; there are alexnet"):
        backbones.build("lenet")


def test_random_networks_paint(tmp_path: Path, pictures: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    names = ["squeezenet1_1", "mobilenet_v3_small"]
    folders = ["--out", str(tmp_path), "--weights", str(tmp_path)]
    backbones.main([*pictures, *folders, "--names", *names, "--random", "--size", "128", "--steps", "2"])
    table = capsys.readouterr().out
    assert table.count("random weights, missing: ") == 2
    report = json.loads((tmp_path / "backbones.json").read_text())
    assert [row["name"] for row in report["networks"]] == [backbones.ARTNET, *names]
    assert all(row["last_loss"] < row["first_loss"] for row in report["networks"])
    with Image.open(tmp_path / "backbones.jpg") as image:
        assert image.width > 5 * 128  # content, style and three paintings in a row


def test_networks_of_other_packages_paint(
    tmp_path: Path, pictures: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_tiny_judge(tmp_path / "judge", monkeypatch)
    names = ["vgg16_hed", "efficientnet_lite0"]
    options = ["--out", str(tmp_path), "--names", "--also", *names, "--size", "128", "--steps", "2"]
    backbones.main([*pictures, *options])
    rows = json.loads((tmp_path / "backbones.json").read_text())["networks"]
    assert [row["name"] for row in rows] == [backbones.ARTNET, *names]
    assert [row["strides"] for row in rows[1:]] == [[1, 2, 4, 8, 16], [2, 4, 8, 16]]
    assert all(row["last_loss"] < row["first_loss"] and row["edges"] < 1 and row["texture"] > 0 for row in rows)
    with pytest.raises(SystemExit):
        backbones.main([*pictures, *options, "--bvlc", "absent.safetensors"])
    assert "There is no weights file absent.safetensors" in capsys.readouterr().err


def test_scores_of_several_pairs_are_means(
    tmp_path: Path, pictures: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    def row(name: str, *pairs: str) -> dict[str, float]:
        options = ["--names", "--size", "128", "--steps", "2", "--strides", "2", "8", "--out", str(tmp_path / name)]
        backbones.main([*pairs, *options])
        report = json.loads((tmp_path / name / "backbones.json").read_text())
        assert report["strides"] == [2, 8]
        (row,) = report["networks"]
        assert row["strides"] == [2, 8]
        return dict(row)

    there, back = row("there", *pictures), row("back", *pictures[::-1])
    both = row("both", *pictures, "--more", *pictures[::-1])
    for score in ("first_loss", "last_loss", "edges", "texture"):
        assert both[score] == pytest.approx((there[score] + back[score]) / 2, rel=1e-4)
    with (
        Image.open(tmp_path / "both" / "backbones.jpg") as sheet,
        Image.open(tmp_path / "there" / "backbones.jpg") as one,
    ):
        assert sheet.height > 1.5 * one.height


def test_missing_weights_are_named(
    tmp_path: Path, pictures: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ["--out", str(tmp_path), "--weights", str(tmp_path)]
    backbones.main([*pictures, *folders, "--names", "squeezenet1_1", "--size", "128", "--steps", "1"])
    header, _, shipped, missing = capsys.readouterr().out.strip().splitlines()
    assert all(line.count("|") == header.count("|") for line in (shipped, missing))
    assert shipped.endswith("| shipped |")
    assert missing.endswith("|  |  |  |  | missing: squeezenet1_1-b8a52dc0.pth |")
    row = json.loads((tmp_path / "backbones.json").read_text())["networks"][1]
    assert row["missing"] == "squeezenet1_1-b8a52dc0.pth" and row["seconds"] is None


def test_small_and_absent_pictures_are_refused(
    tmp_path: Path, pictures: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        backbones.main([*pictures, "--out", str(tmp_path), "--names", "alexnet", "--size", "100"])
    assert "The content has sides of 100 and 75 pixels; the networks need 128 and 80" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        backbones.main([pictures[0], "absent.png", "--out", str(tmp_path)])
    assert "There is no picture absent.png" in capsys.readouterr().err
