"""Line plots drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

_BACKGROUND, _INK, _FAINT, _GRID = (250, 249, 246), (40, 40, 46), (150, 150, 156), (228, 226, 220)
_COLORS = (
    (38, 84, 124),
    (204, 102, 51),
    (74, 140, 84),
    (150, 60, 120),
    (120, 110, 40),
    (60, 150, 160),
    (110, 80, 60),
    (220, 150, 170),
    (140, 140, 150),
    (230, 190, 60),
)

_WIDTH, _HEIGHT = 1040, 560
_LEFT, _TOP, _RIGHT, _BOTTOM = 90, 60, 290, 60
_MOST_TICKS = 7

Line = Sequence[tuple[float, float]]


def line_plot(
    lines: Mapping[str, Line], title: str, x_label: str, y_label: str, *, log_y: bool = False, marks: bool = False
) -> Image.Image:
    """Draws lines over common axes, with a legend.

    Args:
        lines: points (x, y) by name; points that are not finite, or not positive under ``log_y``, are left out.
        title: over the plot.
        x_label: under the plot.
        y_label: above the vertical axis.
        log_y: logarithmic vertical axis.
        marks: a dot on every point.

    Returns:
        An RGB picture of 1040 x 560.
    """

    def level(y: float) -> float:
        return math.log10(y) if log_y else y

    shown = {
        name: [(x, level(y)) for x, y in line if math.isfinite(y) and (y > 0 or not log_y)]
        for name, line in lines.items()
    }
    points = [point for line in shown.values() for point in line] or [(0.0, 0.0)]
    left, right = _range([x for x, _ in points])
    low, high = _range([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)
        down = (high - y) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return _LEFT + across, _TOP + down

    image = Image.new("RGB", (_WIDTH, _HEIGHT), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    heading, text = ImageFont.load_default(20), ImageFont.load_default(13)
    draw.text((_LEFT, 14), title, _INK, heading)
    draw.text((_LEFT, _TOP - 18), y_label, _FAINT, text)
    draw.text(((_WIDTH - _RIGHT + _LEFT) / 2, _HEIGHT - 28), x_label, _FAINT, text, anchor="ma")
    draw.line([place(left, low), place(right, low)], _FAINT)
    for x in ticks(left, right):
        draw.text((place(x, low)[0], _HEIGHT - _BOTTOM + 6), f"{x:,.10g}", _FAINT, text, anchor="ma")
    for value in log_ticks(10**low, 10**high) if log_y else ticks(low, high):
        y = level(value)
        draw.line([place(left, y), place(right, y)], _GRID)
        draw.text((_LEFT - 8, place(left, y)[1]), f"{value:,.10g}", _FAINT, text, anchor="rm")
    for index, (name, line) in enumerate(shown.items()):
        color = _COLORS[index % len(_COLORS)]
        places = [place(x, y) for x, y in line]
        if len(places) > 1:
            draw.line(places, color, 2, joint="curve")
        for x, y in places if marks else ():
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), color)
        top = _TOP + 22 * index
        draw.line([(_WIDTH - _RIGHT + 16, top + 8), (_WIDTH - _RIGHT + 40, top + 8)], color, 3)
        draw.text((_WIDTH - _RIGHT + 48, top), name, _INK, text)
    return image


def ticks(low: float, high: float) -> list[float]:
    """Round numbers, evenly spaced, from low to high: at most seven, and at least two."""
    raw = (high - low) / (_MOST_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high for a logarithmic axis: 1, 2 and 5 times powers of ten, where there are three."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    round_ones = [round(factor * 10.0**power, 12) for power in powers for factor in (1, 2, 5)]
    found = [value for value in round_ones if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
    return found if len(found) > 2 else ticks(low, high)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The smallest and the largest value, set apart where they are equal."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
