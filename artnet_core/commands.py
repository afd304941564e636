"""What the commands of :mod:`artnet_core.cli` do."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterable
from pathlib import Path

import torch
from tqdm import tqdm

from .batch import stylize
from .checkpoint import load, save
from .compare import compare_methods
from .console import say
from .figures import channel_chart, zero_chart
from .files.saving import check_place, save_images
from .images import check_ending, file_identity, pictures_in, read_picture
from .model import ArtNet
from .pruning.channels import channel_table, measure_channels, zeros_over_pictures
from .pruning.zero_channels import multiply_adds_per_pixel, parameters, prune_zero_channels
from .runtime import fastest_dtype
from .transfer.methods import ALL_METHODS, METHODS

_MOST_ITEMS, _LONGEST_TEXT, _LINE = 8, 400, 78


def run(options: argparse.Namespace) -> int:
    """Runs the command that the options name; returns the exit status."""
    with torch.inference_mode():
        if options.command == "stylize":
            return stylize(options, lambda: load_model(options))
        {"compare": compare, "prune": prune, "channels": channels, "info": info}[options.command](options)
    return 0


def compare(options: argparse.Namespace) -> None:
    """``artnet compare``: a sheet of one pair of pictures by every method."""
    check_ending(options.output)
    refuse_overwriting([options.output], [options.content, options.style, options.model])
    content, style = (read_picture(path, options.size).rgb for path in (options.content, options.style))
    model = load_model(options)
    methods = tuple(ALL_METHODS) if options.ablations else tuple(METHODS)
    save_images(options.output, [compare_methods(model, content, style, methods)])
    say(f"Wrote {options.output}")


def prune(options: argparse.Namespace) -> None:
    """``artnet prune``: cuts the zero channels out of a model file and prints the report."""
    pictures = [] if options.calibrate is None else pictures_in(options.calibrate)
    _check_plot(options.plot)
    check_place(options.output)
    refuse_overwriting([options.output, options.plot], [options.input, *pictures])
    model = load(options.input)
    calibration = None if options.calibrate is None else [read_picture(path).rgb for path in pictures]
    pruned, report = prune_zero_channels(model, calibration, options.threshold)
    save(pruned, options.output)
    say(str(report))
    say(f"Wrote {options.output} ({options.output.stat().st_size / 1e6:.1f} MB)")
    if options.plot is not None:
        save_images(options.plot, [channel_chart(report)])
        say(f"Wrote {options.plot}")


def channels(options: argparse.Namespace) -> None:
    """``artnet channels``: which channels of an encoder are zero on which pictures."""
    pictures = pictures_in(options.folder)
    _check_plot(options.plot)
    refuse_overwriting([options.plot], [options.model_file, *pictures])
    model = load(options.model_file)
    units = measure_channels(model, (read_picture(path).rgb for path in tqdm(pictures, unit="picture")))
    say(channel_table(units))
    zeros = zeros_over_pictures(units)
    steps = sorted({1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, len(zeros)} & set(range(1, len(zeros) + 1)))
    say("zero on all of the first " + ", ".join(f"{count}: {zeros[count - 1]:,}" for count in steps))
    if options.plot is not None:
        save_images(options.plot, [zero_chart(units)])
        say(f"Wrote {options.plot}")


def info(options: argparse.Namespace) -> None:
    """``artnet info``: what a model file holds, as a card."""
    model = load(options.file)
    layers = ", ".join(f"{name} {channels}" for name, channels in model.layers.items())
    say(f"file                 {options.file}")
    say(f"fingerprint          {model.fingerprint}")
    say(f"encoder              GoogLeNet, {parameters(model.encoder):,} parameters")
    say(f"decoder              {parameters(model.decoder):,} parameters")
    say(f"features             {sum(model.layers.values())} channels at stride {model.stride}: {layers}")
    say(f"multiply-adds        {multiply_adds_per_pixel(model):,.0f} per pixel, without the swap")
    for key, value in model.provenance.items():
        lines = textwrap.wrap(summary(value), _LINE) or [""]
        say(f"{key[:40]:<20} " + f"\n{'':<21}".join(lines))


def summary(value: str) -> str:
    """A value of a model's provenance in a few lines: of long lists how long they are."""
    try:
        text = _summary(json.loads(value))
    except (ValueError, RecursionError):
        text = value
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ... ({len(text):,} letters)"


def _summary(value: object) -> str:
    if isinstance(value, dict):
        parts = (
            (key, f"({_summary(item)})" if isinstance(item, dict) else _summary(item)) for key, item in value.items()
        )
        return ", ".join(f"{key} {part}" for key, part in parts)
    if isinstance(value, list):
        if len(value) > _MOST_ITEMS:
            return f"{len(value):,} values from {_summary(value[0])} to {_summary(value[-1])}"
        return " ".join(map(_summary, value))
    return str(value)


def load_model(options: argparse.Namespace) -> ArtNet:
    """The model that ``--model`` names, on ``--device``.

    Raises:
        ValueError: the device is not there or cannot calculate.
        FileNotFoundError: there is no such model file.
        CheckpointError: it is no usable model.
    """
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.ones(2, device=device).sum().item()
        dtype = fastest_dtype(torch.device(device))
    except (RuntimeError, AssertionError, ImportError, AttributeError, ValueError) as error:
        # torch has no one type for a device that is not there, and tells its programmers at length what is missing.
        reason = " ".join(str(error).split())[:120]
        raise ValueError(f"The device {device[:40]} cannot be used ({reason}).") from error
    return load(options.model, device, dtype)


def refuse_overwriting(outputs: Iterable[Path | None], inputs: Iterable[Path | None]) -> None:
    """Raises ValueError where a file to be written is one that is read, by whatever name, or another to be written."""
    read = {file_identity(path) for path in inputs if path is not None}
    written = set()
    for path in outputs:
        if path is None:
            continue
        identity = file_identity(path)
        if identity in read:
            raise ValueError(f"{path} is one of the files that are read: write to another file.")
        if identity in written:
            raise ValueError(f"{path} would be written twice: give each file a name of its own.")
        written.add(identity)


def _check_plot(path: Path | None) -> None:
    if path is not None:
        check_ending(path)
