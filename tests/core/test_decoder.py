"""The decoder's transposed convolutions against upsampling and convolving."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

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
    decoder = Decoder(4, {8: [4, 4], 4: [4, 4], 2: [4]})
    assert decoder(torch.rand(2, 4, 3, 5)).shape == (2, 3, 24, 40)
