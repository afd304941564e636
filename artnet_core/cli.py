"""The command line: ``artnet stylize``, ``compare``, ``prune``, ``channels``, ``info``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from .checkpoint import load, save
from .compare import compare_methods
from .figures import channel_chart, zero_chart
from .images import Picture, check_ending, pictures_in, read_picture, write_picture
from .model import ArtNet
from .pipeline import Pictures, Settings, paint
from .pruning.channels import channel_table, measure_channels, zeros_over_pictures
from .pruning.zero_channels import multiply_adds_per_pixel, parameters, prune_zero_channels
from .runtime import Tiles, fastest_dtype
from .transfer.methods import ALL_METHODS, METHODS
from .transfer.sandwich import DEFAULT_DETAIL


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, or 1 after a one-line error on stderr."""
    options = _parser().parse_args(arguments)
    try:
        with torch.inference_mode():
            options.run(options)
    except (ValueError, OSError, MemoryError) as error:
        print(f"artnet: error: {error}", file=sys.stderr)
        return 1
    return 0


def stylize(options: argparse.Namespace) -> None:
    """``artnet stylize``: one picture or a folder of them, with one style or a folder of them."""
    model = _load(options)
    if options.steady and not options.content.is_dir():
        raise ValueError(f"--steady is for the frames of a video, but {options.content} is no folder: leave it out.")
    jobs = list(_jobs(options.content, options.style, options.output))
    _check_targets(jobs, options.color)
    tiles = Tiles()
    settings = Settings(options.strength, options.detail, steady=options.steady)
    color = None if options.color is None else Pictures.of(read_picture(options.color).rgb, str(options.color))
    progress = tqdm(total=len(jobs), unit="picture", disable=len(jobs) == 1)
    for style_path, of_style in groupby(jobs, key=itemgetter(1)):
        group = list(of_style)
        style = Pictures.of(read_picture(style_path, options.style_size).rgb, str(style_path))
        alphas: dict[int, Tensor | None] = {}

        def read(index: int, group: list[Job] = group, alphas: dict[int, Tensor | None] = alphas) -> Tensor:
            picture = read_picture(group[index][0], options.size)
            alphas[index] = picture.alpha
            return picture.rgb

        content = Pictures(str(options.content), len(group), read)
        for index, rgb in enumerate(paint(model, content, style, color, settings, tiles=tiles)):
            write_picture(group[index][2], Picture(rgb, alphas.pop(index)))
            progress.update()
    progress.close()
    print(f"Wrote {jobs[0][2]}" if len(jobs) == 1 else f"Wrote {len(jobs)} pictures to {options.output}")


def compare(options: argparse.Namespace) -> None:
    """``artnet compare``: a sheet of one pair of pictures by every method."""
    check_ending(options.output)
    model = _load(options)
    content, style = (read_picture(path, options.size).rgb for path in (options.content, options.style))
    methods = tuple(ALL_METHODS) if options.ablations else tuple(METHODS)
    sheet = compare_methods(model, content, style, methods)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(options.output)
    print(f"Wrote {options.output}")


def prune(options: argparse.Namespace) -> None:
    """``artnet prune``: cuts the zero channels out of a model file and prints the report."""
    model = load(options.input)
    calibration = None
    if options.calibrate is not None:
        calibration = [read_picture(path).rgb for path in pictures_in(options.calibrate)]
    pruned, report = prune_zero_channels(model, calibration, options.threshold)
    save(pruned, options.output)
    print(report)
    print(f"Wrote {options.output} ({options.output.stat().st_size / 1e6:.1f} MB)")
    if options.plot is not None:
        channel_chart(report).save(options.plot)
        print(f"Wrote {options.plot}")


def channels(options: argparse.Namespace) -> None:
    """``artnet channels``: which channels of an encoder are zero on which pictures."""
    model = load(options.model_file)
    pictures = pictures_in(options.folder)
    units = measure_channels(model, (read_picture(path).rgb for path in tqdm(pictures, unit="picture")))
    print(channel_table(units))
    zeros = zeros_over_pictures(units)
    steps = sorted({1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, len(zeros)} & set(range(1, len(zeros) + 1)))
    print("zero on all of the first " + ", ".join(f"{count}: {zeros[count - 1]:,}" for count in steps))
    if options.plot is not None:
        zero_chart(units).save(options.plot)
        print(f"Wrote {options.plot}")


def info(options: argparse.Namespace) -> None:
    """``artnet info``: what a model file holds."""
    model = load(options.file)
    layers = ", ".join(f"{name} {channels}" for name, channels in model.layers.items())
    print(f"file                 {options.file}")
    print(f"fingerprint          {model.fingerprint}")
    print(f"encoder              GoogLeNet, {parameters(model.encoder):,} parameters")
    print(f"decoder              {parameters(model.decoder):,} parameters")
    print(f"features             {sum(model.layers.values())} channels at stride {model.stride}: {layers}")
    print(f"multiply-adds        {multiply_adds_per_pixel(model):,.0f} per pixel, without the swap")
    for key, value in model.provenance.items():
        print(f"{key:<20} {value}")


def _load(options: argparse.Namespace) -> ArtNet:
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return load(options.model, device, fastest_dtype(torch.device(device)))
    except (RuntimeError, AssertionError) as error:  # torch has no one type for a device that is not there
        raise ValueError(f"The device {device} cannot be used ({error}).") from error


Job = tuple[Path, Path, Path]
"""Content, style and target."""


def _jobs(content: Path, style: Path, output: Path) -> Iterator[Job]:
    """Content, style and target of every picture to make; a target folder where either is a folder."""
    if not content.is_dir() and not style.is_dir():
        yield content, style, output
        return
    for style_path in pictures_in(style) if style.is_dir() else [style]:
        for content_path in pictures_in(content) if content.is_dir() else [content]:
            name = f"{content_path.stem}_{style_path.stem}" if style.is_dir() else content_path.stem
            yield content_path, style_path, output / f"{name}.png"


def _check_targets(jobs: Sequence[Job], color: Path | None) -> None:
    """Raises ValueError where an ending is unknown, or a file would be written over another or one that is read."""
    sources = {path.resolve() for job in jobs for path in job[:2]} | ({color.resolve()} if color else set())
    written: dict[Path, tuple[Path, Path]] = {}
    for content, style, target in jobs:
        check_ending(target)
        place = target.resolve()
        if place in sources:
            raise ValueError(f"{target} is one of the pictures that are read: write to another file or folder.")
        if place in written:
            first = " and ".join(map(str, written[place]))
            raise ValueError(f"{first} would become {target}, and {content} and {style} too: rename one of them.")
        written[place] = content, style


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="artnet", description="Universal style transfer.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("stylize", help="paint a picture in the style of another")
    command.add_argument("content", type=Path, help="picture, or folder of pictures, to paint")
    command.add_argument("style", type=Path, help="picture, or folder of pictures, whose texture is copied")
    command.add_argument("-o", "--output", type=Path, required=True, help="picture, or folder, to write")
    command.add_argument("--color", type=Path, help="picture whose colours are taken (default: the style)")
    command.add_argument("--strength", type=float, default=1.0, help="0 leaves the content as it is (default: 1)")
    command.add_argument(
        "--detail", type=float, default=DEFAULT_DETAIL, help="0 painterly to 1 faithful (default: %(default)s)"
    )
    command.add_argument("--size", type=_positive, help="resize the content's longer side to so many pixels")
    command.add_argument(
        "--style-size",
        type=_positive,
        help="resize the style's longer side to so many pixels: fewer make strokes finer, more make them broader",
    )
    command.add_argument(
        "--steady",
        action="store_true",
        help="the content is a folder of a video's frames, in the order of their numbers: strokes flicker less",
    )
    _model_options(command)
    command.set_defaults(run=stylize)

    command = commands.add_parser("compare", help="draw a sheet of a picture painted by every known method")
    command.add_argument("content", type=Path, help="picture to paint")
    command.add_argument("style", type=Path, help="picture whose texture is copied")
    command.add_argument("-o", "--output", type=Path, required=True, help="sheet to write, a .png")
    command.add_argument("--ablations", action="store_true", help="also S2 with one of its parts left out each")
    command.add_argument(
        "--size", type=_positive, default=384, help="longer side of both pictures (default: %(default)s)"
    )
    _model_options(command)
    command.set_defaults(run=compare)

    command = commands.add_parser("prune", help="cut the zero channels out of a model file")
    command.add_argument("input", type=Path, help="model file")
    command.add_argument("output", type=Path, help="model file to write")
    command.add_argument("--calibrate", type=Path, metavar="FOLDER", help="pictures to find further zero channels with")
    command.add_argument(
        "--threshold", type=float, default=0.0, help="largest activation that counts as zero (default: 0)"
    )
    command.add_argument("--plot", type=Path, metavar="FILE", help="write a chart of the kept channels, a .png")
    command.set_defaults(run=prune)

    command = commands.add_parser("channels", help="say which channels of an encoder are zero on a folder of pictures")
    command.add_argument("model_file", type=Path, metavar="MODEL", help="model file")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="pictures")
    command.add_argument("--plot", type=Path, metavar="FILE", help="write a chart, a .png")
    command.set_defaults(run=channels)

    command = commands.add_parser("info", help="say what a model file holds")
    command.add_argument("file", type=Path)
    command.set_defaults(run=info)
    return parser


def _model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", type=Path, help="model file, or artnet_fast (default: artnet)")
    command.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps, ... (default: the fastest there is)")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value
