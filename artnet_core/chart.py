"""A chart of the channels that zero-channel pruning kept, ReLU by ReLU."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from .pruning import PruningReport

_BACKGROUND, _INK, _FAINT = (250, 249, 246), (40, 40, 46), (150, 150, 156)
_KEPT, _CUT = (38, 84, 124), (221, 214, 200)

_LABEL_WIDTH, _BAR_WIDTH, _NUMBER_WIDTH, _MARGIN = 190, 640, 110, 24
_ROW, _HEADER = 20, 64


def channel_chart(report: PruningReport) -> Image.Image:
    """Draws one bar per ReLU: its width before pruning, and in dark what is left.

    Returns:
        An RGB picture, about 990 pixels wide and 1,000 high.
    """
    width = 2 * _MARGIN + _LABEL_WIDTH + _BAR_WIDTH + _NUMBER_WIDTH
    height = 2 * _MARGIN + _HEADER + _ROW * len(report.layers)
    image = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    title, text = ImageFont.load_default(22), ImageFont.load_default(14)

    kept, total = sum(x.kept for x in report.layers), sum(x.total for x in report.layers)
    before, after = report.encoder_parameters
    draw.text((_MARGIN, _MARGIN), f"{kept:,} of {total:,} channels kept", _INK, title)
    summary = f"encoder {before:,} to {after:,} parameters ({after / before:.0%})"
    draw.text((_MARGIN, _MARGIN + 30), summary, _FAINT, text)

    left = _MARGIN + _LABEL_WIDTH
    scale = _BAR_WIDTH / max(x.total for x in report.layers)
    for index, layer in enumerate(report.layers):
        top = _MARGIN + _HEADER + _ROW * index
        draw.text((_MARGIN, top), layer.name, _INK, text)
        draw.rectangle((left, top + 3, left + layer.total * scale, top + _ROW - 4), _CUT)
        draw.rectangle((left, top + 3, left + layer.kept * scale, top + _ROW - 4), _KEPT)
        draw.text((left + layer.total * scale + 10, top), f"{layer.kept} / {layer.total}", _FAINT, text)
    return image
