"""A thousand cases of the harness, and by name what it ever found."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import artnet_core as artnet
from artnet_core.files.profiles import srgb_profile
from artnet_core.images import check_images, read_picture
from artnet_core.transfer.mix import mix_styles

from .campaign import KINDS, names, run_case
from .commands import run_command
from .outcomes import Outcome, Run, verdict, what_is_wrong
from .pictures import animation, check_picture, plain_picture
from .tensors import check_painting, fast_model, noise

CASES = 1000
SEED = 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_faults(kind: str) -> None:
    """And some of each kind come to a result, as a harness that only makes errors would prove little."""
    chosen = [name for name in names(CASES, SEED) if name.startswith(f"{kind}:")]
    found = {name: run_case(name) for name in chosen}
    faults = [f"{name}: {case.why}" for name, case in found.items() if case.outcome is Outcome.FAULT]
    assert not faults, "\n\n".join(faults[:5])
    outcomes = Counter(case.outcome for case in found.values())
    assert outcomes[Outcome.RESULT] > 0 < outcomes[Outcome.ERROR]


def test_a_case_is_the_same_each_time() -> None:
    chosen = list(names(40, 3))
    first, second = ([run_case(name).outcome for name in chosen] for _ in range(2))
    assert first == second
    assert chosen != list(names(40, 4))


def _picture(content: bytes, size: int | None = None) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        path = folder / "picture.png"
        path.write_bytes(content)
        return read_picture(path, size)

    return read


def _stylize(*options: str) -> Callable[[Path], object]:
    def run(folder: Path) -> object:
        picture = folder / "picture.png"
        picture.write_bytes(plain_picture("PNG", "RGB"))
        return run_command(["stylize", str(picture), str(picture), "-o", str(folder / "out.png"), *options], folder)

    return run


def _damaged_frame(folder: Path) -> object:
    """The second of two pictures is none: the progress bar is there already."""
    frames = folder / "frames"
    frames.mkdir()
    style = folder / "style.png"
    style.write_bytes(plain_picture("PNG", "RGB"))
    (frames / "1.png").write_bytes(plain_picture("PNG", "RGB"))
    (frames / "2.png").write_bytes(b"no picture")
    return run_command(["stylize", str(frames), str(style), "-o", str(folder / "out"), "--device", "cpu"], folder)


def _below_a_file(folder: Path) -> object:
    (folder / "text.txt").touch()
    return _stylize("-o", str(folder / "text.txt" / "out.png"), "--device", "cpu")(folder)


def _overflowing_model(folder: Path) -> object:
    """Each weight is a plain number, all together exceed float32."""
    model = artnet.load("artnet_fast")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3e3)
    artnet.save(model, folder / "model.safetensors", torch.float32)
    content = noise(0, 16, 16)
    check_painting(artnet.load(folder / "model.safetensors").stylize(content, noise(1, 16, 16)), content)
    return None


def _narrow_map(_folder: Path) -> object:
    style = fast_model().encode(noise(0, 16, 16))
    return mix_styles([replace(style, data=noise(0, 2, 2)), style], [1.0, 1.0])


def _picture_with_odd_profile(folder: Path) -> object:
    path = folder / "picture.png"
    profile = srgb_profile()
    Image.new("RGB", (8, 8)).save(path, icc_profile=profile[:16] + b"\x1b[2J" + profile[20:])
    check_picture(read_picture(path))
    return None


_PNG, _GIF = plain_picture("PNG", "RGB"), plain_picture("GIF", "P")
_WEBP = animation("WEBP")
FOUND: dict[str, Callable[[Path], object]] = {
    "a sparse picture": lambda _: check_images(noise(0, 4, 4).to_sparse()),
    "a picture on the meta device": lambda _: check_images(noise(0, 4, 4).to("meta")),
    "a picture in float8": lambda _: check_images(noise(0, 4, 4).to(torch.float8_e4m3fn)),
    "half a patch": lambda _: fast_model().stylize(noise(0, 16, 16), noise(1, 16, 16), patch_size=0.5),  # type: ignore[arg-type]
    "a patch of 1.0": lambda _: fast_model().stylize(noise(0, 16, 16), noise(1, 16, 16), patch_size=1.0),  # type: ignore[arg-type]
    "a stroke size whose square is nothing": lambda _: fast_model().stylize(
        noise(0, 16, 16), noise(1, 16, 16), stroke_size=1e-300
    ),
    "a map of 3 channels": _narrow_map,
    "a threshold of many digits": lambda _: artnet.prune_zero_channels(fast_model(), noise(0, 16, 16), 10**40),
    "a model whose paintings overflow": _overflowing_model,
    "a calibration that is a number": lambda _: artnet.prune_zero_channels(fast_model(), 0.5),  # type: ignore[arg-type]
    "a PNG with a short header": _picture(_PNG[:8] + b"\0\0\0\x04" + _PNG[12:]),
    "a GIF that claims 65535 x 65535 pixels, and is made smaller": _picture(_GIF[:6] + b"\xff" * 4 + _GIF[10:], 16),
    "a WebP that claims 34 x 4194325 pixels": _picture(_WEBP.replace(b"\x21\0\0\x14\0\0", b"\x21\0\0\x14\0\x40", 1)),
    "a profile for pictures of a kind that commands the terminal": _picture_with_odd_profile,
    "a device that commands the terminal": _stylize("--device", "\x1b[2J"),
    "a device that torch has no module for": _stylize("--device", "hpu"),
    "a device without data": _stylize("--device", "meta"),
    "a size beyond a C int": _stylize("--size", "2147483648", "--device", "cpu"),
    "an output below a file": _below_a_file,
    "an error after the progress bar": _damaged_frame,
}


@pytest.mark.parametrize("case", FOUND)
def test_found(case: str, tmp_path: Path) -> None:
    def kind(_source: random.Random, folder: Path) -> Run:
        return lambda: (FOUND[case](folder), None)[1]

    found = verdict(kind, case, tmp_path)
    assert found.outcome in (Outcome.ERROR, Outcome.USAGE, Outcome.RESULT), found.why


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        ("There is no picture a.png.", ""),
        ("x" * 299 + ".", ""),
        ("x" * 300 + ".", "has 301 characters"),
        ("tensor a must match tensor b", "is no sentence"),
        ("", "is no sentence"),
        ("Two\nlines.", "cannot be printed"),
        ("\x1b[2J.", "cannot be printed"),
    ],
)
def test_what_counts_as_a_documented_error(message: str, wrong: str) -> None:
    assert wrong in what_is_wrong(message) and bool(wrong) == bool(what_is_wrong(message))


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (None, Outcome.RESULT),
        (ValueError("The picture is empty."), Outcome.ERROR),
        (ValueError("math domain error"), Outcome.FAULT),
        (SystemExit(2), Outcome.USAGE),
        (SystemExit(1), Outcome.FAULT),
        (AssertionError("The painting is wrong."), Outcome.FAULT),
        (RuntimeError("Out of memory."), Outcome.FAULT),
        (MemoryError("There is not enough memory for this picture."), Outcome.FAULT),
        (RecursionError("maximum recursion depth exceeded."), Outcome.FAULT),
    ],
)
def test_outcomes(raised: BaseException | None, outcome: Outcome, tmp_path: Path) -> None:
    def run() -> None:
        if raised is not None:
            raise raised

    assert verdict(lambda _source, _folder: run, "case", tmp_path).outcome is outcome


def test_a_case_that_cannot_be_made_is_a_fault(tmp_path: Path) -> None:
    """Also where what it raises is a sentence; and the cases after it are run."""

    def kind(_source: random.Random, _folder: Path) -> Run:
        raise ValueError("The picture is empty.")

    found = verdict(kind, "case", tmp_path)
    assert found.outcome is Outcome.FAULT and "could not be made" in found.why


@pytest.mark.parametrize("kind", ["picture", "model"])
def test_guided_by_coverage(kind: str) -> None:
    """A few cases, where atheris is installed: it ends well, and has found ways through the code."""
    pytest.importorskip("atheris")
    command = [sys.executable, "-m", "tests.fuzz.coverage", kind, "-runs=300", "-seed=1"]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    covered = [int(count) for count in re.findall(r"cov: (\d+)", run.stderr)]
    assert covered[-1] > 50
