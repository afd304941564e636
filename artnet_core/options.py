"""What can be said on the command line: commands, options, and the words for mistakes in them.

Nothing here takes torch, so that help and mistakes are answered at once.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from .console import say

COLOR_OF_CONTENT = "same"
"""What ``--color`` says for pictures that keep their own colours."""

_MOST_PIXELS = 32768


@dataclass(frozen=True)
class SettingOption:
    """An option that goes into the field of its name of :class:`~artnet_core.pipeline.Settings`.

    Attributes:
        name: of the field; the option has dashes for its underscores.
        read: text to value; None for a switch.
        help: with the default at its end, which Settings knows.
    """

    name: str
    read: Callable[[str], object] | None
    help: str


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        line = " ".join(message.removeprefix("argument ").split())
        say(f"{self.prog}: error: {line} ({self.prog} --help says more.)", sys.stderr)
        raise SystemExit(2)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser, commands = _parsers()
    if arguments and not arguments[0].startswith("-") and arguments[0] not in commands:
        parser.error(f"there is no command {arguments[0]!r}: there are {', '.join(commands)}.")
    options, rest = parser.parse_known_args(arguments)
    command = commands[options.command]
    for text in rest:
        if text.startswith("-") and text != "-":
            command.error(f"there is no option {text}.")
    if options.command == "stylize":
        _check_stylize(options, rest, command.error)
    elif rest:
        command.error(f"{rest[0]} is one name too many.")
    return options


def _check_stylize(options: argparse.Namespace, rest: list[str], error: Callable[[str], NoReturn]) -> None:
    """Tells content and styles apart: options may stand between them."""
    names = [*options.pictures, *rest]
    if not names:
        error("give the picture to paint, a style after it, and -o with the name of the painting.")
    options.content = Path(names[0])
    if len(names) > 2:
        error(
            f"{len(names)} names were given ({', '.join(names[:4])}), expected the content and then the style: to "
            "paint several pictures, give their folder, and further styles with --style."
        )
    options.styles = [*([weighted_style(names[1])] if len(names) == 2 else []), *(options.style or [])]
    if not options.styles and options.regions is None:
        what = "a folder of contents" if options.content.is_dir() else "the picture to paint"
        error(f"{options.content} is {what}: give one style after it.")
    if options.output is None:
        error("say with -o where the painting goes, as in -o painted.png.")
    folder = next((path for path, _ in options.styles if path.is_dir()), None)
    if folder is not None and len(options.styles) > 1:
        error(f"{folder} is a folder of styles, which paint one by one: only single styles can be mixed.")
    if options.region and options.regions is None:
        error("--region is the style of a mask: say with --regions in which folder the masks are.")
    names_of_regions = [name for name, _ in options.region or []]
    for name in names_of_regions:
        if names_of_regions.count(name) > 1:
            error(f"region {name} was given two styles: leave one of them out.")
    if options.style_mask is not None and (len(options.styles) != 1 or folder is not None):
        error("--style-mask is for one style: give one. The style of a region has its mask in the folder of regions.")
    if options.color_mask is not None and options.color in (None, COLOR_OF_CONTENT):
        error("--color-mask is for a picture whose colours are taken: give it with --color.")


def _parsers() -> tuple[_Parser, dict[str, argparse.ArgumentParser]]:
    parser = _Parser(prog="artnet", description="Universal style transfer.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"artnet {__version__}")
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")

    command = commands.add_parser(
        "stylize",
        help="paint a picture in the style of another",
        usage="artnet stylize CONTENT STYLE -o OUTPUT [options]",
        allow_abbrev=False,
    )
    command.add_argument("pictures", nargs="*", default=[], help=argparse.SUPPRESS)
    command.add_argument("-o", "--output", type=Path, help="picture, or folder, to write")
    command.add_argument(
        "--style",
        type=weighted_style,
        action="append",
        metavar="FILE[:WEIGHT]",
        help="one more style: several are mixed, by their weights (default: 1)",
    )
    command.add_argument(
        "--color", metavar="FILE", help=f"picture whose colours are taken (default: the style); {COLOR_OF_CONTENT} for "
        "the content's own"
    )  # fmt: skip
    command.add_argument("--mask", type=Path, metavar="FILE", help="where to paint, white, and where not, black")
    command.add_argument(
        "--regions",
        type=Path,
        metavar="FOLDER",
        help="parts with styles of their own: sky.png says where the sky is, sky.style.jpg what it is painted in",
    )
    command.add_argument(
        "--region",
        type=region_style,
        action="append",
        metavar="NAME=FILE",
        help="the style of a region, in place of NAME.style.jpg in the folder of regions",
    )
    for name, what in (("style", "style"), ("color", "picture of --color")):
        command.add_argument(
            f"--{name}-mask", type=Path, metavar="FILE", help=f"which part of the {what} counts, white (default: all)"
        )
    for name, ends in (
        ("detail", "black is painterly, white faithful"),
        ("strength", "black leaves the content as it is"),
        ("stroke", "black is fine strokes, white the broadest"),
    ):
        command.add_argument(
            f"--{name}-map",
            type=Path,
            metavar="FILE",
            help=f"{name}{' size' if name == 'stroke' else ''} for each place, in place of the number: {ends}",
        )
    for option in SETTINGS:
        flag = "--" + option.name.replace("_", "-")
        if option.read is None:
            command.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=option.help)
        else:
            command.add_argument(
                flag, type=option.read, default=argparse.SUPPRESS, metavar="N", help=option.help
            )  # fmt: skip
    command.add_argument(
        "--size", type=pixels, metavar="PIXELS", help="resize the content's longer side to so many pixels"
    )
    command.add_argument("--recursive", action="store_true", help="folders in the folder of contents too")
    command.add_argument("--skip-existing", action="store_true", help="paint only what is not there yet")
    command.add_argument("--first-frame", action="store_true", help="of an animation only the first picture")
    command.add_argument("--depth", type=depth, default=8, metavar="BITS", help="8, or 16 for a .png (default: 8)")
    command.add_argument(
        "--quality", type=quality, metavar="N", help="1 to 100 (default: 95 for .jpg and .avif, .webp without loss)"
    )
    command.add_argument(
        "--strip-metadata", action="store_true", help="leave out who made the picture, when and with what"
    )
    _model_options(command)

    command = commands.add_parser("compare", help="draw a sheet of a picture painted by every known method")
    command.add_argument("content", type=Path, help="picture to paint")
    command.add_argument("style", type=Path, help="picture whose texture is copied")
    command.add_argument("-o", "--output", type=Path, required=True, help="sheet to write, a .png")
    command.add_argument("--ablations", action="store_true", help="also S2 with one of its parts left out each")
    command.add_argument(
        "--size", type=pixels, default=384, metavar="PIXELS", help="longer side of both pictures (default: %(default)s)"
    )
    _model_options(command)

    command = commands.add_parser("prune", help="cut the zero channels out of a model file")
    command.add_argument("input", type=Path, help="model file")
    command.add_argument("output", type=Path, help="model file to write")
    command.add_argument("--calibrate", type=Path, metavar="FOLDER", help="pictures to find further zero channels with")
    command.add_argument(
        "--threshold", type=activation, default=0.0, help="largest activation that counts as zero (default: 0)"
    )
    command.add_argument("--plot", type=Path, metavar="FILE", help="write a chart of the kept channels, a .png")

    command = commands.add_parser("channels", help="say which channels of an encoder are zero on a folder of pictures")
    command.add_argument("model_file", type=Path, metavar="MODEL", help="model file")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="pictures")
    command.add_argument("--plot", type=Path, metavar="FILE", help="write a chart, a .png")

    command = commands.add_parser("info", help="say what a model file holds")
    command.add_argument("file", type=Path)
    return parser, dict(commands.choices)


def _model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", type=Path, help="model file, or artnet_fast (default: artnet)")
    command.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps, ... (default: the fastest there is)")


def weighted_style(text: str) -> tuple[Path, float]:
    """``a.jpg`` or ``a.jpg:2``: a file and how much it counts."""
    name, colon, number = text.rpartition(":")
    if not colon or not name or Path(text).exists():
        return Path(text), 1.0
    try:
        weight = float(number)
    except ValueError:
        return Path(text), 1.0
    if not (math.isfinite(weight) and weight > 0):
        raise argparse.ArgumentTypeError(f"the weight of {name} must be a number above 0, got {number}.")
    return Path(name), weight


def region_style(text: str) -> tuple[str, Path]:
    """``sky=waves.jpg``: the name of a region and the file of its style."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"must be a region and its style, as in sky=waves.jpg, got {text[:40]!r}.")
    return name, Path(path)


def pixels(text: str) -> int:
    """A length of pictures."""
    return int(_number(text, 1, _MOST_PIXELS, "a whole number of pixels from 1 to {most:,}", whole=True))


def pixels_or_none(text: str) -> int:
    """As :func:`pixels`, or 0."""
    return 0 if text == "0" else pixels(text)


def steps(text: str) -> int:
    return int(_number(text, 0, 10_000, "a whole number of steps from 0 to {most:,}", whole=True))


def quality(text: str) -> int:
    return int(_number(text, 1, 100, "a whole number from 1 to 100", whole=True))


def depth(text: str) -> int:
    if text not in ("8", "16"):
        raise argparse.ArgumentTypeError(f"must be 8 or 16 bits, got {text!r}.")
    return int(text)


def share(text: str) -> float:
    return _number(text, 0, 1, "a number from 0 to 1")


def odd(text: str) -> int:
    value = int(_number(text, 1, 99, "an odd number of positions (1, 3, 5, ...)", whole=True))
    if value % 2 == 0:
        raise argparse.ArgumentTypeError(f"must be an odd number of positions (1, 3, 5, ...), got {value}.")
    return value


def activation(text: str) -> float:
    return _number(text, 0, sys.float_info.max, "a number of at least 0")


def _number(text: str, least: float, most: float, expected: str, whole: bool = False) -> float:
    """Reads a number; whatever else is given, the message says what is expected."""
    try:
        value: float = int(text) if whole else float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"must be {expected.format(most=most)}, got {text[:40]!r}.")
    return value


SETTINGS: tuple[SettingOption, ...] = (
    SettingOption("strength", share, "0 leaves the content as it is (default: 1.0)"),
    SettingOption("detail", share, "0 painterly to 1 faithful (default: 0.5)"),
    SettingOption("stroke_size", share, "0 fine strokes to 1 the broadest, relative to the picture (default: 0.75)"),
    SettingOption(
        "style_size",
        pixels_or_none,
        "pixels of the style's longer side: fewer make strokes finer, more make them broader (default: 0, as it is)",
    ),
    SettingOption(
        "patch_size", odd, "side of the pieces that are copied, odd: larger ones are longer strokes (default: 3)"
    ),
    SettingOption("finish", steps, "steps that improve each painting, slowly: 25 are many (default: 0)"),
    SettingOption(
        "steady",
        None,
        "the content is an animation, or a folder of a video's frames in the order of their numbers: less flicker",
    ),
)
"""Every setting of the painting that the command line offers."""


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """What was said of :data:`SETTINGS`; the rest is as :class:`~artnet_core.pipeline.Settings` has it."""
    return {option.name: getattr(options, option.name) for option in SETTINGS if hasattr(options, option.name)}
