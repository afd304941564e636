"""The feature transfers of the paper's comparison against linear algebra in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from artnet_core import ArtNet, Features, adain, swap
from artnet_core.features import ModelId
from artnet_core.transfer.methods import ALL_METHODS, LABELS, optimal_wct, wct
from artnet_core.transfer.swap import Matching

Matrix = NDArray[np.float64]


def features(data: Tensor) -> Features:
    """A map of 12 channels as features of one block."""
    return Features(data, {"conv1": data.shape[1]}, 8, (data.shape[-2] * 8, data.shape[-1] * 8), ModelId("test"))


@pytest.fixture
def pair() -> tuple[Features, Features]:
    """Two maps whose channels are correlated, each in its own way."""
    generator = torch.Generator().manual_seed(0)

    def correlated(height: int, width: int) -> Features:
        mixing = torch.randn(12, 12, generator=generator)
        positions = mixing @ torch.randn(12, height * width, generator=generator) + 5 * torch.randn(
            12, 1, generator=generator
        )
        return features(positions.view(1, 12, height, width))

    return correlated(20, 15), correlated(17, 24)


def moments(data: Tensor) -> tuple[Matrix, Matrix]:
    positions = data[0].flatten(1).double().numpy()
    return positions.mean(1), np.cov(positions, bias=True)


def power(matrix: Matrix, exponent: float) -> Matrix:
    """A power of a symmetric positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    result: Matrix = (vectors * values**exponent) @ vectors.T
    return result


def mapped(content: Features, style: Features, linear: Matrix) -> Matrix:
    """``linear (x - mean of content) + mean of style`` for every position."""
    positions = content.data[0].flatten(1).double().numpy()
    result: Matrix = linear @ (positions - moments(content.data)[0][:, None]) + moments(style.data)[0][:, None]
    return result


def test_wct_is_whitening_and_colouring(pair: tuple[Features, Features]) -> None:
    content, style = pair
    linear = power(moments(style.data)[1], 0.5) @ power(moments(content.data)[1], -0.5)
    np.testing.assert_allclose(
        wct(content, style).data[0].flatten(1), mapped(content, style, linear), rtol=1e-3, atol=1e-2
    )


def test_optimal_wct_is_the_optimal_transport_map(pair: tuple[Features, Features]) -> None:
    content, style = pair
    source, target = moments(content.data)[1], moments(style.data)[1]
    root, inverse = power(source, 0.5), power(source, -0.5)
    linear = inverse @ power(root @ target @ root, 0.5) @ inverse
    np.testing.assert_allclose(
        optimal_wct(content, style).data[0].flatten(1), mapped(content, style, linear), rtol=1e-3, atol=1e-2
    )


@pytest.mark.parametrize("method", ["wct", "optimal_wct"])
def test_mean_and_covariance_become_the_styles(pair: tuple[Features, Features], method: str) -> None:
    content, style = pair
    result = ALL_METHODS[method](content, style)
    for found, expected in zip(moments(result.data), moments(style.data), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_optimal_wct_moves_the_content_less(pair: tuple[Features, Features]) -> None:
    content, style = pair
    optimal = (optimal_wct(content, style).data - content.data).square().mean()
    assert optimal < (wct(content, style).data - content.data).square().mean()


@pytest.mark.parametrize("method", ALL_METHODS)
@pytest.mark.parametrize("flat", ["content", "style"])
def test_flat_and_rank_deficient_features(model: ArtNet, photo: Tensor, method: str, flat: str) -> None:
    """746 channels over 64 positions, and pictures without any variation."""
    small = torch.nn.functional.interpolate(photo, (64, 64), mode="area")
    grey = torch.full((1, 3, 64, 64), 0.5)
    content = model.encode(grey if flat == "content" else small)
    style = model.encode(grey if flat == "style" else small.flip(-1))
    image = model.decode(ALL_METHODS[method](content, style))
    assert torch.isfinite(image).all()


@pytest.mark.parametrize("method", ALL_METHODS)
def test_every_method_paints(model: ArtNet, photo: Tensor, painting: Tensor, method: str) -> None:
    content, style = model.encode(photo), model.encode(painting)
    transfer = ALL_METHODS[method]
    result = transfer(content, style)
    assert result.size == content.size and result.data.shape == content.data.shape
    assert (model.decode(result) - photo).abs().mean() > 0.02
    assert torch.equal(transfer(content, style, strength=0.0).data, content.data)
    half = transfer(content, style, strength=0.5).data
    torch.testing.assert_close(half, (content.data + result.data) / 2, rtol=1e-3, atol=0.05)


def test_s2_and_its_parts(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    content, style = model.encode(photo), model.encode(painting)
    s2 = ALL_METHODS["s2"](content, style).data
    projected = adain(content.data, style.data)
    torch.testing.assert_close(s2, adain(swap(projected, style.data), style.data))
    by_conv1 = ALL_METHODS["s2_compared_by_conv1"](content, style).data
    by_conv1_alone = adain(swap(projected, style.data, Matching(compared=content.layers["conv1"])), style.data)
    torch.testing.assert_close(by_conv1, by_conv1_alone)
    torch.testing.assert_close(ALL_METHODS["style_swap"](content, style).data, swap(content.data, style.data))
    parts = ("s2_without_first_adain", "s2_without_last_adain", "s2_without_aggregation", "style_swap", "adain")
    for part in parts:
        assert (ALL_METHODS[part](content, style).data - s2).abs().mean() > 0.01


def test_batches_take_their_own_style(pair: tuple[Features, Features]) -> None:
    content, style = pair
    contents = content.with_data(torch.cat([content.data, content.data.flip(2)]))
    styles = style.with_data(torch.cat([style.data, style.data * 2]))
    both = wct(contents, styles).data
    for index in range(2):
        torch.testing.assert_close(both[index : index + 1], wct(contents.pick(index), styles.pick(index)).data)


@pytest.mark.parametrize("method", ["wct", "adain", "avatar"])
def test_wrong_styles(pair: tuple[Features, Features], method: str) -> None:
    content, style = pair
    transfer = ALL_METHODS[method]
    with pytest.raises(ValueError, match="style was encoded with another, the content with a model without a name"):
        transfer(content, replace(style, model=ModelId("0123456789ab", "another")))
    with pytest.raises(ValueError, match="style is a batch of 3 pictures, the content of 1"):
        transfer(content, style.with_data(style.data.repeat(3, 1, 1, 1)))
    with pytest.raises(ValueError, match=r"strength must lie in 0\.\.1, got 2"):
        transfer(content, style, strength=2.0)


def test_every_method_has_a_label() -> None:
    assert LABELS.keys() == ALL_METHODS.keys()
