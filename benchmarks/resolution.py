"""Whether a painting looks alike at any resolution: ``python -m benchmarks.resolution --heldout FOLDER --out FOLDER``.

Pairs of a photograph and a style are painted as squares of several sizes. Every painting is reduced to the smallest
size before it is judged, as one who steps back from a large canvas sees it: texture met and edges kept, as
:mod:`benchmarks.judge` sees them, and how far it is from the small painting, by textures and by pixels.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from artnet_core.images import Picture, write_picture

from .judge import edges_kept, reduce, style_distances
from .quality import Painter, draw_pairs, edges_of, our_painters, picture_path, square, textures_of, the_judge
from .report import environment, write_report

SETTINGS = ("one pass:stroke_size=0", "broad strokes:stroke_size=0.5|0.75")


@dataclass(frozen=True)
class Row:
    """One setting at one size, of one pair or in the mean over several.

    Attributes:
        painter: the setting.
        size: side of the squares that were painted.
        edges: :func:`~benchmarks.judge.edges_kept`, of what was reduced to the smallest size.
        styles: :func:`~benchmarks.judge.style_distances` to the style, at the smallest size, its half and its quarter.
        look: mean of those distances to the smallest painting.
        pixels: mean difference from the smallest painting, 0..1.
    """

    painter: str
    size: int
    edges: float
    styles: tuple[float, ...]
    look: float
    pixels: float


@torch.inference_mode()
def measure(painter: Painter, folder: Path, pairs: int, sizes: Sequence[int], out: Path) -> list[Row]:
    """Paints all pairs at all sizes and keeps the paintings.

    Args:
        painter: one of ours.
        folder: of pictures, see :func:`~benchmarks.quality.draw_pairs`.
        pairs: how many.
        sizes: sides of the squares, the smallest first, each a multiple of it.
        out: folder for the paintings.
    """
    smallest = sizes[0]
    found: dict[int, list[Row]] = {size: [] for size in sizes}
    for index, pair in enumerate(tqdm(draw_pairs(folder, pairs, smallest), unit="pair", file=sys.stderr)):
        edges, textures = edges_of(pair.photo_path, smallest), textures_of(pair.style_path, smallest)
        first = None
        for size in sizes:
            painting = painter.paint(square(pair.photo_path, size), square(pair.style_path, size)).float()
            write_picture(picture_path(out, index, f"{painter.name} {size}"), Picture(painting))
            painting = reduce(painting, size // smallest)
            seen = the_judge()(painting)
            first = first or (painting, seen.textures)
            found[size].append(
                Row(
                    painter.name,
                    size,
                    edges_kept(edges, seen.edges),
                    style_distances(textures, seen.textures),
                    statistics.mean(style_distances(first[1], seen.textures)),
                    (painting - first[0]).abs().mean().item(),
                )
            )
    return [_mean(of_size) for of_size in found.values()]


def _mean(rows: Sequence[Row]) -> Row:
    return Row(
        rows[0].painter,
        rows[0].size,
        statistics.mean(row.edges for row in rows),
        tuple(statistics.mean(of_scale) for of_scale in zip(*(row.styles for row in rows), strict=True)),
        statistics.mean(row.look for row in rows),
        statistics.mean(row.pixels for row in rows),
    )


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = ["| painted with | at pixels | edges | style | at 1/2 | at 1/4 | unlike the smallest | pixels |"]
    lines.append("|---|" + "---:|" * 7)
    for row in rows:
        values = (row.edges, *row.styles, row.look, row.pixels)
        lines.append(f"| {row.painter} | {row.size} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table, and writes resolution.json."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.resolution",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--heldout", type=Path, required=True, metavar="FOLDER", help="holds photo_*.jpg and art_*.jpg")
    add("--pairs", type=int, default=6, help="how many (default: %(default)s)")
    add("--sizes", type=int, nargs="+", default=[512, 2048], help="sides in pixels, multiples of the first")
    add("--settings", nargs="+", default=SETTINGS, metavar="NAME:KEY=VALUE", help="as of benchmarks.quality")
    add("--device", default="cpu", help="of our model; the judge stays on the CPU")
    add("--out", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args(arguments)
    sizes = sorted(options.sizes)
    if any(size % sizes[0] for size in sizes):
        parser.error(f"--sizes takes multiples of the smallest size, got {' '.join(map(str, options.sizes))}.")
    try:
        painters = [painter for setting in options.settings for painter in our_painters(setting, options.device)]
        rows = [
            row for painter in painters for row in measure(painter, options.heldout, options.pairs, sizes, options.out)
        ]
    except ValueError as error:
        parser.error(str(error))
    settings = {**environment(torch.device(options.device)), "pairs": options.pairs}
    write_report(options.out / "resolution.json", settings, rows=rows)
    print(", ".join(f"{name}: {value}" for name, value in settings.items()))
    print(f"\n{table(rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
