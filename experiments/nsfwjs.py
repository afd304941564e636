"""Networks of nsfwjs 4.4.0 (npm, MIT): MobileNetV2 and InceptionV3, trained on ImageNet, fine-tuned, in 8 bits.

Its files are JavaScript, of which only the list of weights and the Base64 text are read; nothing runs. Convolutions pad
as torchvision's do, where TensorFlow's with a stride of 2 look a pixel further right and down.
"""

from __future__ import annotations

import base64
import math
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import Inception3, MobileNetV2, inception_v3, mobilenet_v2
from torchvision.models.inception import BasicConv2d

from artnet_core.pruning.mobilenet import parts_of

_WEIGHT = re.compile(
    r'\{name:"(?P<name>[^"]+)",shape:\[(?P<shape>[\d,]+)\],dtype:"float32",'
    r'quantization:\{min:(?P<least>[^,]+),scale:(?P<scale>[^,]+),dtype:"uint8"\}\}'
)
_TEXT = re.compile(r'\.exports="([A-Za-z0-9+/=]+)"')

# Keras's default for this network.
_EPSILON = 1e-3


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights by Keras's names, float32.

    Args:
        folder: ``dist/models/mobilenet_v2`` or ``inception_v3`` of the package.

    Raises:
        FileNotFoundError: it holds no such model.
        ValueError: its files are of another form.
    """
    manifest, shards = folder / "model.min.js", sorted(folder.glob("group1-shard?of?.min.js"))
    if not manifest.is_file() or not shards:
        raise FileNotFoundError(
            f"{folder} holds no {manifest.name} and no weights: give dist/models/mobilenet_v2 or inception_v3."
        )
    texts = [_TEXT.search(shard.read_text(encoding="utf-8")) for shard in shards]
    entries = list(_WEIGHT.finditer(manifest.read_text(encoding="utf-8")))
    values = np.frombuffer(b"".join(base64.b64decode(text[1]) for text in texts if text), np.uint8)
    shapes = [[int(side) for side in entry["shape"].split(",")] for entry in entries]
    if not entries or sum(math.prod(shape) for shape in shapes) != len(values):
        raise ValueError(f"{folder} lists other weights than it holds: expected the files of nsfwjs 4.4.0.")
    weights, start = {}, 0
    for entry, shape in zip(entries, shapes, strict=True):
        part = values[start : start + math.prod(shape)].reshape(shape).astype(np.float32)
        weights[entry["name"]] = torch.from_numpy(part * float(entry["scale"]) + float(entry["least"])).float()
        start += part.size
    return weights


def load_mobilenet(folder: Path) -> MobileNetV2:
    """torchvision's MobileNetV2 with these weights, in eval mode; it reads pictures of 0..1.

    Behind the pooled features stands the first of nsfwjs's three dense layers.

    Raises:
        FileNotFoundError: the folder holds no such model.
        ValueError: its files are of another form.
    """
    weights = read_weights(folder)
    network = mobilenet_v2(weights=None)
    outputs = len(weights["dense_1/bias"])
    network.classifier[1] = nn.Linear(network.last_channel, outputs)
    parts = parts_of(network)
    pairs = [("Conv_1", "Conv_1_bn", parts.last)]
    for index, block in enumerate(parts.blocks):
        name = f"block_{index}" if index else "expanded_conv"
        expand = (f"{name}_expand", f"{name}_expand_BN") if index else ("Conv1", "bn_Conv1")
        pairs += [
            (*expand, block.expand),
            (f"{name}_depthwise", f"{name}_depthwise_BN", block.depthwise),
            (f"{name}_project", f"{name}_project_BN", block.project),
        ]
    with torch.no_grad():
        for conv_name, norm_name, (conv, norm) in pairs:
            if conv_name.endswith("depthwise"):
                conv.weight.copy_(weights[f"{conv_name}/depthwise_kernel"].permute(2, 3, 0, 1))
            else:
                conv.weight.copy_(weights[f"{conv_name}/kernel"].permute(3, 2, 0, 1))
            norm.weight.copy_(weights[f"{norm_name}/gamma"])
            norm.bias.copy_(weights[f"{norm_name}/beta"])
            norm.running_mean.copy_(weights[f"{norm_name}/moving_mean"])
            norm.running_var.copy_(weights[f"{norm_name}/moving_variance"])
            norm.eps = _EPSILON
        parts.classifier.weight.copy_(weights["dense_1/kernel"].T)
        parts.classifier.bias.copy_(weights["dense_1/bias"])
    return network.eval()


def load_inception(folder: Path) -> Inception3:
    """torchvision's InceptionV3 with these weights, in eval mode; it reads pictures of 0..1.

    Behind the pooled features stands the first of nsfwjs's three dense layers.

    Raises:
        FileNotFoundError: the folder holds no such model.
        ValueError: its files are of another form.
    """
    weights = read_weights(folder)
    network = inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False)
    network.fc = nn.Linear(network.fc.in_features, len(weights["dense_1/bias"]))
    # Keras numbers its layers in the order in which torchvision lists them.
    blocks = [module for module in network.modules() if isinstance(module, BasicConv2d)]
    with torch.no_grad():
        for number, block in enumerate(blocks, 1):
            norm = f"batch_normalization_{number}"
            block.conv.weight.copy_(weights[f"conv2d_{number}/kernel"].permute(3, 2, 0, 1))
            block.bn.bias.copy_(weights[f"{norm}/beta"])
            block.bn.running_mean.copy_(weights[f"{norm}/moving_mean"])
            block.bn.running_var.copy_(weights[f"{norm}/moving_variance"])
            block.bn.eps = _EPSILON
        network.fc.weight.copy_(weights["dense_1/kernel"].T)
        network.fc.bias.copy_(weights["dense_1/bias"])
    return network.eval()
