"""The decoder: aggregated features back to a picture, the encoder's strides in reverse order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class Decoder(nn.Module):
    """Stages of convolutions at falling strides with nearest-neighbour upsampling between them, and a pixel shuffle.

    Args:
        in_channels: channels of the aggregated features.
        stages: for every stride from the features' own down to 2, the output channels of its convolutions. The very
            first convolution is 1x1 and mixes the encoder's blocks; all others are 3x3 with reflected borders.
        operations: namespace that ``Conv2d`` comes from.
    """

    def __init__(self, in_channels: int, stages: Mapping[int, Sequence[int]], *, operations: Any = nn) -> None:
        super().__init__()
        self.stages = {stride: tuple(widths) for stride, widths in sorted(stages.items(), reverse=True)}
        kernel = 1
        for stride, widths in self.stages.items():
            convs = nn.ModuleList()
            for width in widths:
                convs.append(_convolution(in_channels, width, kernel, operations))
                in_channels, kernel = width, 3
            self.add_module(f"stride{stride}", convs)
        self.head = _convolution(in_channels, 12, 3, operations)

    @property
    def receptive_radius(self) -> int:
        """No pixel depends on features further away than this many cells."""
        pixels = sum(len(widths) * stride for stride, widths in self.stages.items())  # the 1x1 counted as a 3x3
        return math.ceil((pixels + 2) / max(self.stages))

    def forward(self, features: Tensor) -> Tensor:
        """Features ``[B, C, h, w]`` to RGB images ``[B, 3, h * stride, w * stride]``, about 0..1, not clamped."""
        x = features
        for index, stride in enumerate(self.stages):
            if index:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            for conv in self.get_submodule(f"stride{stride}").children():
                x = F.relu(conv(x), inplace=True)  # [B, width, H / stride, W / stride]
        return F.pixel_shuffle(self.head(x), 2)  # [B, 12, H / 2, W / 2] to [B, 3, H, W]


def _convolution(in_channels: int, out_channels: int, kernel: int, operations: Any) -> nn.Module:
    padding_mode = "reflect" if kernel > 1 else "zeros"
    conv: nn.Module = operations.Conv2d(
        in_channels, out_channels, kernel, padding=kernel // 2, padding_mode=padding_mode
    )
    return conv


def stages_of(state: Mapping[str, Tensor]) -> tuple[int, dict[int, list[int]]]:
    """Reads ``in_channels`` and ``stages`` of :class:`Decoder` from the shapes of its state dict.

    Raises:
        KeyError: a convolution is absent; the message is its key.
    """
    strides = {int(key.split(".")[0].removeprefix("stride")) for key in state if key.startswith("stride")}
    stages = {}
    for stride in strides or {8}:
        layers = sum(key.startswith(f"stride{stride}.") and key.endswith(".weight") for key in state)
        stages[stride] = [state[f"stride{stride}.{layer}.weight"].shape[0] for layer in range(max(layers, 1))]
    return state[f"stride{max(stages)}.0.weight"].shape[1], stages
