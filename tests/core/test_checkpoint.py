"""Model files: round trips, and every kind of wrong file."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import artnet_core as artnet
from artnet_core.checkpoint import (
    DEFAULT_MODEL,
    FAST_MODEL,
    UNPRUNED_MODEL,
    build_model,
    metadata_of,
    quoted,
    shipped_models,
    write_checkpoint,
)
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


def _renamed(old: str, new: str) -> Callable[[State, Metadata], None]:
    def change(state: State, _: Metadata) -> None:
        for name in [name for name in state if name.startswith(old)]:
            state[new + name.removeprefix(old)] = state.pop(name)

    return change


def _begins_at_4(state: State, metadata: Metadata) -> None:
    """A decoder as of a model of stride 4: complete in itself."""
    metadata["stride"] = "4"
    for name in [name for name in state if name.startswith(("decoder.stride", "decoder.skip"))]:
        del state[name]
    for stride, shape in ((4, (8, 746, 1, 1)), (2, (8, 48, 4, 4))):
        state[f"decoder.stride{stride}.0.weight"] = torch.zeros(shape)
        state[f"decoder.stride{stride}.0.bias"] = torch.zeros(shape[0] if stride == 4 else shape[1])
    state["decoder.skip.weight"] = torch.zeros(40, 48, 4, 4)


def _to(dtype: torch.dtype, name: str) -> Callable[[State, Metadata], None]:
    return _state(**{name: lambda tensor: tensor.to(dtype)})


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
    "architecture": (_metadata(architecture="vgg"), "holds a 'vgg'"),
    "a long architecture and long layers": (
        _metadata(architecture="x" * 999, layers=f'["{"y" * 999}"]'),
        "holds a 'xxx",
    ),
    "long layers": (_metadata(layers=f'["{"y" * 999}"]'), "has the layers "),
    "layers": (_metadata(layers='["conv1"]'), r"""has the layers '\["conv1"\]'"""),
    "layers out of order": (_metadata(layers='["conv3", "conv1", "dct"]'), "has the layers "),
    "fewer layers": (
        _metadata(layers='["conv1", "conv3", "inception3b", "dct"]'),
        "the encoder gives 627 channels, the decoder reads 746",
    ),
    "stride": (
        _metadata(stride="16"),
        "have stride 16, so the decoder needs stages at the strides 16, 8, 4 and 2, and has them at 8, 4 and 2",
    ),
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
    "extra": (lambda state, _: state.update({"decoder.more": torch.zeros(1)}), r"fits nowhere: 'decoder\.more"),
    "extra stage": (lambda state, _: state.update({"decoder.stridex.0.weight": torch.zeros(1)}), r"nowhere: .*stridex"),
    "extra unit": (lambda state, _: state.update({"encoder.fc.weight": torch.zeros(1)}), r"fits nowhere: 'encoder\.fc"),
    "a stage of stride 0": (
        lambda state, _: state.update({"decoder.stride0.0.weight": torch.zeros(4, 4, 4, 4)}),
        r"fits nowhere: 'decoder\.stride0\.0\.weight'",
    ),
    "a stage left out": (
        lambda state, _: [state.pop(name) for name in list(state) if name.startswith("decoder.stride4.")],
        "needs stages at the strides 8, 4 and 2, and has them at 8 and 2",
    ),
    "strides of 8, 5 and 2": (
        _renamed("decoder.stride4.", "decoder.stride5."),
        "needs stages at the strides 8, 4 and 2, and has them at 8 and 2",
    ),
    "a stride of 4": (_begins_at_4, "has features of stride 4, expected 16 or 8"),
    "a number without dimensions": (
        _state(**{"encoder.conv2.conv.bias": lambda t: t[0]}),
        r"'encoder\.conv2\.conv\.bias' has shape \[\], which no layer has",
    ),
    "weights without dimensions": (
        _state(**{"encoder.conv2.conv.weight": lambda t: t.view(-1)[0]}),
        r"conv2\.conv\.weight' has shape \[\], which no layer has",
    ),
    "flat weights": (
        _state(**{"decoder.stride4.0.weight": lambda t: t[0, 0, 0]}),
        "a convolution whose weights have too few dimensions",
    ),
    "no width": (
        _state(**{"encoder.conv2.conv.weight": lambda t: t[:0]}),
        r"conv2\.conv\.weight' has shape \[0, 64, 1, 1\], which no layer has",
    ),
    "8 bits": (_to(torch.int8, "encoder.conv2.conv.weight"), "is of 'I8', expected F64, F32, F16 or BF16"),
    "truth values": (_to(torch.bool, "encoder.conv2.conv.bias"), "is of 'BOOL', expected"),
    "float8": (_to(torch.float8_e4m3fn, "encoder.conv2.conv.weight"), "is of 'F8_E4M3', expected"),
    "huge weights": (
        _state(**{"encoder.conv3.conv.weight": lambda t: t.float() * 3e37}),
        r"damaged: encoder\.conv3\.conv\.weight has values up to .*, which nothing can paint",
    ),
    "numbers beyond float32": (
        _state(**{"decoder.head.bias": lambda t: t.double() + 1e300}),
        r"damaged: decoder\.head\.bias .* not finite",
    ),
    "a tiny deviation": (_metadata(std="[1e-20, 1, 1]"), "damaged metadata .*take pictures beyond 1,000"),
    "a far mean": (_metadata(mean="[0, 1e30, 0]"), "damaged metadata .*take pictures beyond 1,000"),
    "a number of many digits": (_metadata(stride="9" * 5000), "has damaged metadata"),
    "a version of many digits": (_metadata(format_version="9" * 5000), "does not state its format version"),
    "deep metadata": (_metadata(provenance="[" * 100_000), "has damaged metadata .*nested too deeply"),
    "a long name": (
        lambda state, _: state.update({"decoder." + 10**6 * "x": torch.zeros(1)}),
        r"fits nowhere: 'decoder\.x{70,80}\.\.\.",
    ),
    "a name that commands the terminal": (
        lambda state, _: state.update({"decoder.\x1b[2J\n": torch.zeros(1)}),
        r"fits nowhere: 'decoder\.\\x1b\[2J\\n'",
    ),
    "an architecture that commands the terminal": (_metadata(architecture="\x1b[2J"), r"holds a '\\x1b\[2J'"),
    "extra part": (lambda state, _: state.update({"critic.weight": torch.zeros(1)}), r"fits nowhere: 'critic\.weight"),
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
    assert str(caught.value).isprintable() and len(str(caught.value).removeprefix(str(path))) <= 300


def test_a_variance_below_zero_is_found_after_folding(tmp_path: Path) -> None:
    source = shipped_models()[UNPRUNED_MODEL]
    state = load_file(source)
    with safe_open(source, "pt") as file:
        metadata = file.metadata()
    state["encoder.conv2.bn.running_var"][3] = -1.0
    path = tmp_path / "wrong.safetensors"
    save_file(state, path, metadata)
    with pytest.raises(artnet.CheckpointError, match=r"damaged: encoder\.conv2\.conv\.weight .* not finite"):
        artnet.load(path)


def written(path: Path, header: object, data: bytes = b"") -> Path:
    """A file with this header, whatever it says; texts and bytes go in as they are."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def _entry(shape: object, first: object = 0, last: object = 0, dtype: object = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


OURS = {"__metadata__": {"format": "artnet", "format_version": "3"}}
NOT_SAFETENSORS: dict[str, tuple[object, str]] = {
    "nested deeply": (b"[" * 200_000, "its header is nested too deeply"),
    "no JSON": (b"{" + b"'" * 50, "its header is no JSON"),
    "no UTF-8": (b"\xff" * 50, "its header is no JSON"),
    "a list": ([1, 2], "its header is no object"),
    "metadata a list": ({"__metadata__": [1]}, "its metadata are not texts"),
    "metadata of numbers": ({"__metadata__": {"format": 3}}, "its metadata are not texts"),
    "a name twice": (b'{"a": 1, "a": 2}', "its header is no JSON"),
    "an entry that is a number": ({**OURS, "a": 1}, "does not say where 'a' lies"),
    "no offsets": ({**OURS, "a": {"dtype": "F32", "shape": [1]}}, "does not say where 'a' lies"),
    "three offsets": (
        {**OURS, "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}},
        "does not say where 'a' lies",
    ),
    "a shape of texts": ({**OURS, "a": _entry(["1"], 0, 4)}, "does not say where 'a' lies"),
    "a shape of truths": ({**OURS, "a": _entry([True], 0, 4)}, "does not say where 'a' lies"),
    "a shape that is a text": ({**OURS, "a": _entry("1", 0, 4)}, "does not say where 'a' lies"),
    "too few bytes": ({**OURS, "a": _entry([2], 0, 4)}, "'a' does not have as many bytes as its shape takes"),
    "beyond the end": ({**OURS, "a": _entry([2], 0, 8)}, "cut short, or its tensors do not lie side by side"),
    "one over the other": (
        {**OURS, "a": _entry([1], 0, 4), "b": _entry([1], 0, 4)},
        "cut short, or its tensors do not lie side by side",
    ),
    "before the beginning": ({**OURS, "a": _entry([1], -4, 0)}, "cut short, or its tensors do not lie side by side"),
}


@pytest.mark.parametrize("case", NOT_SAFETENSORS)
def test_headers_that_lie(case: str, tmp_path: Path) -> None:
    header, cause = NOT_SAFETENSORS[case]
    path = written(tmp_path / "wrong.safetensors", header, b"\0" * 4)
    with pytest.raises(artnet.CheckpointError, match=f"is not a readable .safetensors file .*{cause}"):
        artnet.load(path)


CLAIMS: dict[str, tuple[object, str]] = {
    "a header of 10 MB": (b" " * 10_000_000, "its header has 10,000,000 bytes"),
    "10,000 tensors": (
        {**OURS, **{f"{i}": _entry([1], 4 * i, 4 * i + 4) for i in range(10_000)}},
        "has 10,000 tensors, more than any model",
    ),
    "10^9 channels": ({**OURS, "a": _entry([10**9], 0, 4 * 10**9)}, r"shape \[1000000000\], which no layer has"),
    "10^40 channels": ({**OURS, "a": _entry([10**40], 0, 4 * 10**40)}, "which no layer has"),
    "a dtype that is no text": ({**OURS, "a": _entry([1], 0, 4, {"x": 1})}, "is of {'x': 1}, expected"),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_claims_that_no_model_makes(case: str, tmp_path: Path) -> None:
    header, cause = CLAIMS[case]
    with pytest.raises(artnet.CheckpointError, match=cause):
        artnet.load(written(tmp_path / "wrong.safetensors", header, b"\0" * 4))


def test_a_file_of_a_terabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    with path.open("wb") as file:
        file.truncate(2**40)  # takes no room on a disk
    with pytest.raises(artnet.CheckpointError, match="has 1,099,511,627,776 bytes, expected some millions"):
        artnet.load(path)


def test_wide_layers_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    """Two layers that claim 12,000 channels each: the weights between them would take 0.6 GB."""
    source = shipped_models()[DEFAULT_MODEL]
    state = load_file(source)
    with safe_open(source, "pt") as file:
        metadata = file.metadata()
    for name in ("inception3a.branch1", "inception3b.branch2.0"):
        state[f"encoder.{name}.conv.weight"] = torch.zeros(12_000, 1, 1, 1, dtype=torch.float16)
        state[f"encoder.{name}.conv.bias"] = torch.zeros(12_000, dtype=torch.float16)
    path = tmp_path / "wide.safetensors"
    save_file(state, path, metadata)
    code = (
        "import resource, sys, artnet_core as artnet\n"
        "artnet.load()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    artnet.load(sys.argv[1])\n"
        "except artnet.CheckpointError:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    found = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 50_000  # kB


def test_a_folder_and_a_name_without_end_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no model file"):
        artnet.load(tmp_path)
    with pytest.raises(artnet.CheckpointError, match=r"cannot be read \(File name too long\)"):
        artnet.load(tmp_path / ("x" * 5000))


def test_what_is_loaded_does_not_depend_on_the_file_any_more(model: artnet.ArtNet, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    artnet.save(model, path, torch.float32)
    loaded = artnet.load(path)
    content = path.read_bytes()
    path.write_bytes(b"\0" * len(content))
    again = artnet.ArtNet(loaded.encoder, loaded.decoder, loaded.stride)
    assert again.fingerprint == model.fingerprint


def test_random_numbers_are_left_alone(unpruned: artnet.ArtNet, photo: Tensor) -> None:
    before = torch.random.get_rng_state()
    artnet.load()
    artnet.prune_zero_channels(unpruned)
    artnet.prune_zero_channels(unpruned, photo)
    assert torch.equal(torch.random.get_rng_state(), before)


class Convolution(nn.Conv2d):
    """As a host's: weights are not initialised."""

    def reset_parameters(self) -> None:
        pass


class Transposed(nn.ConvTranspose2d):
    def reset_parameters(self) -> None:
        pass


class Operations:
    Conv2d, ConvTranspose2d = Convolution, Transposed


@pytest.mark.parametrize("name", [DEFAULT_MODEL, UNPRUNED_MODEL])
def test_layers_of_a_host(name: str, photo: Tensor) -> None:
    path = shipped_models()[name]
    plain, hosted = artnet.load(path), artnet.load(path, operations=Operations)
    layers = [layer for layer in hosted.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]
    assert len(layers) > 20 and all(isinstance(layer, (Convolution, Transposed)) for layer in layers)
    assert {tensor.device.type for tensor in hosted.state_dict().values()} == {"cpu"}
    assert torch.equal(hosted.stylize(photo, photo), plain.stylize(photo, photo))


def test_a_model_built_from_anothers_tensors_has_its_own(model: artnet.ArtNet, photo: Tensor) -> None:
    expected = model.decode(model.encode(photo))
    copy = build_model(Path("copy"), model.state_dict(), metadata_of(model), operations=Operations)
    assert torch.equal(copy.decode(copy.encode(photo)), expected)
    for parameter in copy.parameters():
        parameter.zero_()
    assert torch.equal(model.decode(model.encode(photo)), expected)


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.float8_e4m3fn, torch.complex64], ids=str)
def test_dtypes_that_no_weights_have_are_not_saved(dtype: torch.dtype, model: artnet.ArtNet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be saved as torch\..*: use torch\.float64, torch\.float32"):
        artnet.save(model, tmp_path / "model.safetensors", dtype)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_every_dtype_that_is_saved_is_read(dtype: torch.dtype, model: artnet.ArtNet, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    artnet.save(model, path, dtype)
    with safe_open(path, "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {dtype}  # noqa: SIM118 (no mapping)
    loaded = artnet.load(path)
    rounded = {name: tensor.to(dtype).float() for name, tensor in model.state_dict().items()}
    assert all(torch.equal(tensor, rounded[name]) for name, tensor in loaded.state_dict().items())


def test_many_writers_of_one_file(tmp_path: Path) -> None:
    """Each write is whole, whoever comes last, and nothing else is left."""
    path = tmp_path / "model.safetensors"
    states = [{"weight": torch.full((200_000,), float(index))} for index in range(4)]

    def write(index: int) -> None:
        for _ in range(15):
            write_checkpoint(path, states[index], {"writer": str(index)})
            found = load_file(path)["weight"]
            assert len(found) == 200_000 and (found == found[0]).all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_new_file_takes_the_old_ones_place(model: artnet.ArtNet, tmp_path: Path) -> None:
    """It is not written into it: whoever has the old one open reads on."""
    path, old = tmp_path / "model.safetensors", tmp_path / "old"
    artnet.save(model, path, torch.float32)
    before = path.read_bytes()
    os.link(path, old)
    artnet.save(model, path, torch.float16)
    assert old.read_bytes() == before != path.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of file sizes")
def test_a_full_disk_leaves_the_old_file(model: artnet.ArtNet, tmp_path: Path) -> None:
    import resource

    path = tmp_path / "model.safetensors"
    path.write_bytes(b"the old model")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(artnet.CheckpointError, match=r"model\.safetensors cannot be written \(File too large\)"):
            artnet.save(model, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"the old model"
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_file_where_a_folder_should_be(model: artnet.ArtNet, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.safetensors").mkdir()
    for path in (tmp_path / "file" / "model.safetensors", tmp_path / "folder.safetensors"):
        with pytest.raises(artnet.CheckpointError, match=r"cannot be written \("):
            artnet.save(model, path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.safetensors"]


@pytest.mark.skipif(sys.platform == "win32", reason="no rights of files")
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_saved_files_have_the_rights_that_the_umask_leaves(umask: int, model: artnet.ArtNet, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        artnet.save(model, tmp_path / "model.safetensors")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model.safetensors").stat().st_mode) == 0o666 & ~umask


def test_text_from_files_is_tame() -> None:
    assert quoted("plain") == "'plain'"
    assert quoted("\x1b[2J\u202e\n") == r"'\x1b[2J\u202e\n'"
    assert len(quoted("x" * 10**6)) == len(quoted("\0" * 10**6)) == 83
    assert quoted([1, 2]) == "[1, 2]"


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
