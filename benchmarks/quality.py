"""Our settings and other people's methods on sharp pictures that nobody was trained on.

``python -m benchmarks.quality --heldout FOLDER --out FOLDER`` reads ``photo_*`` and ``art_*`` from a folder, draws pairs
of them, the same ones each time, and scores every painter on all pairs: edges kept and texture met as
:mod:`benchmarks.judge` sees them, and colours. The photograph itself and the style itself are the ends of the scale.
Scores are kept in the output folder pair by pair, so a run that was stopped goes on where it was.

Our settings are given by name, with the arguments of ``model.stylize``:

    --settings default: faithful:detail=0.6 fast:model=artnet_fast,detail=0.1
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm

import artnet_core as artnet
from artnet_core.figures import sheet
from artnet_core.images import pictures_in, upright
from artnet_core.scores import color_distance

from .judge import CACHE, SCALES, Judge, View, edges_kept, load_judge, save, style_distances
from .report import environment

Paint = Callable[[Tensor, Tensor], Tensor]
"""Photograph and style, both ``[1, 3, size, size]``, RGB, 0..1, to a painting of that size."""

SHEET_PAIRS = 6

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
    """

    pairs: int
    edges: float
    style: float
    styles: tuple[float, ...]
    color: float
    seconds: float

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
    pictures = pictures_in(folder)
    photos, styles = ([path for path in pictures if path.name.startswith(kind)] for kind in ("photo_", "art_"))
    if not photos or not styles:
        raise ValueError(f"{folder} must hold pictures named photo_* and art_*, as in photo_01.jpg and art_01.jpg.")
    if count > len(photos) * len(styles):
        raise ValueError(f"{folder} gives {len(photos) * len(styles)} pairs, got --pairs {count}.")
    generator = torch.Generator().manual_seed(seed)

    def shuffled(paths: list[Path]) -> list[Path]:
        return [paths[index] for index in torch.randperm(len(paths), generator=generator).tolist()]

    drawn: dict[tuple[Path, Path], None] = {}
    while len(drawn) < count:
        drawn |= dict.fromkeys(zip(shuffled(photos), shuffled(styles), strict=False))
    return [Pair(*paths, size) for paths in list(drawn)[:count]]


@lru_cache(maxsize=16)
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


def view_of(path: Path, size: int, cache: Path = CACHE) -> View:
    """What the judge sees in a photograph or style; it is kept in files, since every painter is compared with it."""
    kept = cache / "views" / f"{path.parent.name}_{path.stem}_{size}_{path.stat().st_size}.safetensors"
    if kept.is_file():
        tensors = load_file(kept)
        blocks = (len(tensors) - 1) // len(SCALES)
        textures = (tuple(tensors[f"texture.{scale}.{block}"] for block in range(blocks)) for scale in SCALES)
        return View(tensors["edges"], tuple(textures))
    view = the_judge()(square(path, size))
    tensors = {"edges": view.edges}
    for scale, of_scale in zip(SCALES, view.textures, strict=True):
        tensors |= {f"texture.{scale}.{block}": gram for block, gram in enumerate(of_scale)}
    save(tensors, kept)
    return view


def score(paint: Paint, pair: Pair) -> PairScore:
    """Paints a pair and judges the painting."""
    photo, style = pair.photo, pair.style
    with torch.inference_mode():
        start = time.perf_counter()
        painting = paint(photo, style).float().cpu()
        seconds = time.perf_counter() - start
        if painting.shape != photo.shape:  # some networks can only make sizes that suit them
            painting = torch.nn.functional.interpolate(painting, photo.shape[-2:], mode="bilinear", antialias=True)
    seen = the_judge()(painting)
    return PairScore(
        photo=pair.photo_path.stem,
        style=pair.style_path.stem,
        edges=edges_kept(view_of(pair.photo_path, pair.size), seen),
        styles=style_distances(view_of(pair.style_path, pair.size), seen),
        color=color_distance(style[..., ::2, ::2], painting[..., ::2, ::2]).item(),  # a quarter of the pixels will do
        seconds=seconds,
    )


def evaluate(paint: Paint, pairs: Iterable[Pair]) -> Scores:
    """Scores a painter on pairs.

    Example::

        pairs = draw_pairs(Path("heldout"), 40, 384)
        print(evaluate(lambda photo, style: model.stylize(photo, style, detail=0.3), pairs))
    """
    return Scores.of([score(paint, pair) for pair in tqdm(pairs, unit="pair", file=sys.stderr)])
