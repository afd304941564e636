"""A contact sheet: one content, one style, every method, each with its time and scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from .features import Features
from .figures import sheet
from .model import ArtNet
from .scores import FeatureNetwork, RandomTextureNetwork, color_distance, edge_ssim, sobel_edges, style_distance
from .transfer.methods import ALL_METHODS, LABELS, METHODS

# Below this the judge of texture runs out of pixels.
_SMALLEST_SIDE = 16


@dataclass(frozen=True)
class Score:
    """How one method did on one pair of pictures.

    Attributes:
        edges: SSIM of the Sobel edges of content and result; higher is better.
        style: relative Gram distance of style and result; lower is better.
        color: sliced Wasserstein distance of the colours of style and result; lower is better.
        seconds: of the transfer by itself; encoder and decoder are the same for all methods.
    """

    edges: float
    style: float
    color: float
    seconds: float


@torch.inference_mode()
def run_method(
    model: ArtNet,
    method: str,
    content: Tensor,
    style: Tensor,
    features: tuple[Features, Features],
    judge: FeatureNetwork,
    edges: Callable[[Tensor], Tensor] = sobel_edges,
) -> tuple[Tensor, Features, Score]:
    """Transfers with one method and scores the result.

    Args:
        model: whose decoder draws the result.
        method: a key of :data:`~artnet_core.transfer.methods.ALL_METHODS`.
        content: ``[1, 3, H, W]``, RGB, 0..1; sides of 16 and more.
        style: ``[1, 3, H', W']``, RGB, 0..1; sides of 16 and more.
        features: of content and style, by ``model``.
        judge: network for the style distance.
        edges: detector for :func:`~artnet_core.scores.edge_ssim`.

    Returns:
        The result ``[1, 3, H, W]``, on the model's device, the features it was decoded from, and its score.
    """
    ALL_METHODS[method](*features)  # the first run pays for what libraries set up
    wait_for(model.device)
    start = time.perf_counter()
    transferred = ALL_METHODS[method](*features)
    wait_for(model.device)
    seconds = time.perf_counter() - start
    result = model.decode(transferred)
    content, style = content.to(result), style.to(result)
    return (
        result,
        transferred,
        Score(
            edges=edge_ssim(content, result, edges).item(),
            style=style_distance(style, result, judge).item(),
            color=color_distance(style, result).item(),
            seconds=seconds,
        ),
    )


def compare_methods(
    model: ArtNet,
    content: Tensor,
    style: Tensor,
    methods: Sequence[str] = tuple(METHODS),
    judge: FeatureNetwork | None = None,
) -> Image.Image:
    """Draws content, style and the result of every method, labelled with time and scores.

    Args:
        model: encoder and decoder of all methods.
        content: ``[1, 3, H, W]``, RGB, 0..1.
        style: ``[1, 3, H', W']``, RGB, 0..1.
        methods: keys of :data:`~artnet_core.transfer.methods.ALL_METHODS`, in the order of the sheet.
        judge: network for the style distance; by default :class:`~artnet_core.scores.RandomTextureNetwork`.

    Raises:
        ValueError: an unknown method, more than one picture, or a picture with a side below 16 pixels.
    """
    check_methods(methods)
    for name, picture in (("content", content), ("style", style)):
        if len(picture) != 1:
            raise ValueError(f"A sheet compares one {name} picture, got {len(picture)}.")
        if min(picture.shape[-2:]) < _SMALLEST_SIDE:
            height, width = picture.shape[-2:]
            raise ValueError(
                f"The {name} has {width} x {height} pixels; scores need sides of {_SMALLEST_SIDE} or more."
            )
    judge = RandomTextureNetwork().to(model.device) if judge is None else judge
    features = model.encode(content), model.encode(style)
    cells = [(content, "Content", ""), (style, "Style", "")]
    for method in methods:
        result, _, score = run_method(model, method, content, style, features, judge)
        cells.append((result, LABELS[method], caption(score)))
    return sheet(cells)


def check_methods(methods: Sequence[str]) -> None:
    """Raises ValueError for a method that does not exist."""
    for method in methods:
        if method not in ALL_METHODS:
            raise ValueError(f"There is no method {method!r}; there are {', '.join(ALL_METHODS)}.")


def caption(score: Score) -> str:
    """A score in one line."""
    milliseconds = score.seconds * 1000
    return f"edges {score.edges:.2f}  style {score.style:.2f}  colour {score.color:.3f}  {milliseconds:.0f} ms"


def wait_for(device: torch.device) -> None:
    """Clocks are only right once the device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
