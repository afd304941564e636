"""Statistics of ReLU channels over pictures: which are zero, on which pictures, and how stable that is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..images import check_images
from ..model import ArtNet
from ..network.aggregation import pad_images


@dataclass(frozen=True)
class UnitChannels:
    """Activations of one ReLU on N pictures, margins of reflection included.

    Attributes:
        maxima: of each channel on each picture, ``[N, C]``, float32 on the CPU.
        means: likewise.
    """

    maxima: Tensor
    means: Tensor

    @property
    def always_zero(self) -> int:
        """Channels that are zero on every picture."""
        return int((self.maxima <= 0).all(0).sum())

    @property
    def sometimes_zero(self) -> int:
        """Channels that are zero on some pictures, and not on others."""
        return int((self.maxima <= 0).any(0).sum()) - self.always_zero

    @property
    def channels(self) -> int:
        return self.maxima.shape[1]


@torch.no_grad()
def measure_channels(model: ArtNet, images: Iterable[Tensor]) -> dict[str, UnitChannels]:
    """Runs pictures through the encoder and notes maximum and mean of every channel.

    Args:
        model: whose encoder is looked at.
        images: tensors ``[B, 3, H, W]``, RGB, 0..1; their sizes may differ.

    Returns:
        By the name of the unit, in the order of :data:`~artnet_core.network.encoder.TRUNK`; empty tensors ``[0, C]``
        without pictures.

    Raises:
        ValueError: a tensor is no batch of pictures.
    """
    maxima: dict[str, list[Tensor]] = {name: [] for name in model.encoder.widths}
    means: dict[str, list[Tensor]] = {name: [] for name in model.encoder.widths}

    def hook(name: str) -> torch.utils.hooks.RemovableHandle:
        def record(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            maxima[name].append(output.amax(dim=(0, 2, 3)).float().cpu())
            means[name].append(output.float().mean(dim=(0, 2, 3)).cpu())

        return model.encoder.get_submodule(name).register_forward_hook(record)

    handles = [hook(name) for name in model.encoder.widths]
    try:
        for batch in images:
            check_images(batch)
            for image in batch:
                model.encoder(pad_images(image[None].to(model.device, model.image_dtype)), model.dtype)
    finally:
        for handle in handles:
            handle.remove()
    empty = {name: torch.empty(0, width) for name, width in model.encoder.widths.items()}
    return {
        name: UnitChannels(torch.stack(maxima[name]), torch.stack(means[name]))
        if maxima[name]
        else UnitChannels(empty[name], empty[name])
        for name in model.encoder.widths
    }


def zeros_over_pictures(units: dict[str, UnitChannels]) -> list[int]:
    """How many channels are zero on all of the first 1, 2, ... N pictures.

    A network has stable zero channels (the paper's third question) where this stops falling early.
    """
    maxima = torch.cat([unit.maxima for unit in units.values()], 1)  # [N, all channels]
    return torch.cummax(maxima, 0).values.le(0).sum(1).tolist() if len(maxima) else []


def channel_table(units: dict[str, UnitChannels]) -> str:
    """A Markdown table that also reads as plain text, one row per ReLU."""
    rows = [
        f"| {'':<23} | channels | always zero | sometimes zero | mean of the others |",
        f"| {'-' * 23} | -------: | ----------: | -------------: | -----------------: |",
    ]
    for name, unit in units.items():
        alive = unit.means[:, (unit.maxima > 0).any(0)]
        mean = f"{alive.mean():.3g}" if alive.numel() else "-"
        rows.append(
            f"| {name:<23} | {unit.channels:>8,} | {unit.always_zero:>11,} | {unit.sometimes_zero:>14,} | {mean:>18} |"
        )
    channels, always, sometimes = (
        sum(getattr(unit, name) for unit in units.values()) for name in ("channels", "always_zero", "sometimes_zero")
    )
    rows.append(f"| {'all':<23} | {channels:>8,} | {always:>11,} | {sometimes:>14,} | {'':>18} |")
    return "\n".join(rows)
