"""Padding and aggregation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from artnet_core import ArtNet
from artnet_core.network.aggregation import LAYERS, MARGIN, aggregate, pad_images, reflect_indices
from artnet_core.network.cosines import dct, dct_filters
from artnet_core.network.encoder import BLOCK_STRIDES


@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 60))
def test_reflect_indices_equal_numpy(size: int, before: int, after: int) -> None:
    expected = np.pad(np.arange(size), (before, after), mode="reflect")
    assert reflect_indices(size, before, after).tolist() == expected.tolist()


@given(st.integers(1, 70), st.integers(1, 70))
def test_padding_reflects_and_fits_the_strides(height: int, width: int) -> None:
    image = torch.rand(1, 3, height, width)
    rows, columns = ((MARGIN, MARGIN + -side % 16) for side in (height, width))
    expected = np.pad(image.numpy(), ((0, 0), (0, 0), rows, columns), mode="reflect")
    np.testing.assert_array_equal(pad_images(image).numpy(), expected)


@pytest.mark.parametrize("stride", [8, 16])
def test_layers_at_one_stride(model: ArtNet, photo: Tensor, stride: int) -> None:
    padded = pad_images(photo)
    layers = {**model.encoder(padded), "dct": dct(padded, dct_filters(stride).to(padded))}
    assert tuple(layers) == LAYERS
    channels = sum(model.layers.values())
    at_strides = ((BLOCK_STRIDES.get(name, stride), block) for name, block in layers.items())
    data = aggregate(at_strides, channels, stride, torch.float32)
    assert data.shape == (1, channels, 256 // stride, 256 // stride)
    assert data.is_contiguous(memory_format=torch.channels_last)
    cut = MARGIN // stride
    first = 0
    for name, block in layers.items():
        part = data[:, first : first + block.shape[1]]
        first += block.shape[1]
        factor = stride // BLOCK_STRIDES.get(name, stride)
        expected = F.avg_pool2d(block, factor) if factor else F.interpolate(block, scale_factor=2, mode="bilinear")
        torch.testing.assert_close(part, expected[..., cut:-cut, cut:-cut])


def test_no_frame_at_the_borders(model: ArtNet) -> None:
    """The features of a flat picture differ less from border to middle than without the margin by far."""
    grey = torch.full((1, 3, 128, 128), 0.5)
    data = model.encode(grey).data

    def unevenness(x: Tensor) -> float:
        return float((x - x[..., x.shape[-2] // 2, x.shape[-1] // 2][..., None, None]).abs().mean())

    blocks = ((BLOCK_STRIDES[name], block) for name, block in model.encoder.blocks(grey))
    channels = sum(count for name, count in model.layers.items() if name in BLOCK_STRIDES)
    bare = aggregate(blocks, channels, 8, torch.float32, 0, 0)
    assert unevenness(data) < 0.5 * unevenness(bare)


@pytest.mark.parametrize("tile", [16, 64, 112])
def test_strips_change_nothing(model: ArtNet, tile: int) -> None:
    image = torch.rand(1, 3, 500, 40, generator=torch.Generator().manual_seed(1))
    whole, parts = model.encode(image), model.encode(image, tile)
    torch.testing.assert_close(parts.data, whole.data, rtol=0, atol=1e-5 * float(whole.data.max()))
    torch.testing.assert_close(model.decode(whole, tile), model.decode(whole), rtol=0, atol=1e-5)


def test_strip_must_be_a_multiple_of_16(model: ArtNet, photo: Tensor) -> None:
    with pytest.raises(ValueError, match="multiple of 16 rows, got 40"):
        model.encode(photo, 40)
