"""The finish: nearer to the style, lines kept, no specks, no wrinkles, and nothing but the painting changed."""

from __future__ import annotations

import copy
from functools import partial
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import artnet_core as artnet
from artnet_core import finish as finish_module
from artnet_core.finish import Goal, finish, finish_parts, recolor
from artnet_core.finishing.tiles import whole
from artnet_core.pipeline import Encoded, Pictures, Settings, paint, paint_frame
from artnet_core.resizing import resize
from artnet_core.scores import color_distance, edge_ssim, style_distance
from training.judge import load_efficientnet_judge

STEPS = 12


@pytest.fixture(scope="module")
def small(photo: Tensor) -> Tensor:
    return photo[..., 24:152, 48:176]


@pytest.fixture(scope="module")
def painted(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> Tensor:
    return model.stylize(small, painting)


@pytest.fixture(scope="module")
def finished(model: artnet.ArtNet, painted: Tensor, small: Tensor, painting: Tensor) -> Tensor:
    return finish(model.encoder, painted, small, painting, steps=STEPS)


def test_nearer_to_the_style_with_the_lines_of_the_photograph(
    painted: Tensor, finished: Tensor, small: Tensor, painting: Tensor
) -> None:
    """By networks that it does not see."""
    judge = load_efficientnet_judge()
    assert style_distance(painting, finished, judge) < 0.95 * style_distance(painting, painted, judge)
    assert edge_ssim(small, finished) > 0.75 * edge_ssim(small, painted)
    assert finished.min() >= 0 and finished.max() <= 1


def test_structure_holds_the_lines(
    model: artnet.ArtNet,
    painted: Tensor,
    finished: Tensor,
    small: Tensor,
    painting: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finish_module, "_STRUCTURE_WEIGHT", 0.0)
    loose = finish(model.encoder, painted, small, painting, steps=STEPS)
    assert edge_ssim(small, finished) > edge_ssim(small, loose) + 0.02


def test_no_steps_change_nothing(model: artnet.ArtNet, painted: Tensor, small: Tensor, painting: Tensor) -> None:
    assert torch.equal(finish(model.encoder, painted, small, painting, steps=0), painted)


def test_only_the_painting_changes(
    model: artnet.ArtNet, painted: Tensor, finished: Tensor, small: Tensor, painting: Tensor
) -> None:
    """Also where a host has made all tensors for inference alone; random numbers of others stay the same."""
    before, given = copy.deepcopy(model.encoder.state_dict()), painted.clone()
    state = torch.get_rng_state()
    with torch.inference_mode():
        again = finish(artnet.load().encoder, painted.clone(), small.clone(), painting.clone(), steps=STEPS)
    assert torch.allclose(again, finished, atol=1e-4)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(painted, given)
    for name, value in model.encoder.state_dict().items():
        assert torch.equal(value, before[name]) and not value.requires_grad


@pytest.mark.parametrize("calls", [5, 190, 280])
def test_it_can_be_stopped_within_a_step(
    model: artnet.ArtNet, painted: Tensor, small: Tensor, painting: Tensor, calls: int
) -> None:
    """While the style is encoded, and on the way through the network and back in the first step."""
    shares: list[float] = []

    def progress(share: float) -> None:
        shares.append(share)
        if len(shares) == calls:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish(model.encoder, painted, small, painting, steps=10, progress=progress)
    assert shares == [0.0] * calls


def test_it_says_how_far_it_is(model: artnet.ArtNet, painted: Tensor, small: Tensor, painting: Tensor) -> None:
    shares: list[float] = []
    finish(model.encoder, painted, small, painting, steps=5, progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1
    # Two steps at a fourth of the cost, and three.
    assert sorted(set(shares)) == pytest.approx([0, 1 / 14, 2 / 14, 6 / 14, 10 / 14, 1])
    # Many times in a step, forwards and backwards.
    assert shares.count(6 / 14) > 100


def test_it_is_shown_now_and_then(
    model: artnet.ArtNet,
    painted: Tensor,
    finished: Tensor,
    small: Tensor,
    painting: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures: list[Tensor] = []

    def again() -> Tensor:
        return finish(model.encoder, painted, small, painting, steps=STEPS, shown=pictures.append)

    monkeypatch.setattr(finish_module, "_SECONDS_BETWEEN_PICTURES", 0.0)
    assert torch.equal(again(), finished)
    assert len(pictures) == STEPS
    assert torch.equal(pictures[-1], finished)
    assert pictures[0].shape == (1, 3, 64, 64) and not pictures[0].requires_grad
    pictures.clear()
    monkeypatch.setattr(finish_module, "_SECONDS_BETWEEN_PICTURES", 3600.0)
    again()
    assert not pictures


def chroma(images: Tensor) -> Tensor:
    return (images - images.mean(1, keepdim=True)).abs()


def test_no_coloured_specks_under_a_style_in_black_and_white(
    model: artnet.ArtNet, small: Tensor, painting: Tensor
) -> None:
    grey = painting.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    painted = model.stylize(small, grey)
    result = finish(model.encoder, painted, small, grey, steps=STEPS)
    assert chroma(result).mean() < chroma(painted).mean() + 2 / 255


def test_no_wrinkles_where_the_photograph_is_flat(model: artnet.ArtNet, painting: Tensor) -> None:
    """A sky over a dark hill: what varies in the sky does not multiply."""
    sky = torch.full((1, 3, 128, 128), 0.7)
    sky[..., 80:, :] = 0.2
    painted = model.stylize(sky, painting)
    result = finish(model.encoder, painted, sky, painting, steps=STEPS)

    def roughness(images: Tensor) -> Tensor:
        return images[..., :64, :].diff(dim=3).abs().mean()

    assert roughness(result) < 1.5 * roughness(painted) + 1 / 255


def test_colours_of_another_picture(model: artnet.ArtNet, small: Tensor, painting: Tensor, palette: Tensor) -> None:
    painted = model.stylize(small, painting, palette)
    result, other = (finish(model.encoder, painted, small, painting, color, STEPS) for color in (palette, None))
    assert color_distance(palette, result) < color_distance(palette, other)


def test_recoloured(painting: Tensor, palette: Tensor) -> None:
    recoloured = recolor(painting, palette)
    assert recoloured.shape == painting.shape
    means, covariances = zip(
        *((x.mean((2, 3)), torch.cov(x[0].flatten(1))) for x in (recoloured, palette)), strict=True
    )
    torch.testing.assert_close(*means, atol=0.02, rtol=0)  # some values are cut off at black and white
    torch.testing.assert_close(*covariances, atol=0.025, rtol=0)


def test_as_a_setting(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    shares: list[float] = []
    content, style = Encoded(model, small), Encoded(model, painting)
    settings = Settings(finish=4)
    result = paint_frame(model, content, style, settings=settings, progress=shares.append)
    plain = paint_frame(model, content, style)
    assert not torch.equal(result, plain)
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    half = paint_frame(model, content, style, settings=Settings(strength=0.5, finish=4))
    assert F.l1_loss(half, small) < F.l1_loss(result, small)
    unchanged = paint_frame(model, content, style, settings=Settings(strength=0.0, finish=4))
    assert torch.equal(unchanged, small)


def test_in_tiles_as_in_one_piece(
    model: artnet.ArtNet, painted: Tensor, small: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four to nine tiles, other ones in each step, change what one piece changes, at their borders too."""
    monkeypatch.setattr(finish_module, "_SCALES", (1,))
    monkeypatch.setattr(finish_module, "_TILE_SIDE", 64)

    def changed(in_tiles: bool) -> Tensor:
        monkeypatch.setattr(finish_module, "_WHOLE_SIDE", 64 if in_tiles else 128)
        goals = [Goal(lambda: (painting, None))]
        work = finish_module._Work(model.encoder, torch.device("cpu"), torch.float32, goals, lambda _share: None, None)
        with torch.enable_grad():
            return work.improve(painted, small, 1.0, 2)

    whole, tiled = changed(False), changed(True)
    error = (tiled - whole).abs()
    assert error.mean() < 0.35 * whole.abs().mean()
    at_borders = torch.cat([error[..., line - 2 : line + 2].flatten() for line in (32, 64, 96)])
    assert at_borders.mean() < 1.2 * error.mean()
    assert torch.equal(changed(True), tiled)


def test_levels() -> None:
    assert list(finish_module._levels(512, 30)) == [(256, 12), (512, 18)]
    assert list(finish_module._levels(4096, 30)) == [(512, 12), (1024, 18), (2048, 8), (4096, 8)]
    assert list(finish_module._levels(100, 1)) == [(100, 1)]


def test_a_large_picture(
    model: artnet.ArtNet, painted: Tensor, small: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is largest is made so small that the whole is seen in 64 pixels, and the rest in tiles."""
    monkeypatch.setattr(finish_module, "_WHOLE_SIDE", 64)
    monkeypatch.setattr(finish_module, "_TILE_SIDE", 48)
    shares: list[float] = []
    result = finish(model.encoder, painted, small, painting, steps=STEPS, progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1
    judge = load_efficientnet_judge()
    assert style_distance(painting, result, judge) < 0.95 * style_distance(painting, painted, judge)


def test_it_ends_when_nothing_changes_any_more(
    model: artnet.ArtNet, painted: Tensor, small: Tensor, painting: Tensor
) -> None:
    """The rate falls to nothing over a hundred steps, so the last ones are left out."""
    shares: list[float] = []
    finish(model.encoder, painted[..., :48, :48], small[..., :48, :48], painting, steps=100, progress=shares.append)
    assert shares[-1] == 1 and max(after - before for before, after in pairwise(shares)) > 0.02


def test_a_small_part_takes_all_steps(model: artnet.ArtNet, painted: Tensor, small: Tensor, painting: Tensor) -> None:
    """What does not change is no sign of an end."""
    corner = torch.zeros(1, 1, 128, 128)
    corner[..., :24, :24] = 1
    shares: list[float] = []
    goals = [Goal(lambda: (painting, None), partial(resize, corner))]
    finish_parts(model.encoder, painted, small, goals, 5, progress=shares.append)
    assert len(set(shares)) == 1 + 5


def test_parts_come_nearer_to_their_own_styles(
    model: artnet.ArtNet, painted: Tensor, small: Tensor, painting: Tensor, palette: Tensor
) -> None:
    """Left and right part, and a strip in the middle in neither style; by the network that the finish sees."""
    left = torch.zeros(1, 1, 128, 128)
    left[..., :48] = 1
    right = left.flip(3)

    def finished(*styles: Tensor) -> Tensor:
        goals = [
            Goal(partial(lambda style: (style, None), style), partial(resize, mask))
            for style, mask in zip(styles, (left, right), strict=True)
        ]
        return finish_parts(model.encoder, painted, small, goals, steps=STEPS)

    result, exchanged = finished(painting, palette), finished(palette, painting)
    assert torch.equal(result[..., 52:76], painted[..., 52:76])

    def distance(style: Tensor, part: Tensor) -> float:
        found = [
            {name: x.flatten(1) for name, x in whole(images).features(model.encoder, images, torch.float32).items()}
            for images in (style, part)
        ]
        grams = [{name: x @ x.T / x.shape[1] for name, x in maps.items()} for maps in found]
        return sum(float((grams[1][name] - gram).norm() / gram.norm()) for name, gram in grams[0].items())

    for part, own in ((slice(0, 48), painting), (slice(80, 128), palette)):
        assert distance(own, result[..., part]) < distance(own, exchanged[..., part])


def test_only_what_is_painted_is_finished(model: artnet.ArtNet, small: Tensor, painting: Tensor) -> None:
    """Left of the middle the photograph stays, to the bit, under a mask as under a map of the strength."""
    photo = small[..., :64, :96]
    pictures = Pictures.of(photo, "content"), Pictures.of(painting, "style")
    right = torch.zeros(64, 96)
    right[:, 48:] = 1
    for given in ({"mask": right}, {"strength_map": right}):
        plain, result = (
            next(paint(model, *pictures, settings=Settings(finish=steps), **given))  # type: ignore[arg-type]
            for steps in (0, 2)
        )
        assert torch.equal(result[..., :48], photo[..., :48])
        assert (result - plain)[..., 48:].abs().mean() > 1e-3


def test_what_is_hidden_of_the_photograph_does_not_matter(
    model: artnet.ArtNet, small: Tensor, painting: Tensor
) -> None:
    photo = small[..., :64, :96]
    seen = torch.zeros(64, 96)
    seen[:, 40:] = 1
    style = Pictures.of(painting, "style")
    changed = photo.clone()
    changed[..., :40] = 0.9
    results = [
        next(paint(model, Pictures.of(images, "content", seen), style, settings=Settings(finish=2)))
        for images in (photo, changed)
    ]
    assert torch.equal(*results)


def test_wrong_numbers(model: artnet.ArtNet, painted: Tensor, small: Tensor, painting: Tensor) -> None:
    with pytest.raises(ValueError, match="finish must not be negative"):
        finish(model.encoder, painted, small, painting, steps=-1)
    with pytest.raises(ValueError, match="one size"):
        finish(model.encoder, painted, small[..., 1:], painting)
