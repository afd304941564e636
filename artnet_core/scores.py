"""Scores of a style transfer: edges kept, texture met, colours met; and of features: statistics met, patches copied.

The paper scores edges by SSIM on the maps of a learned detector (Table 2); texture is judged here as by its style loss,
by Gram matrices (Gatys et al. 2016). Scores of pictures are pure and differentiable: one number each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .transfer.adain import channel_statistics
from .transfer.matching import match_patches

FeatureNetwork = Callable[[Tensor], Sequence[Tensor]]
"""Pictures ``[B, 3, H, W]`` to feature maps ``[B, C_i, H_i, W_i]``."""

# Rec. 601, the weights of grey in every edge detector's reference code.
_LUMINANCE = (0.299, 0.587, 0.114)

# SSIM's constants and window as in Wang et al. 2004, for values in 0..1.
_SSIM_C1, _SSIM_C2 = 0.01**2, 0.03**2
_SSIM_WINDOW, _SSIM_SIGMA = 11, 1.5

# Keeps the square root of a flat picture's gradient differentiable.
_SMALLEST_ENERGY = 1e-8


def sobel_edges(images: Tensor) -> Tensor:
    """Gradient magnitude of the luminance by Sobel's filters.

    Args:
        images: ``[B, 3, H, W]``, RGB, 0..1.

    Returns:
        ``[B, 1, H, W]``, float32, not negative; 1 is the largest response that one filter can have.
    """
    weights = images.new_tensor(_LUMINANCE, dtype=torch.float32).view(1, 3, 1, 1)
    grey = (images.float() * weights).sum(1, keepdim=True)
    across = grey.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 4
    filters = torch.stack([across, across.T])[:, None]  # [2, 1, 3, 3]
    gradients = F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), filters)
    return (gradients.square().sum(1, keepdim=True) + _SMALLEST_ENERGY).sqrt()


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Mean structural similarity (Wang et al. 2004), Gaussian window of 11 x 11, sigma 1.5.

    Args:
        first: ``[B, C, H, W]``, values in 0..1.
        second: of the same shape.

    Returns:
        ``[B]``, -1..1; 1 for equal maps.

    Raises:
        ValueError: the shapes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"SSIM compares maps of one shape, got {list(first.shape)} and {list(second.shape)}.")
    first, second = first.float(), second.float()
    mean_1, mean_2 = _blur(first), _blur(second)
    variance_1 = _blur(first.square()) - mean_1.square()
    variance_2 = _blur(second.square()) - mean_2.square()
    covariance = _blur(first * second) - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + _SSIM_C1) / (mean_1.square() + mean_2.square() + _SSIM_C1)
    structure = (2 * covariance + _SSIM_C2) / (variance_1 + variance_2 + _SSIM_C2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def edge_ssim(content: Tensor, result: Tensor, edges: Callable[[Tensor], Tensor] = sobel_edges) -> Tensor:
    """How well the content's edges are kept: SSIM of two edge maps.

    Args:
        content: ``[B, 3, H, W]``, RGB, 0..1.
        result: the stylised pictures, of the same shape.
        edges: pictures to edge maps ``[B, 1, H, W]`` in about 0..1. The paper takes HED, a learned detector; Sobel's
            filters need no weights.

    Returns:
        ``[B]``, -1..1, higher is better.

    Raises:
        ValueError: the shapes differ.
    """
    return ssim(edges(content), edges(result))


def gram_matrix(features: Tensor) -> Tensor:
    """Mean product of every pair of channels: ``[B, C, h, w]`` to ``[B, C, C]``, float32."""
    positions = features.float().flatten(2)
    return positions @ positions.transpose(1, 2) / positions.shape[2]


def style_distance(style: Tensor, result: Tensor, network: FeatureNetwork) -> Tensor:
    """How far the result's texture is from the style's: relative distance of Gram matrices, mean over the maps.

    Args:
        style: ``[B, 3, H', W']`` or ``[1, 3, H', W']``, RGB, 0..1.
        result: ``[B, 3, H, W]``, RGB, 0..1.
        network: gives the maps. One that had no part in the making of the result judges best.

    Returns:
        ``[B]``, not negative, 0 for equal Gram matrices, lower is better; each map counts as
        ``|G(result) - G(style)| / |G(style)|`` in the Frobenius norm.
    """
    distances = []
    for of_style, of_result in zip(network(style), network(result), strict=True):
        target, found = gram_matrix(of_style), gram_matrix(of_result)
        scale = target.flatten(1).norm(dim=1).clamp(min=1e-12)
        distances.append((found - target).flatten(1).norm(dim=1) / scale)
    return torch.stack(distances).mean(0)


def color_distance(style: Tensor, result: Tensor, projections: int = 64, seed: int = 0) -> Tensor:
    """How far the result's palette is from the style's: sliced Wasserstein-1 distance of the RGB values.

    Colours are projected onto random directions; between two sets of numbers the optimal transport is to sort both
    (Rabin et al. 2011). Where a pixel lies does not matter, and the pictures may differ in size.

    Args:
        style: ``[B, 3, H', W']`` or ``[1, 3, H', W']``, RGB, 0..1.
        result: ``[B, 3, H, W]``, RGB, 0..1.
        projections: number of directions.
        seed: of the directions.

    Returns:
        ``[B]``, not negative, lower is better; two flat pictures a distance d apart in RGB score about d / 2.
    """
    directions = torch.randn(projections, 3, generator=torch.Generator().manual_seed(seed))
    directions = F.normalize(directions, dim=1).to(result.device)
    distances = []
    for index in range(len(result)):
        first = (directions @ style[index if len(style) > 1 else 0].float().flatten(1)).sort(dim=1).values
        second = (directions @ result[index].float().flatten(1)).sort(dim=1).values
        count = max(first.shape[1], second.shape[1])
        distances.append((_quantiles(first, count) - _quantiles(second, count)).abs().mean())
    return torch.stack(distances)


def statistics_gap(transferred: Tensor, style: Tensor) -> Tensor:
    """How far channel means and deviations of transferred features are from the style's.

    Args:
        transferred: ``[B, C, h, w]``.
        style: ``[B, C, h', w']`` or ``[1, C, h', w']``.

    Returns:
        ``[B]``: root mean square over the channels, in units of the style's root mean square deviation; 0 after AdaIN.
    """
    (mean, std), (style_mean, style_std) = channel_statistics(transferred), channel_statistics(style)
    gap = (mean - style_mean).square() + (std - style_std).square()
    return (gap.sum((1, 2, 3)) / style_std.square().sum((1, 2, 3)).clamp(min=1e-12)).sqrt()


def patch_likeness(transferred: Tensor, style: Tensor, patch_size: int = 3) -> Tensor:
    """How much transferred features consist of the style's own patches.

    Both maps are normalised by the style's channel statistics, so that common means do not make everything alike.

    Args:
        transferred: ``[B, C, h, w]``.
        style: ``[B, C, h', w']`` or ``[1, C, h', w']``.
        patch_size: side of the patches in positions; both maps are at least as large.

    Returns:
        ``[B]``: mean cosine of each patch and the style patch most like it, at most 1, which copied patches have.
    """
    mean, std = channel_statistics(style)
    scale = std.clamp(min=1e-5)
    found, known = (transferred.float() - mean) / scale, (style.float() - mean) / scale
    likeness = []
    for index, picture in enumerate(found):
        source = known[min(index, len(known) - 1)]
        positions = match_patches(picture, source, patch_size)
        columns = source.shape[2] - patch_size + 1
        patches = positions // source.shape[2] * columns + positions % source.shape[2]
        best = F.unfold(source[None], patch_size)[0][:, patches.flatten()]  # [C * k * k, patches]
        likeness.append(F.cosine_similarity(F.unfold(picture[None], patch_size)[0], best, dim=0).mean())
    return torch.stack(likeness)


class RandomTextureNetwork(nn.Module):
    """A VGG-like network of random weights, the same on every machine: a judge of texture that nothing was trained on.

    Gram matrices of untrained filters describe texture well (Ustyuzhaninov et al. 2016; He et al. 2016). Unlike a
    trained network it has no tie to the encoder or the losses that a transfer was trained with.

    Args:
        seed: of the weights.
        widths: channels of each scale; a scale is two 3x3 convolutions, and half the side of the one before.
    """

    def __init__(self, seed: int = 0, widths: Sequence[int] = (32, 64, 96, 128)) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.scales = nn.ModuleList()
        in_channels = 3
        for width in widths:
            convs = nn.Sequential()
            for inputs in (in_channels, width):
                conv = nn.Conv2d(inputs, width, 3, padding=1, padding_mode="reflect", bias=False)
                weight = torch.randn(conv.weight.shape, generator=generator) * (2 / (9 * inputs)) ** 0.5
                # Filters that ignore the mean see contrast; else brightness would decide every Gram matrix.
                conv.weight.data = weight - weight.mean(dim=(1, 2, 3), keepdim=True)
                convs.append(conv)
                convs.append(nn.ReLU())
            self.scales.append(convs)
            in_channels = width
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """One map per scale, ``[B, width_i, H / 2**i, W / 2**i]``; H and W at least 16."""
        maps: list[Tensor] = []
        x = images.float() - 0.5
        for scale in self.scales:
            x = scale(F.avg_pool2d(x, 2) if maps else x)
            maps.append(x)
        return maps


def _blur(maps: Tensor) -> Tensor:
    """SSIM's weighted mean around every pixel, ``[B, C, H, W]``; windows are cut off at the border."""
    position = torch.arange(_SSIM_WINDOW, device=maps.device, dtype=torch.float32) - _SSIM_WINDOW // 2
    weights = torch.exp(-position.square() / (2 * _SSIM_SIGMA**2))
    channels, half = maps.shape[1], _SSIM_WINDOW // 2

    def smooth(x: Tensor) -> Tensor:
        row = weights.view(1, 1, 1, -1).expand(x.shape[1], 1, 1, -1)
        x = F.conv2d(x, row, padding=(0, half), groups=x.shape[1])
        return F.conv2d(x, row.transpose(2, 3), padding=(half, 0), groups=x.shape[1])

    return smooth(maps) / smooth(torch.ones_like(maps[:1, :channels]))


def _quantiles(values: Tensor, count: int) -> Tensor:
    """Sorted values ``[P, N]`` as a step function, read at ``count`` evenly spread positions: ``[P, count]``."""
    if values.shape[1] == count:
        return values
    position = (torch.arange(count, device=values.device) + 0.5) * (values.shape[1] / count)
    return values[:, position.long().clamp(max=values.shape[1] - 1)]
