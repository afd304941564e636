"""Pictures of other sizes, against PyTorch's own operators."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from artnet_core.resizing import double, halve, resize_linearly


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(64, 80), (63, 80), (64, 81), (31, 17), (1, 2)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_half_the_size_is_means_of_four_pixels(
    channels: int, size: tuple[int, int], layout: torch.memory_format
) -> None:
    images = torch.rand(2, channels, *size).contiguous(memory_format=layout)
    torch.testing.assert_close(halve(images), F.avg_pool2d(images, 2, ceil_mode=True))


@pytest.mark.parametrize("size", [(96, 40), (48, 20), (33, 61)])
def test_straight_lines_join_pixels(size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, 48, 20).to(memory_format=torch.channels_last)
    torch.testing.assert_close(resize_linearly(images, size), F.interpolate(images, size, mode="bilinear"))


@pytest.mark.parametrize("size", [(64, 80), (63, 81)])
def test_a_ramp_is_halved_and_doubled_without_a_shift(size: tuple[int, int]) -> None:
    ramp = torch.arange(size[1]).float().expand(1, 1, *size) / size[1]
    inside = slice(8, -8)
    torch.testing.assert_close(double(halve(ramp), size)[..., inside], ramp[..., inside], atol=1e-4, rtol=0)
