"""Drawings: charts of channels, ReLU by ReLU, and contact sheets of pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from .images import Picture, to_image
from .pruning.channels import UnitChannels
from .pruning.zero_channels import PruningReport

BACKGROUND, INK, FAINT = (250, 249, 246), (40, 40, 46), (150, 150, 156)
BLUE, ORANGE, PALE = (38, 84, 124), (224, 159, 62), (221, 214, 200)
"""The colours of all figures, RGB in 0..255; curves take further ones beside them."""

_LIVE, _UNSTEADY, _ZERO = BLUE, ORANGE, PALE

_LABEL_WIDTH, _BAR_WIDTH, _NUMBER_WIDTH, _MARGIN = 190, 640, 110, 24
_ROW, _HEADER = 20, 64

_SHEET_MARGIN, _CAPTION, _COLUMNS = 16, 44, 3

Bar = tuple[str, Sequence[int], str]
"""A label, the channels of each colour (live, unsteady, zero), and the number behind the bar."""


def channel_chart(report: PruningReport) -> Image.Image:
    """Draws one bar per ReLU: its width before pruning, and in dark what is left.

    Returns:
        An RGB picture, about 990 pixels wide and 1,000 high.
    """
    total, kept = report.channels
    before, after = report.encoder_parameters
    return _bars(
        f"{kept:,} of {total:,} channels kept",
        f"encoder {before:,} to {after:,} parameters ({after / before:.0%})",
        [(x.name, (x.kept, 0, x.total - x.kept), f"{x.kept} / {x.total}") for x in report.layers],
    )


def zero_chart(units: Mapping[str, UnitChannels]) -> Image.Image:
    """Draws one bar per ReLU: dark what every picture drives, orange what only some do, pale what none does.

    Returns:
        An RGB picture, about 990 pixels wide and 1,000 high.
    """
    zero, unsteady = (sum(getattr(x, name) for x in units.values()) for name in ("always_zero", "sometimes_zero"))
    total, pictures = sum(x.channels for x in units.values()), max(len(x.maxima) for x in units.values())
    bars: list[Bar] = []
    for name, x in units.items():
        live = x.channels - x.sometimes_zero - x.always_zero
        bars.append((name, (live, x.sometimes_zero, x.always_zero), f"{x.always_zero} / {x.channels}"))
    return _bars(
        f"{zero:,} of {total:,} channels are zero on all of {pictures} pictures",
        f"pale: zero on all; orange: zero on some ({unsteady:,}); dark: never zero",
        bars,
    )


def _bars(headline: str, summary: str, bars: Sequence[Bar]) -> Image.Image:
    width = 2 * _MARGIN + _LABEL_WIDTH + _BAR_WIDTH + _NUMBER_WIDTH
    height = 2 * _MARGIN + _HEADER + _ROW * len(bars)
    image = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(image)
    title, text = ImageFont.load_default(22), ImageFont.load_default(14)
    draw.text((_MARGIN, _MARGIN), headline, INK, title)
    draw.text((_MARGIN, _MARGIN + 30), summary, FAINT, text)

    start = _MARGIN + _LABEL_WIDTH
    scale = _BAR_WIDTH / max(sum(parts) for _, parts, _ in bars)
    for index, (name, parts, number) in enumerate(bars):
        top = _MARGIN + _HEADER + _ROW * index
        draw.text((_MARGIN, top), name, INK, text)
        # From the whole bar inwards, so that a colour without channels leaves no line.
        for end, color in zip((3, 2, 1), (_ZERO, _UNSTEADY, _LIVE), strict=True):
            if parts[end - 1]:
                draw.rectangle((start, top + 3, start + sum(parts[:end]) * scale, top + _ROW - 4), color)
        draw.text((start + sum(parts) * scale + 10, top), number, FAINT, text)
    return image


def sheet(cells: Sequence[tuple[Tensor, str, str]], columns: int = _COLUMNS) -> Image.Image:
    """Pictures in rows, each over a title and a line of small print.

    Args:
        cells: ``([1, 3, H, W], title, small print)``; every picture is fitted into a cell of the first one's size.
        columns: pictures in a row.

    Returns:
        An RGB picture.
    """
    title, small = ImageFont.load_default(16), ImageFont.load_default(12)
    height, width = cells[0][0].shape[-2:]
    # Room for the longest line, which a narrow picture would else cut off.
    column = max(width, *(math.ceil(small.getlength(line)) for _, _, line in cells))
    rows = math.ceil(len(cells) / columns)
    step_x, step_y = column + _SHEET_MARGIN, height + _CAPTION + _SHEET_MARGIN
    image = Image.new("RGB", (columns * step_x + _SHEET_MARGIN, rows * step_y + _SHEET_MARGIN), BACKGROUND)
    draw = ImageDraw.Draw(image)
    for index, (picture, name, line) in enumerate(cells):
        left, top = _SHEET_MARGIN + index % columns * step_x, _SHEET_MARGIN + index // columns * step_y
        pasted = to_image(Picture(picture))
        scale = min(width / pasted.width, height / pasted.height)
        fitted = (max(1, round(pasted.width * scale)), max(1, round(pasted.height * scale)))
        if fitted != pasted.size:
            pasted = pasted.resize(fitted, Image.Resampling.LANCZOS)
        image.paste(pasted, (left, top + height - pasted.height))
        draw.text((left, top + height + 4), name, INK, title)
        draw.text((left, top + height + 25), line, FAINT, small)
    return image


def grid(
    rows: Sequence[Sequence[Image.Image | None]], labels: Sequence[str] = (), side: int = 300, gap: int = 8
) -> Image.Image:
    """Pictures in rows, each cropped to a square around its middle; None leaves a gap.

    Args:
        rows: of pictures.
        labels: over the columns.
        side: of the squares in pixels.
        gap: pixels between them.

    Returns:
        An RGB picture.
    """
    header, step = 30 if labels else 0, side + gap
    columns = max(len(row) for row in rows)
    image = Image.new("RGB", (columns * step - gap, len(rows) * step - gap + header), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(18)
    for column, label in enumerate(labels):
        draw.text((column * step + 4, 4), label, INK, font)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            if picture is not None:
                square = ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)
                image.paste(square, (x * step, y * step + header))
    return image
