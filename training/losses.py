"""The losses, pure functions of pictures and features, each a scalar in float32."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from artnet_core.network.cosines import cosine_waves

# Under the square root of a variance, so that a constant channel has a gradient.
_EPSILON = 1e-5

_DIRECTIONS = 32

_GRID = 8
_WINDOW = 128
_PATCH = 5
_PLACES = 4

# Variance of a cosine that nobody sees: a deviation of 1 in 100 of the range.
_INVISIBLE = 1e-4


def relative_error(found: Tensor, target: Tensor) -> Tensor:
    """Mean square of the error, in units of the target's own mean square: a scalar; 1 for an answer of zero."""
    found, target = found.float(), target.detach().float()
    return F.mse_loss(found, target) / target.square().mean().clamp(min=_EPSILON)


def perceptual(found: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
    """Relative error of features (Johnson et al. 2016), mean over the layers: a scalar."""
    return torch.stack([relative_error(found[layer], target[layer]) for layer in target]).mean()


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every channel, ``[B, C, 1, 1]``, float32, differentiable where it is constant."""
    features = features.float()
    mean = features.mean(dim=(2, 3), keepdim=True)
    return mean, (features - mean).square().mean(dim=(2, 3), keepdim=True).add(_EPSILON).sqrt()


def style(found: Mapping[str, Tensor], target: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Sliced Wasserstein-2 distance of the features, wherever in the picture they are (Heitz et al. 2021).

    Means and deviations of channels (Huang and Belongie 2017) leave open which of them fire together. Here the whole
    distributions are compared, along random directions through all channels of a layer.

    Args:
        found: per layer ``[B, C, h, w]``.
        target: likewise, of the same sizes.
        generator: of the directions, on the CPU.

    Returns:
        A scalar: squared distance in units of the target's own variance, mean over layers and samples.
    """
    distances = []
    for layer, of_target in target.items():
        values, wanted = found[layer].float().flatten(2), of_target.detach().float().flatten(2)  # [B, C, h * w]
        directions = F.normalize(torch.randn(_DIRECTIONS, values.shape[1], generator=generator), dim=1).to(values)
        with torch.autocast(values.device.type, enabled=False):
            found_order, wanted_order = ((directions @ positions).sort(dim=2).values for positions in (values, wanted))
        distances.append(F.mse_loss(found_order, wanted_order) / wanted.var(dim=2).mean().clamp(min=_EPSILON))
    return torch.stack(distances).mean()


def strokes(painted: Tensor, style_images: Tensor, generator: torch.Generator) -> Tensor:
    """Sliced Wasserstein-2 distance of the patches of 5 x 5 pixels that lie at one place of all squares.

    Natural strokes lie anywhere. A decoder that draws its own at the same places of every square, or a finest frequency
    that no style has, finds no such patches in the style. Patches are compared by their cosines, each in units of its
    deviation in the style: else the finest would not count.

    Args:
        painted: ``[B, 3, H, W]``; H and W at least 24, squares of 8 pixels beginning at the corner.
        style_images: likewise, of the same size.
        generator: of places and directions, on the CPU.

    Returns:
        A scalar: mean over some random places and the samples; 0 for the style itself.
    """
    cosines = _patch_cosines().to(painted.device, torch.float32)
    distances = []
    for _ in range(_PLACES):
        top, left = torch.randint(_GRID, (2,), generator=generator).tolist()
        with torch.autocast(painted.device.type, enabled=False):
            found, wanted = (_positions_at(images.float(), top, left, cosines) for images in (painted, style_images))
        scale = wanted.var(dim=(2, 3), keepdim=True).add(_INVISIBLE).rsqrt()
        distances.append(style({"patches": found * scale}, {"patches": wanted * scale}, generator))
    return torch.stack(distances).mean()


def content(found: Mapping[str, Tensor], target: Mapping[str, Tensor], weight: Tensor) -> Tensor:
    """Squared distance of instance-normalised features: what is where, whatever its colour and contrast.

    Args:
        found: per layer ``[B, C, h, w]``.
        target: likewise.
        weight: of each sample, ``[B]``.

    Returns:
        A scalar: the mean over layers and samples.
    """
    distances = []
    for layer, of_target in target.items():
        distance = (_instance_normal(found[layer]) - _instance_normal(of_target.detach())).square()
        distances.append((distance.mean(dim=(1, 2, 3)) * weight).mean())
    return torch.stack(distances).mean()


def seam(images: Tensor) -> Tensor:
    """How much contrast depends on its place in the squares of 8 x 8 pixels that the encoder sees: grids, lattices.

    Differences of neighbouring pixels, side by side, one above the other and along both diagonals, are averaged over
    the batch apart for each of the 64 places in a square. In natural pictures all 64 means agree. A decoder that draws
    its strokes at the same places of every square sets them apart, even where their signs vary from square to square
    and :func:`fixed_pattern` averages them out.

    Args:
        images: ``[B, 3, H, W]``; H and W multiples of 8, at least 16, squares beginning at the corner.

    Returns:
        A scalar: variance over the 64 places in units of the squared mean, mean over the directions; 0 without a grid.
    """
    images = images.float()
    here, right = images[..., :-1, :-1], images[..., :-1, 1:]
    below, across = images[..., 1:, :-1], images[..., 1:, 1:]
    shares = []
    for one, other in ((here, right), (here, below), (here, across), (right, below)):
        contrast = (one - other).abs().mean(dim=(0, 1))  # [H - 1, W - 1]
        rows, columns = (side // _GRID for side in contrast.shape)
        positions = contrast[: rows * _GRID, : columns * _GRID].reshape(rows, _GRID, columns, _GRID)
        position = positions.mean(dim=(0, 2))  # [8, 8]
        shares.append(position.var(correction=0) / position.mean().square().clamp(min=_EPSILON))
    return torch.stack(shares).mean()


def fixed_pattern(images: Tensor) -> Tensor:
    """How much of the fine detail is one pattern that repeats every 8 pixels: stripes, grids, checkerboards.

    What a box of 8 x 8 pixels leaves of a picture is averaged over all squares, apart for each of the 64 places in a
    square. Detail of natural pictures averages out there; a pattern that the decoder adds everywhere stays. Pictures
    are taken in windows of 128 pixels, since a pattern is seen best in a calm sky, which need not be the whole picture.

    Args:
        images: ``[B, 3, H, W]``; H and W multiples of 8, at least 16.

    Returns:
        A scalar: energy of the pattern in units of the detail's, mean over the windows; 0 without a pattern.
    """
    images = _windows(images.float())
    before, after = (_GRID - 1) // 2, _GRID // 2
    detail = images[..., before:-after, before:-after] - F.avg_pool2d(images, _GRID, stride=1)  # [B, 3, H - 7, W - 7]
    positions = detail[..., :-1, :-1].reshape(*detail.shape[:2], images.shape[2] // _GRID - 1, _GRID, -1, _GRID)
    pattern = positions.mean(dim=(2, 4))  # [B, 3, n, 8, m, 8] to [B, 3, 8, 8]
    pattern = pattern - pattern.mean(dim=(2, 3), keepdim=True)
    energy = detail.square().mean(dim=(1, 2, 3)).clamp(min=_EPSILON)
    shares: Tensor = pattern.square().mean(dim=(1, 2, 3)) / energy  # [B]
    return shares.mean()


def distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the student's classes from the teacher's (Hinton et al. 2015): a scalar."""
    return F.kl_div(
        student.float().log_softmax(1), teacher.float().log_softmax(1), log_target=True, reduction="batchmean"
    )


def _patch_cosines() -> Tensor:
    """All cosines of a patch as filters ``[75, 3, 5, 5]``, float64, of norm 1."""
    waves = cosine_waves(_PATCH)
    return torch.einsum("dc,my,nx->dmncyx", torch.eye(3, dtype=waves.dtype), waves, waves).flatten(0, 2)


def _positions_at(images: Tensor, top: int, left: int, filters: Tensor) -> Tensor:
    """``[B, 3, H, W]`` filtered at one place of every square of 8 x 8: ``[B, C, H / 8 - 1, W / 8 - 1]``."""
    height, width = (side // _GRID * _GRID - _GRID for side in images.shape[-2:])
    part = images[..., top : top + height + _PATCH - 1, left : left + width + _PATCH - 1]
    return F.conv2d(part, filters, stride=_GRID)


def _windows(images: Tensor) -> Tensor:
    """Cuts ``[B, 3, H, W]`` into windows ``[B * n, 3, h, w]`` of at most 128 pixels, whole squares of 8."""
    for axis in (2, 3):
        size = images.shape[axis]
        side = size // -(-size // _WINDOW) // _GRID * _GRID
        images = images.unfold(axis, side, side)  # [B, 3, n, W, h], then [B, 3, n, m, h, w]
    return images.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def _instance_normal(features: Tensor) -> Tensor:
    mean, std = moments(features)
    return (features.float() - mean) / std
