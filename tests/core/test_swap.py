"""The swap against StyleSwap by unfolding."""

from __future__ import annotations

import importlib
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from artnet_core import ArtNet, swap
from artnet_core.transfer.matching import Windows, match_patches
from artnet_core.transfer.propagation import propagate_matches
from artnet_core.transfer.refinement import refine_matches, windows_near
from artnet_core.transfer.sandwich import COHERENCE
from artnet_core.transfer.swap import Matching, reassemble

from .conftest import coarse_matches, compared_maps, maps


def unfolded_swap(content: Tensor, style: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """StyleSwap as published: style patches as filters, argmax, transposed convolution, overlaps averaged.

    Returns the scores ``[patches, h - k + 1, w - k + 1]`` and the swapped map ``[C, h, w]``.
    """
    patches = F.unfold(style[None], k)[0].T.reshape(-1, style.shape[0], k, k)
    normalised = patches / patches.flatten(1).norm(dim=1).clamp(min=1e-8).view(-1, 1, 1, 1)
    scores = F.conv2d(content[None], normalised)
    one_hot = F.one_hot(scores.argmax(1), len(patches)).permute(0, 3, 1, 2).float()
    total = F.conv_transpose2d(one_hot, patches)
    count = F.conv_transpose2d(torch.ones_like(one_hot[:, :1]), torch.ones(1, 1, k, k))
    return scores[0], (total / count)[0]


sides = st.integers(5, 14)


@given(sides, sides, st.sampled_from([1, 3, 5]), st.sampled_from([0.0, 0.5, 0.9, 1.0]), st.integers(0, 2**31))
def test_patches_nearby_are_taken_where_nearly_as_good(w: int, hs: int, k: int, coherence: float, seed: int) -> None:
    content, style = maps(seed, 6, (9, w), (hs, 8))
    rows, columns = hs - k + 1, 8 - k + 1
    generator = torch.Generator().manual_seed(seed)
    patches, (high, wide) = (9 - k + 1, w - k + 1), (min(2, rows), min(3, columns))
    tops, lefts = (torch.randint(n, patches, generator=generator) for n in (rows - high + 1, columns - wide + 1))
    within = (torch.arange(high)[:, None] * columns + torch.arange(wide)).flatten()
    near = (tops * columns + lefts)[..., None] + within  # as the scores count patches
    scores = unfolded_swap(content, style, k)[0].permute(1, 2, 0)
    best, of_near = scores.max(2), scores.gather(2, near).max(2)
    nearest = near.gather(2, of_near.indices[..., None])[..., 0]
    expected = torch.where(of_near.values >= coherence * best.values, nearest, best.indices)
    matches = match_patches(content, style, k, Windows(tops, lefts, high, wide), coherence)
    assert torch.equal(matches // 8 * columns + matches % 8, expected)


@given(sides, sides, sides, sides, st.sampled_from([1, 3, 5]), st.integers(0, 2**31))
def test_equals_styleswap_by_unfold(h: int, w: int, hs: int, ws: int, k: int, seed: int) -> None:
    content, style = maps(seed, 6, (h, w), (hs, ws))
    scores, expected = unfolded_swap(content, style, k)
    matches = match_patches(content, style, k)
    columns = ws - k + 1
    assert torch.equal(matches // ws * columns + matches % ws, scores.argmax(0))
    torch.testing.assert_close(reassemble(matches, style, k), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(swap(content[None], style[None], Matching(k))[0], expected, rtol=1e-5, atol=1e-5)


def test_equals_styleswap_on_real_features(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    content, style = model.encode(photo).data[0], model.encode(painting).data[0]
    scores, expected = unfolded_swap(content, style, 3)
    columns = style.shape[2] - 2
    matches = match_patches(content, style)
    patches = matches // style.shape[2] * columns + matches % style.shape[2]
    # Sums in another order may choose another patch only where two score the same to rounding.
    chosen = scores.gather(0, patches[None])[0]
    torch.testing.assert_close(chosen, scores.amax(0), rtol=1e-5, atol=0)
    same = patches == scores.argmax(0)
    assert same.float().mean() > 0.999
    if same.all():
        torch.testing.assert_close(swap(content[None], style[None])[0], expected, rtol=1e-4, atol=1e-3)


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    content, style = maps(3, 5, (17, 11), (13, 9))
    whole = swap(content[None], style[None])
    monkeypatch.setattr("artnet_core.network.ops._CACHED_ELEMENTS", 1)
    torch.testing.assert_close(swap(content[None], style[None]), whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("falloff", [1.0, 4.0])
def test_backends_without_embedding_bag_reassemble_the_same(
    dtype: torch.dtype, falloff: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, style = (values.to(dtype)[None] for values in maps(11, 5, (9, 12), (8, 7)))
    matching = Matching(falloff=falloff)
    with_bags = swap(content, style, matching)
    monkeypatch.setattr(importlib.import_module("artnet_core.transfer.swap"), "_BAG_DEVICES", ())
    # Half precision is rounded at other steps of the sum.
    tolerance = {} if dtype == torch.float32 else {"rtol": 2e-3, "atol": 2e-3}
    torch.testing.assert_close(swap(content, style, matching), with_bags, **tolerance)


@given(sides, sides, st.sampled_from([1, 3, 5, 7]), st.floats(1, 16), st.integers(0, 2**31))
def test_patches_count_most_in_their_middle(h: int, w: int, k: int, falloff: float, seed: int) -> None:
    """As each patch is laid on with its weights, one after the other."""
    (style,) = maps(seed, 4, (9, 11))
    generator = torch.Generator().manual_seed(seed)
    rows, columns = (torch.randint(side - k + 1, (h, w), generator=generator) for side in (9, 11))
    total, weights = torch.zeros(4, h + k - 1, w + k - 1), torch.zeros(h + k - 1, w + k - 1)
    away = (torch.arange(k) - k // 2).abs()
    weight = falloff ** -(away[:, None] + away).float()
    for row, column in product(range(h), range(w)):
        top, left = rows[row, column], columns[row, column]
        total[:, row : row + k, column : column + k] += weight * style[:, top : top + k, left : left + k]
        weights[row : row + k, column : column + k] += weight
    found = reassemble(rows * 11 + columns, style, k, falloff)
    torch.testing.assert_close(found, total / weights, rtol=1e-4, atol=1e-5)


def test_the_corners_of_large_patches_count_too() -> None:
    (style,) = maps(3, 2, (43, 43))
    assert swap(style[None], style[None], Matching(41, falloff=16.0)).isfinite().all()


@pytest.mark.parametrize("falloff", [0.5, -2.0, float("inf"), float("nan")])
def test_a_falloff_out_of_range(falloff: float) -> None:
    with pytest.raises(ValueError, match="falloff must be a finite number of at least 1, got"):
        Matching(falloff=falloff)


def test_a_style_swapped_with_itself_is_itself() -> None:
    (style,) = maps(5, 16, (12, 10))
    torch.testing.assert_close(swap(style[None], style[None]), style[None])


@given(sides, sides, st.integers(1, 2), st.integers(1, 6))
def test_the_channels_compared_choose_what_is_copied_of_all(h: int, w: int, pooling: int, compared: int) -> None:
    content, style = maps(h, 6, (h + 4, w + 4), (w + 4, h + 4))
    keys = content[:compared], style[:compared]
    matches = match_patches(*keys)
    if pooling > 1:
        matches = refine_matches(coarse_matches(*keys, 3, pooling), *keys, 3, pooling)
    expected = reassemble(matches, style)
    assert torch.equal(swap(content[None], style[None], Matching(pooling=pooling, compared=compared))[0], expected)


@given(sides, sides, st.floats(0, 1), st.integers(1, 6))
def test_patches_keep_together_as_coarse_matches_do(h: int, w: int, coherence: float, compared: int) -> None:
    content, style = maps(w, 6, (h + 4, w + 4), (w + 4, h + 4))
    keys = content[:compared], style[:compared]
    near = windows_near(coarse_matches(*keys, 3, 2), (h + 4, w + 4), (w + 4, h + 4), 3, 2)
    expected = reassemble(match_patches(*keys, 3, near, coherence), style)
    assert torch.equal(swap(content[None], style[None], Matching(3, compared, coherence, pooling=1))[0], expected)


@given(sides, sides, st.integers(1, 2), st.sampled_from([0.9, 1.0]), st.integers(1, 6))
def test_matches_are_passed_on_at_each_scale(h: int, w: int, pooling: int, coherence: float, compared: int) -> None:
    content, style = maps(w, 6, (h + 4, w + 4), (w + 4, h + 4))
    keys = content[:compared], style[:compared]
    coarse_keys = F.avg_pool2d(keys[0][None], 2, ceil_mode=True)[0], F.avg_pool2d(keys[1][None], 2)[0]
    coarse = propagate_matches(match_patches(*coarse_keys), *coarse_keys, 3, 0.5)
    if pooling > 1:
        matches = refine_matches(coarse, *keys, 3, 2)
    elif coherence < 1:
        near = windows_near(coarse, (h + 4, w + 4), (w + 4, h + 4), 3, 2)
        matches = match_patches(*keys, 3, near, coherence)
    else:
        matches = match_patches(*keys)
    expected = reassemble(propagate_matches(matches, *keys, 3, 0.5), style)
    matching = Matching(3, compared, coherence, continuity=0.5, pooling=pooling)
    assert torch.equal(swap(content[None], style[None], matching)[0], expected)


def test_more_neighbours_keep_together_on_real_features(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    """Their matches lie within three positions, while scores lose little."""
    content, style = compared_maps(model, photo, painting)
    sizes = (content.shape[1], content.shape[2]), (style.shape[1], style.shape[2])
    near = windows_near(coarse_matches(content, style, 3, 2), *sizes, 3, 2)
    apart, together = match_patches(content, style), match_patches(content, style, 3, near, COHERENCE)

    width = style.shape[2]

    def kept(matches: Tensor) -> float:
        steps = torch.stack([matches // width, matches % width]).diff(dim=2).abs()
        return (steps.amax(0) <= 3).float().mean().item()

    scores = unfolded_swap(content, style, 3)[0]
    patches = together // width * (width - 2) + together % width
    assert (scores.gather(0, patches[None])[0] >= (COHERENCE - 1e-4) * scores.amax(0)).all()
    assert kept(together) > 1.05 * kept(apart)


def test_small_maps_are_matched_one_by_one() -> None:
    content, style = maps(13, 6, (9, 5), (8, 9))
    alone = swap(content[None], style[None])
    assert torch.equal(swap(content[None], style[None], Matching(coherence=0.5)), alone)


def test_a_calm_area_stays_calm_where_matching_is_coarse() -> None:
    """Each of its patches finds the same patch of the style: nothing repeats from one coarse position to the next."""
    (style,) = maps(7, 8, (24, 20))
    calm = torch.ones(1, 8, 32, 32)
    swapped = swap(calm, style[None], Matching(pooling=4))[..., 8:-8, 8:-8]
    assert torch.equal(swapped, swapped[..., :1, :1].expand_as(swapped))


@given(sides, sides, st.integers(1, 4))
def test_any_size_with_pooling_keeps_the_contents_size(h: int, w: int, pooling: int) -> None:
    content, style = maps(h, 3, (h, w), (w, h))
    assert swap(content[None], style[None], Matching(pooling=pooling)).shape == (1, 3, h, w)


def test_batches_take_their_own_style() -> None:
    a, b, s, t = maps(9, 4, (8, 8), (8, 8), (7, 9), (7, 9))
    both = swap(torch.stack([a, b]), torch.stack([s, t]))
    torch.testing.assert_close(both, torch.cat([swap(a[None], s[None]), swap(b[None], t[None])]))
    shared = swap(torch.stack([a, b]), s[None])
    torch.testing.assert_close(shared, torch.cat([swap(a[None], s[None]), swap(b[None], s[None])]))


@pytest.mark.parametrize("patch_size", [0, 2, -1])
def test_even_patches_are_refused(patch_size: int) -> None:
    with pytest.raises(ValueError, match=f"odd number of positions .* got {patch_size}"):
        Matching(patch_size)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_multiplied_in_float32(dtype: torch.dtype) -> None:
    content, style = (values.to(dtype) for values in maps(3, 24, (14, 11), (12, 16)))
    assert torch.equal(match_patches(content, style), match_patches(content.float(), style.float()))
