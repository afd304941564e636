"""The encoder's pools against PyTorch's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from artnet_core.network.ops import avg_pool, max_pool


def pytorchs(x: Tensor, stride: int) -> Tensor:
    return F.max_pool2d(x, 3, stride, padding=1 if stride == 1 else 0, ceil_mode=True)


@given(st.integers(2, 23), st.integers(2, 23), st.sampled_from([1, 2]), st.booleans())
def test_equals_pytorchs(height: int, width: int, stride: int, channels_last: bool) -> None:
    """Negative values too, which a border of zeros would hide."""
    x = torch.randn(2, 5, height, width) - 2
    x = x.to(memory_format=torch.channels_last) if channels_last else x
    assert torch.equal(max_pool(x, stride), pytorchs(x, stride))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(67, 1000), (64, 1001)])
def test_a_large_map_in_pieces(size: tuple[int, int], stride: int, dtype: torch.dtype) -> None:
    x = torch.randn(1, 64, *size).to(dtype, memory_format=torch.channels_last)
    found = max_pool(x, stride)
    assert torch.equal(found, pytorchs(x, stride))
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_pass(stride: int) -> None:
    x = torch.randn(1, 3, 8, 9)
    gradients = []
    for pool in (max_pool, pytorchs):
        leaf = x.clone().requires_grad_()
        with torch.enable_grad():
            pool(leaf, stride).square().sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)


@given(st.integers(1, 23), st.integers(1, 23), st.integers(1, 7), st.booleans())
def test_means_equal_pytorchs_with_a_ceiling(height: int, width: int, side: int, channels_last: bool) -> None:
    """Which MPS had wrong, so ours do without."""
    x = torch.randn(2, 3, height, width)
    x = x.to(memory_format=torch.channels_last) if channels_last else x
    expected = F.avg_pool2d(x, side, ceil_mode=True)
    torch.testing.assert_close(avg_pool(x, side), expected)
    torch.testing.assert_close(avg_pool(x[0], side), expected[0])
