"""Several styles as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..features import Features
from .adain import align, channel_statistics


def mix_styles(styles: Sequence[Features], weights: Sequence[float]) -> Features:
    """Mixes styles into one that a transfer takes like any other.

    The mixed palette is the weighted mean of the styles' channel means and standard deviations. Every style's map is
    cut around its middle to a common height and a width in proportion to its weight, aligned to that palette, and the
    maps are put side by side: the swap picks strokes from all of them, the more from a style the heavier it is. Mean
    and standard deviation of the whole are the palette's, but for channels that vary in some of the parts only: there
    the deviation is smaller.

    Args:
        styles: features of one model; batches of 1 or of one common size B.
        weights: one per style, not negative; their sum does not matter.

    Returns:
        Features of 1 or B styles on the device and in the dtype of the first that counts. A style of weight 0 does not
        count; one that is left alone comes back as it is.

    Raises:
        TypeError: a style is no features.
        ValueError: as many weights as styles are not given, a weight is negative, not finite or all are zero, or the
            styles are of different models or batch sizes, or no map of values.

    Example:
        >>> from artnet_core.transfer.mix import mix_styles
        >>> model = artnet.load()
        >>> waves, streets = (model.encode(torch.rand(1, 3, 64, 64)) for _ in range(2))
        >>> mixed = mix_styles([waves, streets], [2, 1])
        >>> artnet.sandwich_swap(model.encode(torch.rand(1, 3, 48, 48)), mixed).size
        (48, 48)
    """
    for style in styles:
        _check_map(style)
    shares = style_shares(weights, len(styles))
    chosen = [(style.visible_part, share) for style, share in zip(styles, shares, strict=True) if share > 0]
    if len({style.model for style in styles}) > 1:
        raise ValueError("The styles come from different models: encode all of them with the same model.")
    batches = {len(style.data) for style, _ in chosen} - {1}
    if len(batches) > 1:
        raise ValueError(
            f"The styles are batches of {' and '.join(map(str, sorted(batches)))}: give 1 picture or the "
            "same number for each."
        )
    if len(chosen) == 1:
        return chosen[0][0]

    first = chosen[0][0]
    shares = [share for _, share in chosen]
    maps = [style.data.to(first.data).expand(max(batches, default=1), -1, -1, -1) for style, _ in chosen]
    counts = [
        torch.ones_like(data[:, :1], dtype=torch.float32) if style.weight is None else style.weight.to(data.device)
        for data, (style, _) in zip(maps, chosen, strict=True)
    ]
    weighted = any(style.weight is not None for style, _ in chosen)
    statistics = [
        channel_statistics(data, None if style.weight is None else count)
        for data, count, (style, _) in zip(maps, counts, chosen, strict=True)
    ]
    mean = torch.stack([share * mean for share, (mean, _) in zip(shares, statistics, strict=True)]).sum(0)
    std = torch.stack([share * std for share, (_, std) in zip(shares, statistics, strict=True)]).sum(0)

    parts, of_parts = [], []
    cuts = side_by_side(maps, shares), side_by_side(counts, shares)
    for cut, of_cut, (style, _) in zip(*cuts, chosen, strict=True):
        shown = style.weight is not None and bool((of_cut > 0).any())
        parts.append(align(cut, mean, std, of_cut if shown else None))
        of_parts.append(of_cut.expand(len(cut), -1, -1, -1))
    data = torch.cat(parts, -1)
    size = (data.shape[-2] * first.stride, data.shape[-1] * first.stride)
    return Features(data, first.layers, first.stride, size, first.model, torch.cat(of_parts, -1) if weighted else None)


def style_shares(weights: Sequence[float], styles: int) -> list[float]:
    """The weights divided by their sum; what is nothing beside the largest has no share.

    Raises:
        ValueError: there is not one for each style, or one is negative, not finite or no number, or all are zero.
    """
    if styles != len(weights):
        raise ValueError(f"Every style needs a weight: got {styles} styles and {len(weights)} weights.")
    try:
        values = [float(weight) for weight in weights]
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"Style weights must be numbers ({error}).") from error
    if any(not math.isfinite(value) or value < 0 for value in values):
        raise ValueError(f"Style weights must be finite and not negative, got {', '.join(map(str, values))}.")
    largest = max(values, default=0.0)
    if largest == 0:
        raise ValueError("All style weights are zero: at least one style must count.")
    relative = [value / largest for value in values]  # first, as a sum of weights may exceed all numbers
    return [value / sum(relative) for value in relative]


def _check_map(style: object) -> None:
    """Raises unless this is what a model's encode gave, or looks like it."""
    if not isinstance(style, Features):
        raise TypeError(f"Styles must be features, got {type(style).__name__}: encode pictures with a model first.")
    data: object = style.data
    if not isinstance(data, Tensor) or data.layout != torch.strided or data.is_meta or not data.is_floating_point():
        kind = f"{data.dtype}, {data.layout}, {data.device}" if isinstance(data, Tensor) else type(data).__name__
        raise ValueError(f"The data of features must be a dense tensor of floating values, got {kind}.")
    channels = sum(style.layers.values())
    if data.ndim != 4 or data.numel() == 0 or data.shape[1] != channels:
        raise ValueError(f"The data of features must be a map [B, {channels}, h, w], got {list(data.shape)}.")


def side_by_side(maps: Sequence[Tensor], shares: Sequence[float]) -> list[Tensor]:
    """The middle of each map ``[B, C, h, w]``, all of one height, and as wide as their shares of all."""
    height = min(data.shape[-2] for data in maps)
    width = min(data.shape[-1] / share for data, share in zip(maps, shares, strict=True))
    parts = []
    for data, share in zip(maps, shares, strict=True):
        columns = max(1, round(share * width))
        top, left = (data.shape[-2] - height) // 2, (data.shape[-1] - columns) // 2
        parts.append(data[..., top : top + height, left : left + columns])
    return parts
