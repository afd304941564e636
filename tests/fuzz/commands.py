"""The command line, called in this process."""

from __future__ import annotations

import contextlib
import io
import os
import random
from pathlib import Path

from PIL import Image

import artnet_core as artnet
from artnet_core.cli import main

from .damage import damaged
from .models import shipped
from .outcomes import CommandError, Run, what_is_wrong
from .pictures import animation, plain_picture

_ERROR = "artnet: error: "
_LONG_NAME = "x" * 300  # longer than file systems take; an error may repeat what it was given
_NUMBERS = (
    "0",
    "1",
    "0.5",
    "-1",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "1e-300",
    "abc",
    "",
    " ",
    "16",
    "2147483648",
    "9" * 400,
)
_WITH_NUMBERS = (
    "--strength",
    "--detail",
    "--size",
    "--style-size",
    "--stroke-size",
    "--patch-size",
    "--finish",
    "--depth",
    "--quality",
)
_DEVICES = ("cpu", "cpu", "cpu", "auto", "meta", "hpu", "cuda:99", "privateuseone", "", "cpu:7", "\x1b[2J")


def command(source: random.Random, folder: Path) -> Run:
    """A command over files that are there, damaged, missing or of another kind."""
    files = _files(source, folder)
    name = source.choice(("stylize", "stylize", "stylize", "prune", "channels", "info", "compare", "", "paint"))

    def any_of(*names: str) -> str:
        return files[source.choice(names)] if source.random() < 0.8 else source.choice(list(files.values()))

    model = any_of("model", "model", "damaged model")
    output = source.choice(
        [str(folder / "out.png"), str(folder / "new" / "out.jpg"), str(folder / "out.gif"), any_of("missing")]
    )
    arguments = [name]
    match name:
        case "stylize":
            arguments += [any_of("picture", "pictures", "animation"), any_of("picture", "pictures", "damaged")]
            arguments += ["-o", output]
            for option in _WITH_NUMBERS:
                if source.random() < 0.12:
                    arguments += [option, source.choice(_NUMBERS if source.random() < 0.4 else ("0", "1", "0.5", "16"))]
            for option in ("--steady", "--recursive", "--skip-existing", "--first-frame", "--strip-metadata"):
                arguments += [option] if source.random() < 0.1 else []
            arguments += ["--color", source.choice(("same", any_of("picture")))] if source.random() < 0.2 else []
            arguments += ["--mask", any_of("picture", "animation")] if source.random() < 0.1 else []
            if source.random() < 0.1:
                arguments += ["--style", f"{any_of('picture')}:{source.choice(_NUMBERS)}"]
        case "compare":
            arguments += [
                any_of("picture"),
                any_of("picture"),
                "-o",
                output,
                "--size",
                source.choice(("16", "-1", "x")),
            ]
        case "prune":
            output = str(folder / "pruned.safetensors")
            arguments += [model, output]
            arguments += ["--threshold", source.choice(_NUMBERS)] if source.random() < 0.5 else []
            arguments += ["--calibrate", any_of("pictures")] if source.random() < 0.5 else []
        case "channels":
            arguments += [model, any_of("pictures")]
        case "info":
            arguments += [model]
    if name in ("stylize", "compare"):
        arguments += ["--model", model if source.random() < 0.5 else "artnet_fast"]
        arguments += ["--device", source.choice(_DEVICES)]
    if source.random() < 0.1:
        arguments.insert(source.randrange(len(arguments) + 1), source.choice(("--", "--what", "-o", "", "\x1b[2J")))

    return lambda: run_command(arguments, folder)


def run_command(arguments: list[str], folder: Path) -> None:
    """Runs a command and looks at what it wrote.

    Raises:
        CommandError: it ended with 1; the message is what it printed, without the folder.
        AssertionError: it printed more or other than that, or wrote what cannot be read.
    """
    printed, complained = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complained):
        status = main(arguments)
    if status == 1:
        message = complained.getvalue().replace(f"{folder}/", "").replace(_LONG_NAME, "...")
        raise CommandError(_reason(message))
    assert status == 0
    assert "\x1b" not in printed.getvalue()
    for line in printed.getvalue().splitlines():
        if line.startswith("Wrote ") and " pictures to " not in line:
            _check_written(line.removeprefix("Wrote "))


def _reason(complained: str) -> str:
    """The one line that an error is; of several pictures that failed a line each, indented, of which this is the last.

    Raises:
        AssertionError: it is neither.
    """
    lines = complained.splitlines()
    starts = [index for index, line in enumerate(lines) if line.startswith(_ERROR)]
    assert len(starts) == 1, f"not one error: {complained!r}"
    error, *reasons = lines[starts[0] :]
    if not reasons:
        return error.removeprefix(_ERROR)
    assert error.endswith(":") and all(line.startswith("  ") for line in reasons), f"no list: {complained!r}"
    assert not any(map(what_is_wrong, reasons)), f"no sentences: {complained!r}"
    return reasons[-1].strip()


def _files(source: random.Random, folder: Path) -> dict[str, str]:
    """What arguments may name."""
    pictures = folder / "pictures"
    pictures.mkdir()
    for index in range(2):
        (pictures / f"{index}.png").write_bytes(plain_picture("PNG", source.choice(("RGB", "L"))))
    (folder / "animation.gif").write_bytes(animation("GIF"))
    (folder / "empty").mkdir()
    (folder / "picture.png").write_bytes(plain_picture("PNG", source.choice(("RGB", "RGBA", "L"))))
    (folder / "damaged.png").write_bytes(damaged(plain_picture("PNG", "RGB"), source))
    (folder / "model.safetensors").write_bytes(shipped("artnet_fast.safetensors"))
    (folder / "damaged.safetensors").write_bytes(damaged(shipped("artnet_fast.safetensors"), source))
    (folder / "text.txt").write_text("no picture")
    return {
        "picture": str(folder / "picture.png"),
        "pictures": str(pictures),
        "animation": str(folder / "animation.gif"),
        "damaged": str(folder / "damaged.png"),
        "empty": str(folder / "empty"),
        "model": str(folder / "model.safetensors"),
        "damaged model": str(folder / "damaged.safetensors"),
        "text": str(folder / "text.txt"),
        "missing": str(folder / "missing.png"),
        "nothing": "",
        "device": os.devnull,
        "below a file": str(folder / "text.txt" / "out.png"),
        "long": str(folder / _LONG_NAME),
    }


def _check_written(text: str) -> None:
    path = Path(text.split(" (")[0])
    if path.suffix == ".safetensors":
        artnet.load(path)
    else:
        with Image.open(path) as file:
            file.load()
