"""The paper's Table 2: every method on every pair of content and style.

``python -m experiments.methods --out FOLDER`` runs the shipped examples; ``--content`` and ``--style`` take folders
of your own (the paper's are 42 and 26 pictures, 1,092 pairs), ``--edges hed`` the paper's own edge detector, from the
wheel that :mod:`benchmarks.judge` names. All methods work on one encoder and one decoder, so that the transfer alone
makes the difference.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

import artnet_core as artnet
from artnet_core.compare import run_method
from artnet_core.figures import sheet
from artnet_core.images import pictures_in, read_picture
from artnet_core.scores import (
    FeatureNetwork,
    patch_likeness,
    sobel_edges,
    ssim,
    statistics_gap,
)
from artnet_core.transfer.methods import ALL_METHODS, LABELS, METHODS
from benchmarks.judge import load_judge
from benchmarks.report import environment, write_report
from training.judge import choose_judge

ROOT = Path(__file__).parents[1]
SHEET_PAIRS = 6

COLUMNS = {
    "edges": "edges kept, higher is better",
    "style": "texture, lower is better",
    "color": "colours, lower is better",
    "statistics": "statistics gap, lower is better",
    "patches": "patches copied, higher is better",
    "milliseconds": "ms of the transfer",
}


@dataclass(frozen=True)
class Result:
    """One method on one pair: the scores of :class:`~artnet_core.compare.Score`, and two of the features.

    Attributes:
        edges: as there, but by the detector that was asked for.
        statistics: :func:`~artnet_core.scores.statistics_gap` of the transferred features.
        patches: :func:`~artnet_core.scores.patch_likeness` of the transferred features.
    """

    content: str
    style_picture: str
    method: str
    edges: float
    style: float
    color: float
    statistics: float
    patches: float
    milliseconds: float


@torch.inference_mode()
def run(
    model: artnet.ArtNet,
    contents: Sequence[Path],
    styles: Sequence[Path],
    methods: Sequence[str],
    size: int,
    judge: FeatureNetwork,
    edges: Callable[[Tensor], Tensor] = sobel_edges,
) -> list[Result]:
    """Every method on every pair.

    Args:
        model: encoder and decoder of all methods.
        contents: picture files.
        styles: picture files.
        methods: keys of :data:`~artnet_core.transfer.methods.ALL_METHODS`.
        size: longer side that all pictures are resized to.
        judge: network of the texture score.
        edges: edge detector, ``[B, 3, H, W]`` to ``[B, 1, H, W]``.
    """
    results = []
    style_pictures = {path: read_picture(path, size).rgb for path in styles}
    style_features = {path: model.encode(picture) for path, picture in style_pictures.items()}
    progress = tqdm(total=len(contents) * len(styles) * len(methods), unit="transfer", file=sys.stderr)
    for content_path in contents:
        content = read_picture(content_path, size).rgb
        content_features, content_edges = model.encode(content), edges(content.to(model.device))
        for style_path, style in style_pictures.items():
            pair = content_features, style_features[style_path]
            for method in methods:
                painting, transferred, score = run_method(model, method, content, style, pair, judge)
                results.append(
                    Result(
                        content=content_path.stem,
                        style_picture=style_path.stem,
                        method=method,
                        edges=ssim(content_edges, edges(painting)).item(),
                        style=score.style,
                        color=score.color,
                        statistics=statistics_gap(transferred.data, pair[1].data).item(),
                        patches=patch_likeness(transferred.data, pair[1].data).item(),
                        milliseconds=score.seconds * 1000,
                    )
                )
                progress.update()
    progress.close()
    return results


def table(results: Sequence[Result]) -> str:
    """Means over all pairs, with the standard deviation of the scores: one row per method, Markdown."""
    methods = list(dict.fromkeys(result.method for result in results))
    lines = ["| method | " + " | ".join(COLUMNS.values()) + " |", "|---|" + "---:|" * len(COLUMNS)]
    for method in methods:
        cells = []
        for column in COLUMNS:
            values = [getattr(result, column) for result in results if result.method == method]
            if column == "milliseconds":
                cells.append(f"{statistics.median(values):.0f}")
            else:
                cells.append(f"{statistics.mean(values):.3f} ± {statistics.pstdev(values):.3f}")
        lines.append(f"| {LABELS[method]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@torch.inference_mode()
def draw(
    model: artnet.ArtNet, contents: Sequence[Path], styles: Sequence[Path], methods: Sequence[str], size: int
) -> list[tuple[Tensor, str, str]]:
    """Cells of a contact sheet: in each row content, style and all methods, for pairs spread over the folders."""
    cells = []
    for index in range(min(SHEET_PAIRS, max(len(contents), len(styles)))):
        paths = contents[index % len(contents)], styles[index * 3 % len(styles)]
        content, style = (read_picture(path, size).rgb for path in paths)
        pair = model.encode(content), model.encode(style)
        cells += [(content, paths[0].stem, ""), (style, paths[1].stem, "")]
        cells += [(model.decode(ALL_METHODS[method](*pair)), LABELS[method], "") for method in methods]
    return cells


def main(
    arguments: Sequence[str] | None = None,
    methods: Sequence[str] = tuple(METHODS),
    name: str = "methods",
    description: str | None = __doc__,
) -> int:
    """Runs, prints the table, and writes it as .json and the paintings as .jpg.

    Args:
        arguments: of the command line.
        methods: what is compared where ``--methods`` does not say.
        name: of the experiment and its files.
        description: of it.
    """
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{name}", description=description)
    parser.add_argument("--content", type=Path, default=ROOT / "examples" / "content", help="folder of pictures")
    parser.add_argument("--style", type=Path, default=ROOT / "examples" / "style", help="folder of pictures")
    parser.add_argument("--methods", nargs="+", choices=ALL_METHODS, default=list(methods), metavar="METHOD")
    parser.add_argument("--size", type=int, default=256, help="longer side of all pictures (default: %(default)s)")
    parser.add_argument(
        "--judge", metavar="NAME", help="efficientnet_lite0, or a file, the state dict of torchvision's squeezenet1_1"
    )
    parser.add_argument("--edges", choices=("sobel", "hed"), default="sobel", help="edge detector (default: sobel)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args(arguments)
    network, judge_name = choose_judge(options.judge)
    edges = sobel_edges if options.edges == "sobel" else load_judge().to(options.device).edge_map
    model = artnet.load(device=options.device)
    contents, styles = pictures_in(options.content), pictures_in(options.style)
    results = run(model, contents, styles, options.methods, options.size, network.to(options.device), edges)
    settings = {
        **environment(model.device),
        "model": model.fingerprint,
        "pairs": len(contents) * len(styles),
        "size": options.size,
        "judge": judge_name,
        "edges": options.edges,
    }
    write_report(options.out / f"{name}.json", settings, results=results)
    cells = draw(model, contents, styles, options.methods, options.size)
    sheet(cells, len(options.methods) + 2).save(options.out / f"{name}.jpg", quality=88)
    print(", ".join(f"{key}: {value}" for key, value in settings.items()))
    print()
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
