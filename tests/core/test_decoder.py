"""The decoder's transposed convolutions against upsampling and convolving, and its borders."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.functional import center_crop

from artnet_core.network import decoder as decoder_module
from artnet_core.network.cosines import CHANNELS
from artnet_core.network.decoder import Decoder, stages_of, upsampling_kernel


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 4)])
def test_a_transposed_convolution_equals_upsampling_and_a_convolution(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 6, *size, generator=generator, dtype=torch.float64)
    weight = torch.randn(5, 6, 3, 3, generator=generator, dtype=torch.float64)
    upsampled = F.pad(F.interpolate(x, scale_factor=2, mode="nearest"), (1, 1, 1, 1), mode="reflect")
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    found = F.conv_transpose2d(padded, upsampling_kernel(weight), stride=2, padding=3)
    torch.testing.assert_close(found, F.conv2d(upsampled, weight))


def test_the_shape_is_read_from_the_tensors() -> None:
    stages = {8: (7, 6), 4: (5,), 2: (4, 3)}
    in_channels, found = stages_of(Decoder(9, stages).state_dict())
    assert in_channels == 9
    assert {stride: tuple(widths) for stride, widths in found.items()} == stages


def test_a_picture_is_as_large_as_its_features() -> None:
    decoder = Decoder(44, {8: [4, 4], 4: [4, 4], 2: [4]})
    assert decoder(torch.rand(2, 44, 3, 5)).shape == (2, 3, 24, 40)


def upsampled(x: Tensor, layer: nn.Module, ratio: int, rim: int) -> Tensor:
    """A map upsampled far beyond its borders, cropped to the map and a rim."""
    far = F.pad(x, (9, 9, 9, 9), mode="replicate")
    whole = F.conv_transpose2d(far, layer.weight, layer.bias, stride=ratio, padding=ratio // 2)
    assert whole.shape[-1] == ratio * far.shape[-1]  # each position in its place
    return center_crop(whole, [ratio * x.shape[-2] + 2 * rim, ratio * x.shape[-1] + 2 * rim])


@pytest.mark.parametrize(
    "stages",
    [
        {8: [5, 4], 4: [3], 2: [6]},
        {8: [5], 4: [3, 3], 2: [6, 4]},
        {8: [5, 4, 3, 3], 4: [3, 3, 3, 3], 2: [6, 4, 4]},
        {16: [5, 4], 8: [3, 2], 4: [3], 2: [6, 4]},
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 4)])
@torch.no_grad()
def test_each_stage_repeats_the_outermost_positions_of_its_input(
    stages: dict[int, list[int]], size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    decoder = Decoder(CHANNELS + 3, stages).double()
    features = torch.randn(2, CHANNELS + 3, *size, dtype=torch.float64)
    x = features
    for stride, widths in stages.items():
        first, *others = decoder.get_submodule(f"stride{stride}")
        rim = len(widths) - 1 + (stride == 2)
        if stride == max(stages):
            x = F.pad(first(x), (rim, rim, rim, rim), mode="replicate")
        else:
            x = upsampled(x, first, 2, rim)
        if stride == 2:
            x = x + upsampled(features[:, -CHANNELS:], decoder.skip, max(stages) // 2, rim)
        x = x.relu()
        for conv in others:
            x = conv(x).relu()
    torch.testing.assert_close(decoder(features), F.pixel_shuffle(decoder.head(x), 2))


@pytest.mark.parametrize("top", [8, 16])
@torch.no_grad()
def test_the_skip_connection_lands_on_its_own_position(top: int) -> None:
    """With nothing in the middle, a cosine lights up a patch whose centre is that of its position."""
    stages = {stride: [1] for stride in (16, 8, 4, 2) if stride <= top}
    decoder = Decoder(CHANNELS, stages)
    for parameter in decoder.parameters():
        parameter.zero_()
    decoder.skip.weight.fill_(1)
    decoder.head.weight[:, :, 1, 1] = 1
    features = torch.zeros(1, CHANNELS, 5, 6)
    features[0, 7, 2, 3] = 1
    image = decoder(features)[0, 0]
    rows, columns = (image.sum(axis).nonzero().flatten() for axis in (1, 0))
    assert rows.tolist() == list(range(top * 3 // 2, top * 7 // 2))  # the position itself is 2 * top to 3 * top
    assert columns.tolist() == list(range(top * 5 // 2, top * 9 // 2))


@pytest.mark.parametrize(
    "stages", [{8: [5, 4], 4: [3], 2: [6]}, {8: [5], 4: [3, 3], 2: [6, 4]}, {16: [5], 8: [4], 4: [3]}]
)
@pytest.mark.parametrize("values", [1, 1500])
@torch.no_grad()
def test_pieces_of_the_last_stage_change_nothing(
    stages: dict[int, list[int]], values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    decoder = Decoder(CHANNELS + 3, stages).double()
    features = torch.randn(2, CHANNELS + 3, 7, 4, dtype=torch.float64)
    whole = decoder(features)
    heads: list[torch.Size] = []
    decoder.head.register_forward_hook(lambda _module, _inputs, output: heads.append(output.shape))
    monkeypatch.setattr(decoder_module, "last_stage_chunk", lambda device: values)
    torch.testing.assert_close(decoder(features), whole)
    assert len(heads) > 1
