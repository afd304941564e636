"""A decoder's first weights, from a trained decoder that it is to imitate.

Layer by layer the new decoder's outputs before the ReLU are fitted to those of the old one's layer at about the same
depth, from what the new decoder's own layers have made of the features so far, so that later layers make up for earlier
ones (He et al. 2017, on channel pruning). Training then begins with pictures in place of grey.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artnet_core.network.cosines import CHANNELS as DCT_CHANNELS
from artnet_core.network.decoder import Decoder, positions_read, with_border

from .least_squares import fit_convolution
from .outputs import outputs_of


@torch.no_grad()
def begin_like(decoder: Decoder, features: Tensor, example: Decoder, example_features: Tensor) -> None:
    """Sets the decoder's weights so that it draws roughly what ``example`` draws.

    Args:
        decoder: of the same strides as ``example``, of any number of layers and channels. Channels beyond those of the
            example keep their weights.
        features: ``[N, C, h, w]``, what the decoder reads of some pictures and transfers.
        example: a trained decoder.
        example_features: ``[N, C', h, w]``, what the example reads of the same.
    """
    outputs = _outputs(example, example_features)
    x = features
    for stride, widths in decoder.stages.items():
        convs = list(decoder.get_submodule(f"stride{stride}").children())
        depths = _depths(len(widths), len(example.stages[stride]))
        rim = decoder.rim(stride)
        for index, (conv, depth) in enumerate(zip(convs, depths, strict=True)):
            of_example = outputs[f"stride{stride}.{depth}"]
            kept = _strongest(of_example, _reader(example, stride, depth), widths[index])
            wanted = of_example[:, kept]  # [N, width, H / stride, W / stride]
            if index > 0:
                x = _fit(conv, x, wanted)
            elif stride == max(decoder.stages):
                x = with_border(_fit(conv, x, wanted), rim)
            else:
                x = _fit_transposed(conv, x, wanted, rim)
                if stride == min(decoder.stages):
                    missing = wanted - _middle(x[:, : len(kept)], wanted.shape[-2], wanted.shape[-1])
                    x = x + _fit_transposed(decoder.skip, features[:, -DCT_CHANNELS:], missing, rim)
            x = F.relu(x)
    _fit(decoder.head, x, outputs["head"])


def _outputs(decoder: Decoder, features: Tensor) -> dict[str, Tensor]:
    """What every layer of a decoder gives of the picture before its ReLU, by the layer's name."""
    layers = [name for name, m in decoder.named_modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    outputs = outputs_of(decoder, layers, lambda: decoder(features, whole=True))
    outputs[f"stride{min(decoder.stages)}.0"] += outputs.pop("skip")
    for stride, widths in decoder.stages.items():
        ratio = max(decoder.stages) // stride
        for layer in range(len(widths)):
            name = f"stride{stride}.{layer}"
            outputs[name] = _middle(outputs[name], features.shape[-2] * ratio, features.shape[-1] * ratio)
    return outputs


def _middle(x: Tensor, height: int, width: int) -> Tensor:
    """``[..., height, width]`` of maps with as many more positions on each side."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


def _depths(layers: int, of_example: int) -> list[int]:
    """For each layer of a stage the example's that it is fitted to: the last to the last, the others evenly."""
    if layers == 1:
        return [of_example - 1]
    return [round(layer * (of_example - 1) / (layers - 1)) for layer in range(layers)]


def _reader(decoder: Decoder, stride: int, depth: int) -> Tensor:
    """Weights of the layer that reads this one, ``[out, in, k, k]``."""
    if depth + 1 < len(decoder.stages[stride]):
        return decoder.get_submodule(f"stride{stride}.{depth + 1}").get_parameter("weight")
    if stride > min(decoder.stages):
        return decoder.get_submodule(f"stride{stride // 2}.0").get_parameter("weight").transpose(0, 1)
    return decoder.head.get_parameter("weight")


def _strongest(values: Tensor, reader: Tensor, count: int) -> Tensor:
    """The channels that contribute most to what the next layer makes of them, in ascending order."""
    strength = F.relu(values).var(dim=(0, 2, 3)) * reader.square().sum(dim=(0, 2, 3))
    return strength.topk(min(count, len(strength))).indices.sort().values


def _fit(conv: nn.Module, x: Tensor, wanted: Tensor) -> Tensor:
    """Fits the first channels of a convolution where ``wanted`` is known, and applies it everywhere."""
    weight = conv.get_parameter("weight")
    kernel = weight.shape[-1]
    read = _middle(x, wanted.shape[-2] + kernel - 1, wanted.shape[-1] + kernel - 1)
    fitted, bias = fit_convolution(read, kernel, wanted)
    weight[: len(fitted)] = fitted
    conv.get_parameter("bias")[: len(bias)] = bias
    result: Tensor = conv(x)
    return result


def _fit_transposed(conv: nn.Module, positions: Tensor, wanted: Tensor, rim: int) -> Tensor:
    """The same for a transposed convolution of stride r and kernel 2r: each of its r x r outputs sees 2 x 2 positions.

    ``rim`` positions beyond ``wanted`` are made on each side.
    """
    weight = conv.get_parameter("weight")
    ratio = weight.shape[-1] // 2
    bordered = with_border(positions, 1)
    rows, columns = wanted.shape[-2] // ratio + 1, wanted.shape[-1] // ratio + 1
    biases = []
    for y in range(ratio):
        for x in range(ratio):
            top, left = 2 * y // ratio, 2 * x // ratio
            seen = bordered[..., top : top + rows, left : left + columns]
            fitted, bias = fit_convolution(seen, 2, wanted[..., y::ratio, x::ratio])
            for position_y, kernel_y in _taps(y, ratio):
                for position_x, kernel_x in _taps(x, ratio):
                    weight[:, : len(bias), kernel_y, kernel_x] = fitted[:, :, position_y, position_x].T
            biases.append(bias)
    if isinstance(conv.bias, Tensor):
        conv.bias[: wanted.shape[1]] = torch.stack(biases).mean(0)
    result: Tensor = conv(with_border(positions, positions_read(rim, ratio)))
    return result


def _taps(place: int, ratio: int) -> Iterator[tuple[int, int]]:
    """Which of the two positions that an output at this place sees, and the place in the kernel that multiplies it."""
    highest = place + ratio * 3 // 2 - ratio * (2 * place // ratio)
    yield 0, highest
    yield 1, highest - ratio
