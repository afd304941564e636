"""Masks: exact at zero and one, in the right place between."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import artnet_core as artnet
from artnet_core.transfer.mask import check_mask, mask_features, mask_images

sides = st.integers(1, 70)


@settings(max_examples=60)
@given(sides, sides, sides, sides, st.sampled_from([torch.float32, torch.float16]))
def test_zero_and_one_are_exact_at_any_size(
    height: int, width: int, mask_height: int, mask_width: int, dtype: torch.dtype
) -> None:
    content, stylized = torch.rand(2, 3, height, width, dtype=dtype), torch.rand(2, 3, height, width)
    zeros, ones = torch.zeros(mask_height, mask_width), torch.ones(mask_height, mask_width)
    assert torch.equal(mask_images(content, stylized, zeros), content.float())
    assert torch.equal(mask_images(content, stylized, ones), stylized)

    rows, columns = -(-height // 8), -(-width // 8)
    before = artnet.Features(torch.randn(2, 5, rows, columns, dtype=dtype), {"conv1": 5}, 8, (height, width), "a")
    after = before.with_data(torch.randn(2, 5, rows, columns, dtype=dtype))
    assert torch.equal(mask_features(before, after, zeros).data, before.data)
    assert torch.equal(mask_features(before, after, ones).data, after.data)


def test_pictures_blend_in_proportion() -> None:
    content, stylized = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    mask = torch.tensor([0.0, 0.25, 0.75, 1.0]).expand(4, 4)
    torch.testing.assert_close(mask_images(content, stylized, mask), mask.expand(1, 3, 4, 4))


def test_a_small_mask_is_stretched_bilinearly() -> None:
    result = mask_images(torch.zeros(1, 3, 1, 4), torch.ones(1, 3, 1, 4), torch.tensor([[0.0, 1.0]]))
    torch.testing.assert_close(result[0, 0, 0], torch.tensor([0.0, 0.25, 0.75, 1.0]))


def test_values_beyond_the_range_are_cut_off() -> None:
    result = mask_images(torch.zeros(1, 3, 1, 2), torch.ones(1, 3, 1, 2), torch.tensor([[-3.0, 5.0]]))
    assert torch.equal(result[0, 0, 0], torch.tensor([0.0, 1.0]))


def test_a_position_takes_the_mean_of_its_pixels() -> None:
    before = artnet.Features(torch.zeros(1, 1, 2, 2), {"conv1": 1}, 8, (16, 12), "a")
    mask = torch.zeros(16, 12)
    mask[:8, :2] = 1  # a quarter of the first position
    mask[8:, 8:] = 1  # all that the picture has of the last position
    result = mask_features(before, before.with_data(torch.ones(1, 1, 2, 2)), mask)
    torch.testing.assert_close(result.data[0, 0], torch.tensor([[0.25, 0.0], [0.0, 1.0]]))


def test_each_picture_has_its_own_mask() -> None:
    content, stylized = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    result = mask_images(content, stylized, torch.stack([torch.zeros(4, 4), torch.ones(4, 4)]))
    assert torch.equal(result[0], content[0])
    assert torch.equal(result[1], stylized[1])


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(4), r"\[h, w\] or \[B, h, w\], got \[4\]"),
        (torch.ones(1, 1, 4, 4), r"got \[1, 1, 4, 4\]"),
        (torch.ones(0, 4), "mask is empty"),
        (torch.ones(3, 4, 4), "3 masks for 2 pictures"),
        (torch.full((4, 4), float("nan")), "not finite"),
    ],
)
def test_wrong_masks(mask: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_mask(mask, 2)
