"""The model as a module of PyTorch: dtypes, devices, forward."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import pytest
import torch
from pretended import CUDA, pretended
from torch import Tensor

import artnet_core as artnet
from artnet_core.progress import Progress, ignore


@pytest.fixture(scope="module")
def small(photo: Tensor) -> Tensor:
    return photo[..., 60:124, 80:144]


@pytest.mark.parametrize("name", ["artnet", "artnet_fast"])
def test_to_bfloat16_is_loading_in_bfloat16(name: str, small: Tensor) -> None:
    """conv1 stays in float32, whichever way it went there."""
    expected = artnet.load(name, dtype=torch.bfloat16).stylize(small, small.flip(2))
    for model in (
        artnet.load(name).to(torch.bfloat16),
        artnet.load(name).to(dtype=torch.bfloat16),
        artnet.load(name).bfloat16(),
        artnet.load(name, dtype=torch.float16).bfloat16(),
    ):
        assert model.dtype == torch.bfloat16 and model.image_dtype == torch.float32
        dtypes = {key: value.dtype for key, value in model.state_dict().items()}
        kept = {key for key, dtype in dtypes.items() if dtype == torch.float32}
        assert kept == {"encoder.conv1.conv.weight", "encoder.conv1.conv.bias"}
        assert set(dtypes.values()) == {torch.float32, torch.bfloat16}
        assert torch.equal(model.stylize(small, small.flip(2)), expected)


def test_back_from_bfloat16(small: Tensor) -> None:
    model = artnet.load().bfloat16().float()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.stylize(small, small.flip(2)).isfinite().all()


def test_forward_is_stylize(model: artnet.ArtNet, small: Tensor) -> None:
    style, color = small.flip(2), 1 - small
    assert torch.equal(model(small, style), model.stylize(small, style))
    assert torch.equal(model(small, style, color), model.stylize(small, style, color))


@pytest.fixture(params=[torch.float64, torch.bfloat16])
def default_dtype(request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


def test_the_default_dtype_changes_nothing(model: artnet.ArtNet, small: Tensor, default_dtype: torch.dtype) -> None:
    """Some other code of the process may have set it."""
    settings = [
        {},
        {"detail": 0.0, "patch_size": 5},
        {"strength": 0.5},
        {"strength": 0.0},
        {"steady": True},
        {"finish": 2},
    ]
    frames = torch.cat([small, small.roll(3, 3)])
    found = [model.stylize(frames, small.flip(2), **of) for of in settings]
    loaded = artnet.load()
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    found.append(loaded.stylize(frames, small.flip(2)))
    torch.set_default_dtype(torch.float32)
    for picture, of in zip(found, [*settings, {}], strict=True):
        assert picture.dtype == torch.float32
        assert torch.equal(picture, model.stylize(frames, small.flip(2), **of)), of


@pytest.mark.parametrize("device", [CUDA])
def test_what_is_painted_goes_to_where_the_content_lies(
    device: str, small: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of a batch no more than a few frames are on the model's device at a time."""
    with pretended(device):
        model = artnet.load("artnet_fast", device)
        decode, frames, most = model.decode, [], 0

        def decoded(features: artnet.Features, tile: int | None = None, *, progress: Progress = ignore) -> Tensor:
            nonlocal most
            most = max(most, sum(frame() is not None for frame in frames))
            painted = decode(features, tile, progress=progress)
            assert painted.device.type == device
            frames.append(weakref.ref(painted))
            return painted

        monkeypatch.setattr(model, "decode", decoded)
        batch = small[..., :32, :32].repeat(4, 1, 1, 1)
        result = model.stylize(batch, batch[:1], detail=1.0)
        assert result.shape == batch.shape and result.device.type == "cpu"
        assert len(frames) == 4 and most <= 2
        there = model.stylize(batch[:2].to(device), batch[:1], detail=1.0)
        assert there.shape == batch[:2].shape and there.device.type == device
