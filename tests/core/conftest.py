"""Pictures and models for the core's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import artnet_core as artnet
from artnet_core.checkpoint import UNPRUNED_MODEL, shipped_models
from artnet_core.images import read_picture
from artnet_core.network.cosines import CHANNELS, CHROMA_WAVES, MEANS
from artnet_core.transfer.adain import align
from artnet_core.transfer.matching import match_patches
from artnet_core.transfer.sandwich import COMPARED_LAYER

EXAMPLES = Path(__file__).parents[2] / "examples"

FORETOLD = [mean + wave - CHANNELS for mean in MEANS[1:] for wave in range(1, CHROMA_WAVES + 1)]
"""The channels of chroma that follow those of luma, counted from the last."""


@pytest.fixture(scope="session")
def model() -> artnet.ArtNet:
    """The shipped default: pruned."""
    return artnet.load()


@pytest.fixture(scope="session")
def unpruned() -> artnet.ArtNet:
    return artnet.load(shipped_models()[UNPRUNED_MODEL])


@pytest.fixture(scope="session")
def photo() -> Tensor:
    """A photograph, [1, 3, 256, 256]."""
    return read_picture(EXAMPLES / "content" / "astronaut.jpg", 256).rgb


@pytest.fixture(scope="session")
def painting() -> Tensor:
    """The Great Wave, [1, 3, 172, 256]."""
    return read_picture(EXAMPLES / "style" / "great_wave.jpg", 256).rgb


@pytest.fixture(scope="session")
def palette() -> Tensor:
    """A painting of quite other colours, [1, 3, 188, 256] or so."""
    return read_picture(EXAMPLES / "style" / "village_street_in_auvers.jpg", 256).rgb


@pytest.fixture(autouse=True)
def _no_grad() -> object:
    with torch.no_grad():
        yield


def maps(seed: int, channels: int, *sizes: tuple[int, int]) -> list[Tensor]:
    """Random maps ``[channels, *size]``."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(channels, *size, generator=generator) for size in sizes]


def compared_maps(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> tuple[Tensor, Tensor]:
    """What ``sandwich_swap`` compares patches by: conv1 of the projected photo and of the painting, ``[C, h, w]``."""
    content, style = model.encode(photo), model.encode(painting)
    keys = content.layers[COMPARED_LAYER]
    return align(content.data, *style.statistics)[0, :keys], style.data[0, :keys]


def coarse_matches(content: Tensor, style: Tensor, k: int, p: int) -> Tensor:
    """Matches of both maps averaged over ``p x p`` positions."""
    coarse_content = F.avg_pool2d(content[None], p, ceil_mode=True)[0]
    return match_patches(coarse_content, F.avg_pool2d(style[None], p)[0], k)


def all_scores(content: Tensor, style: Tensor, k: int) -> Tensor:
    """Normalised cross-correlations by unfolding: ``[h - k + 1, w - k + 1, hs - k + 1, ws - k + 1]``."""
    height, width, style_height, style_width = (side - k + 1 for side in (*content.shape[1:], *style.shape[1:]))
    scores = F.unfold(content[None], k)[0].T @ F.normalize(F.unfold(style[None], k)[0], dim=0)
    return scores.view(height, width, style_height, style_width)
