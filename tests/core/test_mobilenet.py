"""Zero-channel pruning of MobileNetV2: exact, with zeros planted in a network of random weights."""

from __future__ import annotations

import base64
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import MobileNetV2, mobilenet_v2, squeezenet1_1

from artnet_core.pruning.mobilenet import mobilenet_masks, parts_of, prune_mobilenet
from experiments.mobilenet import main as experiment
from experiments.nsfwjs import load_mobilenet, read_weights


@pytest.fixture
def network() -> MobileNetV2:
    """Random weights, random statistics, no zero channel."""
    torch.manual_seed(0)
    network = mobilenet_v2(weights=None, num_classes=10).eval()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, 0.3, 0.3)
            nn.init.normal_(norm.running_mean, 0, 0.1)
            nn.init.uniform_(norm.running_var, 0.1, 0.3)
    return network


@pytest.fixture
def pictures() -> Tensor:
    return torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))


def silence(norm: nn.BatchNorm2d, channels: slice, bias: float) -> None:
    with torch.no_grad():
        norm.weight[channels] = 0
        norm.bias[channels] = bias


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_nothing_to_cut_leaves_everything(network: MobileNetV2, pictures: Tensor) -> None:
    pruned, masks = prune_mobilenet(network)
    assert all(mask.all() for mask in masks.values())
    assert parameters(pruned) == parameters(network)
    assert torch.equal(pruned(pictures), network(pictures))


def test_outputs_do_not_change(network: MobileNetV2, pictures: Tensor) -> None:
    parts = parts_of(network)
    for block in parts.blocks:
        silence(block.expand[1], slice(0, 5), -0.1)
        silence(block.expand[1], slice(9, 12), 0.0)
        silence(block.depthwise[1], slice(10, 16), -0.2)
        silence(block.project[1], slice(0, 3), 0.0)
    silence(parts.last[1], slice(100, 700), -1.0)
    expected, before = network(pictures), parameters(network)
    pruned, masks = prune_mobilenet(network)
    torch.testing.assert_close(pruned(pictures), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    assert parameters(network) == before
    assert parameters(pruned) < 0.9 * before
    for block in parts.blocks:
        assert (~masks[block.name]).nonzero().flatten().tolist() == [0, 1, 2, 3, 4, *range(9, 16)]
        assert int((~masks[block.stream]).sum()) == 3
    assert pruned.features[18][0].out_channels == 1280 - 600


def test_a_constant_behind_the_depthwise_convolution_is_kept(network: MobileNetV2, pictures: Tensor) -> None:
    """Where the expansion is silent, the depthwise batch norm still gives a positive constant, also at the borders."""
    block = parts_of(network).blocks[4]
    silence(block.expand[1], slice(0, 20), -0.1)
    with torch.no_grad():
        block.depthwise[1].bias[:20] = 2.0
    expected = network(pictures)
    pruned, _ = prune_mobilenet(network)
    torch.testing.assert_close(pruned(pictures), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    assert parts_of(pruned).blocks[4].depthwise[0].out_channels == block.depthwise[0].out_channels - 20


def test_the_mask_passes_along_residuals(network: MobileNetV2) -> None:
    """features.4 begins a stream to which features.5 and features.6 add: a channel that one of them fills stays."""
    blocks = {block.name: block for block in parts_of(network).blocks}
    assert [blocks[f"features.{i}"].stream for i in (4, 5, 6)] == ["stream.4"] * 3
    for index in (4, 5):
        silence(blocks[f"features.{index}"].project[1], slice(0, 6), 0.0)
    assert mobilenet_masks(network)["stream.4"].all()
    silence(blocks["features.6"].project[1], slice(2, 9), 0.0)
    assert (~mobilenet_masks(network)["stream.4"]).nonzero().flatten().tolist() == [2, 3, 4, 5]


def test_a_linear_constant_is_no_zero(network: MobileNetV2) -> None:
    silence(parts_of(network).blocks[0].project[1], slice(0, 4), -0.5)
    assert mobilenet_masks(network)["stream.1"].all()


def test_pictures_find_what_batch_norms_do_not_prove(network: MobileNetV2, pictures: Tensor) -> None:
    block = parts_of(network).blocks[7]
    with torch.no_grad():
        block.expand[1].bias[:11] = -100
        block.depthwise[1].bias[11:17] = -100
    expected = network(pictures)
    assert mobilenet_masks(network)["features.8"].all()
    pruned, masks = prune_mobilenet(network, pictures)
    assert not masks["features.8"][:17].any()
    torch.testing.assert_close(pruned(pictures), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_a_layer_that_is_all_zero_keeps_one_channel(network: MobileNetV2, pictures: Tensor) -> None:
    block = parts_of(network).blocks[2]
    silence(block.expand[1], slice(None), -1.0)
    silence(block.project[1], slice(None), 0.0)
    expected = network(pictures)
    pruned, _ = prune_mobilenet(network)
    torch.testing.assert_close(pruned(pictures), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    assert parts_of(pruned).blocks[2].depthwise[0].out_channels == 1


def test_other_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="MobileNetV2"):
        parts_of(squeezenet1_1(weights=None))  # type: ignore[arg-type]


def test_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert experiment([]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("planted zeros, random weights: ") and "by its batch norms" in printed
    before, after = (
        int(number.replace(",", ""))
        for number in next(line for line in printed.splitlines() if "parameters" in line).split("|")[2:4]
    )
    assert before == 3_504_872 and after < 0.5 * before
    assert float(printed.split("pictures: ")[1].split()[0]) < 1e-4


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Files of the form of nsfwjs's, with random bytes: all values lie in 0..1."""
    generator = np.random.default_rng(0)
    parts = parts_of(mobilenet_v2(weights=None))
    shapes: dict[str, list[int]] = {}

    def add(conv_name: str, norm_name: str, pair: tuple[nn.Conv2d, nn.BatchNorm2d]) -> None:
        outputs, inputs, *sides = pair[0].weight.shape
        depthwise = conv_name.endswith("depthwise")
        kernel = "depthwise_kernel" if depthwise else "kernel"
        shapes[f"{conv_name}/{kernel}"] = [*sides, outputs, inputs] if depthwise else [*sides, inputs, outputs]
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"{norm_name}/{part}"] = [outputs]

    for index, block in enumerate(parts.blocks):
        name = f"block_{index}" if index else "expanded_conv"
        add(*((f"{name}_expand", f"{name}_expand_BN") if index else ("Conv1", "bn_Conv1")), block.expand)
        add(f"{name}_depthwise", f"{name}_depthwise_BN", block.depthwise)
        add(f"{name}_project", f"{name}_project_BN", block.project)
    add("Conv_1", "Conv_1_bn", parts.last)
    shapes |= {"dense_1/kernel": [1280, 6], "dense_1/bias": [6]}
    quantization = 'dtype:"float32",quantization:{min:-0,scale:.00392156862745098,dtype:"uint8"}'
    entries = [
        f'{{name:"{name}",shape:[{",".join(map(str, shape))}],{quantization}}}' for name, shape in shapes.items()
    ]
    (tmp_path / "model.min.js").write_text(f"module.exports={{weights:[{','.join(entries)}]}}")
    count = sum(math.prod(shape) for shape in shapes.values())
    text = base64.b64encode(generator.integers(0, 256, count, np.uint8).tobytes()).decode()
    (tmp_path / "group1-shard1of1.min.js").write_text(f'module.exports="{text}"')
    return tmp_path


def test_weights_of_nsfwjs_lie_where_torchvision_wants_them(package: Path) -> None:
    weights, blocks = read_weights(package), parts_of(load_mobilenet(package)).blocks
    assert all(values.min() >= 0 and values.max() <= 1 for values in weights.values())
    kernel = weights["block_3_project/kernel"]  # [1, 1, inputs, outputs]
    torch.testing.assert_close(blocks[3].project[0].weight[5, 7, 0, 0], kernel[0, 0, 7, 5])
    kernel = weights["block_3_depthwise/depthwise_kernel"]  # [3, 3, channels, 1]
    torch.testing.assert_close(blocks[3].depthwise[0].weight[4, 0, 2, 1], kernel[2, 1, 4, 0])
    torch.testing.assert_close(blocks[0].expand[1].running_var, weights["bn_Conv1/moving_variance"])


def test_experiment_with_weights_of_nsfwjs(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert experiment(["--nsfwjs", str(package), "--calibrate"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("nsfwjs: ") and "on 4 pictures" in printed
    assert float(printed.split("pictures: ")[1].split()[0]) < 1e-4


def test_other_files_than_those_of_nsfwjs_are_refused(package: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="give dist/models/mobilenet_v2"):
        read_weights(tmp_path / "elsewhere")
    shard = package / "group1-shard1of1.min.js"
    shard.write_text(shard.read_text()[:2000] + '"')
    with pytest.raises(ValueError, match="lists other weights than it holds"):
        read_weights(package)
