"""AdaIN against numpy."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from artnet_core import adain
from artnet_core.transfer.adain import align


@given(st.integers(1, 3), st.integers(1, 5), st.integers(2, 9), st.booleans(), st.integers(0, 2**31))
def test_equals_numpy(batch: int, channels: int, side: int, one_style: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = rng.normal(3, 20, (batch, channels, side, side + 1))
    style = rng.normal(-1, 5, (1 if one_style else batch, channels, side + 2, side))
    axes = {"axis": (2, 3), "keepdims": True}
    expected = (content - content.mean(**axes)) / content.std(**axes) * style.std(**axes) + style.mean(**axes)
    result = adain(torch.tensor(content, dtype=torch.float32), torch.tensor(style, dtype=torch.float32))
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-3, rtol=1e-3)


def test_constant_channel_becomes_the_styles_mean() -> None:
    style = torch.tensor([[[[1.0, 3.0]]]])
    assert adain(torch.full((1, 1, 4, 4), 7.0), style).unique().tolist() == [2.0]


@pytest.mark.parametrize("value", [0.1, 3.3, 77.7, 1000.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_rounding_is_no_deviation(value: float, dtype: torch.dtype) -> None:
    """The sum of many such values is not exact."""
    features = torch.full((1, 16, 135, 240), value, dtype=dtype)
    aligned = align(features, torch.full((1, 16, 1, 1), 2.0), torch.ones(1, 16, 1, 1))
    assert aligned.unique().tolist() == [2.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_float32_statistics(dtype: torch.dtype) -> None:
    content = 300 + 20 * torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    style = 500 + 50 * torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(1))
    result = adain(content.to(dtype), style.to(dtype))
    assert result.dtype == dtype
    assert result.float().std().item() == pytest.approx(50, rel=0.02)


def test_a_single_position_becomes_the_styles_mean() -> None:
    style = torch.tensor([[[[1.0, 3.0]]]])
    assert adain(torch.full((2, 1, 1, 1), 7.0), style).flatten().tolist() == [2.0, 2.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_backends_that_do_not_mix_precisions_give_the_same(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    content, style = torch.rand(2, 3, 6, 5).to(dtype), torch.rand(2, 3, 4, 7).to(dtype)
    mixed = adain(content, style)
    monkeypatch.setattr(importlib.import_module("artnet_core.transfer.adain"), "_MIXING_DEVICES", ())
    torch.testing.assert_close(adain(content, style), mixed)


def test_gradients_reach_the_content() -> None:
    generator = torch.Generator().manual_seed(0)
    content = torch.rand(1, 2, 5, 5, generator=generator, requires_grad=True)
    with torch.enable_grad():
        adain(content, torch.rand(1, 2, 4, 4, generator=generator)).pow(3).sum().backward()
    assert content.grad is not None and content.grad.abs().max() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_one_lit_position_of_a_night(dtype: torch.dtype) -> None:
    """Its deviation is that of hundreds of positions: more than float16 holds."""
    night = torch.zeros(1, 2, 400, 400, dtype=dtype)
    night[0, 0, 200, 100], night[0, 1, 200, 100] = 1, -1
    aligned = align(night, torch.zeros(1, 2, 1, 1), torch.full((1, 2, 1, 1), 400.0))
    expected = min(400.0 * 400, torch.finfo(dtype).max)
    assert aligned[0, :, 200, 100].tolist() == pytest.approx([expected, -expected], rel=0.01)
    assert (aligned.abs() > 1000).sum() == 2
