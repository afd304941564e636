"""The fused kernels: on a CUDA GPU where there is one, else by Triton's interpreter on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pretended import CUDA, pretended
from torch import Tensor

import artnet_core as artnet
from artnet_core.convolution import CONV_RELU_ON
from artnet_core.matching import match_patches
from artnet_core.pooling import MAX_POOL_ON, max_pool
from artnet_core.propagation import propagate_matches
from artnet_core.refinement import refine_matches, windows_near
from artnet_core.sandwich import COMPARED_LAYER
from artnet_core.swap import STEPS_ON, reassemble, swap

from .conftest import coarse_matches

pytest.importorskip("triton", reason="comes with torch's builds for Linux")
from triton.runtime.interpreter import InterpretedFunction
from triton.runtime.jit import JITFunction

from artnet_core import fused

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

few = settings(max_examples=5)
sides = st.integers(5, 14)
patch_sizes = st.sampled_from([1, 3, 5])
dtypes = st.sampled_from([torch.float32, torch.float16])


@pytest.fixture(autouse=True, scope="module")
def _interpreted() -> Iterator[None]:
    def run(self: Any, *arguments: Any, **options: Any) -> None:
        InterpretedFunction(self.fn).run(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        if DEVICE == "cpu":
            patch.setattr(JITFunction, "run", run)
            patch.setattr(
                JITFunction, "__call__", lambda self, *values, **named: InterpretedFunction(self.fn)(*values, **named)
            )
        yield


def whole_numbers(seed: int, channels: int, dtype: torch.dtype, *sizes: tuple[int, int]) -> list[Tensor]:
    """Maps whose products are added without rounding, so that scores are the same in any order."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(-4, 5, (channels, *size), generator=generator).to(DEVICE, dtype) for size in sizes]


@few
@given(sides, sides, sides, patch_sizes, st.integers(1, 80), dtypes, st.integers(0, 2**31))
def test_matches(h: int, w: int, hs: int, k: int, channels: int, dtype: torch.dtype, seed: int) -> None:
    content, style = whole_numbers(seed, channels, dtype, (h, w), (hs, 9))
    assert torch.equal(fused.match_patches(content, style, k), match_patches(content, style, k))


def test_matches_of_many_blocks() -> None:
    content, style = whole_numbers(0, 20, torch.float16, (31, 37), (29, 33))
    assert torch.equal(fused.match_patches(content, style), match_patches(content, style))


@few
@given(sides, sides, sides, patch_sizes, st.sampled_from([0.5, 0.9]), st.integers(0, 2**31))
def test_matches_that_keep_together(h: int, w: int, hs: int, k: int, coherence: float, seed: int) -> None:
    sizes = (h + 5, w + 5), (hs + 5, 13)
    content, style = whole_numbers(seed, 6, torch.float32, *sizes)
    near = windows_near(coarse_matches(content, style, k, 2), *sizes, k, 2)
    matches = fused.match_patches(content, style, k, near, coherence)
    assert torch.equal(matches, match_patches(content, style, k, near, coherence))


@few
@given(
    st.sampled_from([(1, 2), (3, 2), (3, 3), (3, 5), (5, 2)]), *4 * [st.integers(0, 9)], dtypes, st.integers(0, 2**31)
)
def test_refined_matches(
    of_patch: tuple[int, int], h: int, w: int, hs: int, ws: int, dtype: torch.dtype, seed: int
) -> None:
    k, p = of_patch
    sizes = (k * p + h, k * p + w), (k * p + hs, k * p + ws)
    content, style = whole_numbers(seed, 6, dtype, *sizes)
    coarse = coarse_matches(content.float(), style.float(), k, p)
    refined = fused.refine_matches(coarse, content, style, k, p)
    assert torch.equal(refined, refine_matches(coarse, content, style, k, p))


@few
@given(
    sides,
    sides,
    sides,
    patch_sizes,
    st.integers(1, 80),
    dtypes,
    st.sampled_from([0.0, 0.7, 0.95]),
    st.integers(0, 2**31),
)
def test_matches_passed_on(
    h: int, w: int, hs: int, k: int, channels: int, dtype: torch.dtype, share: float, seed: int
) -> None:
    content, style = whole_numbers(seed, channels, dtype, (h, w), (hs, 9))
    matches = match_patches(content, style, k)
    before = matches.clone()
    passed_on = fused.propagate_matches(matches, content, style, k, share)
    assert torch.equal(passed_on, propagate_matches(matches, content, style, k, share))
    assert torch.equal(matches, before)


@few
@given(sides, sides, st.sampled_from([1, 3]), st.integers(1, 140), dtypes, st.floats(1, 8), st.integers(0, 2**31))
def test_reassembled_patches(
    h: int, w: int, k: int, channels: int, dtype: torch.dtype, falloff: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    style = torch.randn(channels, 11, 9, generator=generator).to(DEVICE, dtype)
    rows, columns = (torch.randint(side - k + 1, (h, w), generator=generator) for side in (11, 9))
    matches = (rows * 9 + columns).to(DEVICE)
    expected = reassemble(matches, style.float(), k, falloff).to(dtype)
    torch.testing.assert_close(fused.reassemble(matches, style, k, falloff), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(("pooling", "continuity"), [(1, 1.0), (1, 0.95), (2, 0.95)])
def test_swaps_real_features(
    photo: Tensor,
    painting: Tensor,
    dtype: torch.dtype,
    pooling: int,
    continuity: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = artnet.load("artnet_fast", DEVICE)
    content, style = (model.encode(picture[..., 40:136, 60:156]) for picture in (photo, painting))
    arguments = (
        content.data.to(dtype),
        style.data.to(dtype),
        3,
        pooling,
        content.layers[COMPARED_LAYER],
        0.97,
        continuity,
        None,
        4.0,
    )
    expected = swap(*arguments)
    monkeypatch.setitem(STEPS_ON, DEVICE, fused.FUSED)
    differs = (swap(*arguments) - expected).abs().amax(1) > 2e-3 * expected.abs().amax()
    assert differs.float().mean() < 0.02  # rounding decides between patches that score alike


@contextmanager
def used() -> Iterator[None]:
    fused.use()
    try:
        yield
    finally:
        fused.use(False)


def test_used_on_cuda_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [(8, 6), (9, 0)]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(gpus))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: gpus[index])
    with used():
        assert {"cuda": fused.FUSED} == STEPS_ON
        assert {"cuda": fused.conv_relu} == CONV_RELU_ON
        assert {"cuda": fused.max_pool} == MAX_POOL_ON
    assert STEPS_ON == CONV_RELU_ON == MAX_POOL_ON == {}
    for others, found in (([(9, 0), (7, 5)], "9.0, 7.5"), ([], "none")):
        gpus[:] = others
        with pytest.raises(RuntimeError, match=rf"8\.0 or more .* are: {found}\. Do without"):
            fused.use()
    assert STEPS_ON == CONV_RELU_ON == MAX_POOL_ON == {}


@few
@given(st.integers(2, 11), st.integers(2, 11), st.integers(1, 140), st.sampled_from([1, 2]), dtypes)
def test_pools(h: int, w: int, channels: int, stride: int, dtype: torch.dtype) -> None:
    x = torch.randn(2, channels, h, w).to(DEVICE, dtype) - 2
    assert torch.equal(fused.max_pool(x, stride), max_pool(x, stride))


def test_convolutions_with_relu(monkeypatch: pytest.MonkeyPatch, photo: Tensor) -> None:
    """cuDNN's are not to be had on a CPU: there only what they are asked for is tested."""
    arguments = torch.ops.aten.cudnn_convolution_relu.default._schema.arguments
    names = ["self", "weight", "bias", "stride", "padding", "dilation", "groups"]
    assert [argument.name for argument in arguments] == names
    called = 0

    def convolve(*arguments: Any) -> Tensor:
        nonlocal called
        called += 1
        return F.conv2d(*arguments).relu() if DEVICE == "cpu" else on_cuda(*arguments)

    on_cuda = torch.cudnn_convolution_relu
    model = artnet.load(device=DEVICE)
    expected = model.decode(model.encode(photo))
    monkeypatch.setattr(torch, "cudnn_convolution_relu", convolve)
    monkeypatch.setitem(CONV_RELU_ON, DEVICE, fused.conv_relu)
    torch.testing.assert_close(model.decode(model.encode(photo)), expected, rtol=0, atol=1e-4)
    with_relu = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d) and m is not model.decoder.head]
    assert called == len(with_relu) > 50


def test_gradients_do_not_pass() -> None:
    style = torch.rand(3, 5, 5, requires_grad=True)
    for work in (
        lambda: fused.reassemble(torch.zeros(3, 3, dtype=torch.int64), style),
        lambda: fused.max_pool(style[None], 1),
        lambda: fused.conv_relu(torch.nn.Conv2d(3, 2, 1), style[None].detach()),
    ):
        with torch.enable_grad(), pytest.raises(RuntimeError, match=r"Gradients do not pass .*use\(False\)"):
            work()


@pytest.mark.parametrize("device", [CUDA])
@pytest.mark.parametrize(("size", "detail"), [((97, 130), 0.3), ((1080, 1920), 0.1)])
def test_nothing_in_a_frame_waits(
    device: str, size: tuple[int, int], detail: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(JITFunction, "run", lambda self, *_arguments, **_options: started.append(self.__name__))
    monkeypatch.setattr(torch.cuda, "device", lambda _device: nullcontext())
    # What cuDNN gives has no shape without values.
    monkeypatch.setattr(torch, "cudnn_convolution_relu", lambda *arguments: F.conv2d(*arguments).relu())
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pretended(device) as gpu, used():
        model = artnet.load("artnet_fast", device, torch.float16)
        style, frame = model.encode(torch.rand(1, 3, *size)), torch.rand(1, 3, *size).to(device)
        for captures in (False, True):  # what is made once is there by the second time
            started.clear()
            gpu.captures = captures
            assert model.stylize_frame(frame, style, detail=detail).shape == frame.shape
    once = {"_best_of_parts", "_best_of_all", "_mean_of_patches", "_highest_of_cells"}
    assert set(started) == (once if detail == 0.3 else once | {"_best_in_window", "_take_turn"})
