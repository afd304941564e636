"""Statistics of ReLU channels over pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from artnet_core import ArtNet, load
from artnet_core.checkpoint import UNPRUNED_MODEL, shipped_models
from artnet_core.cli import main
from artnet_core.figures import zero_chart
from artnet_core.network.aggregation import pad_images
from artnet_core.pruning.channels import UnitChannels, channel_table, measure_channels, zeros_over_pictures

from .conftest import EXAMPLES


def test_maxima_and_means_are_the_encoders(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    units = measure_channels(model, [photo, painting])
    for index, picture in enumerate((photo, painting)):
        blocks = model.encoder(pad_images(picture))
        for name in ("conv1", "conv3"):
            torch.testing.assert_close(units[name].maxima[index], blocks[name].amax((0, 2, 3)))
            torch.testing.assert_close(units[name].means[index], blocks[name].mean((0, 2, 3)))
    assert {name: unit.channels for name, unit in units.items()} == model.encoder.widths


def test_a_picture_counts_once_where_conv1_goes_over_it_in_pieces(photo: Tensor) -> None:
    large = torch.nn.functional.interpolate(photo, scale_factor=2.0)
    units = measure_channels(load(dtype=torch.bfloat16), [large])
    for name, unit in measure_channels(load(), [large]).items():
        assert units[name].maxima.shape == unit.maxima.shape
        torch.testing.assert_close(units[name].maxima, unit.maxima, rtol=0.1, atol=0.05 * float(unit.maxima.max()))


def test_the_unpruned_encoders_zero_channels_are_zero_on_every_picture(
    unpruned: ArtNet, photo: Tensor, painting: Tensor
) -> None:
    units = measure_channels(unpruned, [photo, painting])
    assert sum(unit.always_zero for unit in units.values()) >= 2488
    assert zeros_over_pictures(units)[-1] == sum(unit.always_zero for unit in units.values())


def test_counts() -> None:
    maxima = torch.tensor([[0.0, 2.0, 0.0], [0.0, 1.0, 3.0]])
    units = {"conv1": UnitChannels(maxima, maxima / 2)}
    assert (units["conv1"].always_zero, units["conv1"].sometimes_zero, units["conv1"].channels) == (1, 1, 3)
    assert zeros_over_pictures(units) == [2, 1]
    row = channel_table(units).splitlines()[2]
    assert [position.strip() for position in row.strip("|").split("|")] == ["conv1", "3", "1", "1", "0.75"]


def test_no_pictures(model: ArtNet) -> None:
    units = measure_channels(model, [])
    assert units["conv1"].maxima.shape == (0, model.encoder.widths["conv1"])
    assert zeros_over_pictures(units) == []


def test_chart_shows_what_some_pictures_drive() -> None:
    pale, orange, dark = (221, 214, 200), (224, 159, 62), (38, 84, 124)
    steady = zero_chart({"conv1": UnitChannels(torch.tensor([[0.0, 1.0], [0.0, 1.0]]), torch.ones(2, 2))})
    unsteady = zero_chart({"conv1": UnitChannels(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.ones(2, 2))})
    assert {pale, dark} <= {color for _, color in steady.getcolors(2**24)}
    assert {pale, orange, dark} & {color for _, color in unsteady.getcolors(2**24)} == {orange}


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("chelsea", "coffee"):
        Image.open(EXAMPLES / "content" / f"{name}.jpg").resize((96, 64)).save(folder / f"{name}.png")
    chart = tmp_path / "channels.png"
    assert main(["channels", str(shipped_models()[UNPRUNED_MODEL]), str(folder), "--plot", str(chart)]) == 0
    printed = capsys.readouterr().out
    assert "inception4e.branch4.1" in printed and "zero on all of the first 1: " in printed
    assert Image.open(chart).width > 900
