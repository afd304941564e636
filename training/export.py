"""The files that training writes and reads.

Encoder: the trunk alone under torchvision's names, batch norms kept, convolutions in fp16; metadata say how the input
is normalised and where the weights come from. Decoder: a whole model, pruned, as :func:`artnet_core.save` writes it;
and for an encoder with batch norms the same model unpruned, whose decoder does not read the zero channels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from artnet_core.checkpoint import CheckpointError, load, metadata_of, save, write_checkpoint
from artnet_core.model import ArtNet, layer_widths
from artnet_core.network.decoder import Decoder
from artnet_core.network.encoder import BLOCK_STRIDES, LAST_BLOCK, Encoder, block_widths
from artnet_core.pruning.zero_channels import Masks, feature_mask, provable_masks, prune_encoder, prune_zero_channels

from .torchvision_weights import load_torchvision_encoder

ENCODER_FORMAT = "artnet-encoder"


@dataclass(frozen=True)
class PrunedEncoder:
    """An encoder without its zero channels, and what it was.

    Attributes:
        encoder: batch norms folded, frozen.
        provenance: of the weights.
        trunk: the trunk with its batch norms; empty where the file had none.
        masks: which channels of that trunk are left, per unit.
    """

    encoder: Encoder
    provenance: Mapping[str, str]
    trunk: Mapping[str, Tensor] = field(default_factory=dict)
    masks: Masks = field(default_factory=dict)


def save_encoder(encoder: Encoder, path: Path, provenance: Mapping[str, str]) -> None:
    """Writes an encoder that still has its batch norms."""
    metadata = {
        "format": ENCODER_FORMAT,
        "mean": json.dumps(encoder.mean),
        "std": json.dumps(encoder.std),
        "last_block": list(block_widths(encoder.widths))[-1],
        "provenance": json.dumps(dict(provenance)),
    }
    write_checkpoint(path, _storable(encoder.state_dict()), metadata)


def load_pruned_encoder(path: Path, calibration: Tensor) -> PrunedEncoder:
    """Reads an encoder and cuts its zero channels out.

    Args:
        path: what :func:`save_encoder` wrote, a whole ArtNet model, or torchvision's GoogLeNet state dict.
        calibration: uint8 ``[N, 3, H, W]``. Of torchvision's trunk the channels that none of them drives above zero go
            too; ours has zero channels that its weights prove.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is none of the three.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no weights file {path}.")
    metadata = _metadata(path)
    if metadata.get("format") == ENCODER_FORMAT:
        mean, std, last_block, provenance = _read_metadata(path, metadata)
        encoder = load_torchvision_encoder(path, mean=mean, std=std, last_block=last_block)
        return _without_zeros(encoder, provenance, load_file(path))
    if metadata.get("format") == "artnet":
        model = load(path)
        return _without_zeros(model.encoder, model.provenance, load_file(path))
    encoder = load_torchvision_encoder(path)
    decoder = Decoder(sum(layer_widths(encoder.widths).values()), {8: [1], 4: [1], 2: [1]})
    pictures = [picture[None].float() / 255 for picture in calibration.cpu()]
    pruned, report = prune_zero_channels(ArtNet(encoder, decoder).freeze(), pictures)
    summary = {
        "method": "torchvision's GoogLeNet, without the channels that no calibration picture drives above zero",
        "pictures": report.images,
        "parameters": report.encoder_parameters[1],
    }
    return PrunedEncoder(_frozen(pruned.encoder), {"encoder": json.dumps(summary)})


def _without_zeros(encoder: Encoder, provenance: Mapping[str, str], file: Mapping[str, Tensor]) -> PrunedEncoder:
    """``file`` is what the encoder was read from: a trunk, or a whole model."""
    trunk = {key.removeprefix("encoder."): tensor for key, tensor in file.items() if not key.startswith("decoder.")}
    if not any(".bn." in key for key in trunk):
        trunk = {}
    masks = provable_masks(encoder)
    return PrunedEncoder(_frozen(prune_encoder(encoder, masks)), provenance, trunk, masks)


def save_models(model: ArtNet, source: PrunedEncoder, path: Path) -> list[Path]:
    """Writes a trained model, and where the trunk is known with its batch norms also the unpruned one.

    Args:
        model: pruned.
        source: what its encoder was made from.
        path: of the pruned model; the unpruned one is ``NAME_unpruned.safetensors`` next to it.

    Returns:
        The files.
    """
    save(model, path)
    if not source.trunk:
        return [path]
    kept = feature_mask(source.masks)
    state = {f"encoder.{name}": tensor for name, tensor in source.trunk.items()}
    for name, tensor in model.decoder.state_dict().items():
        tensor = tensor.detach().to("cpu", torch.float16).contiguous()
        if name == f"stride{max(model.decoder.stages)}.0.weight":
            read = tensor
            tensor = read.new_zeros(len(read), len(kept), 1, 1)
            tensor[:, kept] = read
        state[f"decoder.{name}"] = tensor
    unpruned = path.with_name(f"{path.stem}_unpruned{path.suffix}")
    write_checkpoint(unpruned, state, metadata_of(model))
    return [path, unpruned]


def _storable(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convolutions in fp16; batch norms in fp32, since running variances exceed the range of fp16."""
    stored = {}
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            dtype = torch.float16 if name.endswith("conv.weight") else torch.float32
            stored[name] = tensor.detach().to("cpu", dtype).contiguous()
    return stored


def _metadata(path: Path) -> dict[str, str]:
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a readable .safetensors file ({error}).") from error


def _read_metadata(
    path: Path, metadata: Mapping[str, str]
) -> tuple[tuple[float, ...], tuple[float, ...], str, dict[str, str]]:
    """Mean, std, last block and provenance, as :func:`save_encoder` wrote them.

    Raises:
        CheckpointError: one is missing, or is not what it should be.
    """
    try:
        mean, std = (tuple(map(float, json.loads(metadata[name]))) for name in ("mean", "std"))
        provenance = dict(json.loads(metadata["provenance"]))
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} has damaged metadata: mean, std or provenance cannot be read.") from error
    last_block = metadata.get("last_block", LAST_BLOCK)
    if not len(mean) == len(std) == 3 or not all(map(math.isfinite, mean + std)) or min(std) <= 0:
        raise CheckpointError(f"{path} has damaged metadata: mean and std are not three numbers each, std above 0.")
    if last_block not in list(BLOCK_STRIDES)[1:]:
        raise CheckpointError(f"{path} has damaged metadata: the trunk has no such block as its last one says.")
    return mean, std, last_block, provenance


def _frozen(encoder: Encoder) -> Encoder:
    return encoder.eval().requires_grad_(False)
