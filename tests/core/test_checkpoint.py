"""Model files: round trips, and every kind of wrong file."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

import artnet_core as artnet
from artnet_core.checkpoint import DEFAULT_MODEL, FAST_MODEL, UNPRUNED_MODEL, shipped_models
from artnet_core.network.cosines import CHANNELS
from artnet_core.network.decoder import Decoder
from artnet_core.network.encoder import Encoder, trunk_up_to
from artnet_core.pruning.channels import measure_channels
from artnet_core.pruning.zero_channels import multiply_adds_per_pixel

State = dict[str, Tensor]
Metadata = dict[str, str]


def test_round_trip(model: artnet.ArtNet, photo: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    artnet.save(model, path, torch.float32)
    again = artnet.load(path)
    assert again.fingerprint == model.fingerprint
    assert again.provenance == model.provenance
    assert torch.equal(again.decode(again.encode(photo)), model.decode(model.encode(photo)))
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_shipped_files_are_small() -> None:
    assert shipped_models()[DEFAULT_MODEL].stat().st_size <= 6_000_000
    assert shipped_models()[FAST_MODEL].stat().st_size <= 1_000_000
    assert shipped_models()[UNPRUNED_MODEL].stat().st_size <= 10_500_000


def test_shipped_models_have_names(model: artnet.ArtNet) -> None:
    assert artnet.load("artnet").fingerprint == model.fingerprint
    assert artnet.load("artnet_fast").fingerprint == artnet.load(shipped_models()[FAST_MODEL]).fingerprint
    with pytest.raises(FileNotFoundError, match="no_such_model"):
        artnet.load("no_such_model")


def test_shipped_files_state_their_origin() -> None:
    for path in shipped_models().values():
        provenance = artnet.load(path).provenance
        assert provenance["licence"] == "MIT"
        assert {"encoder", "decoder"} <= provenance.keys()


def test_shipped_files_are_readable_by_all() -> None:
    for path in shipped_models().values():
        assert path.stat().st_mode & stat.S_IROTH


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_dtypes(dtype: torch.dtype, model: artnet.ArtNet, photo: Tensor) -> None:
    half = artnet.load(dtype=dtype)
    assert half.dtype == dtype and half.fingerprint == model.fingerprint
    found, exact = half.encode(photo).data, model.encode(photo).data
    assert found.dtype == half.feature_dtype == torch.float16
    assert (found - exact).square().mean() < 1e-4 * exact.square().mean()


def test_weights_that_half_precision_cannot_hold_are_not_saved(model: artnet.ArtNet, tmp_path: Path) -> None:
    pruned, _ = artnet.prune_zero_channels(model)
    pruned.encoder.conv1.conv.bias[0] = 1e6
    with pytest.raises(ValueError, match=r"encoder\.conv1\.conv\.bias holds values that torch\.float16 cannot"):
        artnet.save(pruned, tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no model file .*nowhere\.safetensors"):
        artnet.load(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize(
    "content", [b"", b"not a model", bytes(range(256)) * 16, b"\x10\x00\x00\x00\x00\x00\x00\x00{}"], ids=len
)
def test_not_safetensors(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(content)
    with pytest.raises(artnet.CheckpointError, match=r"wrong\.safetensors is not a readable \.safetensors file"):
        artnet.load(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_truncated(share: float, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    content = shipped_models()[DEFAULT_MODEL].read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(artnet.CheckpointError, match=r"cut\.safetensors is not a readable"):
        artnet.load(path)


def _drop(key: str) -> Callable[[State, Metadata], None]:
    return lambda state, metadata: state.pop(key, metadata.pop(key, None))


def _state(**changes: Callable[[Tensor], Tensor]) -> Callable[[State, Metadata], None]:
    def change(state: State, metadata: Metadata) -> None:
        for key, function in changes.items():
            state[key] = function(state[key]).contiguous()

    return change


def _metadata(**changes: str) -> Callable[[State, Metadata], None]:
    return lambda state, metadata: metadata.update(changes)


def _nan(tensor: Tensor) -> Tensor:
    tensor = tensor.clone()
    tensor.view(-1)[0] = float("nan")
    return tensor


WRONG: dict[str, tuple[Callable[[State, Metadata], None], str]] = {
    "other model": (_drop("format"), "is not an ArtNet model"),
    "no version": (_drop("format_version"), "does not state its format version"),
    "newer version": (_metadata(format_version="99"), "has format version 99.* update ArtNet"),
    "older version": (_metadata(format_version="1"), "has format version 1.* take the file that came with"),
    "no stride": (_drop("stride"), "has damaged metadata .*stride"),
    "broken metadata": (_metadata(mean="[0.5, "), "has damaged metadata"),
    "two means": (_metadata(mean="[0.5, 0.5]"), "has damaged metadata"),
    "no deviation": (_metadata(std="[0, 0, 0]"), "has damaged metadata .*std must be positive"),
    "a deviation that is no number": (_metadata(std="[NaN, 1, 1]"), "has damaged metadata .*three finite numbers"),
    "an infinite mean": (_metadata(mean="[0, Infinity, 0]"), "has damaged metadata .*three finite numbers"),
    "provenance": (_metadata(provenance='["ab"]'), "has damaged metadata .*provenance must be"),
    "architecture": (_metadata(architecture="vgg"), "holds a vgg"),
    "layers": (_metadata(layers='["conv1"]'), r"holds a googlenet with layers \['conv1'\]"),
    "layers out of order": (_metadata(layers='["conv3", "conv1", "dct"]'), "holds a googlenet with layers"),
    "fewer layers": (
        _metadata(layers='["conv1", "conv3", "inception3b", "dct"]'),
        r"fits nowhere: encoder\.inception4a",
    ),
    "stride": (_metadata(stride="16"), "have stride 16, the decoder starts at 8"),
    "encoder weight": (_drop("encoder.conv2.conv.weight"), r"lacks the tensor .*conv2\.conv\.weight"),
    "encoder bias": (_drop("encoder.conv2.conv.bias"), r"lacks the tensor .*conv2\.conv\.bias"),
    "decoder": (_drop("decoder.stride8.0.weight"), r"lacks the tensor .*stride8\.0\.weight"),
    "decoder head": (_drop("decoder.head.bias"), r"lacks the tensor decoder\.head\.bias"),
    "shape": (
        _state(**{"encoder.conv2.conv.weight": lambda t: t[:, :-1]}),
        r"conv2\.conv\.weight has shape .*expected",
    ),
    "bias shape": (_state(**{"decoder.head.bias": lambda t: t[:-1]}), r"decoder\.head\.bias has shape \[11\]"),
    "widths": (_state(**{"decoder.stride8.0.weight": lambda t: t[:, 1:]}), "gives 746 channels, the decoder reads 745"),
    "nan": (_state(**{"encoder.conv3.conv.weight": _nan}), r"damaged: encoder\.conv3\.conv\.weight .* not finite"),
    "extra": (lambda state, _: state.update({"decoder.more": torch.zeros(1)}), r"fits nowhere: decoder\.more"),
    "extra stage": (lambda state, _: state.update({"decoder.stridex.0.weight": torch.zeros(1)}), r"nowhere: .*stridex"),
    "extra unit": (lambda state, _: state.update({"encoder.fc.weight": torch.zeros(1)}), r"fits nowhere: encoder\.fc"),
    "extra part": (lambda state, _: state.update({"critic.weight": torch.zeros(1)}), r"fits nowhere: critic\.weight"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files(case: str, tmp_path: Path) -> None:
    change, message = WRONG[case]
    source = shipped_models()[DEFAULT_MODEL]
    state = load_file(source)
    with safe_open(source, "pt") as file:
        metadata = file.metadata()
    change(state, metadata)
    path = tmp_path / "wrong.safetensors"
    save_file(state, path, metadata)
    with pytest.raises(artnet.CheckpointError, match=message) as caught:
        artnet.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_trunk_that_ends_early(model: artnet.ArtNet, photo: Tensor, tmp_path: Path) -> None:
    """Its file says so, and it is pruned, measured and painted with like the whole one."""
    encoder = Encoder({name: model.encoder.widths[name] for name in trunk_up_to("inception3b")})
    encoder.load_state_dict({key: model.encoder.state_dict()[key] for key in encoder.state_dict()})
    channels = sum(model.layers[name] for name in ("conv1", "conv3", "inception3b", "dct"))
    shorter = artnet.ArtNet(encoder, Decoder(channels, {8: [32], 4: [16], 2: [12]})).freeze()
    path = tmp_path / "shorter.safetensors"
    artnet.save(shorter, path)
    loaded = artnet.load(path)
    assert list(loaded.layers) == ["conv1", "conv3", "inception3b", "dct"]
    assert torch.equal(loaded.encode(photo).data[:, :-CHANNELS], model.encode(photo).data[:, : channels - CHANNELS])
    assert loaded.stylize(photo, photo).shape == photo.shape
    pruned, report = artnet.prune_zero_channels(loaded)
    assert pruned.layers == loaded.layers
    assert [layer.name for layer in report.layers] == list(trunk_up_to("inception3b"))
    assert list(measure_channels(loaded, [photo])) == list(trunk_up_to("inception3b"))
    assert multiply_adds_per_pixel(loaded) < multiply_adds_per_pixel(model)


def test_features_at_stride_16(model: artnet.ArtNet, photo: Tensor, tmp_path: Path) -> None:
    """A decoder that starts at stride 16 makes the model aggregate there; no file says it twice."""
    channels = sum(model.layers.values())
    stages = {16: [32, 32], 8: [16], 4: [16], 2: [12]}
    coarse = artnet.ArtNet(model.encoder, Decoder(channels, stages), stride=16).freeze()
    path = tmp_path / "coarse.safetensors"
    artnet.save(coarse, path)
    loaded = artnet.load(path)
    assert loaded.encode(photo).data.shape == (1, channels, photo.shape[-2] // 16 + (photo.shape[-2] % 16 > 0), 16)
    assert loaded.stylize(photo, photo).shape == photo.shape
    torch.testing.assert_close(loaded.stylize(photo, photo), coarse.stylize(photo, photo), rtol=0, atol=0.01)
