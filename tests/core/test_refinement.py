"""Refined matches against a search patch by patch, and against comparing all patches with all."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from artnet_core import ArtNet
from artnet_core.transfer.matching import match_patches
from artnet_core.transfer.refinement import refine_matches, windows_near

from .conftest import all_scores, coarse_matches, compared_maps, maps


def searched(coarse: Tensor, scores: Tensor, coarse_width: int, k: int, p: int) -> Tensor:
    """The same by the rule itself, one patch after the other: row and column ``[2, h - k + 1, w - k + 1]``."""
    rows, columns, *limits = scores.shape
    values = scores.tolist()
    best = torch.empty(2, rows, columns, dtype=torch.int64)
    for row in range(rows):
        for column in range(columns):
            windows = []
            # The coarse position of the patch's middle, and the coarse patch that has it in its own middle.
            middles = [(first + k // 2) // p for first in (row, column)]
            patches = [min(max(m - k // 2, 0), n - 1) for m, n in zip(middles, coarse.shape, strict=True)]
            found = divmod(int(coarse[patches[0], patches[1]]), coarse_width)
            for middle, patch, upper_left, limit in zip(middles, patches, found, limits, strict=True):
                position = (upper_left + middle - patch) * p  # that the style has there
                side = min(p + 2, limit)
                start = min(max(position - 1 - k // 2, 0), limit - side)
                windows.append(range(start, start + side))
            choices = [(r, c) for r in windows[0] for c in windows[1]]
            chosen = max(choices, key=lambda place: values[row][column][place[0]][place[1]])
            best[:, row, column] = torch.tensor(chosen)
    return best


@given(st.sampled_from([(1, 2), (3, 2), (3, 3), (5, 2)]), *4 * [st.integers(0, 9)], st.integers(0, 2**31))
def test_equals_a_search_patch_by_patch(of_patch: tuple[int, int], h: int, w: int, hs: int, ws: int, seed: int) -> None:
    k, p = of_patch
    smallest = k * p
    content, style = maps(seed, 4, (smallest + h, smallest + w), (smallest + hs, smallest + ws))
    coarse = coarse_matches(content, style, k, p)
    expected = searched(coarse, all_scores(content, style, k), style.shape[2] // p, k, p)
    refined = refine_matches(coarse, content, style, k, p)
    assert torch.equal(torch.stack([refined // style.shape[2], refined % style.shape[2]]), expected)


def test_equals_a_full_search_where_the_window_holds_the_whole_style() -> None:
    content, style = maps(2, 6, (15, 22), (7, 7))
    coarse = torch.zeros(3, 6, dtype=torch.int64)
    assert torch.equal(refine_matches(coarse, content, style, 3, 3), match_patches(content, style))


@given(st.sampled_from([(1, 2), (3, 2), (3, 3), (5, 2)]), *4 * [st.integers(0, 9)], st.integers(0, 2**31))
def test_chooses_among_the_windows_near(of_patch: tuple[int, int], h: int, w: int, hs: int, ws: int, seed: int) -> None:
    k, p = of_patch
    sizes = (k * p + h, k * p + w), (k * p + hs, k * p + ws)
    content, style = (values.abs() for values in maps(seed, 4, *sizes))  # so that no score is below 0
    coarse = coarse_matches(content, style, k, p)
    near = windows_near(coarse, *sizes, k, p)
    assert torch.equal(match_patches(content, style, k, near, 0.0), refine_matches(coarse, content, style, k, p))


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    content, style = maps(3, 5, (27, 21), (23, 29))
    coarse = coarse_matches(content, style, 3, 2)
    whole = refine_matches(coarse, content, style, 3, 2)
    monkeypatch.setattr("artnet_core.network.ops._CACHED_ELEMENTS", 1)
    assert torch.equal(refine_matches(coarse, content, style, 3, 2), whole)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_multiplied_in_float32(dtype: torch.dtype) -> None:
    content, style = (values.to(dtype) for values in maps(4, 24, (20, 17), (18, 22)))
    coarse = coarse_matches(content, style, 3, 2)
    found = refine_matches(coarse, content, style, 3, 2)
    assert torch.equal(found, refine_matches(coarse, content.float(), style.float(), 3, 2))


@pytest.mark.parametrize("pooling", [2, 3])
def test_takes_most_of_what_a_full_search_would_gain(
    model: ArtNet, photo: Tensor, painting: Tensor, pooling: int
) -> None:
    """On real features, over the place where the coarse match puts a patch."""
    content, style = compared_maps(model, photo, painting)
    scores = all_scores(content, style, 3)
    coarse = coarse_matches(content, style, 3, pooling)
    columns = style.shape[2]
    refined = refine_matches(coarse, content, style, 3, pooling)
    rows, width = refined.shape
    found = scores.flatten(2).gather(2, (refined // columns * (columns - 2) + refined % columns)[..., None])[..., 0]
    # The coarse patch's own place, in fine positions.
    i, j = (
        (torch.arange(side) // pooling).clamp(max=n - 1) for side, n in zip((rows, width), coarse.shape, strict=True)
    )
    upper_left = coarse[i][:, j]
    style_rows = upper_left // (columns // pooling) * pooling + (torch.arange(rows) - i * pooling)[:, None]
    style_columns = upper_left % (columns // pooling) * pooling + torch.arange(width) - j * pooling
    style_rows, style_columns = style_rows.clamp(max=scores.shape[2] - 1), style_columns.clamp(max=scores.shape[3] - 1)
    unmoved = scores.flatten(2).gather(2, (style_rows * scores.shape[3] + style_columns)[..., None])[..., 0]
    best = scores.flatten(2).amax(2)
    assert (best - found).mean() < 0.5 * (best - unmoved).mean()
