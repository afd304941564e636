"""Cuts channels that are not zero out of an encoder, and fits what is left to make up for them.

Zero-channel pruning leaves the output as it is; this does not. Channels that the trunk and the decoder miss least go,
and every convolution is fitted to what it gave before, from what the narrowed trunk before it gives (He et al. 2017).
For the result a decoder is trained. Of what stays of inception4* nothing is cut: at stride 16 it costs little.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artnet_core.network.decoder import Decoder
from artnet_core.network.encoder import (
    BN_EPSILON,
    FULL_WIDTHS,
    LAST_BLOCK,
    TRUNK,
    Encoder,
    block_outputs,
    block_widths,
    trunk_up_to,
)
from artnet_core.pruning.zero_channels import Masks

from .export import PrunedEncoder
from .least_squares import fit_when_called
from .outputs import outputs_of

_NARROWED_STRIDES = (2, 4, 8)


@dataclass(frozen=True)
class _Layer:
    """A unit of the trunk: what its convolution gave, and the strongest channels of it."""

    output: Tensor
    kept: Tensor


@torch.no_grad()
def narrow(
    source: PrunedEncoder, decoder: Decoder, share: float, images: Tensor, last_block: str = LAST_BLOCK
) -> Encoder:
    """The trunk with batch norms and of full widths in which more channels are zero.

    Args:
        source: with its trunk.
        decoder: that reads it; channels that it hardly reads go first.
        share: of the channels of each unit at strides 2, 4 and 8 that stays, 0..1.
        images: ``[N, 3, H, W]``, 0..1, what is fitted to.
        last_block: where the trunk is to end.

    Raises:
        ValueError: the encoder has no batch norms, so its zero channels are gone, or ends before ``last_block``; or a
            share out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie above 0 and be at most 1, got {share}.")
    if not source.trunk:
        raise ValueError("Only an encoder that is not pruned can be narrowed: give an unpruned model.")
    if any(name not in source.encoder.widths for name in trunk_up_to(last_block)):
        raise ValueError(f"The encoder ends before {last_block}: choose an earlier last block.")
    layers = _layers(source.encoder, decoder, share, images, last_block)
    narrowed = Encoder(
        {name: len(layer.kept) for name, layer in layers.items()}, mean=source.encoder.mean, std=source.encoder.std
    )
    for key, tensor in source.encoder.conv1.state_dict().items():
        narrowed.conv1.state_dict()[key].copy_(tensor[layers["conv1"].kept])
    _fit(narrowed, layers, images)
    return _with_zeros(narrowed, layers, source.masks)


def _layers(encoder: Encoder, decoder: Decoder, share: float, images: Tensor, last_block: str) -> dict[str, _Layer]:
    units = trunk_up_to(last_block)
    given = outputs_of(encoder, [f"{name}.conv" for name in units], lambda: encoder(images))
    outputs = {name: given[f"{name}.conv"] for name in units}
    missed = _missed(encoder, decoder, outputs)
    layers = {}
    for name, unit in units.items():
        width = encoder.widths[name]
        count = max(1, round(share * width)) if unit.stride in _NARROWED_STRIDES else width
        layers[name] = _Layer(outputs[name], missed[name].topk(count).indices.sort().values)
    return layers


def _missed(encoder: Encoder, decoder: Decoder, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """What share of its readers' outputs each channel makes up, ``[channels]`` for each unit."""
    variances = {name: F.relu(output).var(dim=(0, 2, 3)) for name, output in outputs.items()}
    missed = {name: torch.zeros_like(variance) for name, variance in variances.items()}

    def read(names: tuple[str, ...], weight: Tensor) -> None:
        """Counts a convolution, ``[out, in, k, k]``, that reads these units."""
        shares = weight.square().sum(dim=(0, 2, 3)) * torch.cat([variances[name] for name in names])
        parts = torch.split_with_sizes(shares / shares.sum(), [encoder.widths[name] for name in names])
        for name, part in zip(names, parts, strict=True):
            missed[name] += part

    for name in outputs:
        if inputs := TRUNK[name].inputs:
            read(inputs, _conv(encoder, name).get_parameter("weight"))
    blocks = block_widths({name: encoder.widths[name] for name in outputs})
    aggregated = tuple(unit for block in blocks for unit in block_outputs(block))
    first = decoder.get_submodule(f"stride{max(decoder.stages)}.0").get_parameter("weight")
    read(aggregated, first[:, : sum(encoder.widths[name] for name in aggregated)])
    return missed


def _fit(narrowed: Encoder, layers: dict[str, _Layer], images: Tensor) -> None:
    """Each convolution is fitted when its turn comes, to what those before it, fitted already, have made."""
    for name, layer in layers.items():
        if TRUNK[name].inputs:
            fit_when_called(_conv(narrowed, name), layer.output[:, layer.kept])
    narrowed(images)


def _with_zeros(narrowed: Encoder, layers: dict[str, _Layer], masks: Masks) -> Encoder:
    """The same function at full widths: cut channels have gamma = beta = 0, batch norms change nothing else."""
    alive = {name: masks[name].nonzero().flatten()[layer.kept] for name, layer in layers.items()}
    widths = {name: FULL_WIDTHS[name] for name in layers}
    full = Encoder(widths, norm=True, mean=narrowed.mean, std=narrowed.std)
    state = {name: torch.zeros_like(tensor) for name, tensor in full.state_dict().items()}
    for name in layers:
        unit, conv = TRUNK[name], _conv(narrowed, name)
        read = [alive[source] + offset for source, offset in zip(unit.inputs, _offsets(unit.inputs), strict=True)]
        columns = torch.cat(read) if read else torch.arange(3)
        state[f"{name}.conv.weight"][alive[name][:, None], columns] = conv.get_parameter("weight")
        state[f"{name}.bn.weight"][alive[name]] = 1
        state[f"{name}.bn.bias"][alive[name]] = conv.get_parameter("bias")
        state[f"{name}.bn.running_var"].fill_(1 - BN_EPSILON)
    full.load_state_dict(state)
    return full


def _offsets(names: tuple[str, ...]) -> list[int]:
    """Where each unit's channels begin in the concatenation of these, at full widths."""
    return [sum(FULL_WIDTHS[name] for name in names[:index]) for index in range(len(names))]


def _conv(encoder: Encoder, name: str) -> nn.Module:
    return encoder.get_submodule(f"{name}.conv")
