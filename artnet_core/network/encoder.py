"""The encoder: GoogLeNet's trunk, conv1 to inception4e.

Names, shapes, BN epsilon and ``ceil_mode`` pools are torchvision's, so its state dicts fit. Three things are free: the
number of channels of every unit (a pruned trunk is the same class with smaller widths), the block that the trunk ends
with, and the namespace the convolutions come from, so that a host can pass layers of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ops import MaxPool, chunk_elements, max_pool

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

BN_EPSILON = 0.001

BATCH_NORM = ("weight", "bias", "running_mean", "running_var")
"""The tensors of a batch norm that its folding reads."""

# Blocks whose outputs are read, each with its stride.
BLOCK_STRIDES = {"conv1": 2, "conv3": 4, "inception3b": 8, "inception4e": 16}

LAST_BLOCK = "inception4e"
"""Where the whole trunk ends; one that is to be fast may end with an earlier block."""

# Modules that read the maximum of each 3x3 positions, at twice the stride; conv2 does too.
_AFTER_POOL = ("inception3a", "inception4a")

# Channels before pruning: branch1, branch2 (reduce, 3x3), branch3 (reduce, 3x3), branch4.
_INCEPTION_WIDTHS = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
}
RECEPTIVE_RADIUS = 160
"""No feature depends on pixels further away: 131 for inception4e, 16 for its bilinear upsampling, rounded up."""

# Rows of conv1's output next to a cut that would see the cut: its kernel of 7 reads 3 rows of the image beyond its own.
_CONV1_REACH = 2

_INCEPTION_STRIDES = {name: 8 if name.startswith("inception3") else 16 for name in _INCEPTION_WIDTHS}


@dataclass(frozen=True)
class Unit:
    """One convolution with its BN and ReLU, as a node of the trunk's graph.

    Attributes:
        name: torchvision's module name, such as ``inception3a.branch2.1``.
        inputs: names of the units whose outputs are concatenated to its input; empty when it reads the image.
        width: number of output channels before pruning.
        kernel: kernel size.
        stride: stride of the output with respect to the image.
    """

    name: str
    inputs: tuple[str, ...]
    width: int
    kernel: int
    stride: int


def block_outputs(name: str) -> tuple[str, ...]:
    """The units whose outputs, in this order, are the channels of a block (``conv1``, ``inception3a``, ...)."""
    if name in _INCEPTION_WIDTHS:
        return tuple(f"{name}.{end}" for end in ("branch1", "branch2.1", "branch3.1", "branch4.1"))
    return (name,)


def block_widths(widths: Mapping[str, int]) -> dict[str, int]:
    """Channels of each block of :data:`BLOCK_STRIDES` that the trunk has, from the widths of its units."""
    units = {block: block_outputs(block) for block in BLOCK_STRIDES}
    return {block: sum(widths[name] for name in names) for block, names in units.items() if names[0] in widths}


def _trunk() -> Iterator[Unit]:
    yield Unit("conv1", (), 64, 7, 2)
    yield Unit("conv2", ("conv1",), 64, 1, 4)
    yield Unit("conv3", ("conv2",), 192, 3, 4)
    inputs: tuple[str, ...] = ("conv3",)
    for name, (b1, b2_reduce, b2, b3_reduce, b3, b4) in _INCEPTION_WIDTHS.items():
        stride = _INCEPTION_STRIDES[name]
        yield Unit(f"{name}.branch1", inputs, b1, 1, stride)
        yield Unit(f"{name}.branch2.0", inputs, b2_reduce, 1, stride)
        yield Unit(f"{name}.branch2.1", (f"{name}.branch2.0",), b2, 3, stride)
        yield Unit(f"{name}.branch3.0", inputs, b3_reduce, 1, stride)
        # torchvision's "5x5" branch has 3x3 kernels: a known deviation that its weights depend on (vision#906).
        yield Unit(f"{name}.branch3.1", (f"{name}.branch3.0",), b3, 3, stride)
        yield Unit(f"{name}.branch4.1", inputs, b4, 1, stride)
        inputs = block_outputs(name)


TRUNK: dict[str, Unit] = {unit.name: unit for unit in _trunk()}
"""Every unit of the trunk in topological order, by name."""

FULL_WIDTHS: dict[str, int] = {unit.name: unit.width for unit in TRUNK.values()}
"""Channels of every unit of the unpruned trunk."""


def trunk_up_to(block: str) -> dict[str, Unit]:
    """The units of the trunk that ends with this block of :data:`BLOCK_STRIDES`."""
    names = list(TRUNK)
    return {name: TRUNK[name] for name in names[: names.index(block_outputs(block)[-1]) + 1]}


def normalize(images: Tensor, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD) -> Tensor:
    """Images ``[B, 3, H, W]`` in 0..1, less each channel's mean, divided by its standard deviation."""
    # Channel by channel: a tensor of the constants would have to be brought to a GPU, which waits for it.
    channels = zip(torch.split(images, 1, 1), mean, std, strict=True)
    return torch.cat([channel.sub(of_mean).div_(of_std) for channel, of_mean, of_std in channels], 1)


class ConvBlock(nn.Module):
    """Convolution, batch norm (absent once folded) and ReLU: torchvision's ``BasicConv2d``."""

    def __init__(
        self,
        unit: Unit,
        in_channels: int,
        out_channels: int,
        *,
        norm: bool,
        operations: Any,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.conv = operations.Conv2d(
            in_channels,
            out_channels,
            kernel_size=unit.kernel,
            stride=2 if not unit.inputs else 1,
            padding=unit.kernel // 2,
            bias=not norm,
            device=device,
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=BN_EPSILON, device=device) if norm else None

    def forward(self, x: Tensor) -> Tensor:
        """``[B, in, H, W]`` to ``[B, out, H', W']``, not negative; half the size where the unit reads the picture."""
        if self.bn is None:
            return F.relu(self.conv(x), inplace=True)
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Four branches over one input, concatenated: 1x1; 1x1, 3x3; 1x1, 3x3; max pool, 1x1."""

    def __init__(self, branch1: nn.Module, branch2: nn.Module, branch3: nn.Module, branch4: nn.Module) -> None:
        super().__init__()
        self.branch1 = branch1
        self.branch2 = branch2
        self.branch3 = branch3
        self.branch4 = branch4

    def forward(self, x: Tensor) -> Tensor:
        """``[B, in, h, w]`` to ``[B, sum of the branches' widths, h, w]``."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Encoder(nn.Module):
    """GoogLeNet's trunk up to inception4e, or an earlier block.

    Args:
        widths: output channels of every unit in :data:`TRUNK`, or of those up to some block of :data:`BLOCK_STRIDES`.
        norm: batch norms after the convolutions (training, and zero-channel statistics), or folded into them.
        mean: per-channel mean that is taken off the RGB image, which lies in 0..1.
        std: per-channel standard deviation the image is then divided by.
        operations: namespace that ``Conv2d`` comes from.
        device: of the weights; on ``meta`` they take no memory, and no random numbers are drawn.
    """

    def __init__(
        self,
        widths: Mapping[str, int] = FULL_WIDTHS,
        *,
        norm: bool = False,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
        operations: Any = nn,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.widths = dict(widths)
        self.mean = mean
        self.std = std

        def unit(name: str) -> ConvBlock:
            inputs = TRUNK[name].inputs
            in_channels = sum(widths[i] for i in inputs) if inputs else 3
            return ConvBlock(TRUNK[name], in_channels, widths[name], norm=norm, operations=operations, device=device)

        self.conv1 = unit("conv1")
        self.conv2 = unit("conv2")
        self.conv3 = unit("conv3")
        for name in _INCEPTION_WIDTHS:
            if f"{name}.branch1" not in widths:
                break
            inception = Inception(
                unit(f"{name}.branch1"),
                nn.Sequential(unit(f"{name}.branch2.0"), unit(f"{name}.branch2.1")),
                nn.Sequential(unit(f"{name}.branch3.0"), unit(f"{name}.branch3.1")),
                nn.Sequential(MaxPool(), unit(f"{name}.branch4.1")),
            )
            self.add_module(name, inception)

    def normalize(self, images: Tensor) -> Tensor:
        """Images ``[B, 3, H, W]`` in 0..1 to the range the weights were trained on."""
        return normalize(images, self.mean, self.std)

    def blocks(
        self, images: Tensor, dtype: torch.dtype | None = None, conv1_stride: int = BLOCK_STRIDES["conv1"]
    ) -> Iterator[tuple[str, Tensor]]:
        """Yields ``(name, features)`` for each block of :data:`BLOCK_STRIDES` as soon as it is known.

        A consumer that reduces each block at once never holds the large early maps together.

        Args:
            images: ``[B, 3, H, W]``, RGB, 0..1, in the dtype of conv1's weights; H and W at least 32.
            dtype: of all weights but conv1's, and of the features; by default conv1's.
            conv1_stride: pixels per position that conv1's features are averaged to for the consumer, a multiple of 2;
                if more than 2, H and W are multiples of it. Means are in the images' dtype: where ``dtype`` is coarser
                they are taken before conv1's output is rounded.
        """
        pooling = conv1_stride // BLOCK_STRIDES["conv1"]
        x, conv1 = self._first(images, images.dtype if dtype is None else dtype, pooling)
        yield "conv1", conv1  # [B, 64, H/s, W/s], s the stride asked for
        for name, module in self.named_children():
            if name == "conv1":
                continue
            if name in _AFTER_POOL:
                x = max_pool(x, 2)
            x = module(x)
            if name in BLOCK_STRIDES:
                yield name, x  # [B, 192, H/4, W/4], [B, 480, H/8, W/8], [B, 832, H/16, W/16]

    def _first(self, images: Tensor, dtype: torch.dtype, pooling: int) -> tuple[Tensor, Tensor]:
        """Two maps of conv1's output: the highest of each 3x3 positions, and means over ``pooling`` x ``pooling``.

        No other map is as large: where nobody reads it as a whole it is made some rows at a time, on a CPU and where
        the dtype is not its own.
        """
        if pooling == 1 or (dtype == images.dtype and images.device.type != "cpu"):
            output: Tensor = self.conv1(self.normalize(images))
            return max_pool(output, 2).to(dtype), F.avg_pool2d(output, pooling) if pooling > 1 else output.to(dtype)
        batch, _, height, width = images.shape
        values = batch * self.widths["conv1"] * math.ceil(width / 2)  # of a row
        rows = max(1, conv1_chunk(images.device) // values // (2 * pooling)) * 2 * pooling
        highest, averaged = [], []
        for top in range(0, math.ceil(height / 2), rows):
            end = top + rows
            before = min(top, _CONV1_REACH)
            # The last window of 3 rows reaches into the next piece.
            tile = images[..., 2 * (top - before) : 2 * (end + 1 + _CONV1_REACH), :]
            piece = self.conv1(self.normalize(tile))[..., before : before + rows + 1, :]
            highest.append(max_pool(piece, 2).to(dtype))
            averaged.append(F.avg_pool2d(piece[..., :rows, :], pooling))
        return torch.cat(highest, 2), torch.cat(averaged, 2)

    def forward(self, images: Tensor, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        """All blocks by name; see :meth:`blocks`."""
        return dict(self.blocks(images, dtype))


def conv1_chunk(device: torch.device) -> int:
    """Values of conv1's output that are made at a time, where nobody reads it as a whole."""
    return 2 * chunk_elements(device)


def widths_of(state: Mapping[str, Tensor], units: Iterable[str] = TRUNK) -> dict[str, int]:
    """Reads the width of every one of these units from the shapes of a trunk's state dict.

    Raises:
        KeyError: a convolution of the trunk is absent; the message is its key.
    """
    return {name: state[f"{name}.conv.weight"].shape[0] for name in units}


def fold_batch_norm(state: Mapping[str, Tensor], units: Iterable[str] = TRUNK) -> dict[str, Tensor]:
    """Folds each batch norm into its convolution: the state dict of a trunk of these units with ``norm=False``.

    Works in float32, since running variances exceed the range of half precision. A state dict without batch norms
    comes back as it is.
    """
    folded = {}
    for name in units:
        weight = state[f"{name}.conv.weight"]
        if f"{name}.bn.weight" not in state:
            folded[f"{name}.conv.weight"] = weight
            folded[f"{name}.conv.bias"] = state[f"{name}.conv.bias"]
            continue
        bn = {end: state[f"{name}.bn.{end}"].float() for end in BATCH_NORM}
        scale = bn["weight"] / torch.sqrt(bn["running_var"] + BN_EPSILON)  # [C]
        folded[f"{name}.conv.weight"] = weight.float() * scale.view(-1, 1, 1, 1)
        folded[f"{name}.conv.bias"] = bn["bias"] - bn["running_mean"] * scale
    return folded
