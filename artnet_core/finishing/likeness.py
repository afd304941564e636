"""How like a style a painting is, and how like a photograph, by their features.

Style is Gram matrices and the sliced Wasserstein distance (Heitz et al. 2021). Both are statistics of a whole picture.
Where it is looked at tile by tile, those of the step before stand for the rest of it: gradients are then the same as
if all of it had been looked at, but for what one step changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..features import rectangle
from ..network.encoder import BLOCK_STRIDES
from ..network.ops import avg_pool
from ..transfer.swap import copied_positions
from .tiles import Tile

SHARE_STRIDE = max(BLOCK_STRIDES.values())
"""Pixels per value of a goal's share."""

_DIRECTIONS = 32
_SAMPLES = 1024

# Of a block with more positions Gram matrices take every fourth, other ones each time.
_DENSEST = 2**13

# Of a tile of a style, which are only looked at once.
_STYLE_SAMPLES = 2**16

_SMALLEST_DEVIATION = 1e-3
_SMALLEST_VARIANCE = 1e-12

Maps = Mapping[str, Tensor]
"""Features ``[C, h, w]`` by block."""


@dataclass(frozen=True)
class Target:
    """What one block's features are to be like.

    Attributes:
        gram: ``[C, C]``, of the style.
        directions: ``[D, C]``, unit vectors.
        quantiles: ``[D, S]``, the style's features along the directions, sorted and evenly sampled.
        variance: mean of the style's variances along the directions.
    """

    gram: Tensor
    directions: Tensor
    quantiles: Tensor
    variance: Tensor


@dataclass(frozen=True)
class Positions:
    """What was found in one block of a part of a painting.

    Attributes:
        moment: ``[C, C]``, sum of the products of features.
        mass: how many positions that were.
        along: ``[D, N]``, features of some positions along the target's directions.
    """

    moment: Tensor
    mass: Tensor
    along: Tensor

    @property
    def detached(self) -> Positions:
        """Without gradients."""
        return Positions(self.moment.detach(), self.mass, self.along.detach())

    @staticmethod
    def joined(parts: Sequence[Positions]) -> Positions:
        """Of all tiles; ``along`` is sorted, and has the same number of values for any number of tiles."""
        masses = [float(part.mass) for part in parts]
        rate = min(part.along.shape[1] / mass for part, mass in zip(parts, masses, strict=True))
        along = [_spread(part.along, max(1, round(mass * rate))) for part, mass in zip(parts, masses, strict=True)]
        return Positions(
            torch.stack([part.moment for part in parts]).sum(0),
            torch.stack([part.mass for part in parts]).sum(),
            _spread(torch.cat(along, 1).sort(1).values, _SAMPLES),
        )


@dataclass(frozen=True)
class Moments:
    """Of the channels of a block: number of positions, sum, and sum of squares, ``[C]``."""

    count: int
    total: Tensor
    squares: Tensor

    @staticmethod
    def of(features: Tensor) -> Moments:
        """Of ``[C, h, w]``."""
        values = features.flatten(1)
        return Moments(values.shape[1], values.sum(1), values.square().sum(1))

    @staticmethod
    def joined(parts: Sequence[Moments]) -> Moments:
        """Of all tiles."""
        return Moments(
            sum(part.count for part in parts),
            torch.stack([part.total for part in parts]).sum(0),
            torch.stack([part.squares for part in parts]).sum(0),
        )

    @property
    def mean(self) -> Tensor:
        return self.total / self.count

    @property
    def deviation(self) -> Tensor:
        """A little more than it is, so that channels that hardly vary hardly count."""
        deviation = (self.squares / self.count - self.mean.square()).clamp(min=_SMALLEST_VARIANCE).sqrt()
        return deviation + _SMALLEST_DEVIATION * (1 + deviation.mean())

    def structure(self, features: Tensor) -> Tensor:
        """``[C, h, w]`` around each channel's mean, in units of its deviation: no colour, no contrast of its own."""
        return (features - self.mean[:, None, None]) / self.deviation[:, None, None]


@dataclass(frozen=True)
class Agreement:
    """How a block of a painting goes with the photograph: moments, and sum of products with its structure, ``[C]``."""

    moments: Moments
    products: Tensor

    @staticmethod
    def of(features: Tensor, structure: Tensor) -> Agreement:
        """Of ``[C, h, w]`` and :meth:`Moments.structure` of the photograph."""
        return Agreement(Moments.of(features), (features * structure).flatten(1).sum(1))

    @property
    def detached(self) -> Agreement:
        """Without gradients."""
        moments = self.moments
        return Agreement(
            Moments(moments.count, moments.total.detach(), moments.squares.detach()), self.products.detach()
        )

    @staticmethod
    def joined(parts: Sequence[Agreement]) -> Agreement:
        """Of all tiles."""
        return Agreement(
            Moments.joined([part.moments for part in parts]), torch.stack([part.products for part in parts]).sum(0)
        )

    @property
    def distance(self) -> Tensor:
        """Mean square of the difference of structures, ``[C]``: 2 less twice the correlation."""
        moments, deviation = self.moments, self.moments.deviation
        variance = moments.squares / moments.count - moments.mean.square()
        # Structure has a mean of 0 and, but for channels that hardly vary, a mean square of 1.
        return variance / deviation.square() - 2 * self.products / moments.count / deviation + 1


@dataclass(frozen=True)
class Found:
    """What was found in a part of a painting: of styles by goal and block, of structure by block."""

    positions: Mapping[tuple[int, str], Positions]
    agreements: Mapping[str, Agreement]

    @property
    def detached(self) -> Found:
        """Without gradients."""
        positions = {key: of_block.detached for key, of_block in self.positions.items()}
        return Found(positions, {name: of_block.detached for name, of_block in self.agreements.items()})

    @staticmethod
    def joined(parts: Sequence[Found]) -> Found:
        """In all tiles."""
        keys = {key: None for part in parts for key in part.positions}
        return Found(
            {key: Positions.joined([part.positions[key] for part in parts if key in part.positions]) for key in keys},
            {name: Agreement.joined([part.agreements[name] for part in parts]) for name in parts[0].agreements},
        )


@dataclass(frozen=True)
class Aim:
    """What a part of a painting is to be like, seen at one size.

    Attributes:
        targets: by block.
        share: ``[h, w]`` at a stride of 16, 0..1: where that part is; None is everywhere.
        area: its share of all that is painted.
    """

    targets: Mapping[str, Target]
    share: Tensor | None
    area: float


def find(maps: Maps, structure: Maps, aims: Sequence[Aim], tile: Tile, generator: torch.Generator) -> Found:
    """What there is in a tile of a painting.

    Args:
        maps: its features.
        structure: of the photograph in that tile, see :meth:`Moments.structure`, of some blocks.
        aims: styles of the whole painting.
        tile: where in the painting that is.
        generator: of the positions that are looked at, on the CPU.
    """
    positions = {}
    for number, aim in enumerate(aims):
        share = None if aim.share is None else tile.positions(aim.share, SHARE_STRIDE)
        if share is None or (share > 0).any():
            for name, target in aim.targets.items():
                positions[number, name] = _positions(maps[name], target, share, generator)
    return Found(positions, {name: Agreement.of(maps[name], wanted) for name, wanted in structure.items()})


def style_loss(found: Found, before: Found | None, aims: Sequence[Aim]) -> Tensor:
    """How far a tile of a painting is from styles.

    Args:
        found: in the tile.
        before: what was found in the whole painting in the step before; None where the tile is the whole painting.
        aims: the styles.

    Returns:
        A scalar, 0 for the style itself where it has few enough positions to be looked at as a whole. Of a tile only
        its gradient counts, which is the tile's part of that of the whole painting.
    """
    total = torch.zeros((), dtype=torch.float32, device=next(iter(found.agreements.values())).products.device)
    for (number, name), of_block in found.positions.items():
        known = None if before is None else before.positions[number, name]
        total = total + aims[number].area * _distance(of_block, known, aims[number].targets[name])
    return total


def structure_loss(found: Found, before: Found | None) -> Tensor:
    """How far the structure of a tile is from the photograph's; arguments and result as in :func:`style_loss`."""
    losses = []
    for name, own in found.agreements.items():
        agreement = own
        if before is not None:
            known, still = before.agreements[name], own.detached
            agreement = Agreement(
                Moments(
                    known.moments.count,
                    known.moments.total + own.moments.total - still.moments.total,
                    known.moments.squares + own.moments.squares - still.moments.squares,
                ),
                known.products + own.products - still.products,
            )
        losses.append(agreement.distance.mean())
    return torch.stack(losses).sum()


def targets(
    parts: Iterable[tuple[Tile, Maps]], generator: torch.Generator, weight: Tensor | None = None
) -> dict[str, Target]:
    """What a style asks for.

    Args:
        parts: tiles of the style, with their features.
        generator: of directions and of the positions that are looked at, on the CPU.
        weight: ``[1, 1, H, W]``, how much each pixel counts; all by default.
    """
    found: dict[str, list[Positions]] = {}
    directions: dict[str, Tensor] = {}
    for tile, maps in parts:
        for name, features in maps.items():
            values = features.flatten(1)
            if name not in directions:
                drawn = torch.randn(_DIRECTIONS, len(values), generator=generator, dtype=torch.float32)
                directions[name] = F.normalize(drawn, dim=1).to(values.device)
            if weight is not None:
                stride = BLOCK_STRIDES[name]
                wanted = tile.positions(copied_positions(avg_pool(weight, stride)[0, 0]), stride)
                values = features[:, : wanted.shape[0], : wanted.shape[1]][:, wanted]
            if values.shape[1]:
                mass = torch.tensor(float(values.shape[1]), dtype=torch.float32, device=values.device)
                along = directions[name] @ _drawn(values, _STYLE_SAMPLES, generator)
                found.setdefault(name, []).append(Positions(values @ values.T, mass, along))
    return {name: _target(Positions.joined(of_block), directions[name]) for name, of_block in found.items()}


def _target(found: Positions, directions: Tensor) -> Target:
    variance = found.along.var(1, correction=0).mean().clamp(min=_SMALLEST_DEVIATION)
    return Target(found.moment / found.mass, directions, found.along, variance)


def _drawn(values: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """So many columns of ``[C, N]``, or all where there are no more."""
    if values.shape[1] <= count:
        return values
    chosen = torch.randint(values.shape[1], (count,), generator=generator)
    return values[:, chosen.to(values.device)]


def _positions(features: Tensor, target: Target, share: Tensor | None, generator: torch.Generator) -> Positions:
    weights: Tensor | None = None
    if share is not None:
        # Only the rectangle that a part covers is looked at.
        rows, columns = rectangle(share)
        times = round(features.shape[-1] / share.shape[-1])
        features = features[:, rows[0] * times : rows[1] * times, columns[0] * times : columns[1] * times]
        share = share[slice(*rows), slice(*columns)]
        weights = share.repeat_interleave(times, 0).repeat_interleave(times, 1).flatten()
    if weights is None:
        mass = torch.tensor(float(features[0].numel()), dtype=torch.float32, device=features.device)
        if features[0].numel() > _DENSEST:
            row, column = torch.randint(2, (2,), generator=generator).tolist()
            features = features[:, row::2, column::2]
        values = features.flatten(1)  # [C, h * w]
        moment = values @ values.T * (mass / values.shape[1])
        values = _drawn(values, _SAMPLES, generator)
    else:
        values = features.flatten(1)
        moment, mass = (values * weights) @ values.T, weights.sum()
        count = min(_SAMPLES, int((weights > 0).sum()))
        chosen = torch.multinomial(weights.cpu(), count, replacement=True, generator=generator)
        values = values[:, chosen.to(values.device)]
    return Positions(moment, mass, target.directions @ values)


def _distance(found: Positions, before: Positions | None, target: Target) -> Tensor:
    """Relative distance of Gram matrices, and sliced Wasserstein-2 distance."""
    along = found.along.detach()
    if before is None:
        gram, known, counts = found.moment / found.mass, along.sort(1).values, torch.ones_like(found.mass)
    else:
        gram = (before.moment + found.moment - found.moment.detach()) / before.mass
        known, counts = before.along, found.mass / before.mass
    of_gram: Tensor = (gram - target.gram).norm() / target.gram.norm().clamp(min=_SMALLEST_DEVIATION)
    # Where each value stands among all, and which one the style has there.
    places = (torch.searchsorted(known, along).float() + 0.5) * (target.quantiles.shape[1] / known.shape[1])
    wanted = target.quantiles.gather(1, places.long().clamp(max=target.quantiles.shape[1] - 1))
    of_values: Tensor = (found.along - wanted).square().mean() / target.variance
    return of_gram + counts * of_values


def _spread(values: Tensor, count: int) -> Tensor:
    """``[D, N]``, read at ``count`` evenly spread places: ``[D, count]``."""
    size = values.shape[1]
    places = (torch.arange(count, dtype=torch.float32, device=values.device) + 0.5) * (size / count)
    return values[:, places.long().clamp(max=size - 1)]
