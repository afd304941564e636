"""Tones of a style: each band of a painting is given the histogram that the band has in the style.

The decoder softens what it draws, and S2 knows means and deviations only, so a painting has other contrasts and other
colours than its style. Heeger and Bergen 1995 ("Pyramid-Based Texture Analysis/Synthesis") match histograms band by
band. Here bands are those of a Laplacian pyramid of luma and chroma, and no value grows or shrinks by more than a few
times. What lies below all bands would pool in large areas of light: it takes mean and covariance alone, by the optimal
transport between Gaussians (Lu et al. 2019, "A Closed-form Solution to Universal Style Transfer").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..features import rectangle
from ..resizing import double, halve
from .lines import LUMA, luma
from .mix import style_shares
from .swap import copied_positions

_BANDS = 5
"""Of 2, 4, 8, 16 and 32 pixels; the finest is of luma alone, since nobody sees colours so fine."""

# Of a part of a painting the finest bands are moved in no more than the rectangle that holds it, which begins and ends
# with a position of the band below them. So many of those positions around it are looked at when a band is enlarged.
_FINE_BANDS = 2
_STEP = 2**_FINE_BANDS
_REACH = 3

# Shares of the values that lie below each point of a histogram: closest at both ends, where edges are.
_POINTS = 33
_OUTERMOST = 0.0005

# At most so many values of a band are looked at.
_MOST_VALUES = 2**12

# In so many steps, from the lowest point of a histogram to the highest, it is looked up where a value lies.
_STEPS = 4096

# How many times larger or smaller a value may become.
_GAINS = (0.3, 3.0)
_SMALLEST = 1e-5

# The same for what lies below all bands, and the variance below which a direction of it counts as one of no colour.
_GAIN_OF_REST = 5.0
_SMALLEST_VARIANCE = 1e-5

# With so many steps the root of a matrix is found whose largest value is ten million times its smallest.
_ROOT_STEPS = 24


@dataclass(frozen=True, eq=False)
class Histograms:
    """What is known of a picture's tones.

    Attributes:
        bands: of each band, the finest first, ``[3, Q]``: values of luma and of both chromas at given shares; of the
            finest ``[1, Q]``, of luma.
        deviations: of each band, ``[3, 1]`` or ``[1, 1]``.
        mean: of what lies below all bands, ``[3, 1]``.
        covariance: likewise, ``[3, 3]``.
    """

    bands: tuple[Tensor, ...]
    deviations: tuple[Tensor, ...]
    mean: Tensor
    covariance: Tensor


@dataclass(frozen=True, eq=False)
class Tones:
    """Histograms that a part of a painting is to have.

    Attributes:
        histograms: of the style.
        amount: 0 leaves the painting as it is, 1 matches it; a number, or a map ``[1, 1, H, W]`` of its size.
        weight: ``[1, 1, H, W]``, 0..1, how much each pixel of the painting counts; all alike by default.
    """

    histograms: Histograms
    amount: float | Tensor = 1.0
    weight: Tensor | None = None


def histograms(picture: Tensor, weight: Tensor | None = None) -> Histograms:
    """The histograms of a picture.

    Args:
        picture: ``[1, 3, H, W]``, RGB, 0..1.
        weight: ``[1, 1, H, W]``, 0..1, some of it above 0: what counts is what weighs at least half of the most.
    """
    bands, rest = _split(picture.float())
    return _histograms(bands, rest, weight)


def in_colors_of(texture: Histograms, color: Histograms) -> Histograms:
    """A texture's histograms of luma with the contrast of a colour style, and that one's in everything else.

    It is what S2 does: strokes of one picture, means and deviations of the other.
    """
    bands = []
    for of_texture, of_color, was, wanted in zip(
        texture.bands, color.bands, texture.deviations, color.deviations, strict=True
    ):
        of_luma = of_texture[:1] * (wanted[:1] / was[:1].clamp(min=_SMALLEST))
        bands.append(torch.cat([of_luma, of_color[1:]]))
    return replace(color, bands=tuple(bands))


def mix_histograms(styles: Sequence[Histograms], weights: Sequence[float]) -> Histograms:
    """Weighted means of histograms, point by point.

    Args:
        styles: on one device.
        weights: one per style, see :func:`~artnet_core.transfer.mix.style_shares`.
    """
    shares = style_shares(weights, len(styles))

    def mean(values: Iterable[Tensor]) -> Tensor:
        return torch.stack([value * share for value, share in zip(values, shares, strict=True)]).sum(0)

    return Histograms(
        tuple(mean(of_band) for of_band in zip(*(style.bands for style in styles), strict=True)),
        tuple(mean(of_band) for of_band in zip(*(style.deviations for style in styles), strict=True)),
        mean(style.mean for style in styles),
        mean(style.covariance for style in styles),
    )


def match_histograms(painting: Tensor, parts: Iterable[Tones]) -> Tensor:
    """Gives a painting, or parts of it, the histograms of their styles.

    Args:
        painting: ``[1, 3, H, W]``, float32, RGB, 0..1.
        parts: where they overlap their changes add up, so amounts should add up to 1 at the most.

    Returns:
        ``[1, 3, H, W]``, clamped to 0..1.

    Example:
        >>> from artnet_core.transfer.histograms import Tones, histograms, match_histograms
        >>> painting, style = torch.rand(1, 3, 64, 80), 0.4 + 0.4 * torch.rand(1, 3, 48, 48)
        >>> matched = match_histograms(painting, [Tones(histograms(style))])
        >>> (matched.mean() - style.mean()).abs().item() < 0.03
        True
    """
    if min(painting.shape[-2:]) < 2**_BANDS:
        return painting
    bands, rest = _split(painting)
    matched = painting.clone()
    for part in parts:
        if part.weight is not None and not (part.weight > 0).any():
            continue  # nothing of the painting counts
        rows, columns, amount = _covered(part.amount, _STEP, _REACH)
        change = _change(bands, rest, part.histograms, part.weight, rows, columns)
        matched[..., rows, columns] += change.mul_(amount)
    return matched.clamp_(0, 1)


def match_colors(picture: Tensor, parts: Iterable[Tones]) -> Tensor:
    """Gives a picture, or parts of it, mean and covariance of their styles' colours, and nothing else of them.

    Args:
        picture: ``[1, 3, H, W]``, float32, RGB, 0..1.
        parts: as for :func:`match_histograms`.

    Returns:
        ``[1, 3, H, W]``, clamped to 0..1.

    Example:
        >>> from artnet_core.transfer.histograms import Tones, histograms, match_colors
        >>> picture, style = torch.rand(1, 3, 64, 80), 0.4 + 0.4 * torch.rand(1, 3, 48, 48)
        >>> (match_colors(picture, [Tones(histograms(style))]).mean() - style.mean()).abs().item() < 0.03
        True
    """
    if min(picture.shape[-2:]) < 2**_BANDS:
        return picture
    values, rest = _to_axes(picture), _to_axes(_reduced(picture)[-1])
    change = torch.zeros_like(picture)
    for part in parts:
        if part.weight is not None and not (part.weight > 0).any():
            continue
        own = _histograms([], rest, part.weight)
        matrix = _transport(own.covariance, part.histograms.covariance)
        rows, columns, amount = _covered(part.amount)
        inside = values[..., rows, columns]
        moved = matrix @ (inside[0].flatten(1) - own.mean) + part.histograms.mean
        change[..., rows, columns] += _from_axes(moved.view_as(inside) - inside).mul_(amount)
    return change.add_(picture).clamp_(0, 1)


def _covered(amount: float | Tensor, step: int = 1, reach: int = 0) -> tuple[slice, slice, float | Tensor]:
    """Rows and columns where an amount is above 0, as :func:`_around` has them, and the amount there."""
    if not isinstance(amount, Tensor):
        return slice(None), slice(None), amount
    rows, columns = _around(amount, step, reach)
    return rows, columns, amount[..., rows, columns]


def _around(amount: Tensor, step: int, reach: int) -> tuple[slice, slice]:
    """Rows and columns of what a map ``[1, 1, H, W]`` covers, in whole steps, and so many steps around it."""
    rows, columns = (
        slice(max(first // step - reach, 0) * step, (-(-end // step) + reach) * step)
        for first, end in rectangle(amount)
    )
    return rows, columns


def _change(
    bands: list[Tensor], rest: Tensor, goal: Histograms, weight: Tensor | None, rows: slice, columns: slice
) -> Tensor:
    """What is to be added to some rows and columns of a painting ``[1, 3, H, W]`` for it to have these histograms."""
    own = _histograms(bands, rest, None) if weight is None else _histograms(*_counting(bands, rest, weight))
    moved = _transport(own.covariance, goal.covariance) @ (rest[0].flatten(1) - own.mean) + goal.mean
    change = moved.view_as(rest) - rest
    for index in reversed(range(_BANDS)):
        band = bands[index]
        if index < _FINE_BANDS:
            band = _cut(band, rows, columns, 2**index)
        if index == _FINE_BANDS - 1:
            change = _cut(change, rows, columns, _STEP)
        if index == 0:
            change = _from_axes(change)
        change = double(change, (band.shape[-2], band.shape[-1])).sub_(band)
        for axis, (found, wanted) in enumerate(zip(own.bands[index], goal.bands[index], strict=True)):
            change[0, axis if index else slice(None)] += _move(band[0, axis], found, wanted)
    return change


def _counting(bands: list[Tensor], rest: Tensor, weight: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
    """Of bands, of what is left and of the weight the rectangle that counts."""
    rows, columns = _around(weight, 2**_BANDS, 0)
    *cut, of_rest = (_cut(values, rows, columns, 2**index) for index, values in enumerate((*bands, rest)))
    return cut, of_rest, weight[..., rows, columns]


def _cut(values: Tensor, rows: slice, columns: slice, step: int) -> Tensor:
    """Rows and columns of a picture in a map with one for every ``step`` of them."""
    of_rows, of_columns = (
        lines if lines.stop is None else slice(lines.start // step, -(-lines.stop // step)) for lines in (rows, columns)
    )
    return values[..., of_rows, of_columns]


def _reduced(values: Tensor) -> list[Tensor]:
    """A map at the size of every band, and of what is left."""
    sizes = [values.float()]
    for _ in range(_BANDS):
        sizes.append(halve(sizes[-1]))
    return sizes


def _split(picture: Tensor) -> tuple[list[Tensor], Tensor]:
    """The bands of ``[1, 3, H, W]``, each of half the size of the one before, and what is left, by axes."""
    smaller = _to_axes(halve(picture))
    bands = [luma(picture) - double(smaller[:, :1], (picture.shape[-2], picture.shape[-1]))]
    for _ in range(_BANDS - 1):
        images, smaller = smaller, halve(smaller)
        bands.append(images - double(smaller, (images.shape[-2], images.shape[-1])))
    return bands, smaller


def _histograms(bands: Sequence[Tensor], rest: Tensor, weight: Tensor | None) -> Histograms:
    values = [of_band[0].flatten(1) for of_band in (*bands, rest)]
    counted: list[Tensor | None] = [None] * len(values)  # which values count, where not all do
    if weight is not None:
        sizes = _reduced(weight)[-len(values) :]
        counted = [copied_positions(of_size[0, 0]).flatten() for of_size in sizes]
    angles = torch.linspace(-torch.pi / 2, torch.pi / 2, _POINTS, dtype=torch.float32, device=rest.device)
    shares = 0.5 + (0.5 - _OUTERMOST) * angles.sin()
    points, deviations = [], []
    for of_band, counts in zip(values[:-1], counted[:-1], strict=True):
        ordered = _sample(of_band, counts).sort(1).values
        points.append(ordered[:, (shares * (ordered.shape[1] - 1)).round().long()])
        deviations.append(ordered.std(1, keepdim=True, correction=0))
    of_rest = values[-1] if counted[-1] is None else values[-1][:, counted[-1]]
    mean = of_rest.mean(1, keepdim=True)
    centered = of_rest - mean
    return Histograms(tuple(points), tuple(deviations), mean, centered @ centered.T / centered.shape[1])


def _sample(values: Tensor, counted: Tensor | None) -> Tensor:
    """Some of ``[C, n]``, evenly spread; of those that count where bool ``[n]`` says which."""
    count = values.shape[1] if counted is None else int(counted.sum())
    step = -(-count // _MOST_VALUES) | 1  # odd, to see all columns
    if counted is None:
        return values[:, ::step]
    places = counted[::step].nonzero()[:, 0] * step
    return values[:, places if len(places) else counted.nonzero()[::step, 0]]


def _move(values: Tensor, found: Tensor, wanted: Tensor) -> Tensor:
    """Values ``[h, w]`` whose histogram is ``found`` to ``wanted``: both ``[Q]``, joined by straight lines."""
    nearer, farther = (found * gain for gain in _GAINS)
    wanted = wanted.clamp(torch.minimum(nearer, farther), torch.maximum(nearer, farther))
    slopes = wanted.diff() / found.diff().clamp(min=_SMALLEST)
    ends = (wanted / torch.where(found == 0, 1, found)).clamp(*_GAINS)
    slopes = torch.cat([ends[:1], slopes, ends[-1:]])
    starts = torch.cat([found[:1], found])
    offsets = torch.cat([wanted[:1], wanted]) - slopes * starts
    # A search among the points for every value would take most of the time: it is done for evenly spaced ones, and
    # the others lie between two of them.
    width = ((found[-1] - found[0]) / (_STEPS - 3)).clamp(min=_SMALLEST)
    first = found[0] - width
    spaced = first + width * torch.arange(_STEPS, dtype=torch.float32, device=found.device)
    line = torch.bucketize(spaced, found)
    moved = spaced * slopes[line] + offsets[line]
    place = (values.flatten() - first) / width
    before = place.nan_to_num().clamp_(0, _STEPS - 2).int()  # no number would be no place
    rise = moved.diff().index_select(0, before)
    return rise.mul_(place.sub_(before)).add_(moved.index_select(0, before)).view_as(values)


def _transport(source: Tensor, target: Tensor) -> Tensor:
    """The symmetric matrix that gives values of one covariance ``[3, 3]`` the other, moving them least.

    Where the one lacks what the other has, a share of the other stands in: so no direction grows or shrinks by more
    than ``_GAIN_OF_REST``.
    """
    least = _SMALLEST_VARIANCE * torch.eye(3, dtype=torch.float32, device=source.device)
    root, inverse = _roots(source + target / _GAIN_OF_REST**2 + least)
    middle, _ = _roots(root @ (target + source / _GAIN_OF_REST**2 + least) @ root)
    return inverse @ middle @ inverse


def _roots(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The root of a symmetric matrix ``[3, 3]`` without values of 0, and that root's inverse.

    By the coupled iteration of Newton and Schulz (Higham 2008, "Functions of Matrices"). It takes products alone, so
    nothing waits for a GPU, which an eigendecomposition does.
    """
    size = matrix.trace()
    once = torch.eye(3, dtype=torch.float32, device=matrix.device)
    root, inverse = matrix / size, once
    for _ in range(_ROOT_STEPS):
        step = 1.5 * once - 0.5 * (inverse @ root)
        root, inverse = root @ step, step @ inverse
    return root * size.sqrt(), inverse / size.sqrt()


def _to_axes(images: Tensor) -> Tensor:
    """Luma and two chromas: of red and blue, and of green."""
    red, green, blue = torch.split(images, 1, 1)
    return torch.cat([luma(images), (red - blue) / 2, green / 2 - (red + blue) / 4], 1)


def _from_axes(images: Tensor) -> Tensor:
    light, warm, green = torch.split(images, 1, 1)
    middle = light - (LUMA[0] - LUMA[2]) * warm - 2 * LUMA[1] * green
    return torch.cat([middle + warm, middle + 2 * green, middle - warm], 1)
