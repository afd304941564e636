"""The command line on real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import artnet_core as artnet
from artnet_core.checkpoint import UNPRUNED_MODEL, shipped_models
from artnet_core.cli import main
from artnet_core.images import Picture, PictureError, pictures_in, read_picture, write_picture
from artnet_core.runtime import fastest_dtype

from .conftest import EXAMPLES

PHOTO = EXAMPLES / "content" / "chelsea.jpg"
PAINTING = EXAMPLES / "style" / "poppies.jpg"


def run(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def failing(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Runs a command that must fail; returns its one line on stderr."""
    assert run(*arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_stylize(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new folder" / "cat.png"
    assert run("stylize", PHOTO, PAINTING, "-o", out, "--size", "160", "--device", "cpu") == 0
    assert str(out) in capsys.readouterr().out
    model = artnet.load(dtype=fastest_dtype(torch.device("cpu")))
    expected = model.stylize(read_picture(PHOTO, 160).rgb, read_picture(PAINTING).rgb)
    assert Image.open(out).size == (160, 106)
    assert (read_picture(out).rgb - expected).abs().max() <= 0.51 / 255


def test_options(tmp_path: Path) -> None:
    color = EXAMPLES / "style" / "spring.jpg"
    out = tmp_path / "cat.png"
    options = ["--strength", "0.7", "--detail", "0.2", "--color", color, "--model", shipped_models()[UNPRUNED_MODEL]]
    assert run("stylize", PHOTO, PAINTING, "-o", out, "--size", "128", "--style-size", "200", *options) == 0
    model = artnet.load(shipped_models()[UNPRUNED_MODEL])
    style, colors = read_picture(PAINTING, 200).rgb, read_picture(color).rgb
    expected = model.stylize(read_picture(PHOTO, 128).rgb, style, colors, strength=0.7, detail=0.2)
    assert (read_picture(out).rgb - expected).abs().mean() < 0.005


def test_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contents, styles = tmp_path / "contents", tmp_path / "styles"
    for folder, names in ((contents, ("a", "b")), (styles, ("x", "y"))):
        folder.mkdir()
        for name in names:
            Image.open(PHOTO).resize((40, 30)).save(folder / f"{name}.png")
    (contents / "notes.txt").write_text("no picture")
    assert run("stylize", contents, styles / "x.png", "-o", tmp_path / "one") == 0
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == ["a.png", "b.png"]
    assert "2/2" in capsys.readouterr().err  # the progress bar
    assert run("stylize", contents, styles, "-o", tmp_path / "all") == 0
    assert sorted(p.name for p in (tmp_path / "all").iterdir()) == ["a_x.png", "a_y.png", "b_x.png", "b_y.png"]


def test_frames_of_a_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of their numbers, anew for each style."""
    frames, styles = tmp_path / "frames", tmp_path / "styles"
    styles.mkdir()
    photo = read_picture(PHOTO, 96).rgb
    for index in range(3):
        write_picture(frames / f"{index + 9}.png", Picture(photo.roll(2 * index, 3), None))  # 9, 10, 11
    for name in ("great_wave", "poppies"):
        Image.open(EXAMPLES / "style" / f"{name}.jpg").resize((96, 64)).save(styles / f"{name}.png")
    assert run("stylize", frames, styles, "-o", tmp_path / "out", "--steady", "--detail", "0", "--device", "cpu") == 0
    model = artnet.load(dtype=fastest_dtype(torch.device("cpu")))
    content = torch.cat([read_picture(frames / f"{index}.png").rgb for index in (9, 10, 11)])
    for name in ("great_wave", "poppies"):
        style = read_picture(styles / f"{name}.png").rgb
        found = torch.cat([read_picture(tmp_path / "out" / f"{index}_{name}.png").rgb for index in (9, 10, 11)])
        single, steady = (model.stylize(content, style, detail=0.0, steady=on) for on in (False, True))
        assert (found - steady).abs().max() <= 0.51 / 255 < (found - single).abs().max()
    capsys.readouterr()  # the progress bar
    line = failing(capsys, "stylize", PHOTO, PAINTING, "-o", tmp_path / "a.png", "--steady")
    assert "frames of a video" in line and "chelsea.jpg is no folder" in line


def test_numbers_in_names_count_by_their_values(tmp_path: Path) -> None:
    names = ["b.png", "a10.png", "a9b.png", "a9.png", "10.png", "9.png", "a010.png"]
    for name in names:
        (tmp_path / name).touch()
    expected = ["9.png", "10.png", "a9.png", "a9b.png", "a010.png", "a10.png", "b.png"]
    assert [path.name for path in pictures_in(tmp_path)] == expected


def test_nothing_is_written_over_another_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "a.bmp"):
        Image.open(PHOTO).resize((40, 30)).save(tmp_path / name)
    before = (tmp_path / "a.png").read_bytes()
    line = failing(capsys, "stylize", tmp_path, PAINTING, "-o", tmp_path / "out")
    assert "a.bmp" in line and "a.png" in line and "rename one of them" in line
    assert not (tmp_path / "out").exists()
    (tmp_path / "a.bmp").unlink()
    assert "one of the pictures that are read" in failing(capsys, "stylize", tmp_path, PAINTING, "-o", tmp_path)
    assert (tmp_path / "a.png").read_bytes() == before


def test_strips_where_memory_runs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The style's picture too; and what worked for the first frame is where the second begins."""
    frames, whole, parts = tmp_path / "frames", tmp_path / "whole", tmp_path / "parts"
    frames.mkdir()
    for name in "ab":
        Image.open(PHOTO).save(frames / f"{name}.png")
    assert run("stylize", frames, PAINTING, "-o", whole, "--device", "cpu") == 0
    encode, failures = artnet.ArtNet.encode, []

    def short_of_memory(model: artnet.ArtNet, images: torch.Tensor, tile: int | None = None) -> artnet.Features:
        if tile is None:
            failures.append(images.shape[2])
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return encode(model, images, tile)

    monkeypatch.setattr(artnet.ArtNet, "encode", short_of_memory)
    assert run("stylize", frames, PAINTING, "-o", parts, "--device", "cpu") == 0
    assert sorted(failures) == sorted({read_picture(path).rgb.shape[2] for path in (PHOTO, PAINTING)})
    for name in "ab":
        difference = read_picture(parts / f"{name}.png").rgb - read_picture(whole / f"{name}.png").rgb
        assert difference.abs().mean() < 0.005


def test_compare(tmp_path: Path) -> None:
    out = tmp_path / "sheets" / "sheet.png"
    assert run("compare", PHOTO, PAINTING, "-o", out, "--size", "96", "--device", "cpu") == 0
    few, more = Image.open(out), tmp_path / "more.png"
    assert few.width > 3 * 96 and few.height > 3 * 64
    assert run("compare", PHOTO, PAINTING, "-o", more, "--size", "96", "--ablations") == 0
    assert Image.open(more).height > few.height


def test_prune_and_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, plot = tmp_path / "new folder" / "pruned.safetensors", tmp_path / "chart.png"
    assert run("prune", shipped_models()[UNPRUNED_MODEL], out, "--plot", plot) == 0
    assert "904,990" in capsys.readouterr().out
    assert Image.open(plot).width > 500
    assert run("info", out) == 0
    text = capsys.readouterr().out
    assert "904,990 parameters" in text and "stride 8: conv1 64, conv3 177, inception3b 346, inception4e 119" in text


def test_prune_with_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pruned.safetensors"
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.open(PHOTO).resize((96, 64)).save(folder / "cat.png")
    assert run("prune", shipped_models()[UNPRUNED_MODEL], out, "--calibrate", folder, "--threshold", "0.5") == 0
    assert "largest difference on 1 pictures" in capsys.readouterr().out
    assert sum(artnet.load(out).layers.values()) < 746


def test_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "o.png"
    text = tmp_path / "text.png"
    text.write_text("no picture")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "There is no picture" in failing(capsys, "stylize", "nowhere.png", PAINTING, "-o", out)
    assert "text.png is not a readable picture" in failing(capsys, "stylize", text, PAINTING, "-o", out)
    assert "holds no pictures" in failing(capsys, "stylize", empty, PAINTING, "-o", out)
    for command in ("stylize", "compare"):
        assert "unknown ending '.xyz'" in failing(capsys, command, "nowhere.png", PAINTING, "-o", "o.xyz")
    assert "strength must lie in 0..1" in failing(capsys, "stylize", PHOTO, PAINTING, "-o", out, "--strength", "3")
    assert "device nonsense cannot" in failing(capsys, "stylize", PHOTO, PAINTING, "-o", out, "--device", "nonsense")
    assert "not a readable .safetensors" in failing(capsys, "stylize", PHOTO, PAINTING, "-o", out, "--model", PHOTO)
    assert "There is no model file" in failing(capsys, "info", "nowhere.safetensors")
    assert "needs calibration" in failing(
        capsys, "prune", shipped_models()[UNPRUNED_MODEL], tmp_path / "p.safetensors", "--threshold", "1"
    )
    assert not out.exists()


def test_grey_and_palette(tmp_path: Path) -> None:
    for mode in ("L", "1", "P", "CMYK", "RGB"):
        path = tmp_path / f"{mode}.tif"
        Image.open(PHOTO).convert(mode).save(path)
        picture = read_picture(path)
        assert picture.rgb.shape == (1, 3, 300, 451) and picture.alpha is None


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_kept(tmp_path: Path, mode: str) -> None:
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    image = Image.open(PHOTO).resize((48, 32)).convert(mode)
    alpha = Image.linear_gradient("L").resize((48, 32))
    image.putalpha(alpha)
    image.save(source)
    assert run("stylize", source, PAINTING, "--style-size", "64", "-o", out) == 0
    result = Image.open(out)
    assert result.mode == "RGBA"
    assert np.array_equal(np.array(result)[..., 3], np.array(alpha))
    assert run("stylize", source, PAINTING, "-o", tmp_path / "out.jpg") == 1


def test_palette_transparency(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P").save(path, transparency=0)
    picture = read_picture(path)
    assert picture.alpha is not None and picture.alpha.flatten().tolist() == [0.0, 1.0]


def test_sixteen_bits(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    path = tmp_path / "deep.png"
    Image.fromarray(values).save(path)
    assert Image.open(path).mode.startswith("I")
    np.testing.assert_allclose(read_picture(path).rgb[0, 0].numpy(), values / 65535, atol=0.5 / 255)
    assert run("stylize", path, PAINTING, "--style-size", "64", "-o", tmp_path / "out.png") == 0


def test_exif_orientation(tmp_path: Path) -> None:
    image = Image.open(PHOTO).resize((40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").rgb.shape[-2:] == (40, 20)


def test_too_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(PictureError, match=r"chelsea\.jpg is not a readable picture"):
        read_picture(PHOTO)


def test_truncated_picture(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(PHOTO.read_bytes()[:5000])
    with pytest.raises(PictureError, match=r"cut\.jpg is not a readable picture"):
        read_picture(path)


def test_pictures_survive_writing(tmp_path: Path) -> None:
    picture = read_picture(PHOTO)
    write_picture(tmp_path / "copy.png", Picture(picture.rgb))
    assert (read_picture(tmp_path / "copy.png").rgb == picture.rgb).all()
