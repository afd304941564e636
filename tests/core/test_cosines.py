"""The cosines of the squares against their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.network.cosines import CHANNELS, MEANS, dct, dct_filters


def cosines(images: Tensor, side: int) -> Tensor:
    return dct(images, dct_filters(side).float())


def coefficient(square: np.ndarray, vertical: int, horizontal: int) -> float:
    """One coefficient of the orthonormal DCT-II of a square of numbers, term by term."""
    side = len(square)
    total = sum(
        square[y, x]
        * math.cos(math.pi * (2 * y + 1) * vertical / (2 * side))
        * math.cos(math.pi * (2 * x + 1) * horizontal / (2 * side))
        for y in range(side)
        for x in range(side)
    )
    norm = math.prod(math.sqrt((2 if frequency else 1) / side) for frequency in (vertical, horizontal))
    return float(total * norm)


@pytest.mark.parametrize("side", [8, 16])
def test_equals_the_definition(photo: Tensor, side: int) -> None:
    found = cosines(photo, side)
    assert found.shape == (1, CHANNELS, photo.shape[2] // side, photo.shape[3] // side)
    red, green, blue = photo[0, :, 2 * side : 3 * side, side : 2 * side].double().numpy()
    expected = [
        coefficient(channel, vertical, horizontal)
        for channel, highest in (
            ((red + green + blue) / math.sqrt(3), 6),
            ((red - blue) / math.sqrt(2), 2),
            ((2 * green - red - blue) / math.sqrt(6), 2),
        )
        for vertical in range(highest + 1)
        for horizontal in range(highest + 1 - vertical)
    ]
    np.testing.assert_allclose(found[0, :, 2, 1].numpy(), expected, atol=1e-4)


def test_a_grey_square_has_only_its_mean() -> None:
    found = cosines(torch.full((1, 3, 16, 8), 0.5), 8)
    assert found[0, 0].flatten().tolist() == pytest.approx([0.5 * 8 * math.sqrt(3)] * 2, rel=1e-5)
    assert found[:, 1:].abs().max() < 1e-5


def test_a_plain_square_has_only_means() -> None:
    found = cosines(torch.rand(1, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(1, 3, 8, 8), 8)
    assert found.abs().gt(1e-5).flatten().nonzero().flatten().tolist() == list(MEANS)


def test_most_of_a_picture_lies_in_the_cosines(photo: Tensor) -> None:
    """By Parseval what the cosines lack of the energy is the error of the picture that they alone would give."""
    error = photo.square().sum() - cosines(photo, 8).square().sum()
    assert 0 < error / photo.numel() < 10**-3  # 30 dB


def test_taken_in_either_mode_gradients_can_be_had(photo: Tensor) -> None:
    """The model keeps its filters, whoever asks for them first."""
    model = artnet.load()
    with torch.inference_mode():
        model.encode(photo[..., :32, :32])
    small = photo[..., :32, :32].clone().requires_grad_()
    with torch.enable_grad():
        model.encode(small).data[:, -CHANNELS:].square().sum().backward()
    assert small.grad is not None and small.grad.abs().sum() > 0
