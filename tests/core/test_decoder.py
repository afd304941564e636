"""The decoder's transposed convolutions against upsampling and convolving."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from artnet_core.dct import CHANNELS
from artnet_core.decoder import Decoder, stages_of, upsampling_kernel


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


@pytest.mark.parametrize("top", [8, 16])
@torch.no_grad()
def test_the_skip_connection_lands_on_its_own_cell(top: int) -> None:
    """With nothing in the middle, a cosine lights up a patch whose centre is that of its cell."""
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
    assert rows.tolist() == list(range(top * 3 // 2, top * 7 // 2))  # the cell itself is 2 * top to 3 * top
    assert columns.tolist() == list(range(top * 5 // 2, top * 9 // 2))
