"""The scores: exact references and the order they must give."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from artnet_core.scores import (
    RandomTextureNetwork,
    color_distance,
    edge_ssim,
    gram_matrix,
    sobel_edges,
    ssim,
    style_distance,
)


def test_sobel_of_a_step_and_of_nothing() -> None:
    step = torch.zeros(1, 3, 8, 8)
    step[..., 4:] = 1
    edges = sobel_edges(step)
    torch.testing.assert_close(edges[..., 3:5], torch.ones(1, 1, 8, 2), rtol=0, atol=1e-3)
    assert edges[..., :3].max() < 1e-3 and edges[..., 5:].max() < 1e-3


def test_ssim_equals_its_definition() -> None:
    """With a window cut off at the border, the middle of an 11 x 11 map sees all of it and nothing else."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 11, 11, generator=generator).double().numpy()
    weights = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))

    def score(row: int, column: int) -> float:
        window = np.zeros((11, 11))
        for y in range(11):
            for x in range(11):
                if abs(y - row) <= 5 and abs(x - column) <= 5:
                    window[y, x] = weights[y - row + 5] * weights[x - column + 5]
        window /= window.sum()
        mean = [float((window * x).sum()) for x in (first, second)]
        variance = [float((window * x * x).sum()) - m * m for x, m in zip((first, second), mean, strict=True)]
        covariance = float((window * first * second).sum()) - mean[0] * mean[1]
        c1, c2 = 0.01**2, 0.03**2
        luminance = (2 * mean[0] * mean[1] + c1) / (mean[0] ** 2 + mean[1] ** 2 + c1)
        return luminance * (2 * covariance + c2) / (variance[0] + variance[1] + c2)

    expected = np.mean([score(row, column) for row in range(11) for column in range(11)])
    maps = [torch.tensor(x, dtype=torch.float32)[None, None] for x in (first, second)]
    assert abs(float(ssim(maps[0], maps[1])) - expected) < 1e-4
    torch.testing.assert_close(ssim(maps[0], maps[0]), torch.ones(1))


def test_gram_matrix_equals_numpy() -> None:
    data = torch.randn(2, 5, 4, 6, generator=torch.Generator().manual_seed(1))
    positions = data.flatten(2).numpy()
    np.testing.assert_allclose(gram_matrix(data), positions @ positions.transpose(0, 2, 1) / 24, rtol=1e-5, atol=1e-6)


def test_color_distance_of_known_shifts() -> None:
    dark, light = torch.full((1, 3, 8, 8), 0.2), torch.full((1, 3, 9, 7), 0.6)
    expected = 0.4 * 3**0.5 / 2  # the mean of |cos| over directions in space is 1 / 2
    assert abs(float(color_distance(dark, light, projections=4096)) - expected) < 0.01
    assert float(color_distance(dark, dark)) == 0


def test_places_do_not_matter_to_colours(photo: Tensor) -> None:
    assert float(color_distance(photo, photo.flip(-1))) < 1e-6


def test_scores_order_pictures_as_eyes_do(photo: Tensor, painting: Tensor) -> None:
    noisy = (photo + 0.2 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(2))).clamp(0, 1)
    assert 1.0 >= float(edge_ssim(photo, photo)) > float(edge_ssim(photo, noisy)) > -1
    judge = RandomTextureNetwork()
    own = float(style_distance(painting, painting[..., 20:], judge))
    assert float(style_distance(painting, painting, judge)) == 0
    assert own < float(style_distance(painting, photo, judge))


def test_the_random_judge_is_the_same_everywhere(photo: Tensor) -> None:
    first, second = RandomTextureNetwork()(photo), RandomTextureNetwork()(photo)
    assert len(first) == 4
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)
