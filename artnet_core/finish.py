"""The finish: a painting is improved by optimisation, under the very encoder that it was painted with.

Gatys et al. 2016 paint by optimisation alone; the paper's pre-analysis does so with this network. Here optimisation
starts from a painting, so that a few steps are enough: strokes become crisp, follow forms, and the photograph's lines
come back. Style is Gram matrices and the sliced Wasserstein distance of features at two scales; structure is features
in units of each channel's deviation, so that it has no colour and no contrast of its own.

A large picture is first improved at a size that fits memory, then at ever larger ones in tiles.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .finishing.canvas import Canvas
from .finishing.likeness import SHARE_STRIDE, Aim, Found, Maps, Moments, find, structure_loss, style_loss, targets
from .finishing.tiles import Tile, tiles, whole
from .network.encoder import TRUNK, Encoder
from .network.ops import avg_pool
from .progress import Progress, ignore
from .resizing import enlarge, resize
from .transfer.gaussian import fit_gaussian, transport

# Pixels of the longer side that are looked at as a whole at the most, and those of a tile's sides.
_WHOLE_SIDE = 1536
_TILE_SIDE = 1024

# Of all steps, those on half of the largest size that is looked at as a whole: they come first and cost a fourth.
_COARSE_SHARE = 0.4

# As many more, in units of all steps, at each size beyond it: strokes are there by then, and become crisp.
_TILED_SHARE = 0.25

# In a whole picture style and structure are looked at in its size and half of it.
_SCALES = (1, 2)

# Of logits; they fall to 0 over the steps of a level. Faster ones leave grain.
_LUMA_RATE, _CHROMA_RATE = 0.05, 0.015
_BETAS = (0.9, 0.99)

# A level ends when a step changes less than this, in logits, in the mean of what may change. Of values in 0..1 that is
# a quarter of 1/255 at most.
_SMALLEST_CHANGE = 1 / 255

# What structure and calm count beside style.
_STRUCTURE_WEIGHT, _CALM_WEIGHT = 0.75, 2.0
_STRUCTURE_LAYERS = ("conv3", "inception3b")

# Fewer pixels of a longer side are not looked at.
_SMALLEST_SEEN = 16

# What is reserved for each value of a layer and each pixel of a painting: see finish_memory.
_BYTES_OF_A_VALUE, _BYTES_OF_A_PIXEL = 40, 64

_SECONDS_BETWEEN_PICTURES = 1.0


@dataclass(frozen=True, eq=False)
class Goal:
    """A style that a painting, or a part of it, is brought nearer to.

    Attributes:
        look: gives ``[1, 3, H', W']``, 0..1, that is to be resembled, and how much of each pixel is wanted,
            ``[1, 1, H', W']``, some of it above 0, or None for all of it. Asked for again at each size.
        share: takes a longer side, and gives where the style is wanted in the painting of that size, ``[1, 1, H, W]``,
            0..1; everywhere by default.
    """

    look: Callable[[], tuple[Tensor, Tensor | None]]
    share: Callable[[int], Tensor] | None = None


def finish(
    encoder: Encoder,
    painting: Tensor,
    photograph: Tensor,
    texture: Tensor,
    color: Tensor | None = None,
    steps: int = 30,
    dtype: torch.dtype = torch.float32,
    progress: Progress = ignore,
    texture_weight: Tensor | None = None,
    *,
    shown: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Improves a painting in one style by so many steps of Adam; see :func:`finish_parts`.

    Args:
        encoder: what the painting was made with; it stays as it is.
        painting: ``[1, 3, H, W]``, RGB, 0..1; its device is worked on.
        photograph: likewise, of the same size: whose structure is kept.
        texture: ``[1, 3, H', W']``, whose strokes are wanted.
        color: ``[1, 3, H'', W'']``, whose colours are wanted; the texture's by default.
        steps: 0 returns the painting itself.
        dtype: that convolutions work in: float32, or bfloat16 where it is faster.
        progress: is told which share is done, 0..1, many times in each step; what it raises ends the work.
        texture_weight: ``[1, 1, H', W']``, 0..1, some of it above 0: which of the texture is wanted; all by default.
        shown: is given the picture as it is by then, see :func:`finish_parts`.

    Returns:
        ``[1, 3, H, W]``, float32, 0..1.

    Raises:
        ValueError: ``steps`` is negative, or the sizes of painting and photograph differ.
    """
    wanted = texture if color is None else recolor(texture.float(), color.float().to(texture.device))
    goal = Goal(lambda: (wanted, texture_weight))
    return finish_parts(encoder, painting, photograph, [goal], steps, dtype, progress, shown=shown)


def finish_parts(
    encoder: Encoder,
    painting: Tensor,
    photograph: Tensor,
    goals: Sequence[Goal],
    steps: int = 30,
    dtype: torch.dtype = torch.float32,
    progress: Progress = ignore,
    *,
    shown: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Improves a painting by so many steps of Adam, each part of it in its own style.

    The first two fifths of the steps see a picture of half the size, which settles larger forms at a fourth of the
    cost. Of a picture of more than 1,536 pixels these are halves of it that have fewer. A fourth as many steps more
    follow at each larger size, in tiles, which take as much memory whatever the size. A level ends earlier when
    nothing changes any more that could be seen.

    Args:
        encoder: what the painting was made with; it stays as it is.
        painting: ``[1, 3, H, W]``, RGB, 0..1; its device is worked on.
        photograph: likewise, of the same size: whose structure is kept.
        goals: styles. Where none of them has a share nothing changes.
        steps: 0 returns the painting itself.
        dtype: that convolutions work in: float32, or bfloat16 where it is faster.
        progress: is told which share is done, 0..1, many times in each step; what it raises ends the work.
        shown: is given the picture as it is by then, ``[1, 3, h, w]``, 0..1, at most once a second, for a preview; h
            and w are those that are worked on.

    Returns:
        ``[1, 3, H, W]``, float32, 0..1, the same for the same arguments.

    Raises:
        ValueError: ``steps`` is negative, or the sizes of painting and photograph differ.
    """
    if steps < 0:
        raise ValueError(f"finish must not be negative, got {steps}.")
    if painting.shape != photograph.shape:
        raise ValueError(
            f"Painting and photograph must have one size, got {list(painting.shape[-2:])} and "
            f"{list(photograph.shape[-2:])}."
        )
    if steps == 0 or not goals:
        return painting
    with torch.inference_mode(False), torch.enable_grad():
        device = painting.device
        work = _Work(encoder, device, dtype, goals, progress, shown)
        result, photograph = (x.to(device, torch.float32).clone() for x in (painting, photograph))
        full = max(painting.shape[-2:])
        reach = work.reach(full)
        if reach is not None and not reach.any():
            return painting
        levels = list(_levels(full, steps))
        pixels = [level.steps * resize(photograph[:, :1], level.side).numel() for level in levels]
        work.total = sum(pixels)
        for level, of_level in zip(levels, pixels, strict=True):
            done = work.done
            seen = resize(photograph, level.side)
            changed = work.improve(resize(result, level.side), seen, level.side / full, level.steps)
            # What a smaller picture cannot show of the painting stays as it is.
            changed = enlarge(changed, (result.shape[-2], result.shape[-1]))
            result = (result + (changed if reach is None else changed * reach)).clamp_(0, 1)
            work.step_on(done + of_level - work.done)
        return result


def finish_memory(encoder: Encoder, height: int, width: int) -> int:
    """Bytes that the finish of one painting takes at most, weights and pictures themselves not counted.

    A bound, not a count: by the values of all layers, which are kept for the way back, with a share that was measured
    on CPUs for the shipped models. A picture that is larger than what is looked at as a whole takes little more.
    """
    values = sum(channels / TRUNK[name].stride ** 2 for name, channels in encoder.widths.items())  # for each pixel
    shrunk = min(1.0, _WHOLE_SIDE / max(height, width)) ** 2
    pixels = max(height, 64) * max(width, 64)
    return int(2**26 + pixels * (shrunk * _BYTES_OF_A_VALUE * values + _BYTES_OF_A_PIXEL))


def recolor(picture: Tensor, color: Tensor) -> Tensor:
    """A picture with the mean and covariance of another's colours: ``[1, 3, H, W]``, clamped to 0..1."""
    pixels = picture[0].flatten(1)
    recolored = transport(pixels, fit_gaussian(pixels), fit_gaussian(color[0].flatten(1)))
    return recolored.view_as(picture).clamp(0, 1)


class _Level(NamedTuple):
    """Longer side of a painting that is improved, and steps."""

    side: int
    steps: int


def _levels(full: int, steps: int) -> Iterator[_Level]:
    halvings = 0
    while full / 2**halvings > _WHOLE_SIDE:
        halvings += 1
    largest = round(full / 2**halvings)
    coarse = round(steps * _COARSE_SHARE)
    if coarse:
        yield _Level(max(largest // 2, 1), coarse)
    yield _Level(largest, steps - coarse)
    for level in range(halvings - 1, -1, -1):
        yield _Level(round(full / 2**level), max(1, round(steps * _TILED_SHARE)))


class _Work:
    """What is the same for all levels.

    Attributes:
        done: pixels that steps have gone over.
        total: likewise, in the end.
    """

    def __init__(
        self,
        encoder: Encoder,
        device: torch.device,
        dtype: torch.dtype,
        goals: Sequence[Goal],
        progress: Progress,
        shown: Callable[[Tensor], None] | None,
    ) -> None:
        self._trunk = _copy(encoder, device, dtype, lambda: self.step_on(0))
        self._device = device
        self._dtype = dtype
        self._goals = goals
        self._progress = progress
        self._shown = shown
        self._last_shown = time.monotonic()
        self.done, self.total = 0, 1

    def step_on(self, pixels: int) -> None:
        """Tells how far the work is."""
        self.done += pixels
        self._progress(self.done / self.total)

    def improve(self, painting: Tensor, photograph: Tensor, scale: float, steps: int) -> Tensor:
        """What so many steps change of a painting ``[1, 3, H, W]``; styles are seen as much smaller as that is."""
        in_tiles = max(painting.shape[-2:]) > _WHOLE_SIDE
        all_pixels = painting[0, 0].numel()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            views = [self._view(photograph, times, scale, generator) for times in ((1,) if in_tiles else _SCALES)]
        reach = self.reach(max(painting.shape[-2:]))
        smallest_change = _SMALLEST_CHANGE * (1.0 if reach is None else float(reach.mean()))
        canvas, calm = Canvas(painting, reach), _calm(photograph)
        before = self._all_found(canvas, views[0], _cuts(painting, 0), generator) if in_tiles else None
        groups = [{"params": [canvas.luma], "lr": _LUMA_RATE}, {"params": [canvas.chroma], "lr": _CHROMA_RATE}]
        optimizer = torch.optim.Adam(groups, betas=_BETAS)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / steps, max(steps - 1, 1))
        for step in range(steps):
            optimizer.zero_grad()
            parts = []
            for tile in _cuts(painting, step):
                images, change = canvas.part(tile)
                counts = tile.pixels / all_pixels
                loss = _CALM_WEIGHT * counts * _roughness(tile.counted(change), tile.counted(tile.of(calm)))
                for view in views:
                    seen = _smaller(images, view.times)
                    where = whole(seen) if view.times > 1 else tile
                    maps = where.features(self._trunk, seen, self._dtype)
                    found = find(maps, view.structure(where), view.aims, where, generator)
                    loss = loss + style_loss(found, before, view.aims)
                    loss = loss + _STRUCTURE_WEIGHT * structure_loss(found, before)
                    parts.append(found.detached)
                torch.autograd.backward(loss)
                self.step_on(tile.pixels)
            if in_tiles:
                before = Found.joined(parts)
            luma = canvas.luma.detach().clone()
            optimizer.step()
            schedule.step()
            self._show(lambda: (painting + canvas.changed()).clamp_(0, 1))
            if (canvas.luma.detach() - luma).abs().mean() < smallest_change:
                break
        return canvas.changed()

    def reach(self, side: int) -> Tensor | None:
        """Where any style is wanted in the painting of a longer side: ``[1, 1, H, W]``, or None for everywhere."""
        reach: Tensor | None = None
        for goal in self._goals:
            if goal.share is None:
                return None
            share = goal.share(side).to(self._device) > 0
            reach = share if reach is None else reach | share
        return None if reach is None else reach.float()

    def _view(self, photograph: Tensor, times: int, scale: float, generator: torch.Generator) -> _View:
        """What a painting is compared with where it is seen so many times smaller."""
        side = max(photograph.shape[-2:])
        seen = _smaller(photograph, times)
        aims = [self._aim(goal, side, times, scale, generator) for goal in self._goals]

        def of_tile(tile: Tile) -> Maps:
            with torch.no_grad():
                maps = tile.features(self._trunk, tile.of(seen), self._dtype)
            return {name: maps[name] for name in _STRUCTURE_LAYERS}

        cuts = list(_cuts(seen, 0))
        parts = []
        for tile in cuts:
            parts.append({name: Moments.of(features) for name, features in of_tile(tile).items()})
            self.step_on(0)
        moments = {name: Moments.joined([part[name] for part in parts]) for name in _STRUCTURE_LAYERS}

        def structure(tile: Tile) -> Maps:
            return {name: moments[name].structure(features) for name, features in of_tile(tile).items()}

        known = structure(cuts[0]) if len(cuts) == 1 else None
        return _View(times, [aim for aim in aims if aim is not None], lambda tile: known or structure(tile))

    def _aim(self, goal: Goal, side: int, times: int, scale: float, generator: torch.Generator) -> Aim | None:
        """A goal as it is seen so many times smaller; None where it is nowhere."""
        share: Tensor | None = None
        area = 1.0
        if goal.share is not None:
            shares = goal.share(side if times == 1 else max(side // times, _SMALLEST_SEEN))
            share = avg_pool(shares.to(self._device, torch.float32), SHARE_STRIDE)[0, 0]
            area = float(share.mean())
            if area == 0:
                return None
        texture, weight = goal.look()
        texture = texture.to(self._device, torch.float32)
        native = max(texture.shape[-2:])
        seen = min(max(round(native * scale), 32), native, max(side, 256)) // times
        texture = resize(texture, max(seen, _SMALLEST_SEEN)).clone()
        if weight is not None:
            weight = resize(weight.to(texture), max(seen, _SMALLEST_SEEN))
        parts = ((tile, tile.features(self._trunk, tile.of(texture), self._dtype)) for tile in _cuts(texture, 0))
        return Aim(targets(parts, generator, weight), share, area)

    @torch.no_grad()
    def _all_found(self, canvas: Canvas, view: _View, cuts: Iterable[Tile], generator: torch.Generator) -> Found:
        """What there is in the whole of a painting before the first step."""
        parts = []
        for tile in cuts:
            maps = tile.features(self._trunk, canvas.part(tile)[0], self._dtype)
            parts.append(find(maps, view.structure(tile), view.aims, tile, generator))
            self.step_on(0)
        return Found.joined(parts)

    def _show(self, picture: Callable[[], Tensor]) -> None:
        if self._shown is not None and time.monotonic() - self._last_shown >= _SECONDS_BETWEEN_PICTURES:
            self._shown(picture())
            self._last_shown = time.monotonic()


@dataclass(frozen=True, eq=False)
class _View:
    """What a painting is compared with where it is seen so many times smaller.

    Attributes:
        times: how many.
        aims: the styles.
        structure: of the photograph in a tile, by block.
    """

    times: int
    aims: Sequence[Aim]
    structure: Callable[[Tile], Maps]


def _smaller(images: Tensor, times: int) -> Tensor:
    return images if times == 1 else resize(images, max(max(images.shape[-2:]) // times, _SMALLEST_SEEN))


def _cuts(images: Tensor, step: int) -> Iterator[Tile]:
    """The tiles of ``[1, C, H, W]`` in a step: one, where it fits memory."""
    height, width = images.shape[-2:]
    side = max(height, width)
    return tiles(height, width, side if side <= _WHOLE_SIDE else _TILE_SIDE, step if side > _WHOLE_SIDE else 0)


def _calm(photograph: Tensor) -> Tensor:
    """Where a photograph is flat, 1, and where it has edges or texture, towards 0: ``[1, 1, H, W]``."""
    luma = photograph.mean(1, keepdim=True)
    deviation = (F.avg_pool2d(luma.square(), 9, 1, 4) - F.avg_pool2d(luma, 9, 1, 4).square()).clamp(min=0).sqrt()
    return torch.exp(-deviation / 0.02)


def _roughness(change: Tensor, calm: Tensor) -> Tensor:
    """Total variation of what the finish changes, where the photograph is calm: there it would draw wrinkles."""
    down = change.diff(dim=2).abs().mean(1, keepdim=True) * calm[..., 1:, :]
    right = change.diff(dim=3).abs().mean(1, keepdim=True) * calm[..., 1:]
    return down.mean() + right.mean()


def _copy(encoder: Encoder, device: torch.device, dtype: torch.dtype, at_layer: Callable[[], None]) -> Encoder:
    """An encoder of torch's own layers, through which gradients can be taken even where a host's cannot.

    ``at_layer`` is called whenever a layer has worked, forwards or backwards: a step of a large picture takes seconds,
    and whoever cancels does not wait for its end.
    """
    # On the meta device no weights are drawn, so the random numbers of others stay as they are.
    trunk = Encoder(encoder.widths, mean=encoder.mean, std=encoder.std, device="meta")
    state: dict[str, Tensor] = {name: value.detach().float().clone() for name, value in encoder.state_dict().items()}
    trunk.load_state_dict(state, assign=True)
    trunk.requires_grad_(False).to(device, dtype)

    def passed(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
        at_layer()
        if output.requires_grad:
            output.register_hook(lambda _gradient: at_layer())  # type: ignore[no-untyped-call]

    for layer in trunk.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(passed)
    return trunk.to(memory_format=torch.channels_last)
