"""Pictures of other sizes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Where F.interpolate smooths.
_SMOOTHING_DEVICES = ("cpu", "cuda")


def resize(images: Tensor, side: int) -> Tensor:
    """``[B, C, H, W]`` with a longer side of so many pixels, smoothed where it becomes smaller."""
    height, width = images.shape[-2:]
    scale = side / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    if size == (height, width):
        return images
    return _bicubic(images, size).clamp_(0, 1).to(images)


def halve(images: Tensor) -> Tensor:
    """``[B, C, H, W]`` at half the size: means of 2 x 2 pixels, at odd borders of fewer."""
    height, width = images.shape[-2:]
    if height % 2 or width % 2:
        images = F.pad(images, (0, width % 2, 0, height % 2), mode="replicate")
    return resize_linearly(images, (-(-height // 2), -(-width // 2)))


def double(images: Tensor, size: tuple[int, int]) -> Tensor:
    """What :func:`halve` made of maps ``[B, C, *size]``, in their size again, smoothly.

    Each pixel becomes 2 x 2, those that an odd size cuts off too, so that nothing is shifted and a part of a map gives
    that part of the larger one.

    Example:
        >>> from artnet_core.resizing import double, halve
        >>> double(halve(torch.rand(1, 3, 63, 80)), (63, 80)).shape
        torch.Size([1, 3, 63, 80])
    """
    height, width = images.shape[-2:]
    return enlarge(images, (2 * height, 2 * width))[..., : size[0], : size[1]]


def enlarge(images: Tensor, size: tuple[int, int]) -> Tensor:
    """``[B, C, h, w]`` to ``[B, C, H, W]``, smoothly."""
    return _bicubic(images, size).to(images.device)


def resize_linearly(images: Tensor, size: tuple[int, int]) -> Tensor:
    """``[B, C, h, w]`` to ``[B, C, H, W]``, by straight lines between pixels; half the size are means of 2 x 2 of them.

    Several times faster than the others, and rougher: for changes that are added to pictures.
    """
    batch, channels, height, width = images.shape
    # Channel by channel, for which PyTorch has its fastest kernel on CPUs.
    maps = images.float().reshape(batch * channels, 1, height, width)
    return F.interpolate(maps, size, mode="bilinear").view(batch, channels, *size)


def _bicubic(images: Tensor, size: tuple[int, int]) -> Tensor:
    # Elsewhere (MPS, DirectML) the smoothing filter may be missing. On a CPU it is three times as fast as the other.
    where = images.device if images.device.type in _SMOOTHING_DEVICES else torch.device("cpu")
    return F.interpolate(images.to(where, torch.float32), size, mode="bicubic", antialias=True)
