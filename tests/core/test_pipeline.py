"""The loop over frames and its levels: coarse to fine, the same look at any resolution, nothing encoded twice."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import artnet_core as artnet
from artnet_core.images import read_picture
from artnet_core.pipeline import Encoded, Pictures, Settings, level_sides, paint, paint_frame, style_side
from artnet_core.progress import Progress
from artnet_core.resizing import resize
from artnet_core.scores import RandomTextureNetwork, edge_ssim, gram_matrix

from .conftest import EXAMPLES


@pytest.mark.parametrize("side", [1, 100, 512, 3000, 7680])
def test_levels(side: int) -> None:
    assert level_sides(side, 0.0) == [side]
    for stroke_size in (0.1, 0.35, 0.5, 0.75, 1.0):
        sides = level_sides(side, stroke_size)
        assert sides[-1] == side
        assert all(after / 2 <= before <= after / 2 + 1 for before, after in pairwise(sides))
        if len(sides) > 1:
            assert 2**-0.5 <= sides[0] * stroke_size**2 / 128 <= 2**0.5 * 1.02
    assert level_sides(side, 1.0)[0] <= level_sides(side, 0.5)[0]


def test_a_level_is_as_large_at_any_resolution() -> None:
    for stroke_size in (0.5, 1.0):
        assert {level_sides(side, stroke_size)[0] for side in (512, 1024, 2048, 4096)} == {
            level_sides(512, stroke_size)[0]
        }


def test_the_style_is_reduced_alike() -> None:
    fine, broad, sized = Settings(stroke_size=0), Settings(stroke_size=0.5), Settings(stroke_size=0.5, style_size=800)
    assert style_side(900, 512, 512, fine) == 900
    assert [style_side(900, level, 1024, broad) for level in (128, 512, 1024)] == [256, 512, 900]
    assert [style_side(900, level, 1024, sized) for level in (512, 1024)] == [400, 800]


def test_the_same_look_at_any_resolution(model: artnet.ArtNet) -> None:
    """A painting of 768 pixels, reduced to 256, is nearer to the one of 256 than in one pass."""
    photo, style = (read_picture(EXAMPLES / path, 768).rgb for path in ("content/coffee.jpg", "style/poppies.jpg"))
    judge = RandomTextureNetwork()

    def gap(stroke_size: float) -> float:
        small, large = (
            model.stylize(resize(photo, side), style, detail=0.1, stroke_size=stroke_size) for side in (256, 768)
        )
        first, second = (judge(picture) for picture in (small, resize(large, 256)))
        return sum(
            ((gram_matrix(a) - gram_matrix(b)).norm() / gram_matrix(a).norm()).item()
            for a, b in zip(first, second, strict=True)
        )

    assert gap(0.7) < 0.67 * gap(0.0)


def test_broad_strokes_change_the_forms_and_keep_the_scene(
    model: artnet.ArtNet, photo: Tensor, painting: Tensor
) -> None:
    fine, broad = (model.stylize(photo, painting, stroke_size=size) for size in (0.0, 1.0))
    reduced = [F.avg_pool2d(picture, 4) for picture in (fine, broad)]
    assert (reduced[0] - reduced[1]).abs().mean() > 0.02
    assert 0.15 < edge_ssim(photo, broad) < edge_ssim(photo, fine)


def test_strength_leads_to_the_picture_itself(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    """Also where a picture is painted in several levels, and without a jump."""
    content, style = Encoded(model, photo), Encoded(model, painting)
    steps = [
        paint_frame(model, content, style, settings=Settings(strength=strength, stroke_size=1.0))
        for strength in (0.0, 0.02, 0.98, 1.0)
    ]
    assert torch.equal(steps[0], photo)
    assert (steps[1] - steps[0]).abs().mean() < 0.02
    assert (steps[3] - steps[2]).abs().mean() < 0.02


def test_what_is_kept_is_not_encoded_again(
    model: artnet.ArtNet, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, encoded, encode = photo[..., :96, :96], [0], model.encode

    def counted(images: Tensor, tile: int | None = None, *, progress: Progress) -> artnet.Features:
        encoded[0] += 1
        return encode(images, tile, progress=progress)

    monkeypatch.setattr(model, "encode", counted)
    content, style = Pictures.of(small, "content"), Pictures.of(painting, "style")
    kept: dict[str, Encoded] = {}
    first = list(paint(model, content, style, kept=kept))
    again = list(paint(model, content, style, settings=Settings(detail=0.1), kept=kept))
    assert encoded == [2]
    assert not torch.equal(first[0], again[0])
    assert torch.equal(again[0], model.stylize(small, painting, detail=0.1))


def test_a_video_in_levels_is_steady(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    """The camera pans by 4 pixels, and each frame has noise of its own."""
    frames = torch.cat([photo[..., step * 4 : step * 4 + 192] for step in range(3)])
    frames = (frames + torch.randn(frames.shape, generator=torch.Generator().manual_seed(0)) / 255).clamp(0, 1)

    def change(steady: bool) -> Tensor:
        painted = model.stylize(frames, painting, detail=0.1, steady=steady, stroke_size=1.0)
        return (painted[:-1, ..., 4:] - painted[1:, ..., :-4])[..., 24:-24].abs().mean()

    assert change(True) < 0.6 * change(False)


@pytest.mark.parametrize("name", ["strength", "detail", "stroke_size"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_settings_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{name} must lie in 0\.\.1"):
        Settings(**{name: value})
