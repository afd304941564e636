"""Matches of the frame before, and what becomes of flicker."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from artnet_core import ArtNet, sandwich_swap
from artnet_core.images import read_picture
from artnet_core.pipeline import Encoded, Settings, paint_frame
from artnet_core.transfer.matching import match_patches
from artnet_core.transfer.sandwich import DEFAULT_DETAIL
from artnet_core.video.steadiness import TemporalState, extend, keep_matches

from .conftest import EXAMPLES, all_scores, compared_maps, maps


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
    monkeypatch.setattr("artnet_core.network.ops._CACHED_ELEMENTS", 1)
    assert torch.equal(keep_matches(matches, old, content, style, 3, 0.5), whole)


def test_the_first_frame_and_one_with_another_style_are_matched_by_themselves() -> None:
    content, style, other_style = maps(2, 3, (9, 8), (7, 10), (7, 10))
    before = TemporalState()
    for of_style in (style, other_style):
        matches = match_patches(content, of_style, 3)
        assert torch.equal(before.steady(matches, content, of_style, 3, of_style), matches)


def as_found(matches: Tensor, *_rest: object) -> Tensor:
    """As the state of a video settles the first frame."""
    return matches


def test_styles_of_a_batch_take_nothing_from_one_another(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    styles = torch.cat([painting, painting.flip(2), painting.flip(3)])
    together = model.stylize(photo, styles, detail=0.1, steady=True)
    for style, painted in zip(styles, together, strict=True):
        assert torch.equal(painted[None], model.stylize(photo, style[None], detail=0.1, steady=True))
    features = model.encode(styles)
    frames = model.encode(photo.repeat(3, 1, 1, 1))
    steady = sandwich_swap(frames, features, detail=0.1, settle=TemporalState().steady)
    alone = sandwich_swap(frames, features, detail=0.1, settle=as_found)
    assert torch.equal(steady.data, alone.data)


def test_a_style_is_known_again(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    """Repeated for each frame, or encoded anew, it is the same style."""
    frames = moving(photo, 2)
    steady = model.stylize(frames, painting, detail=0.1, steady=True)
    assert torch.equal(model.stylize(frames, painting.repeat(4, 1, 1, 1), detail=0.1, steady=True), steady)
    content, style = model.encode(frames), model.encode(painting)
    styles = style.with_data(style.data.repeat(4, 1, 1, 1))
    several, one = (sandwich_swap(content, of, detail=0.1, settle=TemporalState().steady) for of in (styles, style))
    torch.testing.assert_close(several.data, one.data, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("step", [(0, 0), (0, 8), (-16, 24), (3, -5), (-11, 40)])
def test_matches_move_with_the_camera(step: tuple[int, int]) -> None:
    """Whatever parts of a position it moves by, the same positions of the scene keep their matches."""
    photo = read_picture(EXAMPLES / "content" / "astronaut.jpg").rgb
    before, scene = TemporalState(), torch.arange(64 * 64).view(64, 64) % 50  # a match for each of its positions
    for down, right in ((0, 0), step, (step[0] * 2, step[1] * 2)):
        above, left = before.follow(photo[..., 100 + down : 292 + down, 100 + right : 292 + right], 8)
        row, column = (down - above) // 8 + 20, (right - left) // 8 + 20
        assert (down - above) % 8 == (right - left) % 8 == 0
        of_scene = scene[row : row + 24 + (above > 0), column : column + 24 + (left > 0)]
        kept = before._at_the_same_places(of_scene.shape)
        if kept is not None:
            # What has just come into the picture has none.
            inner = (slice(8, 16), slice(8, 16))
            assert torch.equal(kept[inner], of_scene[inner])
        before._matches, before._position_of_matches = of_scene, before._position


def test_extended_like_numpy() -> None:
    image = torch.rand(1, 3, 5, 9)
    expected = np.pad(image.numpy(), ((0, 0), (0, 0), (7, 0), (3, 0)), mode="reflect")
    np.testing.assert_array_equal(extend(image, 7, 3).numpy(), expected)
    assert extend(image, 0, 0) is image


def test_strokes_that_fit_nowhere_are_not_taken_over(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    """Whoever wrote them knows the style; and those of another style, or with other patches, are none either."""
    content, style = compared_maps(model, photo, painting)
    first, state = match_patches(content, style), TemporalState()
    state.steady(first, content, style, 3, style)
    other = first.roll(5, 1)  # what might be kept in place of these
    saved = state.saved()
    forged = [saved["matches"] + shift for shift in (style[0].numel(), -style[0].numel(), 2**39)]
    for changed in (*({"matches": matches} for matches in forged), {"style": saved["style"].flip(0)}):
        assert torch.equal(TemporalState.restored(saved | changed).steady(other, content, style, 3, style), other)
    assert torch.equal(
        TemporalState.restored(saved).steady(other[1:-1, 1:-1], content, style, 5, style), other[1:-1, 1:-1]
    )
    assert not torch.equal(TemporalState.restored(saved).steady(other, content, style, 3, style), other)
    for damage in (
        {"numbers": torch.zeros(3, dtype=torch.int64)},
        {"luma": torch.zeros(3)},
        {"matches": first.float()},
    ):
        with pytest.raises(ValueError, match="damaged"):
            TemporalState.restored(saved | damage)


def test_a_frame_keeps_what_fits_and_no_more(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    """After a cut to another picture nearly all patches are new, in the same picture none."""
    content, style = compared_maps(model, photo, painting)
    other, _ = compared_maps(model, painting.flip(3), painting)
    before = TemporalState()
    first = before.steady(match_patches(content, style), content, style, 3, style)
    assert torch.equal(before.steady(match_patches(content, style), content, style, 3, style), first)
    matches = match_patches(other, style)
    cut = before.steady(matches, other, style, 3, style)
    assert (cut == matches).float().mean() > 0.8


@pytest.mark.parametrize(("detail", "share"), [(0.0, 0.25), (DEFAULT_DETAIL, 0.8)])
def test_noise_makes_less_flicker(model: ArtNet, photo: Tensor, painting: Tensor, detail: float, share: float) -> None:
    """Of a camera that stands still."""
    generator = torch.Generator().manual_seed(0)
    frames = (photo + torch.randn(4, *photo.shape[1:], generator=generator) / 255).clamp(0, 1)
    single, steady = (model.stylize(frames, painting, detail=detail, steady=on) for on in (False, True))
    assert torch.equal(model.stylize(frames[:1], painting, detail=detail, steady=True), steady[:1])
    assert steady.diff(dim=0).abs().mean() < share * single.diff(dim=0).abs().mean()


def test_frames_together_or_one_by_one(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    frames = torch.cat([photo, photo.roll(3, 3), photo.roll(6, 3)])
    style, before = model.encode(painting), TemporalState()
    one_by_one = [
        sandwich_swap(model.encode(frame[None]), style, detail=0.0, settle=before.steady).data for frame in frames
    ]
    first = sandwich_swap(model.encode(photo), style, detail=0.0, settle=as_found)
    assert torch.equal(one_by_one[0], first.data)
    together = sandwich_swap(model.encode(frames), style, detail=0.0, settle=TemporalState().steady)
    torch.testing.assert_close(torch.cat(one_by_one), together.data, rtol=1e-3, atol=1e-2)


def moving(photo: Tensor, pan: int) -> Tensor:
    """Frames of a camera that pans over a picture to the right, each with noise of its own."""
    frames = torch.cat([photo[..., index * pan : index * pan + 192] for index in range(4)])
    return (frames + torch.randn(frames.shape, generator=torch.Generator().manual_seed(0)) / 255).clamp(0, 1)


@pytest.mark.parametrize("detail", [0.0, DEFAULT_DETAIL])
@pytest.mark.parametrize("pan", [2, 5])
def test_strokes_move_with_the_camera(model: ArtNet, photo: Tensor, painting: Tensor, detail: float, pan: int) -> None:
    single, steady = (model.stylize(moving(photo, pan), painting, detail=detail, steady=on) for on in (False, True))
    changes = [
        (frames[:-1, ..., pan:] - frames[1:, ..., :-pan])[..., 24:-24].abs().mean() for frames in (single, steady)
    ]
    assert changes[1] < 0.25 * changes[0]


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_a_frame_that_is_painted_again_is_the_same(
    model: ArtNet, photo: Tensor, painting: Tensor, strength: float
) -> None:
    """As after a first try that ran out of memory."""
    frames, style = moving(photo, 3), Encoded(model, painting)
    before: list[TemporalState] = []
    for frame in frames[:2]:
        once, again = (
            paint_frame(model, Encoded(model, frame[None]), style, None, Settings(strength, 0.0), before)
            for _ in range(2)
        )
        assert torch.equal(once, again) and once.shape == frame[None].shape
    if strength == 0:
        assert torch.equal(once, frames[1:2])


def test_frames_of_other_sizes(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    """Also where the patches that fit are of another size: of two rows of positions 1 x 1, of more 3 x 3."""
    style = Encoded(model, painting)
    before: list[TemporalState] = []
    for top, height, width in ((0, 16, 200), (2, 16, 200), (4, 16, 200), (0, 64, 64), (0, 1, 1), (30, 90, 120)):
        frame = photo[..., top : top + height, :width]
        painted = paint_frame(model, Encoded(model, frame), style, None, Settings(detail=0.0), before)
        assert painted.shape == frame.shape and painted.isfinite().all()


def test_no_graph_is_kept(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    before: list[TemporalState] = []
    frame = photo.clone().requires_grad_()
    with torch.enable_grad():
        assert paint_frame(model, Encoded(model, frame), Encoded(model, painting), temporal=before).requires_grad
    (state,) = before
    assert state._luma is not None and not state._luma.requires_grad
