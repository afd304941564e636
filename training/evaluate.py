"""Scores models, and results of other methods, on pictures held out from training."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from artnet_core.figures import grid
from artnet_core.images import Picture, PictureError, read_picture, to_image, write_picture
from artnet_core.model import ArtNet
from artnet_core.pruning.zero_channels import parameters
from artnet_core.scores import FeatureNetwork, color_distance, edge_ssim, style_distance
from artnet_core.transfer.sandwich import DEFAULT_DETAIL

from .data import Pictures
from .plot import line_plot

DETAILS = tuple(sorted({0.0, 0.2, 0.4, 0.6, 0.8, 1.0, DEFAULT_DETAIL}))

EDGE_MARK, STYLE_MARK = 0.40, 0.54
"""Where curves are compared: style distance at this edge SSIM, and the other way round."""

_SIDE, _ROWS = 192, 10


@dataclass(frozen=True)
class Pairs:
    """Held-out photographs, each with a piece of art: both float ``[N, 3, size, size]``, RGB, 0..1."""

    content: Tensor
    style: Tensor


@dataclass(frozen=True)
class Scores:
    """Means over all pairs; see :mod:`artnet_core.scores`. ``detail`` is None for a method without the dial."""

    detail: float | None
    edge_ssim: float
    style_distance: float
    color_distance: float


@dataclass(frozen=True)
class Evaluation:
    """What is known of one model or method.

    Attributes:
        psnr: of reconstructed photographs in dB, mean of the pictures' own; None for a foreign method.
        encoder_parameters: None for a foreign method.
        decoder_parameters: None for a foreign method.
        curve: scores over ``detail``; one entry for a foreign method.
        style_at_edge: style distance where edge SSIM is :data:`EDGE_MARK`, None where the curve does not reach it.
        edge_at_style: edge SSIM where style distance is :data:`STYLE_MARK`, likewise.
    """

    psnr: float | None
    encoder_parameters: int | None
    decoder_parameters: int | None
    curve: tuple[Scores, ...]
    style_at_edge: float | None
    edge_at_style: float | None


def pairs_of(pictures: Pictures, count: int) -> Pairs:
    """The first pairs of the held-out pictures, spread evenly over each kind; fewer where there are not enough."""
    count = min(count, len(pictures.photo), len(pictures.art))

    def spread(images: Tensor) -> Tensor:
        index = torch.arange(count) * len(images) // count
        return images[index.to(images.device)].float() / 255

    return Pairs(spread(pictures.photo), spread(pictures.art))


def psnr(model: ArtNet, images: Tensor) -> float:
    """Peak signal-to-noise ratio of decoded features in dB, mean over the pictures."""
    ratios = []
    for image in images:
        error = (model.decode(model.encode(image[None])) - image).square().mean().item()
        ratios.append(-10 * math.log10(max(error, 1e-10)))
    return sum(ratios) / len(ratios)


def score(pairs: Pairs, results: Sequence[Tensor], judge: FeatureNetwork, detail: float | None) -> Scores:
    """Scores results ``[1, 3, size, size]``, one per pair."""
    rows = []
    for index, result in enumerate(results):
        content, style = pairs.content[index : index + 1], pairs.style[index : index + 1]
        rows.append(
            (
                edge_ssim(content, result).item(),
                style_distance(style, result, judge).item(),
                color_distance(style, result).item(),
            )
        )
    edges, styles, colors = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    return Scores(detail, edges, styles, colors)


def evaluate_model(
    model: ArtNet, pairs: Pairs, judge: FeatureNetwork, details: Sequence[float] = DETAILS
) -> tuple[Evaluation, dict[float, list[Tensor]]]:
    """Scores a model over the dial.

    Returns:
        The scores, and per value of the dial the results, uint8 ``[3, size, size]`` each.
    """
    curve = []
    pictures: dict[float, list[Tensor]] = {}
    for detail in details:
        results = [
            model.stylize(content[None], style[None], detail=detail, stroke_size=0)
            for content, style in zip(pairs.content, pairs.style, strict=True)
        ]
        curve.append(score(pairs, results, judge, detail))
        pictures[detail] = [result[0].mul(255).round().byte().cpu() for result in results]
    evaluation = Evaluation(
        psnr(model, pairs.content),
        parameters(model.encoder),
        parameters(model.decoder),
        tuple(curve),
        crossing([(x.edge_ssim, x.style_distance) for x in curve], EDGE_MARK),
        crossing([(x.style_distance, x.edge_ssim) for x in curve], STYLE_MARK),
    )
    return evaluation, pictures


def evaluate_results(folder: Path, pairs: Pairs, judge: FeatureNetwork) -> tuple[Evaluation, list[Tensor]]:
    """Scores another method by its results: ``00.png``, ``01.png``, ... for the pairs in their order.

    Raises:
        FileNotFoundError: a result is missing.
        PictureError: a result cannot be read or differs in size from the pairs.
    """
    results = []
    for index in range(len(pairs.content)):
        path = folder / f"{index:02}.png"
        result = read_picture(path).rgb.to(pairs.content.device)
        if result.shape[2:] != pairs.content.shape[2:]:
            raise PictureError(f"{path} is not {pairs.content.shape[3]} pixels wide and high.")
        results.append(result)
    scores = score(pairs, results, judge, None)
    pictures = [result[0].mul(255).round().byte().cpu() for result in results]
    return Evaluation(None, None, None, (scores,), None, None), pictures


def crossing(line: Sequence[tuple[float, float]], x: float) -> float | None:
    """The y of a line of points (x, y) at an x, between its points; None outside of them."""
    for (x0, y0), (x1, y1) in pairwise(line):
        if min(x0, x1) <= x <= max(x0, x1):
            return y0 if x0 == x1 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return None


def write_pairs(pairs: Pairs, folder: Path) -> None:
    """Writes the pairs as ``content/00.png``, ``style/00.png`` and so on, for other methods to work on."""
    for index in range(len(pairs.content)):
        for name, images in (("content", pairs.content), ("style", pairs.style)):
            write_picture(folder / name / f"{index:02}.png", Picture(images[index : index + 1].cpu()))


def contact_sheet(columns: Mapping[str, Sequence[Image.Image]]) -> Image.Image:
    """Columns of square pictures under their names, at most 10 rows."""
    return grid(list(zip(*columns.values(), strict=False))[:_ROWS], list(columns), _SIDE, 0)


@torch.no_grad()
def evaluate(
    models: Mapping[str, Callable[[], ArtNet]],
    results: Mapping[str, Path],
    pairs: Pairs,
    judge: FeatureNetwork,
    judge_name: str,
    digest: str,
    out: Path,
) -> dict[str, Evaluation]:
    """Scores models and other methods on the same pairs and writes everything to a folder.

    Writes ``scores.json``, ``curve.png`` (edge SSIM and style distance over the dial) and ``sheet.jpg``.

    Args:
        models: loaders by name, called one after the other, so that one model at a time takes memory.
        results: folders of other methods' results by name.
        pairs: on the models' device.
        judge: of texture.
        judge_name: what it is, for the report.
        digest: of the data the pairs come from.
        out: the folder; made where missing.

    Returns:
        The scores by name.
    """
    evaluations: dict[str, Evaluation] = {}
    columns = {"content": _images(pairs.content), "style": _images(pairs.style)}
    for name, loader in models.items():
        evaluations[name], pictures = evaluate_model(loader(), pairs, judge)
        for detail in (0.0, DEFAULT_DETAIL, 1.0):
            columns[f"{name} detail {detail:g}"] = [_image(picture) for picture in pictures[detail]]
    for name, folder in results.items():
        evaluations[name], of_method = evaluate_results(folder, pairs, judge)
        columns[name] = [_image(picture) for picture in of_method]

    out.mkdir(parents=True, exist_ok=True)
    report = {
        "pairs": len(pairs.content),
        "size": pairs.content.shape[3],
        "judge": judge_name,
        "data": digest,
        "models": {name: asdict(evaluation) for name, evaluation in evaluations.items()},
    }
    (out / "scores.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    lines = {name: [(x.edge_ssim, x.style_distance) for x in e.curve] for name, e in evaluations.items()}
    title = f"{len(pairs.content)} held-out pairs, {judge_name}"
    plot = line_plot(lines, title, "edge SSIM (higher keeps more)", "style distance (lower is closer)", marks=True)
    plot.save(out / "curve.png")
    contact_sheet(columns).save(out / "sheet.jpg", quality=92)
    return evaluations


def report_of(evaluations: Mapping[str, Evaluation]) -> str:
    """The scores as a table for the terminal."""
    lines = [f"{'model':<28}{'detail':>8}{'edge SSIM':>11}{'style':>8}{'color':>8}"]
    for name, evaluation in evaluations.items():
        for x in evaluation.curve:
            dial = "-" if x.detail is None else f"{x.detail:g}"
            lines.append(f"{name:<28}{dial:>8}{x.edge_ssim:>11.3f}{x.style_distance:>8.3f}{x.color_distance:>8.3f}")
        if evaluation.psnr is not None:
            lines.append(
                f"{name:<28}reconstruction {evaluation.psnr:.2f} dB, encoder {evaluation.encoder_parameters:,} and "
                f"decoder {evaluation.decoder_parameters:,} parameters"
            )
            at_edge, at_style = _or_none(evaluation.style_at_edge), _or_none(evaluation.edge_at_style)
            lines.append(
                f"{'':<28}style distance at edge SSIM {EDGE_MARK}: {at_edge}; "
                f"edge SSIM at style distance {STYLE_MARK}: {at_style}"
            )
    return "\n".join(lines)


def _or_none(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.3f}"


def _images(batch: Tensor) -> list[Image.Image]:
    return [to_image(Picture(image[None])) for image in batch]


def _image(picture: Tensor) -> Image.Image:
    return Image.fromarray(picture.permute(1, 2, 0).numpy())
