"""LinearWCT: the networks that predict its transformation, and the file that ships."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import artnet_core as artnet
from artnet_core.features import Features, ModelId
from artnet_core.scores import color_distance, edge_ssim
from artnet_core.transfer.adain import channel_statistics
from artnet_core.transfer.linear import SHIPPED, LinearTransform, linear_transfer, linear_wct, load_linear

LAYERS = {"conv1": 5, "dct": 7}


def features(seed: int, *sizes: int) -> Features:
    data = 3 * torch.randn(*sizes, generator=torch.Generator().manual_seed(seed)) + 2
    return Features(data, LAYERS, 8, (sizes[-2] * 8, sizes[-1] * 8), ModelId("test", "test"))


@pytest.fixture
def untrained() -> LinearTransform:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LinearTransform(LAYERS)


def test_means_become_the_styles_where_the_content_counts(untrained: LinearTransform) -> None:
    content, style = features(0, 2, 12, 10, 14), features(1, 1, 12, 9, 6)
    moved = linear_transfer(untrained, content, style)
    assert moved.data.shape == content.data.shape and moved.size == content.size
    wanted = channel_statistics(style.data)[0].expand(2, -1, -1, -1)
    torch.testing.assert_close(channel_statistics(moved.data)[0], wanted, rtol=1e-4, atol=1e-4)
    weight = torch.zeros(2, 1, 10, 14)
    weight[..., :5] = 1
    half = linear_transfer(untrained, replace(content, weight=weight), style)
    torch.testing.assert_close(channel_statistics(half.data, weight)[0], wanted, rtol=1e-4, atol=1e-4)


def test_it_is_a_linear_map_around_the_means(untrained: LinearTransform) -> None:
    """Of 140 positions in 12 channels: one matrix explains them all."""
    content, style = features(0, 1, 12, 10, 14), features(1, 1, 12, 9, 6)
    moved = linear_transfer(untrained, content, style).data
    before, after = ((x - x.mean((2, 3), keepdim=True))[0].flatten(1) for x in (content.data, moved))
    matrix = torch.linalg.lstsq(before.T, after.T).solution.T
    torch.testing.assert_close(matrix @ before, after, rtol=1e-3, atol=1e-4)
    assert matrix.norm() > 1e-3


def test_each_picture_of_a_batch_takes_its_own_style(untrained: LinearTransform) -> None:
    contents, styles = features(0, 3, 12, 8, 8), features(1, 3, 12, 8, 6)
    batch = linear_transfer(untrained, contents, styles).data
    for index in range(3):
        alone = linear_transfer(untrained, contents.pick(index), styles.pick(index)).data
        torch.testing.assert_close(batch[index : index + 1], alone)


def test_matrices_are_symmetric_and_change_with_what_is_seen(untrained: LinearTransform) -> None:
    first, second = (untrained.of_style(features(seed, 1, 12, 8, 8).data, None) for seed in (0, 1))
    assert first.shape == (64, 64)
    assert torch.equal(first, first.T)
    assert (first - second).abs().max() > 1e-4


def test_what_is_hidden_changes_nothing_that_is_seen(untrained: LinearTransform) -> None:
    content, style = features(0, 1, 12, 10, 14), features(1, 1, 12, 9, 8)
    of_content, of_style = torch.zeros(1, 1, 10, 14), torch.zeros(1, 1, 9, 8)
    of_content[..., :6], of_style[..., :5, :] = 1, 0.5
    moved = linear_transfer(untrained, replace(content, weight=of_content), replace(style, weight=of_style))
    others = features(2, 1, 12, 10, 14), features(3, 1, 12, 9, 8)
    hidden = [
        replace(first, data=torch.where(weight > 0, first.data, other.data), weight=weight)
        for first, other, weight in zip((content, style), others, (of_content, of_style), strict=True)
    ]
    assert torch.equal(linear_transfer(untrained, *hidden).data[..., :6], moved.data[..., :6])
    # And it is as if the picture ended there.
    cut = linear_transfer(untrained, content.cut((0, 10), (0, 6)), style.cut((0, 5), (0, 8)))
    torch.testing.assert_close(cut.data, moved.data[..., :6], rtol=1e-4, atol=1e-4)


def test_features_of_another_model_are_refused(untrained: LinearTransform) -> None:
    content = replace(features(0, 1, 12, 8, 8), layers={"conv1": 6, "dct": 6})
    with pytest.raises(ValueError, match="trained for the model artnet alone, not for test: load artnet"):
        linear_transfer(untrained, content, content)


def test_a_file_gives_back_what_was_saved(untrained: LinearTransform, tmp_path: Path) -> None:
    path = tmp_path / "linear.safetensors"
    with torch.no_grad():
        untrained.deviations.copy_(torch.rand(12) + 0.5)
    save_file(untrained.state_dict(), path, {"layers": '{"conv1": 5, "dct": 7}'})
    loaded = load_linear(path, torch.device("cpu"))
    assert loaded.layers == LAYERS and not any(weight.requires_grad for weight in loaded.parameters())
    pair = features(0, 1, 12, 8, 8), features(1, 1, 12, 8, 8)
    assert torch.equal(linear_transfer(loaded, *pair).data, linear_transfer(untrained, *pair).data)


def test_the_shipped_networks_are_small_and_read_once(model: artnet.ArtNet) -> None:
    assert SHIPPED.stat().st_size < 2_000_000
    loaded = load_linear(SHIPPED, torch.device("cpu"))
    assert loaded is load_linear(SHIPPED, torch.device("cpu"))
    assert loaded.layers == dict(model.layers)


def test_the_shipped_networks_paint_in_the_styles_colors(
    model: artnet.ArtNet, photo: Tensor, painting: Tensor, palette: Tensor
) -> None:
    content = model.encode(photo)
    for style in (painting, palette):
        painted = model.decode(linear_wct(content, model.encode(style)))
        assert color_distance(style, painted).item() < 0.6 * color_distance(style, photo).item()
        assert edge_ssim(photo, painted).item() > 0.3
    itself = model.decode(linear_wct(content, content))
    assert (itself - photo).abs().mean() < 0.06
