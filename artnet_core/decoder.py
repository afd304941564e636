"""The decoder: aggregated features back to a picture, the encoder's strides in reverse order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dct import CHANNELS as DCT_CHANNELS

# What each row (or column) of a 4x4 transposed kernel of stride 2 sums of a 3x3 kernel.
_UPSAMPLED_TAPS = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))


class Decoder(nn.Module):
    """Stages of convolutions at falling strides, transposed ones between them, and a pixel shuffle at the end.

    The last of the features, the picture's cosines, also skip all stages but the last, where they are added before the
    first ReLU. So fine detail need not pass through the narrow middle.

    Args:
        in_channels: channels of the aggregated features; the last are the cosines.
        stages: for every stride from the features' own down to 2, the output channels of its convolutions. The very
            first convolution is 1x1 and mixes the encoder's blocks; the first of each later stage is 4x4, transposed,
            and halves the stride; all others are 3x3 with reflected borders.
        operations: namespace that ``Conv2d`` and ``ConvTranspose2d`` come from.
    """

    def __init__(self, in_channels: int, stages: Mapping[int, Sequence[int]], *, operations: Any = nn) -> None:
        super().__init__()
        self.stages = {stride: tuple(widths) for stride, widths in sorted(stages.items(), reverse=True)}
        for stride, widths in self.stages.items():
            first = operations.Conv2d(in_channels, widths[0], 1)
            if stride < max(stages):
                # Padded by 3, it gives twice as many cells as a map had before a cell was added at each border.
                first = operations.ConvTranspose2d(in_channels, widths[0], 4, stride=2, padding=3)
            convs = nn.ModuleList([first])
            in_channels = widths[0]
            for width in widths[1:]:
                convs.append(_convolution(in_channels, width, operations))
                in_channels = width
            self.add_module(f"stride{stride}", convs)
        self.head = _convolution(in_channels, 12, operations)
        # Its kernels overlap by half, so that cells do not show. The padding is as above.
        ratio = max(stages) // min(stages)
        self.skip = operations.ConvTranspose2d(
            DCT_CHANNELS, self.stages[min(stages)][0], 2 * ratio, stride=ratio, padding=3 * ratio // 2, bias=False
        )

    @property
    def receptive_radius(self) -> int:
        """No pixel depends on features further away than this many cells."""
        pixels = sum(len(widths) * stride for stride, widths in self.stages.items())  # the 1x1 counted as a 3x3
        return math.ceil((pixels + 2) / max(self.stages))

    def forward(self, features: Tensor) -> Tensor:
        """Features ``[B, C, h, w]`` to RGB images ``[B, 3, h * stride, w * stride]``, about 0..1, not clamped."""
        x = features
        for stride in self.stages:
            first, *others = self.get_submodule(f"stride{stride}").children()
            x = first(x if stride == max(self.stages) else with_border(x))
            if stride == min(self.stages):
                x += self.skip(with_border(features[:, -DCT_CHANNELS:]))
            x = F.relu(x, inplace=True)
            for conv in others:
                x = F.relu(conv(x), inplace=True)  # [B, width, H / stride, W / stride]
        return F.pixel_shuffle(self.head(x), 2)  # [B, 12, H / 2, W / 2] to [B, 3, H, W]


def upsampling_kernel(weight: Tensor) -> Tensor:
    """Nearest-neighbour upsampling by 2 and the 3x3 convolution behind it as one transposed convolution.

    Each output cell sees only 2 x 2 different cells, so 4 multiplications do what 9 would.

    Args:
        weight: of the convolution, ``[out, in, 3, 3]``.

    Returns:
        ``[in, out, 4, 4]``, for a stride of 2.
    """
    taps = weight.new_tensor(_UPSAMPLED_TAPS)  # [4, 3]
    return torch.einsum("yk,oikl,xl->ioyx", taps, weight, taps)


def with_border(x: Tensor) -> Tensor:
    """Repeats the outermost cells once on each side, as the transposed convolutions read them."""
    return F.pad(x, (1, 1, 1, 1), mode="replicate")


def _convolution(in_channels: int, out_channels: int, operations: Any) -> nn.Module:
    conv: nn.Module = operations.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode="reflect")
    return conv


def stages_of(state: Mapping[str, Tensor]) -> tuple[int, dict[int, list[int]]]:
    """Reads ``in_channels`` and ``stages`` of :class:`Decoder` from the shapes of its state dict.

    Raises:
        KeyError: a convolution is absent; the message is its key.
    """
    names = {key.split(".")[0].removeprefix("stride") for key in state if key.startswith("stride")}
    strides = {int(name) for name in names if name.isdecimal()}
    stages = {}
    for stride in strides or {8}:
        layers = sum(key.startswith(f"stride{stride}.") and key.endswith(".weight") for key in state)
        widths = [state[f"stride{stride}.{layer}.weight"].shape[0] for layer in range(max(layers, 1))]
        if stride < max(strides):
            widths[0] = state[f"stride{stride}.0.weight"].shape[1]  # transposed: [in, out, 4, 4]
        stages[stride] = widths
    return state[f"stride{max(stages)}.0.weight"].shape[1], stages
