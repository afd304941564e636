"""Zero-channel pruning (paper, Section 4.1 and Fig. 4).

In a network with batch norm many ReLU channels are zero on every input. Such a channel can be cut out with its
convolution filter and its BN parameters, and so can every weight that reads it: the output does not change and no
fine-tuning is needed. Each ReLU gets a binary vector m, 1 for a channel that stays.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..model import ArtNet
from ..network.cosines import CHANNELS as DCT_CHANNELS
from ..network.cosines import dct, dct_filters
from ..network.decoder import Decoder, stages_of
from ..network.encoder import BLOCK_STRIDES, TRUNK, ConvBlock, Encoder, block_outputs, widths_of
from .channels import measure_channels

Masks = dict[str, Tensor]
"""Per unit of the trunk its vector m: bool ``[channels]``, True for a channel that stays."""


@dataclass(frozen=True)
class LayerReport:
    """Channels of one ReLU: how many stay of how many."""

    name: str
    kept: int
    total: int


@dataclass(frozen=True)
class PruningReport:
    """What pruning did.

    Attributes:
        layers: one entry per ReLU of the trunk, in the order of the network.
        encoder_parameters: before and after.
        decoder_parameters: before and after.
        multiply_adds: of encoder and decoder per pixel of the picture, before and after.
        largest_feature_difference: largest absolute difference of a kept feature, divided by the largest feature.
        largest_image_difference: largest absolute difference of a decoded pixel, 0..1.
        images: number of pictures the differences were measured on; 0 means on one synthetic picture.
    """

    layers: tuple[LayerReport, ...]
    encoder_parameters: tuple[int, int]
    decoder_parameters: tuple[int, int]
    multiply_adds: tuple[float, float]
    largest_feature_difference: float
    largest_image_difference: float
    images: int

    @property
    def channels(self) -> tuple[int, int]:
        """Of all ReLUs of the trunk, before and after."""
        return sum(layer.total for layer in self.layers), sum(layer.kept for layer in self.layers)

    def __str__(self) -> str:
        """A table that reads well as plain text and as Markdown, which is how some hosts show texts."""

        def line(name: str, before: str, after: str, left: str) -> str:
            return f"| {name:<23} | {before:>9} | {after:>9} | {left:>6} |"

        def counts(name: str, before: float, after: float) -> str:
            return line(name, f"{before:,.0f}", f"{after:,.0f}", f"{after / before:.1%}")

        measured = f"{self.images} pictures" if self.images else "a synthetic picture"
        return "\n".join(
            [
                line("", "before", "after", "left"),
                line("-" * 23, "-" * 8 + ":", "-" * 8 + ":", "-" * 5 + ":"),
                *(counts(layer.name, layer.total, layer.kept) for layer in self.layers),
                counts("channels", *self.channels),
                counts("encoder parameters", *self.encoder_parameters),
                counts("decoder parameters", *self.decoder_parameters),
                counts("multiply-adds per pixel", *self.multiply_adds),
                "",
                f"largest difference on {measured}: features {self.largest_feature_difference:.1e} of the maximum, "
                f"pixels {self.largest_image_difference:.1e}",
            ]
        )


def prune_zero_channels(
    model: ArtNet, calibration: Tensor | Iterable[Tensor] | None = None, threshold: float = 0.0
) -> tuple[ArtNet, PruningReport]:
    """Cuts zero channels out of the encoder, and out of the decoder the weights that read them.

    Args:
        model: stays as it is.
        calibration: pictures ``[B, 3, H, W]``, RGB, 0..1, or several such tensors of different sizes. Without them a
            channel goes only if its weights prove that it is zero on every picture. With them a channel also goes if
            none of these pictures drives it above ``threshold``.
        threshold: largest activation of a channel that counts as zero. Above 0 the output changes; the report says by
            how much.

    Returns:
        The pruned model, and the report.

    Raises:
        TypeError: the calibration is no tensor and no list of them.
        ValueError: a threshold that is negative, infinite or no number, a threshold without pictures, or pictures of
            the wrong shape.

    Example:
        >>> pruned, report = artnet.prune_zero_channels(artnet.load("artnet_unpruned"))
        >>> report.channels  # before and after
        (4992, 2504)
    """
    if not 0 <= threshold <= sys.float_info.max:
        raise ValueError(f"threshold must be a finite number that is not negative, got {threshold}.")
    try:
        images = [calibration] if isinstance(calibration, Tensor) else [] if calibration is None else list(calibration)
    except TypeError as error:
        kind = type(calibration).__name__
        raise TypeError(f"calibration must be pictures [B, 3, H, W], or a list of such, got {kind}.") from error
    if threshold > 0 and not images:
        raise ValueError("A threshold above 0 needs calibration pictures: weights alone only prove exact zeros.")
    masks = provable_masks(model.encoder)
    if images:
        units = measure_channels(model, images)
        fires = {name: unit.maxima.amax(0) > float(threshold) for name, unit in units.items()}
        masks = {name: mask & fires[name].to(mask.device) for name, mask in masks.items()}
    masks = {name: keep_one(mask) for name, mask in masks.items()}
    pruned = apply_masks(model, masks)
    return pruned, _report(model, pruned, masks, images)


def provable_masks(encoder: Encoder) -> Masks:
    """Finds by the weights alone the channels that cannot become positive.

    With gamma = 0 a channel is relu(beta) on every input, zero where beta <= 0. More generally every unit but the first
    reads outputs of ReLUs, which are not negative: where no weight that reads a live channel is positive and the bias
    is not either, the sum cannot be.
    """
    masks: Masks = {}
    for name in encoder.widths:
        unit, conv = TRUNK[name], _block(encoder, name).conv
        weight, bias = conv.weight.detach(), conv.bias.detach()
        if unit.inputs:
            weight = weight[:, torch.cat([masks[source] for source in unit.inputs])]
            can_rise = (weight > 0).flatten(1).any(1)
        else:
            can_rise = (weight != 0).flatten(1).any(1)
        masks[name] = can_rise | (bias > 0)
    return masks


def prune_encoder(encoder: Encoder, masks: Masks) -> Encoder:
    """The trunk with the channels that ``masks`` keeps: filters by their own mask, their inputs by the sources'."""
    state = {}
    for name in encoder.widths:
        unit, conv = TRUNK[name], _block(encoder, name).conv
        weight = conv.weight[masks[name]]
        if unit.inputs:
            weight = weight[:, torch.cat([masks[source] for source in unit.inputs])]
        state[f"{name}.conv.weight"] = weight
        state[f"{name}.conv.bias"] = conv.bias[masks[name]]
    pruned = Encoder(widths_of(state, encoder.widths), mean=encoder.mean, std=encoder.std, device="meta")
    pruned.load_state_dict(_copied(state), assign=True)
    return pruned


def prune_decoder(decoder: Decoder, kept: Tensor) -> Decoder:
    """The decoder without the input weights of cut features; ``kept`` is bool ``[in_channels]``."""
    state = dict(decoder.state_dict())
    first = f"stride{max(decoder.stages)}.0.weight"
    state[first] = state[first][:, kept]
    in_channels, stages = stages_of(state)
    pruned = Decoder(in_channels, stages, device="meta")
    pruned.load_state_dict(_copied(state), assign=True)
    return pruned


def _copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """For a network of its own, which on the meta device draws no random numbers and fills its weights only once."""
    return {name: tensor.detach().to("cpu", torch.float32, copy=True) for name, tensor in state.items()}


def feature_mask(masks: Masks) -> Tensor:
    """Which of the aggregated features stay, all cosines among them: bool ``[sum of the layers' channels]``."""
    kept = [masks[unit] for block in BLOCK_STRIDES for unit in block_outputs(block) if unit in masks]
    return torch.cat([*kept, kept[0].new_ones(DCT_CHANNELS)])


def apply_masks(model: ArtNet, masks: Masks) -> ArtNet:
    """The model with the channels that ``masks`` keeps, on the same device and in the same dtype."""
    kept = feature_mask(masks)
    provenance = {**model.provenance, "pruned_from": model.fingerprint}
    encoder, decoder = prune_encoder(model.encoder, masks), prune_decoder(model.decoder, kept)
    pruned = ArtNet(encoder, decoder, model.stride, provenance, f"{model.name} pruned".strip())
    return pruned.to(model.device, model.dtype).to(memory_format=torch.channels_last).freeze()


def parameters(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in module.parameters())


def multiply_adds_per_pixel(model: ArtNet) -> float:
    """Multiply-adds of encoder and decoder divided by the pixels of the picture, for a picture of 512 x 512.

    Margins of the picture are not counted; borders of the decoder's maps are.
    """
    side = 512
    encoder = Encoder(model.encoder.widths, device="meta")
    decoder = Decoder(sum(model.layers.values()), model.decoder.stages, device="meta")
    images = torch.empty(1, 3, side, side, dtype=torch.float32, device="meta")
    features = images.new_empty(1, sum(model.layers.values()), side // model.stride, side // model.stride)
    with FlopCounterMode(display=False) as counter:
        encoder(images)
        dct(images, dct_filters(model.stride).to(images))
        decoder(features, whole=True)
    return int(counter.get_total_flops()) / 2 / side**2


def _block(encoder: Encoder, name: str) -> ConvBlock:
    block = encoder.get_submodule(name)
    assert isinstance(block, ConvBlock)
    return block


def keep_one(mask: Tensor) -> Tensor:
    """A convolution needs an output channel: where none is left the first one stays."""
    if mask.any():
        return mask
    mask = mask.clone()
    mask[0] = True
    return mask


@torch.no_grad()
def _report(model: ArtNet, pruned: ArtNet, masks: Masks, images: Sequence[Tensor]) -> PruningReport:
    kept = feature_mask(masks)
    feature_difference = image_difference = 0.0
    for batch in images or [_synthetic_picture()]:
        for image in batch:
            before, after = model.encode(image[None]), pruned.encode(image[None])
            difference = (before.data[:, kept] - after.data).abs().max() / before.data.abs().max()
            feature_difference = max(feature_difference, difference.item())
            difference = (model.decode(before) - pruned.decode(after)).abs().max()
            image_difference = max(image_difference, difference.item())
    return PruningReport(
        layers=tuple(LayerReport(name, int(mask.sum()), len(mask)) for name, mask in masks.items()),
        encoder_parameters=(parameters(model.encoder), parameters(pruned.encoder)),
        decoder_parameters=(parameters(model.decoder), parameters(pruned.decoder)),
        multiply_adds=(multiply_adds_per_pixel(model), multiply_adds_per_pixel(pruned)),
        largest_feature_difference=feature_difference,
        largest_image_difference=image_difference,
        images=sum(len(batch) for batch in images),
    )


def _synthetic_picture() -> Tensor:
    """Coarse and fine noise, ``[1, 3, 128, 128]``, the same at every call."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 8, 8, generator=generator)
    fine = torch.rand(1, 3, 128, 128, generator=generator)
    return torch.lerp(F.interpolate(coarse, (128, 128), mode="bilinear"), fine, 0.3)
