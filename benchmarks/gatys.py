"""Painting by optimisation (Gatys et al. 2016), with the maps of any network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from artnet_core.resizing import enlarge, resize
from artnet_core.scores import gram_matrix

Maps = Callable[[Tensor], dict[int, Tensor]]
"""Pictures ``[B, 3, H, W]``, RGB, 0..1, to feature maps ``[B, C, h, w]`` by their stride."""

CONTENT_STRIDE = 8
CONTENT_WEIGHT, SMOOTHNESS_WEIGHT = 0.02, 1.0


@dataclass(frozen=True)
class Painting:
    """An optimised picture.

    Attributes:
        picture: ``[1, 3, H, W]``, RGB, 0..1.
        first_loss: of the content picture, which the optimisation starts from.
        last_loss: of the result.
        seconds: of the optimisation.
    """

    picture: Tensor
    first_loss: float
    last_loss: float
    seconds: float


def coarse_to_fine(network: Maps, content: Tensor, style: Tensor, steps: Sequence[int]) -> Tensor:
    """Paints small pictures first, as Gatys et al. 2017 do: large strokes would take a large picture too many steps.

    Args:
        network: see :func:`gatys`.
        content: ``[1, 3, H, W]``, RGB, 0..1.
        style: ``[1, 3, H', W']``, RGB, 0..1.
        steps: iterations of each size, the smallest first; each size is half the next one.

    Returns:
        ``[1, 3, H, W]``, RGB, 0..1.
    """
    picture = None
    for halvings, of_size in zip(reversed(range(len(steps))), steps, strict=True):
        reduced, style_reduced = (resize(x, max(x.shape[-2:]) >> halvings) for x in (content, style))
        size = reduced.shape[-2], reduced.shape[-1]
        start = None if picture is None else enlarge(picture, size).clamp_(0, 1)
        picture = gatys(network, reduced, style_reduced, of_size, start).picture
    assert picture is not None
    return picture


def gatys(network: Maps, content: Tensor, style: Tensor, steps: int, start: Tensor | None = None) -> Painting:
    """Paints by optimising the pixels (Gatys et al. 2016), with L-BFGS.

    Every loss is relative to the size of its target, and Gram losses are averaged over the strides, so that networks
    of other scales and numbers of maps are comparable.

    Args:
        network: gives the maps; that of stride 8, or of the next smaller one that there is, keeps the content, and all
            of them take the style.
        content: ``[1, 3, H, W]``, RGB, 0..1.
        style: ``[1, 3, H', W']``, RGB, 0..1.
        steps: iterations of L-BFGS.
        start: likewise, what is begun with; the content by default.
    """
    with torch.no_grad():
        of_content = network(content)
        kept_stride = max(stride for stride in of_content if stride <= CONTENT_STRIDE)
        kept = of_content[kept_stride]
        grams = {stride: gram_matrix(features) for stride, features in network(style).items()}
        smoothness = _total_variation(style)

    def loss(picture: Tensor) -> Tensor:
        maps = network(picture)
        taken = [_relative_error(gram_matrix(maps[stride]), gram) for stride, gram in grams.items()]
        # Only what is rougher than the style: noise of pixels, which the maps of large strides do not see.
        rough = F.relu(_total_variation(picture) / smoothness.clamp(min=1e-12) - 1)
        kept_error = _relative_error(maps[kept_stride], kept)
        return torch.stack(taken).mean() + CONTENT_WEIGHT * kept_error + SMOOTHNESS_WEIGHT * rough

    picture = (content if start is None else start).clone(memory_format=torch.contiguous_format).requires_grad_()
    # No tolerances: a loss of about 1 that is spread over all pixels has small gradients from the start.
    optimizer = torch.optim.LBFGS(
        [picture],
        max_iter=steps,
        history_size=100,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        optimizer.zero_grad()
        with torch.enable_grad():
            value = loss(picture)
            value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    began = time.perf_counter()
    optimizer.step(closure)  # type: ignore[no-untyped-call]
    result = picture.detach().clamp(0, 1)
    with torch.no_grad():
        first, last = loss(content).item(), loss(result).item()
    return Painting(result, first, last, time.perf_counter() - began)


def _relative_error(found: Tensor, target: Tensor) -> Tensor:
    """Squared error relative to the squared target; one number."""
    return (found - target).square().sum() / target.square().sum().clamp(min=1e-12)


def _total_variation(picture: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels of ``[1, 3, H, W]``; one number."""
    down, right = picture.diff(dim=2), picture.diff(dim=3)
    return down.square().mean() + right.square().mean()
