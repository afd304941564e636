"""Style mixing: shares, palette and strokes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import artnet_core as artnet
from artnet_core.transfer.adain import channel_statistics
from artnet_core.transfer.mix import mix_styles


def style(height: int, width: int, *, batch: int = 1, scale: float = 1.0, model: str = "a") -> artnet.Features:
    data = torch.randn(batch, 4, height, width) * scale + scale
    return artnet.Features(data, {"conv1": 4}, 8, (8 * height, 8 * width), model)


def of(data: object) -> artnet.Features:
    return replace(style(4, 4), data=data)


sides, heavy = st.integers(2, 20), st.floats(0.05, 10)


@settings(max_examples=60)
@given(st.lists(st.tuples(sides, sides, heavy), min_size=2, max_size=4))
def test_the_palette_is_the_weighted_mean(sizes: list[tuple[int, int, float]]) -> None:
    styles = [style(height, width, scale=1.0 + i) for i, (height, width, _) in enumerate(sizes)]
    weights = [weight for _, _, weight in sizes]
    mixed = mix_styles(styles, weights)

    means, stds = zip(*(channel_statistics(s.data) for s in styles), strict=True)
    expected_mean = sum(w * m for w, m in zip(weights, means, strict=True)) / sum(weights)
    expected_std = sum(w * s for w, s in zip(weights, stds, strict=True)) / sum(weights)
    mean, std = channel_statistics(mixed.data)
    torch.testing.assert_close(mean, expected_mean, rtol=1e-3, atol=1e-3)
    # A tile of one position has no deviation of its own.
    assert (std < expected_std * 1.001).all()

    assert mixed.data.shape[-2] == min(height for height, _, _ in sizes)
    assert mixed.size == (8 * mixed.data.shape[-2], 8 * mixed.data.shape[-1])


def test_deviations_mix_exactly_where_no_strip_is_flat() -> None:
    styles = [style(16, 16, scale=1.0), style(20, 12, scale=3.0)]
    _, std = channel_statistics(mix_styles(styles, [3.0, 1.0]).data)
    expected = 0.75 * channel_statistics(styles[0].data)[1] + 0.25 * channel_statistics(styles[1].data)[1]
    torch.testing.assert_close(std, expected)


def test_widths_are_in_proportion_to_weights() -> None:
    first, second = style(10, 30), style(10, 30)
    first.data[:], second.data[:] = torch.arange(30.0), torch.arange(30.0)
    mixed = mix_styles([first, second], [4.0, 2.0])
    assert mixed.data.shape[-1] == 45
    rising = mixed.data[0, 0, 0].diff() > 0
    assert rising.sum() == 43 and not rising[29]  # the seam: 30 positions of the first, then 15 of the second


def test_crops_are_central() -> None:
    tall = style(10, 4)
    tall.data[:] = torch.arange(10.0).square()[:, None]
    part = mix_styles([tall, style(4, 4)], [1.0, 1.0]).data[0, 0, :, 0]
    kept = torch.arange(3.0, 7.0).square()

    def normalized(x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean()) / x.std()

    torch.testing.assert_close(normalized(part), normalized(kept))


def test_the_scale_of_the_weights_does_not_matter() -> None:
    styles = [style(6, 6), style(6, 9)]
    assert torch.equal(mix_styles(styles, [1.0, 2.0]).data, mix_styles(styles, [2.0, 4.0]).data)
    assert torch.equal(mix_styles(styles, [1.0, 1.0]).data, mix_styles(styles, [1e308, 1e308]).data)


@pytest.mark.parametrize("least", [1e-300, 5e-324, 1e-20])
@pytest.mark.parametrize("most", [1e300, 1.0])
def test_a_style_that_is_nothing_beside_the_other(most: float, least: float) -> None:
    """Finite, and of the other's strokes and palette, whether or not a column of the first is left."""
    first, second = style(6, 6, scale=9.0), style(6, 9)
    mixed = mix_styles([first, second], [least, most])
    assert mixed.data.isfinite().all()
    torch.testing.assert_close(mixed.data[..., -9:].mean((2, 3)), second.data.mean((2, 3)))
    assert mix_styles([first, second], [1e-300, 1e300]) is second


def test_one_style_left_comes_back_as_it_is() -> None:
    first, second = style(5, 6), style(7, 8)
    assert mix_styles([first, second], [0.0, 0.3]) is second


def test_a_single_style_mixes_with_a_batch() -> None:
    first, second = style(6, 6), style(6, 6, batch=3)
    mixed = mix_styles([first, second], [1.0, 1.0])
    for index in range(3):
        assert torch.equal(mixed.pick(index).data, mix_styles([first, second.pick(index)], [1.0, 1.0]).data)


def test_received_styles_stay_as_they_are() -> None:
    styles = [style(6, 6), style(4, 9)]
    copies = [s.data.clone() for s in styles]
    mix_styles(styles, [1.0, 1.0])
    assert all(torch.equal(s.data, copy) for s, copy in zip(styles, copies, strict=True))


@pytest.mark.parametrize(
    ("styles", "weights", "message"),
    [
        ([style(4, 4), style(4, 4, model="b")], [1.0, 1.0], "come from different models"),
        ([style(4, 4), style(4, 4)], [1.0, -1.0], "not negative, got 1.0, -1.0"),
        ([style(4, 4), style(4, 4)], [1.0, float("nan")], "must be finite"),
        ([style(4, 4), style(4, 4)], [0.0, 0.0], "All style weights are zero"),
        ([style(4, 4, batch=2), style(4, 4, batch=3)], [1.0, 1.0], "batches of 2 and 3"),
        ([style(4, 4)], [1.0, 1.0], "got 1 styles and 2 weights"),
        ([], [], "All style weights are zero"),
        ([style(4, 4)], ["much"], "must be numbers .*much"),
        ([style(4, 4)], [None], "must be numbers"),
        ([style(4, 4)], [10**400], "must be numbers .*too large"),
        ([of(torch.ones(1, 4, 4, 4, dtype=torch.complex64))], [1.0], "floating values, got torch.complex64"),
        ([of(torch.ones(1, 4, 4, 4).to_sparse())], [1.0], "dense tensor .* got torch.float32, torch.sparse_coo"),
        ([of(torch.ones(1, 4, 4, 4, device="meta"))], [1.0], "got torch.float32, torch.strided, meta"),
        ([of(torch.ones(1, 4, 4, 4, dtype=torch.uint8))], [1.0], "floating values, got torch.uint8"),
        ([of([[1.0]])], [1.0], "floating values, got list"),
        ([of(torch.ones(4, 4, 4))], [1.0], r"a map \[B, 4, h, w\], got \[4, 4, 4\]"),
        ([of(torch.ones(1, 4, 0, 4))], [1.0], r"a map \[B, 4, h, w\], got \[1, 4, 0, 4\]"),
        ([of(torch.ones(1, 3, 4, 4)), style(4, 4)], [1.0, 1.0], r"a map \[B, 4, h, w\], got \[1, 3, 4, 4\]"),
    ],
)
def test_wrong_styles(styles: Sequence[artnet.Features], weights: Sequence[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mix_styles(styles, weights)


@pytest.mark.parametrize("given", [torch.ones(1, 4, 4, 4), "picture.png", None])
def test_styles_that_are_no_features(given: object) -> None:
    with pytest.raises(TypeError, match=f"must be features, got {type(given).__name__}: encode"):
        mix_styles([given], [1.0])  # type: ignore[list-item]
