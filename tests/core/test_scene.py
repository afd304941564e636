"""Regions, masks and maps on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import artnet_core as artnet
from artnet_core.images import read_frames, read_picture
from artnet_core.options import parse
from artnet_core.pipeline import Pictures, Region, Settings, paint
from artnet_core.runtime import fastest_dtype
from artnet_core.scene import Masks, read_regions

from .conftest import EXAMPLES
from .test_cli import PAINTING, PHOTO, failing, refused, run, small

WIDTH, HEIGHT = 96, 64
CPU = ("--device", "cpu")


@pytest.fixture(scope="module")
def model() -> artnet.ArtNet:
    """As the command line loads it."""
    return artnet.load(dtype=fastest_dtype(torch.device("cpu")))


def mask(path: Path, left: int, right: int = WIDTH) -> Tensor:
    """Writes a mask that is white between two columns; returns it, [1, H, W]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", (WIDTH, HEIGHT))
    image.paste(255, (left, 0, right, HEIGHT))
    image.save(path)
    return torch.from_numpy(np.array(image)).float()[None] / 255


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A folder of two regions, left and right, and the pictures beside it."""
    folder = tmp_path / "scene"
    mask(folder / "left.png", 0, 40)
    mask(folder / "right.png", 56)
    small(folder / "left.style.jpg", PAINTING, (72, 64))
    small(folder / "right.style.png", EXAMPLES / "style" / "spring.jpg", (64, 72))
    small(tmp_path / "photo.png", size=(WIDTH, HEIGHT))
    (folder / "notes.txt").write_text("left and right")
    return folder


def of(path: Path) -> Pictures:
    return Pictures.of(read_picture(path).rgb, path.stem)


def near(found: Path, expected: Tensor) -> bool:
    return bool((read_picture(found).rgb - expected).abs().max() <= 0.51 / 255)


def stylize(scene: Path, *options: str | Path, content: str = "photo.png", output: str = "o.png") -> Path:
    """Paints beside the folder of regions; returns what was written."""
    out = scene.parent / output
    assert run("stylize", scene.parent / content, *options, "-o", out, *CPU) == 0
    return out


def test_a_folder_of_regions(scene: Path, model: artnet.ArtNet) -> None:
    """Each region in its style; what none covers stays to the bit, or is painted in the style after the content."""
    left, right = (read_picture(scene / f"{name}.png").rgb.mean(1) for name in ("left", "right"))
    first, second, photo = (
        of(scene / "left.style.jpg"),
        of(scene / "right.style.png"),
        of(scene.parent / "photo.png"),
    )
    regions = [Region(left, first), Region(right, second)]
    found = stylize(scene, "--regions", scene)
    with torch.inference_mode():
        assert near(found, next(paint(model, photo, None, regions=regions)))
        assert torch.equal(read_picture(found).rgb[..., 40:56], photo.at(0)[..., 40:56])
        rest = stylize(scene, scene / "left.style.jpg", "--regions", scene, "--detail", "0.1", "--color", "same")
        own = [Region(left, first, photo), Region(right, second, photo)]
        assert near(rest, next(paint(model, photo, first, photo, Settings(detail=0.1), regions=own)))


def test_what_a_region_can_have(scene: Path, model: artnet.ArtNet) -> None:
    """A part of its style, colours of its own, a style from elsewhere; and a palette for all others."""
    part = mask(scene / "left.style.mask.png", 30, 80)
    small(scene / "right.color.jpg", EXAMPLES / "style" / "lion.jpg", (50, 60))
    other = small(scene.parent / "other.png", EXAMPLES / "style" / "great_wave.jpg", (90, 60))
    found = stylize(scene, "--regions", scene, "--region", f"right={other}", "--color", other, "--stroke-size", "1")
    left, right = (read_picture(scene / f"{name}.png").rgb.mean(1) for name in ("left", "right"))
    photo, palette = of(scene.parent / "photo.png"), of(other)
    regions = [
        Region(left, of(scene / "left.style.jpg"), palette, part),
        Region(right, of(other), of(scene / "right.color.jpg")),
    ]
    with torch.inference_mode():
        assert near(found, next(paint(model, photo, None, palette, Settings(stroke_size=1.0), regions=regions)))


def test_masks_of_styles_and_maps(scene: Path, model: artnet.ArtNet) -> None:
    style, color = scene / "left.style.jpg", scene / "right.style.png"
    masks = {name: mask(scene.parent / f"{name}.png", left) for name, left in (("a", 20), ("b", 48), ("c", 70))}
    options = [
        *("--style-mask", scene.parent / "a.png", "--color", color, "--color-mask", scene.parent / "b.png"),
        *("--detail-map", scene.parent / "b.png", "--strength-map", scene.parent / "a.png"),
        *("--stroke-map", scene.parent / "c.png"),
    ]
    small(scene.parent / "large.png", size=(300, 200))
    found = stylize(scene, style, *options, content="large.png")
    content = of(scene.parent / "large.png")
    with torch.inference_mode():
        wanted = paint(
            model,
            content,
            of(style).weighted(masks["a"]),
            of(color).weighted(masks["b"]),
            detail_map=masks["b"],
            strength_map=masks["a"],
            stroke_map=masks["c"],
        )
        assert near(found, next(wanted))
    assert torch.equal(read_picture(found).rgb[..., :60], content.at(0)[..., :60])


@pytest.mark.parametrize("steady", [False, True])
@pytest.mark.parametrize("kind", ["folder", "animation"])
def test_each_frame_has_its_own_masks(scene: Path, model: artnet.ArtNet, kind: str, steady: bool) -> None:
    """An animation; its masks are a folder or an animation too."""
    (scene / "left.png").unlink()
    photo = Image.open(scene.parent / "photo.png")
    frames = [photo.rotate(8 * index) for index in range(3)]
    frames[0].save(scene.parent / "film.png", save_all=True, append_images=frames[1:], duration=80)
    moving = [mask(scene.parent / "masks" / f"m{index}.png", 20 * index, 20 * index + 30) for index in (1, 2, 10)]
    files = [scene.parent / "masks" / f"m{index}.png" for index in (1, 2, 10)]
    if kind == "folder":
        (scene.parent / "masks").rename(scene / "left")
    else:
        masks = [Image.open(file) for file in files]
        masks[0].save(scene / "left.webp", save_all=True, append_images=masks[1:], lossless=True, duration=80)
    of_map = scene / ("left" if kind == "folder" else "left.webp")
    options = ["--regions", scene, "--strength-map", of_map, "--mask", of_map] + ["--steady"] * steady
    found = torch.cat([frame.rgb for frame in read_frames(stylize(scene, *options, content="film.png"))])
    content = Pictures.of(torch.cat([frame.rgb for frame in read_frames(scene.parent / "film.png")]), "film")
    shapes = torch.cat(moving)
    regions = [
        Region(shapes, of(scene / "left.style.jpg")),
        Region(read_picture(scene / "right.png").rgb.mean(1), of(scene / "right.style.png")),
    ]
    with torch.inference_mode():
        wanted = paint(
            model, content, None, None, Settings(steady=steady), shapes, regions=regions, strength_map=shapes
        )
        assert (found - torch.cat(list(wanted))).abs().max() <= 0.51 / 255


def test_pictures_of_a_folder_have_their_own_masks(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One mask for each picture, in their order, also where a run is taken up again, or one is painted alone."""
    for index in range(3):
        small(scene.parent / "in" / f"p{index}.png", size=(WIDTH, HEIGHT))
        mask(scene.parent / "masks" / f"{index}.png", 30 * index)
    options = [scene / "left.style.jpg", "--mask", scene.parent / "masks", "--regions", scene]
    stylize(scene, *options, content="in", output="out")
    painted = {path.name: path.read_bytes() for path in (scene.parent / "out").iterdir()}
    (scene.parent / "out" / "p1.png").unlink()
    stylize(scene, *options, "--skip-existing", content="in", output="out")
    assert "Wrote 1 pictures" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (scene.parent / "out").iterdir()} == painted
    one = [*options[:2], scene.parent / "masks" / "2.png", *options[3:]]
    assert stylize(scene, *one, content="in/p2.png").read_bytes() == painted["p2.png"]


def test_a_video_is_taken_up_again_with_its_masks(scene: Path) -> None:
    for index in range(3):
        small(scene.parent / "in" / f"{index}.png", size=(WIDTH, HEIGHT))
        mask(scene / "left" / f"{index}.png", 0, 30 + 10 * index)
    (scene / "left.png").unlink()
    options = ["--regions", scene, "--steady", "--detail", "0"]
    stylize(scene, *options, content="in", output="out")
    (scene.parent / "out" / "2.png").unlink()
    stylize(scene, *options, "--skip-existing", content="in", output="out")
    photo = read_picture(scene.parent / "in" / "2.png").rgb
    again = read_picture(scene.parent / "out" / "2.png").rgb
    assert torch.equal(again[..., 50:56], photo[..., 50:56])
    assert (again - photo)[..., 44:50].abs().mean() > 0.05


def test_more_regions_than_are_kept(scene: Path, model: artnet.ArtNet, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten styles, read again when they are needed; what is to be said of one is said once."""
    folder = scene.parent / "many"
    regions = []
    for index in range(10):
        shape = mask(folder / f"r{index}.png", 9 * index, 9 * index + 9)
        small(folder / f"r{index}.style.png", PAINTING, (2100 if index == 3 else 70 + index, 64))
        regions.append(Region(shape, of(folder / f"r{index}.style.png")))
    regions[3] = Region(regions[3].mask, Pictures.of(read_picture(folder / "r3.style.png", 2048).rgb, "r3"))
    found = stylize(scene, "--regions", folder)
    assert capsys.readouterr().err.count("reduced from") == 1
    with torch.inference_mode():
        assert near(found, next(paint(model, of(scene.parent / "photo.png"), None, regions=regions)))


def test_masks_are_read_in_any_order(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), 40 * index) for index in range(4)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    masks = Masks(tmp_path / "a.png")
    for index in (0, 1, 3, 3, 0, 2, 1):
        assert float(masks.at(index).mean()) == pytest.approx(40 * index / 255, abs=0.01)
    transparent = Image.new("LA", (4, 4), (255, 0))
    transparent.putpixel((0, 0), (255, 255))
    transparent.save(tmp_path / "b.png")
    assert Masks(tmp_path / "b.png").at(5).sum() == 1  # white, but to be seen at one pixel alone


def test_regions_that_cannot_be_are_refused_before_anything_is_painted(
    scene: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No model is loaded for any of these."""
    monkeypatch.setattr("artnet_core.commands.load_model", lambda options: pytest.fail("work began"))
    photo, style = scene.parent / "photo.png", scene / "left.style.jpg"
    (scene.parent / "empty").mkdir()
    for index in range(2):
        mask(scene.parent / "two" / f"{index}.png", 30)
    mask(scene.parent / "black.png", WIDTH)
    (scene.parent / "text.png").write_text("no picture")

    def said(*options: str | Path, content: Path = photo) -> str:
        return failing(capsys, "stylize", content, *options, "-o", scene.parent / "o.png")

    assert "There is no folder" in said("--regions", scene.parent / "nowhere")
    assert "holds no masks" in said("--regions", scene.parent / "empty")
    assert "no mask sky.png" in said("--regions", scene, "--region", f"sky={style}")
    assert "holds left, right" in said("--regions", scene, "--region", f"sky={style}")
    assert "There is no picture" in said("--regions", scene, "--region", "left=nowhere.jpg")
    assert "holds 2 masks for 1 picture: give 1." in said(style, "--mask", scene.parent / "two")
    assert "holds 2 masks for 1 picture: give 1." in said(style, "--style-mask", scene.parent / "two")
    for option in ("--mask", "--detail-map", "--strength-map", "--stroke-map", "--style-mask"):
        assert "There is no picture" in said(style, option, scene.parent / "no.png")
        assert "text.png" in said(style, option, scene.parent / "text.png")
    assert "black everywhere" in said(style, "--style-mask", scene.parent / "black.png")
    for number in range(3):
        small(scene.parent / "three" / f"{number}.png")
    assert "2 masks for 3 pictures: give 1 or 3" in said(
        style, "--detail-map", scene.parent / "two", content=scene.parent / "three"
    ).replace(str(scene.parent), "")
    assert "one of the pictures that are read" in failing(
        capsys, "stylize", photo, "--regions", scene, "-o", scene / "left.png"
    )

    def broken(name: str, text: str) -> None:
        """With one more file the folder is refused."""
        path = scene / name
        mask(path, 10)
        assert text in said("--regions", scene)
        path.unlink()

    broken("sky.png", "sky.png has no style: put sky.style.jpg beside it, or say --region sky=FILE")
    broken("sky.style.png", "has no mask beside it: put sky.png there")
    broken("left.sytle.png", "expected nothing for its mask, or .style, .style.mask or .color, got .sytle")
    broken("left.webp", "are the same of region left: remove one of them")
    (scene / "left.color").mkdir()
    assert "is a folder: only the mask of a region can be one" in said("--regions", scene)
    (scene / "left.color").rmdir()
    assert [region.name for region in read_regions(scene, [])] == ["left", "right"]


def test_a_style_of_which_nothing_is_left(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its alpha and its mask show different parts; said before anything is painted, and the region is named."""
    mask(scene / "left.style.mask.png", 0, 48)
    cut = Image.open(scene / "left.style.jpg").convert("RGBA")
    alpha = Image.new("L", cut.size)
    alpha.paste(255, (40, 0, 72, 64))  # the mask, on 72 columns, ends at 36
    cut.putalpha(alpha)
    (scene / "left.style.jpg").unlink()
    cut.save(scene / "left.style.png")
    small(scene.parent / "in" / "a.png")
    line = failing(capsys, "stylize", scene.parent / "in", "--regions", scene, "-o", scene.parent / "out", *CPU)
    assert "Nothing of the texture style of left is seen" in line
    assert not (scene.parent / "out").exists()


def test_options_that_make_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    begin, end = ("stylize", PHOTO), ("-o", "o.png")
    assert "must be a region and its style, as in sky=waves.jpg" in refused(capsys, *begin, "--region", "sky", *end)
    assert "say with --regions" in refused(capsys, *begin, PAINTING, "--region", f"sky={PAINTING}", *end)
    twice = ("--regions", "d", "--region", "sky=a.jpg", "--region", "sky=b.jpg")
    assert "region sky was given two styles" in refused(capsys, *begin, *twice, *end)
    assert "--style-mask is for one style" in refused(capsys, *begin, "--regions", "d", "--style-mask", "m.png", *end)
    assert "--color-mask is for a picture" in refused(capsys, *begin, PAINTING, "--color-mask", "m.png", *end)
    assert "give one style after it" in refused(capsys, *begin, *end)
    assert parse(["stylize", "a.jpg", "--regions", "d", "-o", "o.png"]).styles == []
