"""Masks: where a picture is painted and where it stays as it is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..features import Features, position_means

# Interpolated masks are rounded to such steps: a resized mask of ones is then one, whatever the weights' rounding.
_STEPS = 2**16


def mask_count(mask: Tensor) -> int:
    """How many pictures a mask ``[h, w]`` or ``[B, h, w]`` is for."""
    return len(mask) if mask.ndim > 2 else 1


def check_mask(mask: Tensor, count: int, name: str = "mask") -> Tensor:
    """Brings a mask to the shape ``[1 or count, h, w]``.

    Args:
        mask: ``[h, w]`` or ``[1 or count, h, w]``; values outside of 0..1 are cut off where it is applied.
        count: number of pictures it is meant for.
        name: what errors call it.

    Raises:
        ValueError: another shape, an empty mask, or values that are not finite.
    """
    frames = mask[None] if mask.ndim == 2 else mask
    if frames.ndim != 3:
        raise ValueError(f"The {name} must be a tensor [h, w] or [B, h, w], got {list(mask.shape)}.")
    if frames.numel() == 0:
        raise ValueError(f"The {name} is empty: its shape is {list(mask.shape)}.")
    if len(frames) not in (1, count):
        raise ValueError(f"There are {len(frames)} masks for {count} pictures: give 1 {name} or {count}.")
    if not torch.isfinite(frames).all():
        raise ValueError(f"The {name} has values that are not finite (NaN or infinity).")
    return frames


def mask_images(content: Tensor, stylized: Tensor, mask: Tensor) -> Tensor:
    """Blends pictures: the content where the mask is 0, to the bit, and the stylised picture where it is 1.

    Args:
        content: ``[B, 3, H, W]``.
        stylized: of the same shape; its device is worked on.
        mask: as in :func:`check_mask`, of any size.

    Returns:
        ``[B, 3, H, W]``, float32.

    Raises:
        ValueError: the mask does not fit the batch.
    """
    weight = resize_mask(check_mask(mask, len(content)).to(stylized.device), (content.shape[-2], content.shape[-1]))
    return _blend(content.to(stylized.device, torch.float32), stylized.float(), weight)


def mask_features(content: Features, transferred: Features, mask: Tensor) -> Features:
    """Blends features of the same pictures: the content's where the mask is 0, to the bit, the others where it is 1.

    Every position takes the mean of the mask over its pixels.

    Args:
        content: of B pictures.
        transferred: of the same pictures, after a transfer; its device is worked on.
        mask: as in :func:`check_mask`, of any size.

    Returns:
        Features in the dtype of ``transferred``.

    Raises:
        ValueError: the mask does not fit the batch.
    """
    data = transferred.data
    weight = resize_mask(check_mask(mask, len(data)).to(data.device), transferred.size)
    weight = position_means(weight, data.shape[-2:], transferred.stride)
    return transferred.with_data(_blend(content.data.to(data), data, weight))


def resize_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks ``[b, h, w]`` to ``[b, 1, H, W]``, float32, 0..1, bilinear."""
    weight = mask[:, None].float().clamp(0, 1)
    if weight.shape[-2:] != size:
        weight = F.interpolate(weight, size, mode="bilinear", align_corners=False)
    return weight.mul(_STEPS).round().div(_STEPS)


def _blend(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    # Not every backend's lerp returns its end exactly.
    mixed = torch.lerp(first.float(), second.float(), weight).to(second.dtype)
    return torch.where(weight <= 0, first, torch.where(weight >= 1, second, mixed))
