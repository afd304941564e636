"""``python -m training encoder|narrow|decoder|linear|average|evaluate``; docs/training.md shows whole runs."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from artnet_core.checkpoint import CheckpointError, load
from artnet_core.images import PictureError
from artnet_core.network.encoder import BLOCK_STRIDES, LAST_BLOCK
from artnet_core.pruning.zero_channels import feature_mask, prune_decoder
from artnet_core.transfer.linear import load_linear

from .average import average
from .data import draw, load_pictures, stored_side
from .decoder import DEFAULT_STAGES, DEFAULT_WEIGHTS, DecoderSettings, DecoderTask, stages_text
from .encoder import KEPT_BLOCK, EncoderSettings, EncoderTask
from .evaluate import evaluate, pairs_of, report_of, write_pairs
from .export import load_pruned_encoder, save_encoder, save_models
from .judge import choose_judge
from .linear import DEFAULT_LINEAR_WEIGHTS, LinearSettings, LinearTask
from .log import DivergedError
from .loop import Schedule, Task, train
from .narrow import narrow
from .plot import PlotsMissingError, check_matplotlib
from .resume import ResumeError, file_digest
from .teacher import load_teacher

_CALIBRATION_PICTURES = 64
_LARGEST_SIZE = 4096


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Returns:
        The exit code: 0 done, 1 a mistake that the message names, 3 stopped before the end, 130 stopped by Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options, _device(options.device))
    except KeyboardInterrupt:
        print("Stopped. A training run goes on from its last state with --resume.", file=sys.stderr)
        return 130
    except (CheckpointError, PictureError, ResumeError, DivergedError, PlotsMissingError, ValueError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}." if error.strerror else f"{error}", file=sys.stderr)
        return 1
    return code


def _encoder(options: argparse.Namespace, device: torch.device) -> int:
    check_matplotlib()
    settings = EncoderSettings(
        options.batch, options.size, options.seed, options.rate, options.parameters, options.kill_every
    )
    pictures = load_pictures(options.data, stored_side(settings.size), device)
    networks = {"teacher": file_digest(options.teacher)}
    start = None
    if options.start is not None:
        start = load_pruned_encoder(options.start, pictures.photo[:_CALIBRATION_PICTURES])
        networks["start"] = file_digest(options.start)
    task = EncoderTask(settings, pictures, load_teacher(options.teacher, device), start)
    return _train(task, options, {**asdict(settings), "data": pictures.digest, **networks})


def _decoder(options: argparse.Namespace, device: torch.device) -> int:
    check_matplotlib()
    weights = {**DEFAULT_WEIGHTS, **dict(options.weight)}
    start = None if options.start is None else load(options.start, device)
    imitated = None if options.imitate is None else load(options.imitate)
    if imitated is None:
        if "imitation" in dict(options.weight):
            raise ValueError("--weight imitation has nothing to weigh: give --imitate MODEL too.")
        del weights["imitation"]
    stages = DEFAULT_STAGES if start is None else stages_text(start.decoder.stages)
    settings = DecoderSettings(
        options.batch,
        options.size,
        options.seed,
        options.rate,
        options.stages or stages,
        weights,
        "" if start is None else start.fingerprint,
        "" if imitated is None else imitated.fingerprint,
    )
    pictures = load_pictures(options.data, stored_side(settings.size), device)
    source = load_pruned_encoder(options.encoder, pictures.photo[:_CALIBRATION_PICTURES])
    teacher = load_teacher(options.teacher, device)
    task = DecoderTask(settings, pictures, teacher, source, start, imitated)
    networks = {"teacher": file_digest(options.teacher), "encoder": file_digest(options.encoder)}
    return _train(task, options, {**asdict(settings), "data": pictures.digest, **networks})


def _linear(options: argparse.Namespace, device: torch.device) -> int:
    check_matplotlib()
    model = load(options.model, device)
    weights = {**DEFAULT_LINEAR_WEIGHTS, **dict(options.weight)}
    start = None if options.start is None else load_linear(options.start, device)
    digest = "" if options.start is None else file_digest(options.start)
    settings = LinearSettings(
        options.batch, options.size, options.seed, options.rate, weights, model.fingerprint, digest
    )
    pictures = load_pictures(options.data, stored_side(settings.size), device)
    task = LinearTask(settings, pictures, model, start)
    return _train(task, options, {**asdict(settings), "data": pictures.digest})


def _narrow(options: argparse.Namespace, device: torch.device) -> int:
    pictures = load_pictures(options.data, stored_side(options.size), device)
    model = load(options.model, device)
    source = load_pruned_encoder(options.model, pictures.photo[:_CALIBRATION_PICTURES])
    generator = torch.Generator().manual_seed(options.seed)
    kinds = (pictures.photo, pictures.art)
    images = torch.cat([draw(kind, options.pictures // 2, options.size, generator) for kind in kinds])
    decoder = prune_decoder(model.decoder, feature_mask(source.masks))
    narrowed = narrow(source, decoder, options.share, images, options.last_block)
    settings = {name: getattr(options, name) for name in ("share", "last_block", "pictures", "size", "seed")}
    settings |= {"data": pictures.digest, "from": model.fingerprint}
    provenance = {name: text for name, text in model.provenance.items() if name.startswith("encoder")}
    save_encoder(narrowed, options.out, {**provenance, "encoder_narrowed": json.dumps(settings)})
    print(f"Done: {options.out}")
    return 0


def _average(options: argparse.Namespace, device: torch.device) -> int:
    no_pictures = torch.empty(0, 3, 32, 32, dtype=torch.uint8)
    source = load_pruned_encoder(options.encoder, no_pictures)
    save_models(average([load(path, device) for path in options.model], source), source, options.out)
    print(f"Done: {options.out}")
    return 0


def _train(task: Task, options: argparse.Namespace, settings: dict[str, object]) -> int:
    # TF32 on GPUs that have it: features keep three digits, which is more than bfloat16 gives the gradients. And all
    # steps have the same shapes, for which cuDNN then looks for its fastest kernels once.
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    schedule = Schedule(options.minutes, options.steps, options.stop_after, options.log_every)
    done = train(task, schedule, options.out, settings, resume=options.resume)
    if not done:
        print(f"Stopped before the end: {options.out} is what there is so far; go on with --resume.")
        return 3
    print(f"Done: {options.out}")
    return 0


def _evaluate(options: argparse.Namespace, device: torch.device) -> int:
    check_matplotlib()
    pictures = load_pictures(options.data, options.size, device, held_out=True)
    pairs = pairs_of(pictures, options.pairs)
    if options.write_pairs is not None:
        write_pairs(pairs, options.write_pairs)
    judge, judge_name = choose_judge(options.judge)
    paths: list[Path | None] = options.model or [None]
    models = {name: partial(load, path, device) for name, path in zip(_names(paths), paths, strict=True)}
    judge_name = f"judged by {judge_name}"
    results = dict(options.results)
    evaluations = evaluate(models, results, pairs, judge.to(device), judge_name, pictures.digest, options.out)
    print(f"{len(pairs.content)} pairs of {options.size} x {options.size} pixels, {judge_name}")
    print(report_of(evaluations))
    return 0


def _names(paths: Sequence[Path | None]) -> list[str]:
    """What models are called in tables: by their files, and by their folders too where that is not enough."""
    names = ["default" if path is None else path.stem for path in paths]
    if len(set(names)) < len(names):
        names = [str(path.with_suffix("")) for path in paths if path is not None]
    return names


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("There is no CUDA GPU that torch can use: leave --device out, or say --device cpu.")
    return torch.device(name)


def _count(least: int) -> Callable[[str], int]:
    """For options that count: whole numbers from ``least`` on."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) < 2**31:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least {least}")
        return int(text)

    return read


def _positive(text: str) -> float:
    return _number(text, above_zero=True)


def _number(text: str, *, above_zero: bool = False) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0 or (above_zero and number == 0):
        raise argparse.ArgumentTypeError(f"{text} is not a number {'above' if above_zero else 'of at least'} 0")
    return number


def _weight_of(names: Iterable[str]) -> Callable[[str], tuple[str, float]]:
    """For weights of these losses."""

    def read(text: str) -> tuple[str, float]:
        name, _, value = text.partition("=")
        if name not in names:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(names)}")
        return name, _number(value)

    return read


def _named_folder(text: str) -> tuple[str, Path]:
    name, separator, folder = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=FOLDER")
    return name, Path(folder)


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) % 16 or not 32 <= int(text) <= _LARGEST_SIZE:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of 16 from 32 to {_LARGEST_SIZE}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True)

    encoder = commands.add_parser("encoder", help="distil an encoder with zero channels")
    _training_options(encoder, EncoderSettings())
    encoder.add_argument(
        "--parameters", type=_count(1), default=EncoderSettings.parameters, help="of the pruned encoder, at the most"
    )
    encoder.add_argument(
        "--kill-every",
        type=_count(1),
        default=EncoderSettings.kill_every,
        help="steps between rounds of deaths",
    )
    encoder.add_argument(
        "--start",
        type=Path,
        metavar="FILE",
        help=f"an encoder or an unpruned model: keep its trunk up to {KEPT_BLOCK} and train what follows",
    )
    encoder.set_defaults(command=_encoder)

    decoder = commands.add_parser("decoder", help="train a decoder for an encoder")
    _training_options(decoder, DecoderSettings())
    decoder.add_argument(
        "--encoder",
        type=Path,
        required=True,
        help="from the encoder command, a whole model, or torchvision's GoogLeNet",
    )
    decoder.add_argument("--stages", help=f'shape of the decoder, by default that of --start, or "{DEFAULT_STAGES}"')
    _loss_weights(decoder, DEFAULT_WEIGHTS)
    decoder.add_argument("--start", type=Path, metavar="MODEL", help="begin with this model's decoder")
    decoder.add_argument("--imitate", type=Path, metavar="MODEL", help="draw what this model's decoder draws")
    decoder.set_defaults(command=_decoder)

    linear = commands.add_parser("linear", help="train LinearWCT's networks for a model")
    _training_options(linear, LinearSettings(), teacher=False)
    linear.add_argument("--model", type=Path, help="the shipped one by default; it stays as it is")
    linear.add_argument("--start", type=Path, metavar="FILE", help="networks of an earlier run to go on from")
    _loss_weights(linear, DEFAULT_LINEAR_WEIGHTS)
    linear.set_defaults(command=_linear)

    narrow_parser = commands.add_parser("narrow", help="cut more than the zero channels out of an encoder")
    narrow_parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders or .tar files: photo/, art/"
    )
    narrow_parser.add_argument("--model", type=Path, required=True, help="a whole model, not pruned")
    narrow_parser.add_argument("--share", type=_positive, default=0.5, help="of the channels that stays")
    narrow_parser.add_argument(
        "--last-block", choices=list(BLOCK_STRIDES)[1:], default=LAST_BLOCK, help="where the trunk is to end"
    )
    narrow_parser.add_argument("--pictures", type=_count(2), default=256, help="to fit to, half of each kind")
    narrow_parser.add_argument("--size", type=_size, default=128, help="their side in pixels")
    narrow_parser.add_argument("--seed", type=_count(0), default=0)
    narrow_parser.add_argument("--out", type=Path, required=True, help="for the decoder command's --encoder")
    narrow_parser.set_defaults(command=_narrow, device="cpu")

    mean = commands.add_parser("average", help="the mean of decoders of which one was trained on from another")
    mean.add_argument("--encoder", type=Path, required=True, help="theirs: the encoder command's result, or a model")
    mean.add_argument("--model", type=Path, action="append", required=True, help="repeatable")
    mean.add_argument("--out", type=Path, required=True, help="the result")
    mean.set_defaults(command=_average, device="cpu")

    scores = commands.add_parser("evaluate", help="score models on held-out pictures")
    scores.add_argument("--data", type=Path, nargs="+", required=True, help="folders or .tar files")
    scores.add_argument("--model", type=Path, action="append", help="a model; repeatable; the shipped one by default")
    scores.add_argument(
        "--results", type=_named_folder, action="append", default=[], metavar="NAME=FOLDER", help="another method's"
    )
    scores.add_argument("--write-pairs", type=Path, metavar="FOLDER", help="for other methods to work on")
    scores.add_argument(
        "--judge", metavar="NAME", help="efficientnet_lite0, or a file, the state dict of torchvision's squeezenet1_1"
    )
    scores.add_argument("--pairs", type=_count(1), default=40)
    scores.add_argument("--size", type=_size, default=512)
    scores.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    scores.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    scores.set_defaults(command=_evaluate)
    return parser


def _loss_weights(parser: argparse.ArgumentParser, defaults: Mapping[str, float]) -> None:
    parser.add_argument(
        "--weight",
        type=_weight_of(defaults),
        action="append",
        default=[],
        metavar="LOSS=NUMBER",
        help="of a loss; repeatable",
    )


def _training_options(
    parser: argparse.ArgumentParser,
    defaults: EncoderSettings | DecoderSettings | LinearSettings,
    *,
    teacher: bool = True,
) -> None:
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders or .tar files: photo/, art/")
    if teacher:
        parser.add_argument("--teacher", type=Path, required=True, help="BVLC GoogLeNet, a .safetensors file")
    parser.add_argument("--out", type=Path, required=True, help="the result; its state and curve lie next to it")
    parser.add_argument("--minutes", type=_positive, default=8.0, help="of the whole run; by default %(default)s")
    parser.add_argument("--steps", type=_count(1), help="of the whole run, in place of minutes")
    parser.add_argument("--stop-after", type=_number, default=math.inf, metavar="MINUTES", help="of this process")
    parser.add_argument("--resume", action="store_true", help="go on with the run that makes --out")
    parser.add_argument("--batch", type=_count(1), default=defaults.batch)
    parser.add_argument("--size", type=_size, default=defaults.size, help="side of the pictures in pixels")
    parser.add_argument("--rate", type=_positive, default=defaults.rate, help="highest learning rate")
    parser.add_argument("--seed", type=_count(0), default=defaults.seed)
    parser.add_argument("--log-every", type=_count(1), default=20, help="steps per row of the curve")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")


if __name__ == "__main__":
    sys.exit(main())
