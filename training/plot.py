"""Curves, drawn by matplotlib in the colours of :mod:`artnet_core.figures`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PIL import Image

from artnet_core.figures import BACKGROUND, BLUE, FAINT, INK, ORANGE, PALE

# After the colours that all figures share those that many lines need besides.
_LINES = (BLUE, ORANGE, (74, 140, 84), (150, 60, 120), (120, 110, 40), (60, 150, 160), (110, 80, 60), (220, 150, 170))
_STYLES = ("-", "--", ":")
_INCHES, _DOTS_PER_INCH = (10.4, 5.6), 100

Line = Sequence[tuple[float, float]]


class PlotsMissingError(ModuleNotFoundError):
    """Matplotlib, which draws the curves, is not installed."""


def check_matplotlib() -> None:
    """Makes sure that curves can be drawn, before the work whose curve is to be drawn.

    Raises:
        PlotsMissingError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise PlotsMissingError('Curves need matplotlib: pip install "artnet-style-transfer[plots]".') from error


def line_plot(
    lines: Mapping[str, Line], title: str, x_label: str, y_label: str, *, log_y: bool = False, marks: bool = False
) -> Image.Image:
    """Draws lines over common axes, with a legend beside them.

    Args:
        lines: points (x, y) by name; points that are not finite, or not positive under ``log_y``, are left out.
        title: over the plot.
        x_label: under the plot.
        y_label: beside the vertical axis.
        log_y: logarithmic vertical axis.
        marks: a dot on every point.

    Returns:
        An RGB picture of 1040 x 560.

    Raises:
        PlotsMissingError: matplotlib is not installed.

    Example:
        >>> line_plot({"loss": [(0, 1.0), (10, 0.5)]}, "A run", "step", "loss").size
        (1040, 560)
    """
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    # Figures of one's own, without pyplot: no window system is looked for and nothing global is changed.
    figure = Figure(_INCHES, _DOTS_PER_INCH, facecolor=_unit(BACKGROUND), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_facecolor(_unit(BACKGROUND))
    axes.set_title(title, color=_unit(INK), loc="left")
    axes.set_xlabel(x_label, color=_unit(INK))
    axes.set_ylabel(y_label, color=_unit(INK))
    for index, (name, line) in enumerate(lines.items()):
        points = [(x, y) for x, y in line if math.isfinite(y) and (y > 0 or not log_y)]
        color, style = _LINES[index % len(_LINES)], _STYLES[index // len(_LINES) % len(_STYLES)]
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            color=_unit(color),
            linestyle=style,
            marker="o" if marks else None,
            label=name,
        )
    if log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", color=_unit(PALE))
    axes.tick_params(colors=_unit(FAINT))
    axes.spines[:].set_color(_unit(FAINT))
    if lines:
        figure.legend(loc="outside right upper", frameon=False, labelcolor=_unit(INK))
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    return Image.frombuffer("RGBA", canvas.get_width_height(), pixels, "raw", "RGBA", 0, 1).convert("RGB")


def _unit(color: tuple[int, int, int]) -> tuple[float, float, float]:
    """A colour in 0..1, as matplotlib wants it."""
    red, green, blue = color
    return red / 255, green / 255, blue / 255
