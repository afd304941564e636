"""One .safetensors file holds a whole model: encoder, decoder, and what it takes to rebuild them.

Widths are read from the shapes of the tensors; metadata holds what shapes cannot say. Files come from strangers: the
header is held against what a model needs before any weight is read, and weights are held against what can be painted
with.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from io import BufferedReader
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from .model import ArtNet, layer_widths
from .network.aggregation import LAYERS
from .network.decoder import STRIDES, Decoder, stages_of
from .network.encoder import BATCH_NORM, BLOCK_STRIDES, Encoder, fold_batch_norm, trunk_up_to, widths_of

FORMAT_VERSION = 3
"""1: upsampling by nearest neighbours and 3x3 convolutions; 2: the same as transposed convolutions; 3: the picture's
cosines among the features, and a way for them past the decoder's first stages."""

ARCHITECTURE = "googlenet"

# The blocks that a trunk may have.
_BLOCKS = tuple(tuple(BLOCK_STRIDES)[:count] for count in range(2, len(BLOCK_STRIDES) + 1))

DEFAULT_MODEL = "artnet.safetensors"
FAST_MODEL = "artnet_fast.safetensors"
UNPRUNED_MODEL = "artnet_unpruned.safetensors"

# The dtypes that weights may have, by their names in a header.
_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}

# The shipped files have 6 kB of metadata, at most 244 tensors, 832 channels and 10 MB. What is far beyond that was made
# to use up memory.
_LARGEST_HEADER = 4 * 2**20
_MOST_TENSORS = 1000
_WIDEST = 2**14
_LARGEST_FILE = 2**30

# Trained weights lie below 100. Sums of products of much larger ones exceed float32.
_LARGEST_WEIGHT = 1e9

# Pictures lie in 0..1 and, once normalised, within a few units of zero.
_LARGEST_PIXEL = 1e3


class CheckpointError(ValueError):
    """A model file that cannot be used; the message names the file and the cause."""


def shipped_models() -> dict[str, Path]:
    """The model files that come with the package, by file name."""
    folder = Path(str(resources.files(__package__))) / "weights"
    return {name: folder / name for name in (DEFAULT_MODEL, FAST_MODEL, UNPRUNED_MODEL)}


def load(
    path: str | Path | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    operations: Any = nn,
) -> ArtNet:
    """Loads a model, by default the pruned one that is shipped.

    Batch norms are folded into the convolutions. The memory format is channels_last, which the convolutions prefer.

    Args:
        path: a .safetensors file that :func:`save` wrote, or the name of a shipped model: ``artnet``, the default,
            ``artnet_fast`` or ``artnet_unpruned``.
        device: where the model goes.
        dtype: float32, float16 or bfloat16; what bfloat16 is too coarse for is float32 in any case, see
            :meth:`ArtNet.to`.
        operations: namespace that ``Conv2d`` and ``ConvTranspose2d`` come from.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is not a usable model.

    Example:
        >>> fast = artnet.load("artnet_fast")
        >>> fast.stride, fast.dtype
        (8, torch.float32)
    """
    shipped = shipped_models()
    names = {file.stem: file for file in shipped.values()}
    path = shipped[DEFAULT_MODEL] if path is None else names.get(str(path), Path(path))
    state, blank = read_checkpoint(path, operations=operations)
    model = _filled(path, blank, state)
    return model.to(device, dtype).to(memory_format=torch.channels_last)


def save(model: ArtNet, path: str | Path, dtype: torch.dtype = torch.float16) -> None:
    """Writes a model to a .safetensors file.

    Args:
        model: any, pruned or not.
        path: of the file; missing folders are made, and a file that lies there is replaced.
        dtype: of the weights in the file: float16, bfloat16, float32 or float64.

    Raises:
        ValueError: another dtype, or a weight does not fit it.
        CheckpointError: the file cannot be written.

    Example:
        >>> artnet.save(artnet.load(), "model.safetensors")
    """
    if dtype not in _DTYPES.values():
        raise ValueError(f"Weights cannot be saved as {dtype}: use {_listed(_DTYPES.values())}.")
    state = {}
    for name, tensor in model.state_dict().items():
        state[name] = tensor.detach().to("cpu", dtype).contiguous()
        if not torch.isfinite(state[name]).all():
            raise ValueError(f"{name} holds values that {dtype} cannot: save with dtype=torch.float32.")
    write_checkpoint(path, state, metadata_of(model))


def metadata_of(model: ArtNet) -> dict[str, str]:
    """The metadata that goes with a model's tensors, all values strings as .safetensors demands."""
    return {
        "format": "artnet",
        "format_version": str(FORMAT_VERSION),
        "architecture": ARCHITECTURE,
        "layers": json.dumps(list(model.layers)),
        "stride": str(model.stride),
        "mean": json.dumps(model.encoder.mean),
        "std": json.dumps(model.encoder.std),
        "provenance": json.dumps(model.provenance),
    }


def write_checkpoint(path: str | Path, state: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes tensors and metadata beside the target and moves them into place.

    So a write that breaks leaves what was there before, and of two writers the last one wins. Missing folders are made.
    The file has the rights that the umask leaves.

    Raises:
        CheckpointError: the file cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A folder, since tempfile's own files are for nobody else to read.
        with tempfile.TemporaryDirectory(prefix=".artnet-", dir=path.parent) as folder:
            partial = Path(folder) / "model.part"
            partial.write_bytes(to_bytes(state, metadata))
            partial.replace(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written ({error.strerror}).") from error


def read_checkpoint(path: str | Path, *, operations: Any = nn) -> tuple[dict[str, Tensor], ArtNet]:
    """The tensors of a model file as they are stored, and the model that they belong to, still without weights.

    Header and shapes are checked before any tensor is read; values are not checked yet.

    Args:
        path: a file that :func:`save` wrote.
        operations: namespace that ``Conv2d`` and ``ConvTranspose2d`` come from.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: not a .safetensors file, not ours, of another format, or with tensors that do not fit together.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise FileNotFoundError(f"There is no model file {path}.")
        with path.open("rb") as file:
            header = _read_header(path, file)
            model = _blank_model(path, header.blanks, header.metadata, operations)
            return {name: header.read(name, file) for name in header.blanks}, model
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from error
    except _NotSafetensorsError as error:
        raise CheckpointError(f"{path} is not a readable .safetensors file ({error}).") from error


def build_model(
    path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str], *, operations: Any = nn
) -> ArtNet:
    """Builds the model that tensors and metadata of a checkpoint describe, in float32 on the CPU.

    Args:
        path: names the model, and is what errors begin with.
        state: tensors by name; they are copied.
        metadata: as :func:`metadata_of` gives.
        operations: namespace that ``Conv2d`` and ``ConvTranspose2d`` come from.

    Raises:
        CheckpointError: metadata or tensors are missing, left over, do not fit together or cannot be painted with.
    """
    return _filled(path, _blank_model(path, state, metadata, operations), state)


def quoted(value: object, most: int = 80) -> str:
    """What a file says, for people to read: on one line, in quotes, cut, and nothing in it commands a terminal.

    Example:
        >>> quoted("a name\\n")
        "'a name\\\\n'"
    """
    shown = repr(value[: most + 1] if isinstance(value, str) else value)
    return shown if len(shown) <= most + 2 else f"{shown[:most]}..."


class _NotSafetensorsError(ValueError):
    """What is wrong with a file's layout."""


@dataclass(frozen=True)
class _Header:
    """What a .safetensors file says of itself.

    Attributes:
        metadata: texts by name.
        blanks: tensors of the stored shapes and dtypes, without values.
        offsets: where in the file each begins.
    """

    metadata: dict[str, str]
    blanks: dict[str, Tensor]
    offsets: dict[str, int]

    def read(self, name: str, file: BufferedReader) -> Tensor:
        blank = self.blanks[name]
        values = bytearray(blank.nbytes)
        file.seek(self.offsets[name])
        if file.readinto(values) != len(values):
            raise _NotSafetensorsError("it became shorter while it was read")
        return torch.frombuffer(values, dtype=blank.dtype).view(blank.shape)


def _read_header(path: Path, file: BufferedReader) -> _Header:
    size = os.fstat(file.fileno()).st_size
    if size > _LARGEST_FILE:
        raise CheckpointError(f"{path} is not an ArtNet model: it has {size:,} bytes, expected some millions.")
    length = int.from_bytes(file.read(8), "little")
    begin = 8 + length
    if begin > size:
        raise _NotSafetensorsError("it is shorter than its header says")
    if length > _LARGEST_HEADER:
        raise _NotSafetensorsError(f"its header has {length:,} bytes, at most {_LARGEST_HEADER:,} are read")
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_without_twins)
    except RecursionError as error:
        raise _NotSafetensorsError("its header is nested too deeply") from error
    except ValueError as error:
        raise _NotSafetensorsError("its header is no JSON") from error
    if not isinstance(header, dict):
        raise _NotSafetensorsError("its header is no object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise _NotSafetensorsError("its metadata are not texts")
    _check_format(path, metadata)
    if len(header) > _MOST_TENSORS:
        raise CheckpointError(f"{path} has {len(header):,} tensors, more than any model.")

    blanks, offsets, spans = {}, {}, []
    for name, entry in header.items():
        try:
            dtype, shape, (first, last) = entry["dtype"], entry["shape"], entry["data_offsets"]
            sound = isinstance(shape, list) and all(type(number) is int for number in (*shape, first, last))
        except (TypeError, KeyError, ValueError):
            sound = False
        if not sound:
            raise _NotSafetensorsError(f"its header does not say where {quoted(name)} lies")
        if not isinstance(dtype, str) or dtype not in _DTYPES:
            raise CheckpointError(f"{path}: {quoted(name)} is of {quoted(dtype)}, expected {_listed(_DTYPES)}.")
        if len(shape) not in (1, 4) or not all(0 < side <= _WIDEST for side in shape):
            raise CheckpointError(f"{path}: {quoted(name)} has shape {quoted(shape)}, which no layer has.")
        blanks[name] = torch.empty(shape, dtype=_DTYPES[dtype], device="meta")
        if last - first != blanks[name].nbytes:
            raise _NotSafetensorsError(f"{quoted(name)} does not have as many bytes as its shape takes")
        offsets[name] = begin + first
        spans.append((first, last))
    spans.sort()
    if any(last != first for (_, last), (first, _) in zip([(0, 0), *spans], [*spans, (size - begin, 0)], strict=True)):
        raise _NotSafetensorsError("it is cut short, or its tensors do not lie side by side")
    return _Header(metadata, blanks, offsets)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a name is given twice")
    return entries


def _check_format(path: Path, metadata: Mapping[str, str]) -> None:
    if metadata.get("format") != "artnet":
        raise CheckpointError(f"{path} is not an ArtNet model: its metadata does not say so.")
    stated = metadata.get("format_version", "")
    if not stated.isdecimal() or len(stated) > 9:
        raise CheckpointError(f"{path} does not state its format version.")
    if (version := int(stated)) != FORMAT_VERSION:
        remedy = "update ArtNet" if version > FORMAT_VERSION else "take the file that came with this release"
        raise CheckpointError(
            f"{path} has format version {version}; this release of ArtNet reads {FORMAT_VERSION}: {remedy}."
        )


def _per_channel(text: str) -> tuple[float, float, float]:
    values = json.loads(text)
    if not isinstance(values, list) or len(values) != 3 or not all(math.isfinite(value) for value in values):
        raise ValueError(f"there must be three finite numbers, got {quoted(text)}")
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _blank_model(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], operations: Any) -> ArtNet:
    """The model that shapes and metadata describe, on the meta device; values are not looked at.

    Raises:
        CheckpointError: metadata or tensors are missing, left over, or do not fit together.
    """
    try:
        architecture = metadata["architecture"]
        layers = json.loads(metadata["layers"])
        stride = int(metadata["stride"])
        mean, std = (_per_channel(metadata[name]) for name in ("mean", "std"))
        if min(std) <= 0:
            raise ValueError(f"std must be positive, got {std}")
        if any(max(abs(m), abs(1 - m)) / s > _LARGEST_PIXEL for m, s in zip(mean, std, strict=True)):
            raise ValueError(f"mean {mean} and std {std} take pictures beyond {_LARGEST_PIXEL:,.0f}")
        provenance = json.loads(metadata.get("provenance", "{}"))
        if not isinstance(provenance, dict):
            raise ValueError(f"provenance must be an object, got {quoted(metadata['provenance'])}")
    except RecursionError as error:
        raise CheckpointError(f"{path} has damaged metadata (nested too deeply).") from error
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{path} has damaged metadata ({error}).") from error
    if architecture != ARCHITECTURE:
        raise CheckpointError(f"{path} holds a {quoted(architecture)}; this release reads {ARCHITECTURE}.")
    if layers not in [list(blocks) + list(LAYERS[-1:]) for blocks in _BLOCKS]:
        raise CheckpointError(
            f"{path} has the layers {quoted(metadata['layers'])}; "
            f"this release reads {list(LAYERS)}, or without the last of its blocks."
        )
    if stride not in STRIDES[:2]:
        raise CheckpointError(f"{path} has features of stride {stride}, expected {_listed(STRIDES[:2])}.")
    units = trunk_up_to(layers[-2])

    parts: dict[str, dict[str, Tensor]] = {"encoder": {}, "decoder": {}}
    for name, tensor in tensors.items():
        part, _, key = name.partition(".")
        if part in parts:
            parts[part][key] = tensor
    try:
        widths = widths_of(parts["encoder"], units)
        in_channels, stages = stages_of(parts["decoder"])
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the tensor {error}.") from error
    except IndexError as error:
        raise CheckpointError(f"{path} has a convolution whose weights have too few dimensions.") from error
    if (expected := sum(layer_widths(widths).values())) != in_channels:
        raise CheckpointError(f"{path}: the encoder gives {expected} channels, the decoder reads {in_channels}.")
    if list(stages) != (strides := [s for s in STRIDES if s <= stride]):
        raise CheckpointError(
            f"{path}: the features have stride {stride}, so the decoder needs stages at the strides "
            f"{_listed(strides, 'and')}, and has them at {_listed(stages, 'and')}."
        )

    encoder = Encoder(widths, mean=mean, std=std, operations=operations, device="meta")
    decoder = Decoder(in_channels, stages, operations=operations, device="meta")
    origin = {key: text if isinstance(text, str) else json.dumps(text) for key, text in provenance.items()}
    model = ArtNet(encoder, decoder, stride, origin, path.stem)
    _check_shapes(path, tensors, model)
    return model


def _check_shapes(path: Path, tensors: Mapping[str, Tensor], model: ArtNet) -> None:
    needed: dict[str, torch.Size] = {}
    for name, blank in model.state_dict().items():
        unit = name.removesuffix(".conv.bias")
        if unit != name and f"{unit}.bn.weight" in tensors:
            needed |= {f"{unit}.bn.{end}": blank.shape for end in BATCH_NORM}
        else:
            needed[name] = blank.shape
    for name, shape in needed.items():
        if name not in tensors:
            raise CheckpointError(f"{path} lacks the tensor {name}.")
        if tensors[name].shape != shape:
            raise CheckpointError(f"{path}: {name} has shape {list(tensors[name].shape)}, expected {list(shape)}.")
    if stray := tensors.keys() - needed.keys():
        raise CheckpointError(f"{path} has a tensor that fits nowhere: {quoted(min(stray))}.")


def _filled(path: Path, model: ArtNet, state: Mapping[str, Tensor]) -> ArtNet:
    """The model with these weights, batch norms folded, frozen.

    Raises:
        CheckpointError: weights are not finite, or too large to paint with.
    """
    weights = {name: tensor.detach().to("cpu", torch.float32, copy=True) for name, tensor in state.items()}
    _check_values(path, weights, math.inf)
    trunk = {name.removeprefix("encoder."): w for name, w in weights.items() if name.startswith("encoder.")}
    folded = {f"encoder.{name}": w for name, w in fold_batch_norm(trunk, model.encoder.widths).items()}
    folded |= {name: w for name, w in weights.items() if name.startswith("decoder.")}
    _check_values(path, folded, _LARGEST_WEIGHT)
    model.load_state_dict(folded, assign=True)
    return model.freeze()


def _check_values(path: Path, weights: Mapping[str, Tensor], largest: float) -> None:
    for name, weight in weights.items():
        found = max(abs(extreme.item()) for extreme in weight.aminmax())
        if not math.isfinite(found):
            raise CheckpointError(f"{path} is damaged: {name} has values that are not finite.")
        if found > largest:
            raise CheckpointError(f"{path} is damaged: {name} has values up to {found:.1e}, which nothing can paint.")


def _listed(things: Iterable[object], conjunction: str = "or") -> str:
    *others, last = map(str, things)
    return f"{', '.join(others)} {conjunction} {last}" if others else last
