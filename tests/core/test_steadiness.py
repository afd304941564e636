"""Matches of the frame before, and what becomes of flicker."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from artnet_core import ArtNet, sandwich_swap
from artnet_core.matching import match_patches
from artnet_core.sandwich import DEFAULT_DETAIL
from artnet_core.steadiness import STEADINESS, FrameBefore, keep_matches

from .conftest import all_scores, compared_maps, maps


@given(st.integers(0, 999), st.sampled_from([1, 3]), st.floats(0, 1))
def test_kept_where_it_scores_nearly_as_well(seed: int, k: int, share: float) -> None:
    before, content, style = maps(seed, 3, (9, 8), (9, 8), (7, 10))
    matches, old = (match_patches(frame, style, k) for frame in (content, before))
    scores = all_scores(content, style, k).flatten(2)
    found, kept = (
        scores.gather(2, (of_frame // 10 * (11 - k) + of_frame % 10)[..., None])[..., 0] for of_frame in (matches, old)
    )
    bound = found - (1 - share) * found.abs()
    result = keep_matches(matches, old, content, style, k, share)
    decided = (kept - bound).abs() > 1e-5
    assert torch.equal(result[decided], torch.where(kept >= bound, old, matches)[decided])
    assert ((result == old) | (result == matches)).all()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before, content, style = maps(1, 3, (9, 8), (9, 8), (7, 10))
    matches, old = (match_patches(frame, style, 3) for frame in (content, before))
    whole = keep_matches(matches, old, content, style, 3, 0.5)
    assert not torch.equal(whole, matches) and not torch.equal(whole, old)
    monkeypatch.setattr("artnet_core.pieces._CACHED_ELEMENTS", 1)
    assert torch.equal(keep_matches(matches, old, content, style, 3, 0.5), whole)


def test_the_first_frame_and_those_of_another_size_are_matched_by_themselves() -> None:
    content, style, wide, wide_style = maps(2, 3, (9, 8), (7, 10), (9, 12), (8, 10))
    before = FrameBefore()
    for frame, of_style in ((content, style), (wide, style), (wide, wide_style)):
        matches = match_patches(frame, of_style, 3)
        assert torch.equal(before.steady(matches, frame, of_style, 3), matches)
        assert before.matches is matches


def test_a_frame_keeps_what_fits_and_no_more(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    """After a cut to another picture nearly all patches are new, in the same picture none."""
    content, style = compared_maps(model, photo, painting)
    other, _ = compared_maps(model, painting.flip(3), painting)
    before = FrameBefore()
    first = before.steady(match_patches(content, style), content, style, 3)
    assert torch.equal(before.steady(match_patches(content, style), content, style, 3), first)
    matches = match_patches(other, style)
    cut = before.steady(matches, other, style, 3)
    assert (cut == matches).float().mean() > 0.8


@pytest.mark.parametrize(("detail", "share"), [(0.0, 0.25), (DEFAULT_DETAIL, 0.8)])
def test_noise_makes_less_flicker(model: ArtNet, photo: Tensor, painting: Tensor, detail: float, share: float) -> None:
    """Of a camera that stands still."""
    generator = torch.Generator().manual_seed(0)
    frames = (photo + torch.randn(4, *photo.shape[1:], generator=generator) / 255).clamp(0, 1)
    single, steady = (model.stylize(frames, painting, detail=detail, steady=on) for on in (False, True))
    assert torch.equal(single[0], steady[0])
    assert steady.diff(dim=0).abs().mean() < share * single.diff(dim=0).abs().mean()


def test_frames_together_or_one_by_one(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    frames = torch.cat([photo, photo.roll(3, 3), photo.roll(6, 3)])
    style, before = model.encode(painting), FrameBefore()
    one_by_one = [sandwich_swap(model.encode(frame[None]), style, detail=0.0, before=before).data for frame in frames]
    assert torch.equal(torch.cat(one_by_one[:1]), sandwich_swap(model.encode(photo), style, detail=0.0).data)
    together = sandwich_swap(model.encode(frames), style, detail=0.0, before=FrameBefore())
    torch.testing.assert_close(torch.cat(one_by_one), together.data, rtol=1e-3, atol=1e-2)
    assert STEADINESS < 1
