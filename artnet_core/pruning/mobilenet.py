"""Zero-channel pruning of torchvision's MobileNetV2: masks through depthwise convolutions and residuals.

GoogLeNet only concatenates, so each ReLU has a mask of its own. In MobileNetV2 (Sandler et al. 2018) two things tie
channels together:

* A depthwise convolution has one filter per channel, so the ReLU6 before it and the one behind it share a mask, the
  *hidden* channels of an inverted residual. Where only the ReLU6 before it is zero, the one behind it is constant;
  the 1x1 convolution that reads it turns the constant into a bias, so such a channel goes as well.
* A residual adds block outputs, so all blocks along one chain of residuals share a mask, the *stream*, that is passed
  along. Block outputs are linear: a channel may go only if it is zero in every summand.

This file alone needs torchvision, so no other one imports it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models import MobileNetV2
from torchvision.models.mobilenetv2 import InvertedResidual

from .zero_channels import keep_one

Masks = dict[str, Tensor]
"""Which channels stay, bool, by name; see :func:`prune_mobilenet`."""


@dataclass(frozen=True)
class Block:
    """An inverted residual, by its convolutions and their batch norms.

    Attributes:
        name: of the block's hidden channels in the masks, ``features.1`` to ``features.17``.
        source: stream that the block reads.
        stream: that it writes; equal to ``source`` where it adds to it.
        expand: 1x1 convolution and batch norm; the network's stem for the first block, which has none of its own.
        depthwise: 3x3 convolution and batch norm.
        project: 1x1 convolution and batch norm, linear.
    """

    name: str
    source: str
    stream: str
    expand: tuple[nn.Conv2d, nn.BatchNorm2d]
    depthwise: tuple[nn.Conv2d, nn.BatchNorm2d]
    project: tuple[nn.Conv2d, nn.BatchNorm2d]


@dataclass(frozen=True)
class Parts:
    """The network as a list of blocks between a stem and a last 1x1 convolution.

    The stem's channels are the hidden channels of the first block.
    """

    blocks: list[Block]
    last: tuple[nn.Conv2d, nn.BatchNorm2d]
    classifier: nn.Linear


def prune_mobilenet(model: MobileNetV2, calibration: Tensor | Iterable[Tensor] = ()) -> tuple[MobileNetV2, Masks]:
    """Cuts zero channels out of a MobileNetV2.

    Args:
        model: torchvision's, in eval mode as far as its batch norms are concerned; stays as it is.
        calibration: normalised pictures ``[B, 3, H, W]``, or several such tensors. Without them a channel goes only
            where batch norms prove it zero on every input; with them also where none of these pictures drives it.

    Returns:
        The pruned network, whose outputs are those of ``model`` on every input (with calibration: on those pictures),
        and the masks: ``features.1`` to ``features.17`` hidden channels, ``features.N.expand`` those of them that are
        not zero before the depthwise convolution, ``stream.N`` the residual streams by the block that begins them,
        ``features.18`` the channels that the classifier reads.
    """
    batches = [calibration] if isinstance(calibration, Tensor) else list(calibration)
    masks = {name: keep_one(mask) for name, mask in mobilenet_masks(model, batches).items()}
    pruned = copy.deepcopy(model).eval()
    with torch.no_grad():
        _cut(parts_of(pruned), masks)
    return pruned, masks


def parts_of(model: MobileNetV2) -> Parts:
    """Finds the blocks and the streams that tie them together.

    Raises:
        ValueError: the network is not built as torchvision's MobileNetV2.
    """
    classifier = model.classifier[-1]
    layers = list(model.features)
    if not isinstance(classifier, nn.Linear) or not all(isinstance(x, InvertedResidual) for x in layers[1:-1]):
        raise ValueError("This is not torchvision's MobileNetV2: expected a stem, inverted residuals and a classifier.")
    blocks: list[Block] = []
    stream = "features.1"  # the first block reads the stem, its own hidden channels
    for index, layer in enumerate(layers[1:-1], start=1):
        convs = [module for module in layer.modules() if isinstance(module, nn.Conv2d)]
        norms = [module for module in layer.modules() if isinstance(module, nn.BatchNorm2d)]
        units = list(zip(convs, norms, strict=True))
        if len(units) == 2:
            units.insert(0, _conv_and_norm(layers[0]))
        source, stream = stream, stream if layer.use_res_connect else f"stream.{index}"
        blocks.append(Block(f"features.{index}", source, stream, units[0], units[1], units[2]))
    return Parts(blocks, _conv_and_norm(layers[-1]), classifier)


@torch.no_grad()
def mobilenet_masks(model: MobileNetV2, calibration: Iterable[Tensor] = ()) -> Masks:
    """Which channels carry anything: by the batch norms, and by what pictures drive them to where there are some."""
    parts = parts_of(model)
    peaks = _peaks(model, parts, calibration)
    masks: Masks = {}
    for block in parts.blocks:
        expanded, filtered = (_fires(norm) & peaks(norm) for _, norm in (block.expand, block.depthwise))
        masks[f"{block.name}.expand"] = expanded
        masks[block.name] = expanded & filtered
        added = (block.project[1].weight != 0) | (block.project[1].bias != 0)
        added = added & peaks(block.project[1])
        # Passed along the residual: what one summand fills, all must keep.
        masks[block.stream] = masks[block.stream] | added if block.stream in masks else added
    masks["features.18"] = _fires(parts.last[1]) & peaks(parts.last[1])
    return masks


def _fires(norm: nn.BatchNorm2d) -> Tensor:
    """Channels of a batch norm whose ReLU6 can be positive: gamma = 0 leaves relu(beta) on every input."""
    return (norm.weight != 0) | (norm.bias > 0)


def _peaks(model: MobileNetV2, parts: Parts, calibration: Iterable[Tensor]) -> Callable[[nn.BatchNorm2d], Tensor]:
    """Runs the pictures and says of a batch norm which channels they drive: above zero, or off it where linear."""
    linear = {block.project[1] for block in parts.blocks}
    norms = [norm for block in parts.blocks for _, norm in (block.expand, block.depthwise, block.project)]
    driven: dict[nn.Module, Tensor] = {}

    def record(norm: nn.Module, _inputs: object, output: Tensor) -> None:
        found = ((output != 0) if norm in linear else (output > 0)).amax(dim=(0, 2, 3))
        driven[norm] = driven[norm] | found if norm in driven else found

    handles = [norm.register_forward_hook(record) for norm in (*norms, parts.last[1])]
    training = model.training
    model.eval()
    try:
        for batch in calibration:
            model(batch)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return lambda norm: driven.get(norm, torch.ones_like(norm.weight, dtype=torch.bool))


def _cut(parts: Parts, masks: Masks) -> None:
    """Replaces the parameters of every layer by those that the masks keep."""
    stem = parts.blocks[0].expand
    for block in parts.blocks:
        hidden, source, stream = masks[block.name], masks[block.source], masks[block.stream]
        _fold_constants(block, ~hidden & ~masks[f"{block.name}.expand"])
        if block.expand is not stem:
            _narrow(*block.expand, hidden, source)
        _narrow(*block.depthwise, hidden, None)
        _narrow(*block.project, stream, hidden)
    _narrow(*stem, masks[parts.blocks[0].name], None)
    last = masks["features.18"]
    _narrow(*parts.last, last, masks[parts.blocks[-1].stream])
    parts.classifier.weight = nn.Parameter(parts.classifier.weight[:, last])
    parts.classifier.in_features = int(last.sum())


def _fold_constants(block: Block, silent: Tensor) -> None:
    """What the cut channels ``silent``, zero before the depthwise convolution, give behind it goes into the next norm.

    They come out as relu6 of what the batch norm makes of zero, the same at every place, and the projection is 1x1.
    """
    norm = block.depthwise[1]
    mean, variance = _statistics(norm)
    constant = (norm.bias - mean * norm.weight / torch.sqrt(variance + norm.eps)).clamp(0, 6) * silent
    conv, behind = block.project
    behind.running_mean = _statistics(behind)[0] - conv.weight[:, :, 0, 0] @ constant


def _narrow(conv: nn.Conv2d, norm: nn.BatchNorm2d, out: Tensor, read: Tensor | None) -> None:
    """Keeps filters ``out``, and of each the inputs ``read`` (all where None, as a depthwise filter has only one)."""
    weight = conv.weight[out]
    conv.weight = nn.Parameter(weight if read is None else weight[:, read])
    if conv.groups > 1:
        conv.groups = conv.in_channels = int(out.sum())
    elif read is not None:
        conv.in_channels = int(read.sum())
    conv.out_channels = norm.num_features = int(out.sum())
    norm.weight, norm.bias = nn.Parameter(norm.weight[out]), nn.Parameter(norm.bias[out])
    mean, variance = _statistics(norm)
    norm.running_mean, norm.running_var = mean[out], variance[out]


def _statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None and norm.running_var is not None
    return norm.running_mean, norm.running_var


def _conv_and_norm(layer: nn.Module) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    conv, norm, *_ = layer.children()
    assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    return conv, norm
