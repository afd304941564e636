"""Frames on devices that are not at hand."""

from __future__ import annotations

import sys

import pytest
import torch
from pretended import CUDA, ValueAsked, pretended
from torch import Tensor

import artnet_core as artnet
from artnet_core.mask import mask_features, mask_images
from artnet_core.steadiness import FrameBefore
from artnet_core.transfers import ALL_METHODS
from artnet_core.transfers.gaussian import Gaussian
from benchmarks.graph import captured

SMALL, LARGE = (97, 130), (1080, 1920)  # matched as they are, and coarse to fine


@pytest.mark.parametrize("device", [CUDA])
@pytest.mark.parametrize("name", ["artnet", "artnet_fast"])
@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("detail", [0.0, 0.3, 1.0])
def test_nothing_in_a_frame_of_half_precision_waits_for_the_gpu(
    device: str, name: str, size: tuple[int, int], detail: float
) -> None:
    with pretended(device):
        model = artnet.load(name, device, torch.float16)
        frames, style, color = torch.rand(2, 3, *size), torch.rand(1, 3, *size), torch.rand(2, 3, 64, 200)
        painted = model.stylize(frames, style, color, strength=0.5, detail=detail)
        assert painted.shape == frames.shape
        assert painted.device.type == device
        assert painted.dtype == torch.float32


@pytest.mark.parametrize("device", [CUDA])
def test_frames_on_the_gpu_are_looked_at_unless_a_graph_is_captured(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pretended(device):
        model = artnet.load("artnet", device, torch.float16)
        frame = torch.rand(1, 3, *SMALL).to(device)
        style = model.encode(frame)
        assert model.stylize_frame(frame, style).shape == frame.shape
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
        with pytest.raises(ValueAsked):
            model.stylize_frame(frame, style)


@pytest.mark.parametrize("device", [CUDA, "meta"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_videos_stay_on_their_device(device: str, dtype: torch.dtype, size: tuple[int, int]) -> None:
    with pretended(device, waits=True):
        model = artnet.load("artnet", device, dtype)
        style = model.encode(torch.rand(1, 3, *size))
        before = FrameBefore()
        for detail in (0.0, 0.3, 1.0):
            frame = torch.rand(1, 3, *size)
            painted = model.stylize_frame(frame, style, detail=detail, strip=64, before=before)
            masked = mask_images(frame, painted, torch.rand(1, 30, 40))
            assert masked.shape == frame.shape
            assert masked.device.type == device


@pytest.mark.parametrize("device", [CUDA, "meta"])
@pytest.mark.parametrize("method", ALL_METHODS)
def test_transfers_stay_on_their_device(device: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Decompositions run on the CPU, and what they give is brought to the device.
    for module in ("wct", "optimal_wct", "avatar"):
        monkeypatch.setattr(sys.modules[f"artnet_core.transfers.{module}"], "fit_gaussian", gaussian_without_values)
    monkeypatch.setattr(
        sys.modules["artnet_core.transfers.optimal_wct"], "transport_rotation", lambda source, target: source
    )
    with pretended(device, waits=True):
        model = artnet.load("artnet", device, torch.float16)
        content, style = model.encode(torch.rand(1, 3, *SMALL)), model.encode(torch.rand(1, 3, 120, 90))
        masked = mask_features(content, ALL_METHODS[method](content, style), torch.rand(1, 30, 40))
        assert masked.data.shape == content.data.shape
        assert masked.data.device.type == device


def gaussian_without_values(cells: Tensor) -> Gaussian:
    channels = len(cells)
    return Gaussian(cells.mean(1, keepdim=True), *(cells.new_empty(channels, channels) for _ in range(2)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="takes a CUDA GPU")
@pytest.mark.parametrize("detail", [0.0, 0.3])
def test_a_captured_frame_is_the_frame(photo: Tensor, painting: Tensor, detail: float) -> None:
    model = artnet.load("artnet", "cuda", torch.float16)
    style, frame = model.encode(painting), torch.zeros_like(photo, device="cuda")
    replay = captured(lambda: model.stylize_frame(frame, style, detail=detail))
    frame.copy_(photo)
    torch.testing.assert_close(replay(), model.stylize_frame(frame, style, detail=detail))
    assert (replay().cpu() - artnet.load().stylize(photo, painting, detail=detail)).abs().mean() < 1e-2
