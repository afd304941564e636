"""The decoder: aggregated features back to a picture, the encoder's strides in reverse order.

Convolutions do not pad. Each stage repeats the outermost positions of what it reads as often as all its convolutions
take, since borders for each of them, as PyTorch pads, cost a copy of every large map.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..progress import Progress, ignore, in_turn
from .cosines import CHANNELS as DCT_CHANNELS
from .ops import chunk_elements

STRIDES = (16, 8, 4, 2)
"""Where a decoder may have stages: it begins at one of the first two, and then has all that follow."""

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
            and halves the stride; all others are 3x3.
        operations: namespace that ``Conv2d`` and ``ConvTranspose2d`` come from.
        device: of the weights; on ``meta`` they take no memory, and no random numbers are drawn.
    """

    def __init__(
        self,
        in_channels: int,
        stages: Mapping[int, Sequence[int]],
        *,
        operations: Any = nn,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.stages = {stride: tuple(widths) for stride, widths in sorted(stages.items(), reverse=True)}
        for stride, widths in self.stages.items():
            first = operations.Conv2d(in_channels, widths[0], 1, device=device)
            if stride < max(stages):
                first = _upsampling(in_channels, widths[0], 2, self.rim(stride), operations, device=device)
            convs = nn.ModuleList([first])
            in_channels = widths[0]
            for width in widths[1:]:
                convs.append(operations.Conv2d(in_channels, width, 3, device=device))
                in_channels = width
            self.add_module(f"stride{stride}", convs)
        self.head: nn.Module = operations.Conv2d(in_channels, 12, 3, device=device)
        # Its kernels overlap by half, so that positions do not show.
        last = min(stages)
        ratio, width = max(stages) // last, self.stages[last][0]
        self.skip = _upsampling(DCT_CHANNELS, width, ratio, self.rim(last), operations, bias=False, device=device)

    def rim(self, stride: int) -> int:
        """Positions beyond the picture that a stage's 3x3 convolutions take, one each."""
        return len(self.stages[stride]) - 1 + (stride == min(self.stages))

    @property
    def receptive_radius(self) -> int:
        """No pixel depends on features further away than this many positions."""
        pixels = sum(len(widths) * stride for stride, widths in self.stages.items())  # the 1x1 counted as a 3x3
        return math.ceil((pixels + 2) / max(self.stages))

    def forward(self, features: Tensor, whole: bool = False, progress: Progress = ignore) -> Tensor:
        """Features ``[B, C, h, w]`` to RGB images ``[B, 3, h * stride, w * stride]``, about 0..1, not clamped.

        Args:
            features: aggregated.
            whole: calls every layer once, for callers that look at single layers. By default the last stage goes over
                large maps some rows at a time, with the same result.
            progress: is told which share is done.
        """
        *strides, last = self.stages
        *of_stages, of_last = in_turn(progress, *[1] * len(self.stages))
        x = features
        for stride, of_stage in zip(strides, of_stages, strict=True):
            x = with_border(self._stage(stride, x), positions_read(self.rim(stride // 2), 2))
            of_stage(1.0)
        cosines = with_border(features[:, -DCT_CHANNELS:], positions_read(self.rim(last), strides[0] // last))
        return self._last_stage(x, cosines, features.shape[2], whole, of_last)

    def _stage(self, stride: int, x: Tensor, cosines: Tensor | None = None) -> Tensor:
        """``[B, C, h, w]`` to ``[B, width, H / stride, W / stride]``, the last stage's with a border for the head."""
        first, *others = self.get_submodule(f"stride{stride}").children()
        if stride == max(self.stages):
            x = with_border(F.relu(first(x), inplace=True), self.rim(stride))
        else:
            x = first(x)
            if cosines is not None:
                x += self.skip(cosines)
            x = F.relu(x, inplace=True)
        for conv in others:
            x = F.relu(conv(x), inplace=True)  # a position less at each border
        return x

    def _last_stage(self, x: Tensor, cosines: Tensor, rows: int, whole: bool, progress: Progress) -> Tensor:
        """The last stage and the head, from what both read with its border, some rows at a time.

        All maps of a picture's resolution are here. A piece of them fits a CPU's caches, and memory that is used again
        and again, where each map as a whole would be fetched page by page.

        Args:
            x: the stage before, ``[B, C, h, w]``.
            cosines: for the skip connection, ``[B, 40, h', w']``.
            rows: of the features.
            whole: whether all at once.
            progress: is told which share of the stage is done.
        """
        stride, first_stride = min(self.stages), max(self.stages)
        # What a row of the features becomes here, in values and in rows of both inputs.
        values = len(x) * self.stages[stride][0] * x.shape[3] * 2 * first_stride // stride
        rows_of_x = first_stride // stride // 2
        border_of_x = x.shape[2] - rows_of_x * rows
        border_of_cosines = cosines.shape[2] - rows
        step = rows if whole else max(1, last_stage_chunk(x.device) // values)
        pieces = []
        for top in range(0, rows, step):
            end = min(top + step, rows)
            piece = x[:, :, rows_of_x * top : rows_of_x * end + border_of_x]
            piece = self._stage(stride, piece, cosines[:, :, top : end + border_of_cosines])
            pieces.append(F.pixel_shuffle(self.head(piece), 2))
            progress(end / rows)
        return torch.cat(pieces, 2) if len(pieces) > 1 else pieces[0]


def last_stage_chunk(device: torch.device) -> int:
    """Values of a map of the last stage that are worked on at a time: on a CPU those of 512 x 512 pixels, 16 MB."""
    return 4 * chunk_elements(device)


def upsampling_kernel(weight: Tensor) -> Tensor:
    """Nearest-neighbour upsampling by 2 and the 3x3 convolution behind it as one transposed convolution.

    Each output position sees only 2 x 2 different positions, so 4 multiplications do what 9 would.

    Args:
        weight: of the convolution, ``[out, in, 3, 3]``.

    Returns:
        ``[in, out, 4, 4]``, for a stride of 2.
    """
    taps = weight.new_tensor(_UPSAMPLED_TAPS)  # [4, 3]
    return torch.einsum("yk,oikl,xl->ioyx", taps, weight, taps)


def with_border(x: Tensor, positions: int) -> Tensor:
    """Repeats the outermost positions of ``[B, C, h, w]`` so many times on each side; the result is channels_last."""
    # As a volume, since padding a map would copy it to the other memory format on a GPU.
    return F.pad(x.permute(0, 2, 3, 1), (0, 0, *[positions] * 4), mode="replicate").permute(0, 3, 1, 2)


def positions_read(rim: int, ratio: int) -> int:
    """Positions beyond a map that upsampling it by this ratio reads for so many positions beyond the result."""
    return -(-(2 * rim + ratio) // (2 * ratio))


def _upsampling(
    in_channels: int,
    out_channels: int,
    ratio: int,
    rim: int,
    operations: Any,
    *,
    bias: bool = True,
    device: torch.device | str | None = None,
) -> nn.Module:
    """A transposed convolution of twice this ratio's size.

    Of a map with :func:`positions_read` more positions on each side it gives ``ratio`` times the map's positions, and
    ``rim`` more on each side.
    """
    # The kernel begins half a ratio before its position; all but the rim of what the positions beyond the map make is
    # cut off.
    padding = ratio // 2 + ratio * positions_read(rim, ratio) - rim
    conv: nn.Module = operations.ConvTranspose2d(
        in_channels, out_channels, 2 * ratio, stride=ratio, padding=padding, bias=bias, device=device
    )
    return conv


def stages_of(state: Mapping[str, Tensor]) -> tuple[int, dict[int, list[int]]]:
    """Reads ``in_channels`` and ``stages`` of :class:`Decoder` from the shapes of its state dict.

    Tensors of stages at any other stride than 16, 8, 4 and 2 are not read.

    Raises:
        KeyError: a convolution is absent; the message is its key.
        IndexError: the weights of a convolution have too few dimensions.
    """
    strides = [s for s in STRIDES if any(key.startswith(f"stride{s}.") for key in state)]
    stages = {}
    for stride in strides or [8]:
        layers = sum(key.startswith(f"stride{stride}.") and key.endswith(".weight") for key in state)
        widths = [state[f"stride{stride}.{layer}.weight"].shape[0] for layer in range(max(layers, 1))]
        if stride < max(strides):
            widths[0] = state[f"stride{stride}.0.weight"].shape[1]  # transposed: [in, out, 4, 4]
        stages[stride] = widths
    return state[f"stride{max(stages)}.0.weight"].shape[1], stages
