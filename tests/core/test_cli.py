"""The command line on real files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import resource
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

import artnet_core as artnet
from artnet_core import batch
from artnet_core.checkpoint import UNPRUNED_MODEL, shipped_models
from artnet_core.cli import main
from artnet_core.commands import summary
from artnet_core.images import Picture, read_frames, read_picture, write_frames, write_picture
from artnet_core.options import SETTINGS
from artnet_core.pipeline import Settings
from artnet_core.progress import Progress
from artnet_core.runtime import fastest_dtype
from artnet_core.transfer.histograms import Tones, histograms, match_histograms, mix_histograms
from artnet_core.transfer.mask import mask_images
from artnet_core.transfer.mix import mix_styles
from artnet_core.video.resuming import strokes_file

from .conftest import EXAMPLES

PHOTO = EXAMPLES / "content" / "chelsea.jpg"
PAINTING = EXAMPLES / "style" / "poppies.jpg"
QUICK = ("--style-size", "64", "--device", "cpu")


def run(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def failing(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Runs a command that must fail; returns its last line on stderr, which is the only one but for progress."""
    capsys.readouterr()
    assert run(*arguments) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("artnet: error: ")
    return line


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Gives options that make no sense; returns the one line on stderr."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def small(path: Path, source: Path = PHOTO, size: tuple[int, int] = (40, 30)) -> Path:
    """A small copy of a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(source).convert("RGB").resize(size).save(path)
    return path


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


def test_nothing_is_written_over_another_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two that would become one file are left out, the others are painted; no input is written over by any name."""
    for name in ("a.png", "a.bmp", "b.png"):
        small(tmp_path / "in" / name)
    out = tmp_path / "out"
    assert run("stylize", tmp_path / "in", PAINTING, "-o", out, "--style-size", "64", "--device", "cpu") == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "a.bmp" in line and "a.png" in line and "rename one of them" in line
    assert [path.name for path in out.iterdir()] == ["b.png"]
    before = (tmp_path / "in" / "a.png").read_bytes()
    os.link(tmp_path / "in" / "a.png", tmp_path / "hard.png")
    (tmp_path / "soft.png").symlink_to(tmp_path / "in" / "a.png")
    (tmp_path / "folder").symlink_to(tmp_path / "in", target_is_directory=True)
    for target in ("hard.png", "soft.png", "folder/a.png", "in/../in/a.png"):
        line = failing(capsys, "stylize", tmp_path / "in" / "a.png", PAINTING, "-o", tmp_path / target)
        assert "one of the pictures that are read" in line
        line = failing(capsys, "compare", PHOTO, tmp_path / "in" / "a.png", "-o", tmp_path / target)
        assert "one of the files that are read" in line
        for command in ("channels", shipped_models()[UNPRUNED_MODEL], tmp_path / "in"), (
            "prune", shipped_models()[UNPRUNED_MODEL], tmp_path / "p.safetensors", "--calibrate", tmp_path / "in",
        ):  # fmt: skip
            assert "are read" in failing(capsys, *command, "--plot", tmp_path / target)
    assert "one of the pictures that are read" in failing(
        capsys, "stylize", tmp_path / "in", PAINTING, "-o", tmp_path / "in"
    )
    model = tmp_path / "model.safetensors"
    model.write_bytes(shipped_models()[UNPRUNED_MODEL].read_bytes())
    assert "one of the files that are read" in failing(capsys, "prune", model, model)
    assert "written twice" in failing(capsys, "prune", model, tmp_path / "x.png", "--plot", tmp_path / "x.png")
    assert model.read_bytes() == shipped_models()[UNPRUNED_MODEL].read_bytes()
    assert (tmp_path / "in" / "a.png").read_bytes() == before


def test_strips_where_memory_runs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The style's picture too; and what worked for the first frame is where the second begins."""
    frames, whole, parts = tmp_path / "frames", tmp_path / "whole", tmp_path / "parts"
    frames.mkdir()
    for name in "ab":
        Image.open(PHOTO).save(frames / f"{name}.png")
    assert run("stylize", frames, PAINTING, "-o", whole, "--stroke-size", "0", "--device", "cpu") == 0
    encode, failures = artnet.ArtNet.encode, []

    def short_of_memory(
        model: artnet.ArtNet, images: torch.Tensor, tile: int | None = None, *, progress: Progress
    ) -> artnet.Features:
        if tile is None:
            failures.append(images.shape[2])
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return encode(model, images, tile, progress=progress)

    monkeypatch.setattr(artnet.ArtNet, "encode", short_of_memory)
    assert run("stylize", frames, PAINTING, "-o", parts, "--stroke-size", "0", "--device", "cpu") == 0
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
    assert "device nonsense cannot" in failing(capsys, "stylize", PHOTO, PAINTING, "-o", out, "--device", "nonsense")
    assert "not a readable .safetensors" in failing(capsys, "stylize", PHOTO, PAINTING, "-o", out, "--model", PHOTO)
    assert "There is no model file" in failing(capsys, "info", "nowhere.safetensors")
    assert "needs calibration" in failing(
        capsys, "prune", shipped_models()[UNPRUNED_MODEL], tmp_path / "p.safetensors", "--threshold", "1"
    )
    assert not out.exists()


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


# --- words and start ---


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], "stylize"),
        (["--version"], "artnet 0.2.0"),
        (["stylize", "--help"], "--strip-metadata"),
        (["stylize", "a", "b", "-o", "c", "--size", "many"], "--size: must be a whole number of pixels"),
    ],
)
def test_answers_at_once(arguments: list[str], words: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "artnet_core", *arguments], capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert words in done.stdout + done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_words_for_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = small(tmp_path / "many" / "a.png").parent
    out = tmp_path / "o.png"
    assert f"{many} is a folder of contents: give one style after it." in refused(capsys, "stylize", many, "-o", out)
    assert "give the picture to paint" in refused(capsys, "stylize", "-o", out)
    assert "say with -o where" in refused(capsys, "stylize", PHOTO, PAINTING)
    assert "3 names were given" in refused(capsys, "stylize", PHOTO, PHOTO, PAINTING, "-o", out)
    assert "there is no command 'stylise'" in refused(capsys, "stylise", PHOTO)
    assert "there is no option --sise" in refused(capsys, "stylize", PHOTO, PAINTING, "-o", out, "--sise", "3")
    for option, value, words in (
        ("--size", str(2**31), "from 1 to 32,768"),
        ("--size", "60000", "from 1 to 32,768"),
        ("--size", "0", "from 1 to 32,768"),
        ("--style-size", "x", "a whole number of pixels"),
        ("--strength", "nan", "a number from 0 to 1"),
        ("--detail", "3", "a number from 0 to 1"),
        ("--patch-size", "2", "an odd number"),
        ("--depth", "12", "must be 8 or 16 bits"),
        ("--quality", "101", "from 1 to 100"),
        ("--style", "a.jpg:-1", "the weight of a.jpg must be a number above 0"),
    ):
        assert words in refused(capsys, "stylize", PHOTO, PAINTING, "-o", out, option, value)
    assert "at least 0" in refused(capsys, "prune", "a", "b", "--threshold", "nan")
    assert "folder of styles" in refused(capsys, "stylize", PHOTO, many, "--style", PAINTING, "-o", out)
    for device in ("meta", "hpu", "privateuseone"):
        line = failing(capsys, "stylize", PHOTO, PAINTING, "-o", out, "--device", device)
        assert f"The device {device} cannot be used" in line
    assert not out.exists()


def test_memory_that_runs_out_has_words(tmp_path: Path) -> None:
    """A picture of 1.6 GB as floats, read by a process that gets 0.6 GB more than it has."""
    Image.new("L", (12000, 11000)).save(tmp_path / "large.png")
    code = """
import resource, sys
from artnet_core import commands
from artnet_core.cli import main
used = 1024 * int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1])
resource.setrlimit(resource.RLIMIT_AS, (used + 600_000_000, used + 600_000_000))
sys.exit(main(sys.argv[1:]))
"""
    arguments = ["stylize", tmp_path / "large.png", PAINTING, "-o", tmp_path / "o.jpg", *QUICK]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("artnet: error: ") and "large.png: there is not enough memory" in line


def test_names_that_are_not_utf8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are written, and shown without what a terminal would take for a command."""
    target = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b[31m.png")
    assert run("stylize", small(tmp_path / "a.png"), PAINTING, "-o", target, *QUICK) == 0
    assert os.path.exists(target)
    text = capsys.readouterr().out
    assert text.startswith("Wrote ") and "\\udcff\\x1b[31m.png" in text and "\x1b" not in text


def test_files_that_cannot_be_written_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As where a quota ends: the picture's file, and not the one beside it that it is written into at first."""
    content, out = small(tmp_path / "a.png"), tmp_path / "o.png"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        line = failing(capsys, "stylize", content, PAINTING, "-o", out, *QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert line == f"artnet: error: {out} cannot be used (File too large)."


def test_every_setting_is_an_option() -> None:
    """And all in the table are fields of Settings; the defaults in the help are the real ones."""
    settings = Settings()
    by_name = {option.name: option for option in SETTINGS}
    assert {field.name for field in fields(Settings)} == set(by_name)
    for name, option in by_name.items():
        if option.read is not None:
            assert f"(default: {getattr(settings, name)}" in option.help


def test_card_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", "artnet") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 110 and len(text) < 5000
    assert "steps 1400" in text and "35 values from" in text
    assert summary("\x1b[31m" + "x" * 1000).endswith("(1,005 letters)")
    assert summary('{"curve": [1, 2, 3, 4, 5, 6, 7, 8, 9], "seed": 7}') == "curve 9 values from 1 to 9, seed 7"
    assert summary("[" * 5000).startswith("[[[[")


def test_something_is_shown_within_two_seconds(tmp_path: Path) -> None:
    """On a terminal, before torch is there; then the share and the time left while one picture is painted."""
    small(tmp_path / "a.png", size=(1500, 1000))
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
    command = [sys.executable, "-m", "artnet_core", "stylize", tmp_path / "a.png", PAINTING, "-o", tmp_path / "o.png"]
    begin = time.monotonic()
    process = subprocess.Popen(command, stderr=follower, stdout=subprocess.DEVNULL)
    os.close(follower)
    first, shown = os.read(leader, 1000), b""
    assert b"starting" in first and time.monotonic() - begin < 2
    with contextlib.suppress(OSError):  # once the other end is closed
        while True:
            shown += os.read(leader, 1000)
    assert process.wait() == 0
    assert b"1/1" in shown
    shares = {int(share) for share in re.findall(rb"a\.png: +(\d+)%", shown)}
    assert len(shares - {0, 100}) >= 5
    assert re.search(rb"a\.png: +[1-9]\d?%.*0/1 \[\d\d:\d\d<\d\d:\d\d\]", shown)


# --- batches ---


def test_one_bad_picture_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "c.jpg"):
        small(tmp_path / "in" / name)
    (tmp_path / "in" / "b.png").write_bytes(b"no picture")
    (tmp_path / "in" / "d.jpg").write_bytes(PHOTO.read_bytes()[:3000])
    (tmp_path / "in" / ".hidden.png").touch()
    (tmp_path / "in" / "notes.txt").touch()
    small(tmp_path / "in" / "deep" / "e.png")
    out = tmp_path / "out"
    assert run("stylize", tmp_path / "in", PAINTING, "-o", out, *QUICK) == 1
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "c.png"]
    text, lines = capsys.readouterr()
    assert "Wrote 2 pictures" in text
    assert "could not be painted (2)" in lines
    assert "b.png is not a readable picture" in lines.splitlines()[-2]
    assert "d.jpg is not a readable picture" in lines.splitlines()[-1]
    assert "3 entries that are no pictures (.hidden.png, deep, notes.txt)" in lines
    assert run("stylize", tmp_path / "in", PAINTING, "-o", out, "--recursive", "--skip-existing", *QUICK) == 1
    assert "Wrote 1 pictures" in (text := capsys.readouterr().out) and "2 were there already" in text
    assert (out / "deep" / "e.png").exists()
    # The paintings in the folder of contents are no contents.
    (tmp_path / "in" / "b.png").unlink()
    (tmp_path / "in" / "d.jpg").unlink()
    for _ in range(2):
        assert run("stylize", tmp_path / "in", PAINTING, "-o", tmp_path / "in" / "painted", "--recursive", *QUICK) == 0
        assert "Wrote 3 pictures" in capsys.readouterr().out
    assert not (tmp_path / "in" / "painted" / "painted").exists()


def test_refused_before_anything_is_painted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No model is loaded for any of these."""
    monkeypatch.setattr("artnet_core.commands.load_model", lambda options: pytest.fail("work began"))
    many = small(tmp_path / "many" / "a.png").parent
    cut = Image.open(PHOTO).resize((8, 8))
    cut.putalpha(Image.linear_gradient("L").resize((8, 8)))
    cut.save(tmp_path / "cut.png")
    frames = [cut.convert("RGB"), cut.convert("RGB").rotate(90)]
    frames[0].save(tmp_path / "anim.gif", save_all=True, append_images=frames[1:])
    small(tmp_path / "old.png").chmod(0o444)
    (tmp_path / "folder").mkdir()
    for content, out, words in (
        (PHOTO, "a.xyz", "unknown ending"),
        (PHOTO, "folder", "is a folder: name a picture in it"),
        (PHOTO, "old.png", "read-only"),
        (PHOTO, "old.png/a.png", "a folder is needed there"),
        (many, "old.png", "a folder is needed for more than one"),
        (tmp_path / "cut.png", "a.jpg", "holds no transparency"),
        (tmp_path / "anim.gif", "a.jpg", "--first-frame"),
    ):
        assert words in failing(capsys, "stylize", content, PAINTING, "-o", tmp_path / out)
    assert "16 bits" in failing(capsys, "stylize", PHOTO, PAINTING, "-o", tmp_path / "a.jpg", "--depth", "16")
    for option in ("--color", "--mask"):
        line = failing(capsys, "stylize", many, PAINTING, "-o", tmp_path / "o", option, tmp_path / "no.png")
        assert "There is no picture" in line
    assert "There is no picture" in failing(capsys, "stylize", many, tmp_path / "no.png", "-o", tmp_path / "o")
    assert "--recursive is for a folder" in failing(
        capsys, "stylize", PHOTO, PAINTING, "-o", tmp_path / "a.jpg", "--recursive"
    )


def test_animations_are_painted(tmp_path: Path) -> None:
    """All frames with their times, into any kind of animation; in a folder as .png; pages stay a .tif."""
    frames = [Image.open(PHOTO).resize((48, 32)).rotate(30 * index) for index in range(3)]
    anim = tmp_path / "in" / "anim.gif"
    anim.parent.mkdir()
    frames[0].save(anim, save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=0)
    frames[0].save(tmp_path / "in" / "pages.tif", save_all=True, append_images=frames[1:])
    assert run("stylize", anim, PAINTING, "-o", tmp_path / "o.webp", *QUICK) == 0
    painted = list(read_frames(tmp_path / "o.webp"))
    assert [picture.metadata.duration for picture in painted] == [100, 200, 300]
    assert run("stylize", tmp_path / "in", PAINTING, "-o", tmp_path / "out", *QUICK) == 0
    assert len(list(read_frames(tmp_path / "out" / "pages.tif"))) == 3
    again = list(read_frames(tmp_path / "out" / "anim.png"))
    assert all(torch.equal(first.rgb, second.rgb) for first, second in zip(painted, again, strict=True))
    assert run("stylize", tmp_path / "in", PAINTING, "-o", tmp_path / "first", "--first-frame", *QUICK) == 0
    (first,) = read_frames(tmp_path / "first" / "anim.png")
    assert torch.equal(first.rgb, painted[0].rgb)
    assert (tmp_path / "first" / "pages.png").exists()
    assert run("stylize", anim, PAINTING, "-o", tmp_path / "steady.png", "--steady", *QUICK) == 0
    model = artnet.load(dtype=fastest_dtype(torch.device("cpu")))
    content = torch.cat([picture.rgb for picture in read_frames(anim)])
    expected = model.stylize(content, read_picture(PAINTING, 64).rgb, steady=True)
    found = torch.cat([picture.rgb for picture in read_frames(tmp_path / "steady.png")])
    assert (found - expected).abs().max() <= 0.51 / 255


def test_hidden_colours_of_contents_and_styles(tmp_path: Path) -> None:
    """What is painted where the picture is seen does not depend on what lies under what is cut away."""
    painted = {"content": [], "style": []}
    for color in ((0, 0, 0), (255, 255, 255)):
        alpha = Image.new("L", (192, 128))
        alpha.paste(255, (40, 20, 160, 100))
        for name, source in (("content", PHOTO), ("style", PAINTING)):
            image = Image.composite(Image.open(source).resize((192, 128)), Image.new("RGB", (192, 128), color), alpha)
            image.putalpha(alpha)
            image.save(tmp_path / f"{name}.png")
        assert run("stylize", tmp_path / "content.png", PAINTING, "-o", tmp_path / "a.png", *QUICK) == 0
        assert run("stylize", PHOTO, tmp_path / "style.png", "-o", tmp_path / "b.png", "--size", "96", *QUICK) == 0
        painted["content"].append(np.array(Image.open(tmp_path / "a.png"))[20:100, 40:160])
        painted["style"].append(np.array(Image.open(tmp_path / "b.png")))
    for first, second in painted.values():
        assert np.array_equal(first, second)
    small(tmp_path / "crop.png", PAINTING, (192, 128))
    Image.open(tmp_path / "crop.png").crop((40, 20, 160, 100)).save(tmp_path / "crop.png")
    assert run("stylize", PHOTO, tmp_path / "crop.png", "-o", tmp_path / "c.png", "--size", "96", *QUICK) == 0
    of_crop = np.array(Image.open(tmp_path / "c.png"), float).mean((0, 1))
    assert np.abs(painted["style"][0].mean((0, 1)) - of_crop).max() < 15  # of black it was about 60 darker


def test_large_styles_are_reduced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shown on a small one, as 2,048 pixels take long to encode."""
    assert batch.LARGEST_STYLE == 2048
    monkeypatch.setattr(batch, "LARGEST_STYLE", 128)
    style = small(tmp_path / "style.png", PAINTING, (210, 70))
    content = small(tmp_path / "a.png")
    assert run("stylize", content, style, "-o", tmp_path / "b.png", "--device", "cpu") == 0
    assert "reduced from 210 x 70 pixels" in capsys.readouterr().err
    assert run("stylize", content, style, "-o", tmp_path / "c.png", "--style-size", "128", "--device", "cpu") == 0
    assert "reduced" not in capsys.readouterr().err
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "c.png").read_bytes()


def test_what_the_nodes_can(tmp_path: Path) -> None:
    """Mask, own colours, several styles, patch size: as the library has them."""
    content = small(tmp_path / "a.png", size=(96, 64))
    other = EXAMPLES / "style" / "spring.jpg"
    mask = Image.new("L", (96, 64))
    mask.paste(255, (30, 0, 96, 64))
    mask.save(tmp_path / "mask.png")
    model = artnet.load(dtype=fastest_dtype(torch.device("cpu")))
    rgb, texture = read_picture(content).rgb, read_picture(PAINTING, 64).rgb

    def painted(*options: str | Path) -> torch.Tensor:
        assert run("stylize", content, "-o", tmp_path / "o.png", *options, *QUICK) == 0
        return read_picture(tmp_path / "o.png").rgb

    plain = model.stylize(rgb, texture)
    with torch.inference_mode():
        expected = mask_images(rgb, plain, read_picture(tmp_path / "mask.png").rgb.mean(1))
        assert (painted(PAINTING, "--mask", tmp_path / "mask.png") - expected).abs().max() <= 0.51 / 255
        own = model.stylize(rgb, texture, rgb)
        assert (painted(PAINTING, "--color", "same") - own).abs().max() <= 0.51 / 255
        patches = model.stylize(rgb, texture, patch_size=5)
        assert (painted(PAINTING, "--patch-size", "5") - patches).abs().max() <= 0.51 / 255
        broad = model.stylize(rgb, texture, stroke_size=1.0, finish=2)
        assert (painted(PAINTING, "--stroke-size", "1", "--finish", "2") - broad).abs().max() <= 1.51 / 255
        mixed = painted("--style", f"{PAINTING}:2", "--style", other, "--detail", "0.3")
        styles = [read_picture(path, 64).rgb for path in (PAINTING, other)]
        features = mix_styles([model.encode(style) for style in styles], [2, 1])
        tones = mix_histograms([histograms(style) for style in styles], [2, 1])
        found = model.decode(artnet.sandwich_swap(model.encode(rgb), features))
        found = match_histograms(found, [Tones(tones)])
        assert (mixed - found).abs().max() <= 0.51 / 255
        assert torch.equal(painted(f"{PAINTING}:2", "--style", other, "--detail", "0.3"), mixed)
        assert (plain - mixed).abs().max() > 0.05
        finished = painted("--style", f"{PAINTING}:2", "--style", other, "--detail", "0.3", "--finish", "2")
        assert 0.5 / 255 < (finished - mixed).abs().mean() < 0.1


def test_a_finish_in_several_styles(tmp_path: Path) -> None:
    """It brings a painting nearer to each by its weight: nearer to both, and nearest to the one that weighs most."""
    content = small(tmp_path / "a.png", size=(160, 120))
    styles = [
        small(tmp_path / f"{name}.png", EXAMPLES / "style" / f"{name}.jpg", (120, 90)) for name in ("lion", "spring")
    ]
    model = artnet.load()

    def gram(picture: Path) -> torch.Tensor:
        values = model.encode(read_picture(picture).rgb).data[0].flatten(1)
        return values @ values.T / values.shape[1]

    def distances(*weights: float, finish: int) -> torch.Tensor:
        mixed = [part for path, weight in zip(styles, weights, strict=True) for part in ("--style", f"{path}:{weight}")]
        out = tmp_path / "o.png"
        assert run("stylize", content, "-o", out, *mixed, "--finish", str(finish), "--device", "cpu") == 0
        return torch.stack([(gram(out) - gram(style)).norm() / gram(style).norm() for style in styles])

    with torch.inference_mode():
        before, after = distances(1, 1, finish=0), distances(1, 1, finish=15)
        assert after.mean() < 0.95 * before.mean()
        first, second = distances(9, 1, finish=15), distances(1, 9, finish=15)
    assert first[0] < after[0] < second[0] and second[1] < after[1] < first[1]


def test_metadata_depth_and_quality(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x013B] = "Jane"
    Image.open(PHOTO).resize((40, 30)).save(tmp_path / "a.jpg", exif=exif, dpi=(300, 300))
    for name in ("b.jpg", "b.png"):
        assert run("stylize", tmp_path / "a.jpg", PAINTING, "-o", tmp_path / name, *QUICK) == 0
        assert Image.open(tmp_path / name).getexif()[0x013B] == "Jane"
    assert run("stylize", tmp_path / "a.jpg", PAINTING, "-o", tmp_path / "c.jpg", "--strip-metadata", *QUICK) == 0
    with Image.open(tmp_path / "c.jpg") as image:
        assert not image.getexif() and image.info.get("dpi", (72, 72)) == (72, 72) and "icc_profile" in image.info
    assert run("stylize", tmp_path / "a.jpg", PAINTING, "-o", tmp_path / "d.jpg", "--quality", "30", *QUICK) == 0
    assert (tmp_path / "d.jpg").stat().st_size < (tmp_path / "b.jpg").stat().st_size
    assert run("stylize", tmp_path / "a.jpg", PAINTING, "-o", tmp_path / "e.png", "--depth", "16", *QUICK) == 0
    fine, coarse = read_picture(tmp_path / "e.png").rgb, read_picture(tmp_path / "b.png").rgb
    assert torch.equal((fine * 255).round(), (coarse * 255).round())
    assert len(fine.unique()) > 256 >= len(coarse.unique())


@pytest.mark.parametrize("size", ["0", "1"])
def test_an_interrupted_video_becomes_what_it_would_have_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    """To the bit, in the same noisy scene; and nothing is left beside it."""
    photo, generator = read_picture(PHOTO, 150).rgb, torch.Generator().manual_seed(0)
    for index in range(5):
        noise = 0.02 * torch.randn(photo.shape, generator=generator)
        write_picture(tmp_path / "in" / f"{index}.png", Picture((photo.roll(index, 3) + noise).clamp(0, 1)))
    video = ("stylize", tmp_path / "in", PAINTING, "--steady", "--detail", "0", "--stroke-size", size, *QUICK)
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert run(*video, "-o", whole) == 0

    def stop_at_the_fourth(path: Path, *arguments: object) -> None:
        if path.name == "3.png":
            raise KeyboardInterrupt
        write_frames(path, *arguments)  # type: ignore[arg-type]  # what it was called with

    monkeypatch.setattr(batch, "write_frames", stop_at_the_fourth)
    assert run(*video, "-o", out) == 130
    monkeypatch.undo()
    assert sorted(path.name for path in out.iterdir()) == [".2.png.strokes", "0.png", "1.png", "2.png"]
    assert run(*video, "-o", out, "--skip-existing") == 0
    assert sorted(path.name for path in out.iterdir()) == [f"{index}.png" for index in range(5)]
    for index in range(5):
        assert (out / f"{index}.png").read_bytes() == (whole / f"{index}.png").read_bytes(), index


@pytest.mark.parametrize("strokes", [None, b"", b"no strokes", "of another"])
def test_a_video_is_taken_up_again(tmp_path: Path, strokes: bytes | str | None) -> None:
    """Without its strokes, or with what are none: what follows is as in a video that begins with the frame before."""
    photo = read_picture(PHOTO, 96).rgb
    for index in range(4):
        write_picture(tmp_path / "in" / f"{index}.png", Picture(photo.roll(2 * index, 3)))
    video = ("stylize", tmp_path / "in", PAINTING, "-o", tmp_path / "out", "--steady", "--detail", "0", *QUICK)
    assert run(*video) == 0
    written = {index: (tmp_path / "out" / f"{index}.png").read_bytes() for index in range(4)}
    for index in (2, 3):
        (tmp_path / "out" / f"{index}.png").unlink()
    kept = strokes_file(tmp_path / "out" / "1.png")
    if isinstance(strokes, bytes):
        kept.write_bytes(strokes)
    elif strokes is not None:
        kept.write_bytes(save({"0.camera": torch.tensor([torch.nan, 0.0], dtype=torch.float64)}))
    assert run(*video, "--skip-existing") == 0
    assert not kept.exists()
    assert [(tmp_path / "out" / f"{index}.png").read_bytes() == written[index] for index in (0, 1)] == [True, True]
    model = artnet.load(dtype=fastest_dtype(torch.device("cpu")))
    content = torch.cat([read_picture(tmp_path / "in" / f"{index}.png").rgb for index in (1, 2, 3)])
    style = read_picture(PAINTING, 64).rgb
    found = torch.cat([read_picture(tmp_path / "out" / f"{index}.png").rgb for index in (2, 3)])
    steady, single = (model.stylize(content, style, detail=0.0, steady=on)[1:] for on in (True, False))
    assert (found - steady).abs().max() <= 0.51 / 255 < (found - single).abs().max()


@pytest.fixture
def _listens_to_ctrl_c() -> Iterator[None]:
    """Also where the tests run in the background, whose processes are born deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_listens_to_ctrl_c")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopping(tmp_path: Path, capsys: pytest.CaptureFixture[str], how: signal.Signals) -> None:
    """Says what is done and how to go on, in one line; leaves no half file, and the rest is painted the next time."""
    for index in range(40):
        small(tmp_path / "in" / f"{index}.png", size=(200, 150))
    out = tmp_path / "out"

    def stop() -> None:
        while not list(out.glob("*.png")):
            time.sleep(0.01)
        os.kill(os.getpid(), how)

    stopper = threading.Thread(target=stop)
    stopper.start()
    assert run("stylize", tmp_path / "in", PAINTING, "-o", out, *QUICK) == 130
    stopper.join()
    line = capsys.readouterr().err.splitlines()[-1]
    written = [path.name for path in out.iterdir()]
    assert f"stopped after {len(written)} of 40 pictures" in line and "--skip-existing" in line
    assert 0 < len(written) < 40 and all(name.endswith(".png") and not name.startswith(".") for name in written)
    for name in written:
        Image.open(out / name).load()
