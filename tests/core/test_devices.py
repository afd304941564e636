"""Frames on devices that are not at hand."""

from __future__ import annotations

import pytest
import torch
from pretended import CUDA, Waits, pretended

import artnet_core as artnet
from artnet_core.pipeline import Encoded, Settings, paint_frame
from artnet_core.runtime import Tiles
from artnet_core.transfer.mask import mask_features, mask_images
from artnet_core.transfer.methods import ALL_METHODS
from artnet_core.video.steadiness import TemporalState

SMALL, LARGE = (97, 130), (1080, 1920)  # matched as they are, and coarse to fine


class Halves(Tiles):
    """Tiles of half a picture from the start."""

    def __init__(self, height: int) -> None:
        super().__init__()
        self._tiles = dict.fromkeys(range(height, height + 8), height // 32 * 16)


@pytest.mark.parametrize("device", [CUDA])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("size", "detail"), [((20, 20), 0.3), (SMALL, 0.0), (SMALL, 1.0), (LARGE, 0.1)])
def test_nothing_in_a_frame_waits_for_the_gpu(
    device: str, dtype: torch.dtype, size: tuple[int, int], detail: float
) -> None:
    with pretended(device) as gpu:
        model = artnet.load("artnet_fast", device, dtype)
        style, color = (Encoded(model, torch.rand(1, 3, *shape)) for shape in (size, (64, 200)))
        frame = torch.rand(1, 3, *size).to(device)
        for captures in (False, True):  # what is made once is there by the second time
            gpu.captures = captures
            painted = paint_frame(model, Encoded(model, frame), style, color, Settings(0.5, detail))
            assert painted.shape == frame.shape
            assert painted.device.type == device
            assert painted.dtype == torch.float32


@pytest.mark.parametrize("device", [CUDA])
def test_waits_are_seen(device: str) -> None:
    with pretended(device) as gpu:
        tensor = torch.rand(3).to(device)
        assert tensor.sum() == 1
        gpu.captures = True
        waits = [
            tensor.sum().item,
            tensor.cpu,
            tensor.nonzero,
            lambda: torch.rand(3).to(device),
            lambda: tensor.copy_(torch.rand(3)),
            lambda: torch.rand(3).copy_(tensor),
            lambda: tensor[:2].copy_(torch.rand(2)),
            lambda: tensor.index_put_((tensor > 0,), tensor),
            lambda: tensor[tensor > 0],
        ]
        for wait in waits:
            with pytest.raises(Waits):
                wait()


@pytest.mark.parametrize("device", [CUDA, "meta"])
@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, SMALL), (torch.float16, LARGE)])
def test_videos_stay_on_their_device(device: str, dtype: torch.dtype, size: tuple[int, int]) -> None:
    with pretended(device):
        model = artnet.load("artnet", device, dtype)
        style = Encoded(model, torch.rand(1, 3, *size))
        before: list[TemporalState] = []
        for detail in (0.0, 0.3, 1.0):
            frame = torch.rand(1, 3, *size)
            painted = paint_frame(
                model, Encoded(model, frame), style, None, Settings(detail=detail), before, Halves(size[0])
            )
            masked = mask_images(frame, painted, torch.rand(1, 30, 40))
            assert masked.shape == frame.shape
            assert masked.device.type == device


@pytest.mark.parametrize("device", [CUDA, "meta"])
def test_transfers_stay_on_their_device(device: str) -> None:
    with pretended(device):
        model = artnet.load("artnet", device, torch.float16)
        content, style = model.encode(torch.rand(1, 3, *SMALL)), model.encode(torch.rand(1, 3, 120, 90))
        for method, transfer in ALL_METHODS.items():
            masked = mask_features(content, transfer(content, style), torch.rand(1, 30, 40))
            assert masked.data.shape == content.data.shape, method
            assert masked.data.device.type == device, method
