"""One .safetensors file holds a whole model: encoder, decoder, and what it takes to rebuild them.

Widths are read from the shapes of the tensors; metadata holds what shapes cannot say.
"""

from __future__ import annotations

import json
import math
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .model import ArtNet, layer_widths
from .network.aggregation import LAYERS
from .network.decoder import Decoder, stages_of
from .network.encoder import BLOCK_STRIDES, Encoder, fold_batch_norm, trunk_up_to, widths_of

FORMAT_VERSION = 3
"""1: upsampling by nearest neighbours and 3x3 convolutions; 2: the same as transposed convolutions; 3: the picture's
cosines among the features, and a way for them past the decoder's first stages."""

ARCHITECTURE = "googlenet"

# The blocks that a trunk may have.
_BLOCKS = tuple(tuple(BLOCK_STRIDES)[:count] for count in range(2, len(BLOCK_STRIDES) + 1))

DEFAULT_MODEL = "artnet.safetensors"
FAST_MODEL = "artnet_fast.safetensors"
UNPRUNED_MODEL = "artnet_unpruned.safetensors"


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
    state, metadata = read_checkpoint(path)
    model = build_model(path, state, metadata, operations=operations)
    return model.to(device, dtype).to(memory_format=torch.channels_last)


def save(model: ArtNet, path: str | Path, dtype: torch.dtype = torch.float16) -> None:
    """Writes a model to a .safetensors file.

    Raises:
        ValueError: a weight does not fit ``dtype``.
    """
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
    """Writes tensors and metadata by way of a second file, so that a broken write leaves no half model.

    Missing folders are made.

    Raises:
        CheckpointError: the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        save_file(state, partial, metadata)
    except SafetensorError as error:
        raise CheckpointError(f"{path} cannot be written ({error}).") from error
    partial.replace(path)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a model file, checked for format and finite values but not yet for shapes.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: not a .safetensors file, not ours, of another format, or with weights that are not finite.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no model file {path}.")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a readable .safetensors file ({error}).") from error
    if metadata.get("format") != "artnet":
        raise CheckpointError(f"{path} is not an ArtNet model: its metadata does not say so.")
    if not metadata.get("format_version", "").isdecimal():
        raise CheckpointError(f"{path} does not state its format version.")
    if (version := int(metadata["format_version"])) != FORMAT_VERSION:
        remedy = "update ArtNet" if version > FORMAT_VERSION else "take the file that came with this release"
        raise CheckpointError(
            f"{path} has format version {version}; this release of ArtNet reads {FORMAT_VERSION}: {remedy}."
        )
    for key, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path} is damaged: {key} has values that are not finite.")
    return state, metadata


def _per_channel(text: str) -> tuple[float, float, float]:
    values = json.loads(text)
    if not isinstance(values, list) or len(values) != 3 or not all(math.isfinite(value) for value in values):
        raise ValueError(f"there must be three finite numbers, got {text}")
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def build_model(path: Path, state: dict[str, Tensor], metadata: dict[str, str], *, operations: Any = nn) -> ArtNet:
    """Builds the model that a checkpoint's shapes and metadata describe, in float32.

    Raises:
        CheckpointError: metadata or tensors are missing, left over, or do not fit together.
    """
    try:
        architecture = metadata["architecture"]
        layers = tuple(json.loads(metadata["layers"]))
        stride = int(metadata["stride"])
        mean, std = (_per_channel(metadata[name]) for name in ("mean", "std"))
        if min(std) <= 0:
            raise ValueError(f"std must be positive, got {std}")
        provenance = json.loads(metadata.get("provenance", "{}"))
        if not isinstance(provenance, dict):
            raise ValueError(f"provenance must be an object, got {provenance}")
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{path} has damaged metadata ({error}).") from error
    blocks = layers[:-1]
    if architecture != ARCHITECTURE or layers[-1:] != LAYERS[-1:] or blocks not in _BLOCKS:
        raise CheckpointError(
            f"{path} holds a {architecture} with layers {list(layers)}; "
            f"this release reads {ARCHITECTURE} with {list(LAYERS)}, or without the last of its blocks."
        )
    units = trunk_up_to(blocks[-1])

    encoder_state = {key.removeprefix("encoder."): t for key, t in state.items() if key.startswith("encoder.")}
    decoder_state = {key.removeprefix("decoder."): t for key, t in state.items() if key.startswith("decoder.")}
    known = {key for key in encoder_state if key.rsplit(".", 2)[0] in units}
    if stray := set(state) - {f"encoder.{key}" for key in known} - {f"decoder.{key}" for key in decoder_state}:
        raise CheckpointError(f"{path} has a tensor that fits nowhere: {min(stray)}.")
    try:
        encoder_state = fold_batch_norm(encoder_state, units)
        widths = widths_of(encoder_state, units)
        in_channels, stages = stages_of(decoder_state)
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the tensor {error}.") from error
    if (expected := sum(layer_widths(widths).values())) != in_channels:
        raise CheckpointError(f"{path}: the encoder gives {expected} channels, the decoder reads {in_channels}.")
    if max(stages) != stride:
        raise CheckpointError(f"{path}: the features have stride {stride}, the decoder starts at {max(stages)}.")

    encoder = Encoder(widths, mean=mean, std=std, operations=operations)
    decoder = Decoder(in_channels, stages, operations=operations)
    for part, module, tensors in (("encoder", encoder, encoder_state), ("decoder", decoder, decoder_state)):
        for key, parameter in module.state_dict().items():
            if key not in tensors:
                raise CheckpointError(f"{path} lacks the tensor {part}.{key}.")
            if tensors[key].shape != parameter.shape:
                raise CheckpointError(
                    f"{path}: {part}.{key} has shape {list(tensors[key].shape)}, expected {list(parameter.shape)}."
                )
        if extra := set(tensors) - set(module.state_dict()):
            raise CheckpointError(f"{path} has a tensor that fits nowhere: {part}.{min(extra)}.")
        module.load_state_dict(tensors)
    return ArtNet(encoder, decoder, stride, provenance, path.stem).freeze()
