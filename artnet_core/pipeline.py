"""The way of a picture: encode, transfer, decode; and the one loop over frames for library, nodes, command line, film.

Whoever paints brings batches as :class:`Pictures`, which are read one frame at a time, and takes the frames of
:func:`paint` as they come. So neither side ever holds more of a film than it wants to.

Large strokes are painted first, on a small picture, and finer ones over them, as painters do and as image analogies
are made (Hertzmann et al. 2001, "coarse to fine"). Each level sees the painting of the level before with the
photograph's own detail of its size put back (Burt and Adelson 1983, the Laplacian pyramid), in the style reduced alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from .features import Features, nothing_seen, picture_count, position_means
from .finish import finish
from .images import check_images, fill_hidden
from .network.encoder import Encoder
from .resizing import enlarge, resize
from .runtime import Tiles, multiplies_bfloat16
from .transfer.lines import keep_lines
from .transfer.mask import check_mask, mask_count, mask_images, resize_mask
from .transfer.regions import Part, transfer_regions
from .transfer.sandwich import DEFAULT_DETAIL, sandwich_swap
from .transfer.swap import check_patch_size, copied_positions
from .video.steadiness import TemporalState, extend

# Pixels of the longer side of the smallest level at a stroke size of 1. At 0.5 it has four times as many: the same in a
# picture of 512 pixels and in one of 4096.
_BROADEST = 128

# A style is not reduced below this, or it would have too few patches to choose from.
_SMALLEST_STYLE = 256

# Where regions have more styles than this none is kept: a hundred of them would fill the memory.
_MOST_STYLES_KEPT = 8

Progress = Callable[[float], None]
"""Is told which share of a frame is done, 0..1; what it raises ends the painting."""


def _ignore(_share: float) -> None:
    """No progress is wanted."""


class Coder(Protocol):
    """What the pipeline needs of a model: an :class:`~artnet_core.model.ArtNet`."""

    stride: int
    encoder: Encoder

    @property
    def device(self) -> torch.device: ...

    def encode(self, images: Tensor, tile: int | None = None) -> Features: ...

    def decode(self, features: Features, tile: int | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Settings:
    """What the artist sets.

    Attributes:
        strength: 0 leaves the picture as it is, 1 is the whole transfer.
        detail: 0 painterly, 1 faithful to the picture.
        patch_size: side of the copied patches in positions, odd.
        steady: whether the frames are a video, whose strokes keep their places in the scene.
        stroke_size: 0..1, relative to the picture, see :func:`level_sizes`: 0 paints fine strokes in one pass, 1 begins
            with the broadest.
        style_size: pixels of the longer side that the texture style is resized to: fewer make strokes finer, more make
            them broader. At 0 it stays as it is, or is no larger than the picture where ``stroke_size`` is above 0.
        finish: steps of optimisation that each painting is improved by, see :mod:`~artnet_core.finish`.

    Raises:
        ValueError: a number is out of its range.
    """

    strength: float = 1.0
    detail: float = DEFAULT_DETAIL
    patch_size: int = 3
    steady: bool = False
    stroke_size: float = 0.0
    style_size: int = 0
    finish: int = 0

    def __post_init__(self) -> None:
        for name in ("strength", "detail", "stroke_size"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in 0..1, got {value}.")
        check_patch_size(self.patch_size)
        for name in ("style_size", "finish"):
            value = getattr(self, name)
            if value < 0:
                raise ValueError(f"{name} must not be negative, got {value}.")


@dataclass(frozen=True, eq=False)
class Pictures:
    """A batch of pictures, read one at a time.

    Attributes:
        name: what errors call the batch.
        count: of its pictures.
        read: index to picture ``[1, 3, H, W]``, RGB, 0..1.
        weight: index to how much each pixel counts, ``[1, 1, h, w]`` of any size, 0..1: the picture's alpha, or a mask.
            What is 0 is neither content nor style. None, or a function that gives None, lets all of it count.
    """

    name: str
    count: int
    read: Callable[[int], Tensor]
    weight: Callable[[int], Tensor | None] | None = None

    @classmethod
    def of(cls, images: Tensor, name: str, weights: Tensor | None = None) -> Pictures:
        """The pictures of a tensor ``[B, 3, H, W]``, and their weights ``[h, w]`` or ``[1 or B, h, w]``.

        Raises:
            TypeError: it is no tensor.
            ValueError: its shape, dtype or values are not those of pictures, or the weights do not fit them.
        """
        check_images(images)
        pictures = cls(name, len(images), lambda index: images[index : index + 1])
        return pictures if weights is None else pictures.weighted(weights)

    def weighted(self, mask: Tensor) -> Pictures:
        """The same pictures, of which only what a mask ``[h, w]`` or ``[1 or B, h, w]`` shows counts, if it did before.

        A batch of one becomes as many pictures as there are masks.

        Raises:
            ValueError: the mask does not fit the batch.
        """
        masks = check_mask(mask, self.count if self.count > 1 else mask_count(mask))

        def weight(index: int) -> Tensor:
            of_picture = masks[min(index, len(masks) - 1)][None, None].float().clamp(0, 1)
            before = None if self.weight is None else self.weight(index)
            if before is None:
                return of_picture
            size = before.shape[-2], before.shape[-1]
            return before * resize_mask(of_picture[0], size).to(before)

        return replace(self, count=max(self.count, len(masks)), read=lambda index: self.at(index), weight=weight)

    def at(self, index: int) -> Tensor:
        """One picture; of a batch of one always the same.

        Raises:
            ValueError: it is no picture; the message says which one of which batch.
        """
        index = min(index, self.count - 1)
        picture = self.read(index)
        try:
            check_images(picture)
        except ValueError as error:
            raise ValueError(f"{self.name}, picture {index + 1}: {error}") from error
        return picture

    def encoded(self, model: Coder, index: int, tiles: Tiles | None = None) -> Encoded:
        """One picture with its weight, ready to be encoded; of a batch of one always the same."""
        index = min(index, self.count - 1)
        return Encoded(model, self.at(index), tiles, None if self.weight is None else self.weight(index))


class Encoded:
    """A picture, with its features as they are asked for, each taken once.

    Args:
        model: that encodes it.
        picture: ``[1, 3, H, W]``, RGB, 0..1.
        tiles: how many rows are worked on at once; all, until memory runs out, by default.
        weight: ``[1, 1, h, w]`` of any size, 0..1: how much each pixel counts; all of them by default.

    Attributes:
        original: the picture as it came.
        picture: the same, but where the weight is 0 with the colours that lie around: so what is hidden never matters.
        weight: ``[1, 1, H, W]``, or None where every pixel counts as a whole.
    """

    weight: Tensor | None = None

    def __init__(self, model: Coder, picture: Tensor, tiles: Tiles | None = None, weight: Tensor | None = None) -> None:
        self.original = self.picture = picture
        if weight is not None:
            size = picture.shape[-2], picture.shape[-1]
            weight = resize_mask(check_mask(weight[:, 0], 1).to(picture.device), size)
            if not (weight >= 1).all():
                self.weight = weight
                self.picture = fill_hidden(picture, weight)
        self._model = model
        self._tiles = Tiles() if tiles is None else tiles
        self._features: dict[int, Features] = {}

    @property
    def side(self) -> int:
        """Pixels of the longer side."""
        return max(self.picture.shape[-2:])

    @property
    def is_seen(self) -> bool:
        """Whether anything of the picture counts."""
        return self.weight is None or bool((self.weight > 0).any())

    @property
    def colors(self) -> Tensor:
        """The picture, or the pixels of it that count, one beside the other: ``[1, 3, h, w]``."""
        if self.weight is None:
            return self.picture
        return self.picture[..., copied_positions(self.weight[0, 0])][:, :, None]

    def at(self, side: int) -> Tensor:
        """The picture with a longer side of so many pixels."""
        return resize(self.picture, side)

    def weight_at(self, side: int) -> Tensor | None:
        """The weight of :meth:`at`."""
        return None if self.weight is None else resize(self.weight, side)

    def features(self, side: int) -> Features:
        """The features of :meth:`at`."""
        if side not in self._features:
            picture = self.at(side)
            features = self._tiles.run(picture.shape[-2], lambda tile: self._model.encode(picture, tile))
            self._features[side] = features.weighted(self.weight_at(side))
        return self._features[side]


@dataclass(frozen=True, eq=False)
class Region:
    """A part of all pictures that is painted in a style of its own.

    Attributes:
        mask: ``[h, w]`` or ``[1 or B, h, w]`` of any size, 0..1: where the region is. Where regions overlap each has
            its share.
        texture: the pictures whose strokes are copied.
        color: the pictures whose colours are taken; the texture's by default. The content itself keeps its colours.
        texture_mask: likewise, of the texture: which part of it is the style, as its sky for the sky; all by default.
        settings: what is set for this region; as for the whole by default. Its strength, detail, patch size and style
            size count.
    """

    mask: Tensor
    texture: Pictures
    color: Pictures | None = None
    texture_mask: Tensor | None = None
    settings: Settings | None = None

    @property
    def style(self) -> Pictures:
        """What of the texture's pictures is the style."""
        return self.texture if self.texture_mask is None else self.texture.weighted(self.texture_mask)


@dataclass(frozen=True, eq=False)
class Area:
    """A region of one picture, for :func:`paint_frame`: as :class:`Region`, with functions that give its styles.

    Attributes:
        mask: ``[1, h, w]`` of any size, 0..1.
        texture: gives the style whose strokes are copied; asked whenever it is needed.
        color: likewise, the style whose colours are taken, or the picture that is painted.
        settings: see :class:`Region`.
    """

    mask: Tensor
    texture: Callable[[], Encoded]
    color: Callable[[], Encoded] | None = None
    settings: Settings | None = None


def frame_count(
    content: Pictures,
    texture: Pictures | None,
    color: Pictures | None = None,
    masks: int | None = None,
    regions: Sequence[Region] = (),
    detail_map: Tensor | None = None,
    strength_map: Tensor | None = None,
) -> int:
    """How many frames :func:`paint` gives: as many as the largest batch has.

    Raises:
        ValueError: a batch is neither one picture nor as many as the largest.
    """
    batches: dict[str, int | None] = {content.name: content.count}
    if texture is not None:
        batches[texture.name] = texture.count
    batches |= {"color style": None if color is None else color.count, "mask": masks}
    for number, region in enumerate(regions, 1):
        batches |= {
            f"mask of region {number}": mask_count(region.mask),
            f"style of region {number}": region.style.count,
            f"color style of region {number}": None if region.color is None else region.color.count,
        }
    for name, values in (("detail map", detail_map), ("strength map", strength_map)):
        batches[name] = None if values is None else mask_count(values)
    return picture_count(batches)


def level_sides(side: int, stroke_size: float) -> list[int]:
    """Longer sides of the pictures that are painted one after the other, the picture's own last, each half of the next.

    The smallest has about ``128 / stroke_size**2`` pixels, whatever the picture has, so that strokes are as broad, in
    units of the picture, at any resolution.

    Args:
        side: longer side of the picture in pixels.
        stroke_size: 0..1; at 0 there is one level.

    Example:
        >>> level_sides(512, 0.5), level_sides(2048, 0.5)
        ([512], [512, 1024, 2048])
    """
    halvings = 0
    if stroke_size > 0:
        halvings = max(0, round(math.log2(side / _BROADEST) + 2 * math.log2(stroke_size)))
    return [-(-side // 2**level) for level in range(halvings, -1, -1)]


def style_side(native: int, level: int, full: int, settings: Settings) -> int:
    """Longer side that a style is resized to for a level: alike for pictures of any resolution.

    Args:
        native: longer side of the style picture.
        level: longer side of the level.
        full: longer side of the picture that is painted.
        settings: its ``style_size``, if there is one, is meant for the last level.
    """
    if settings.style_size:
        return max(1, round(settings.style_size * level / full))
    return min(native, max(level, _SMALLEST_STYLE)) if settings.stroke_size else native


def paint(
    model: Coder,
    content: Pictures,
    texture: Pictures | None,
    color: Pictures | None = None,
    settings: Settings = Settings(),
    mask: Tensor | None = None,
    tiles: Tiles | None = None,
    kept: dict[str, Encoded] | None = None,
    progress: Progress = _ignore,
    regions: Sequence[Region] = (),
    detail_map: Tensor | None = None,
    strength_map: Tensor | None = None,
) -> Iterator[Tensor]:
    """Paints one frame after the other.

    A batch of one stands for every frame, and is encoded once.

    Args:
        model: encodes and decodes.
        content: the pictures to paint; with ``settings.steady`` the frames of a video.
        texture: the pictures whose strokes are copied. Beside regions it paints what none of them covers; where it is
            None that stays as it is.
        color: the pictures whose colours are taken; the texture's by default. The content itself keeps its colours.
        settings: what the artist sets.
        mask: ``[h, w]`` or ``[1 or B, h, w]``, any size: where to paint, 1, and where the content stays, 0.
        tiles: how many rows are worked on at once; all, until memory runs out, by default.
        kept: features of single pictures by their role: empty at first, filled for the next call with the same model,
            content, texture and colour pictures, weights and regions.
        progress: is told how far each frame is.
        regions: parts of the pictures with styles of their own.
        detail_map: ``[h, w]`` or ``[1 or B, h, w]``, any size, 0..1: a detail for each pixel, in place of that of the
            settings, those of regions too.
        strength_map: likewise, for the strength; where it is 0 the content stays, to the bit.

    Yields:
        Frames ``[1, 3, H, W]``, float32, 0..1, on the model's device.

    Raises:
        ValueError: batches or masks do not fit together, a picture is none, or nothing of a style is seen.
        MemoryError: not even the smallest tile fits.
    """
    tiles = Tiles() if tiles is None else tiles
    kept = {} if kept is None else kept
    count = frame_count(
        content, texture, color, None if mask is None else mask_count(mask), regions, detail_map, strength_map
    )
    if texture is None and not regions:
        raise ValueError("There is nothing to paint with: give a texture style, or regions with styles of their own.")
    masks, details, strengths = (
        None if values is None else check_mask(values, count) for values in (mask, detail_map, strength_map)
    )
    shapes = [check_mask(region.mask, count) for region in regions]
    temporal: list[TemporalState] | None = [] if settings.steady else None
    varies = frame_count(content, texture, color, None, regions, detail_map, strength_map) > 1
    painted: Tensor | None = None  # the only one, for any number of masks
    of_colors = sum(region.color not in (None, content) for region in regions)
    keeps = len({_style_key(region) for region in regions}) + of_colors <= _MOST_STYLES_KEPT

    def encoded(pictures: Pictures, role: str, index: int) -> Encoded:
        index = min(index, pictures.count - 1)
        if index > 0 or role not in kept or pictures.count > 1:
            kept[role] = pictures.encoded(model, index, tiles)
        return kept[role]

    def of_region(pictures: Pictures, role: str, index: int) -> Encoded:
        return encoded(pictures, role, index) if keeps else pictures.encoded(model, index, tiles)

    def areas(index: int, of_content: Encoded) -> Iterator[Area]:
        numbers: dict[tuple[int, int], int] = {}  # of the first region in each style
        for number, (region, shape) in enumerate(zip(regions, shapes, strict=True)):
            first = numbers.setdefault(_style_key(region), number)
            texture = partial(of_region, region.style, f"texture of region {first}", index)
            color: Callable[[], Encoded] | None = None
            if region.color is content:
                color = partial(_same, of_content)
            elif region.color is not None:
                color = partial(of_region, region.color, f"color of region {number}", index)
            yield Area(_at(shape, index), texture, color, region.settings)

    for index in range(count):
        of_content = encoded(content, "content", index)
        of_frame = None if masks is None else _at(masks, index)[0]
        untouched = of_frame is not None and temporal is None and not (of_frame > 0).any()
        if untouched or not of_content.is_seen:
            yield of_content.original.to(model.device, torch.float32)
            continue
        if painted is None or varies:
            of_texture = None if texture is None else encoded(texture, "texture", index)
            of_color = of_content if color is content else None if color is None else encoded(color, "color", index)
            painted = paint_frame(
                model,
                of_content,
                of_texture,
                of_color,
                settings,
                temporal,
                tiles,
                progress,
                list(areas(index, of_content)),
                None if details is None else _at(details, index),
                None if strengths is None else _at(strengths, index),
            )
        yield painted if of_frame is None else mask_images(of_content.original, painted, of_frame)


def paint_frame(
    model: Coder,
    content: Encoded,
    texture: Encoded | None,
    color: Encoded | None = None,
    settings: Settings = Settings(),
    temporal: list[TemporalState] | None = None,
    tiles: Tiles | None = None,
    progress: Progress = _ignore,
    areas: Sequence[Area] = (),
    detail_map: Tensor | None = None,
    strength_map: Tensor | None = None,
) -> Tensor:
    """Paints one picture, or the next frame of a video, coarse to fine.

    Without ``temporal``, weights, areas and maps nothing in a frame that lies on a CUDA GPU waits for it but the look
    at the picture's values, which is left out while a CUDA graph is captured.

    Args:
        model: encodes and decodes.
        content: the picture.
        texture: the style whose strokes are copied; what no area covers is painted in it, or without it, None, stays.
        color: the style whose colours are taken; the texture's by default.
        settings: what the artist sets; of ``steady`` ``temporal`` decides.
        temporal: of the video, if the picture is its next frame: a list, empty before the first frame.
        tiles: how many rows are worked on at once; all, until memory runs out, by default.
        progress: is told which share of the frame is done.
        areas: parts of the picture with styles of their own; in a video as many for each frame.
        detail_map: ``[1, h, w]`` of any size, 0..1, in place of the settings' detail.
        strength_map: likewise.

    Returns:
        ``[1, 3, H, W]``, float32, 0..1, on the model's device.

    Raises:
        ValueError: nothing of a style is seen.
    """
    tiles = Tiles() if tiles is None else tiles
    check_images(content.picture)
    full = content.side
    sides = level_sides(full, settings.stroke_size)
    size = content.picture.shape[-2], content.picture.shape[-1]
    of_detail, of_strength = (
        None if values is None else resize_mask(values.to(model.device), size) for values in (detail_map, strength_map)
    )
    layout = _Layout([area.mask for area in areas], texture is not None, size, model.device) if areas else None
    styles = [
        _Style(area.texture, area.color, _for_area(settings, area.settings), partial(layout.share, index), index)
        for index, area in enumerate(areas)
        if layout is not None and layout.is_there(index)
    ]
    if texture is not None:
        share = None if layout is None else layout.rest
        own = None if color is None else partial(_same, color)
        styles.append(_Style(partial(_same, texture), own, settings, share, len(areas)))
    if not styles:
        return content.original.to(model.device, torch.float32)
    if temporal is not None:
        temporal.extend(TemporalState() for _ in range(len(temporal), len(sides) * (len(areas) + 1)))
    # A step of the finish takes about half of what painting takes.
    total, done = sum(side**2 for side in sides) + full**2 * settings.finish / 2, 0.0
    below: Tensor | None = None  # the photograph of the level before
    painted: Tensor | None = None
    width = len(areas) + 1  # states of each level
    for level, side in enumerate(sides):
        picture = content.at(side).to(model.device)
        drawn = None
        if painted is not None and below is not None:
            # What the level before could not show of the photograph is drawn onto its painting.
            shape = picture.shape[-2], picture.shape[-1]
            drawn = (enlarge(painted, shape) + picture - enlarge(below, shape)).clamp_(0, 1)
        painted = _paint_level(
            model,
            _Level(content, side, full, picture, drawn),
            styles if side == full else [style.in_full_strength for style in styles],
            None if temporal is None else temporal[level * width : (level + 1) * width],
            None if of_detail is None else resize(of_detail, side),
            None if of_strength is None or side < full else of_strength,
            tiles,
        )
        below = picture
        done += side**2
        progress(done / total)
    assert painted is not None
    if settings.finish > 0:
        rest = total - done
        painted = _finish(
            model, content, painted, styles, of_strength, lambda share: progress((done + share * rest) / total)
        )
    if layout is None or texture is not None or (layout.covered >= 1).all():
        return painted
    return mask_images(content.original, painted, layout.covered)


def _finish(
    model: Coder,
    content: Encoded,
    painted: Tensor,
    styles: Sequence[_Style],
    strength_map: Tensor | None,
    progress: Progress,
) -> Tensor:
    """Improves a painting ``[1, 3, H, W]`` as a whole in every style, and gives each its share of what comes of it."""
    result = painted
    for number, style in enumerate(styles):
        strength = style.settings.strength if strength_map is None else strength_map
        if not isinstance(strength, Tensor) and strength == 0:
            continue
        texture, color = style.seen(content)
        side = style_side(texture.side, content.side, content.side, style.settings)

        def of_style(share: float, number: int = number) -> None:
            progress((number + share) / len(styles))

        finished = finish(
            model.encoder,
            painted,
            content.picture.to(model.device),
            texture.at(side),
            None if color is None else color.colors,
            style.settings.finish,
            torch.bfloat16 if multiplies_bfloat16(model.device) else torch.float32,
            of_style,
            texture.weight_at(side),
        )
        if style.share is None:
            result = torch.lerp(result, finished, strength)
        else:
            result = result + style.share(content.side) * strength * (finished - painted)
    return result


@dataclass(frozen=True, eq=False)
class _Style:
    """What is painted in one style.

    Attributes:
        texture: gives the style whose strokes are copied.
        color: likewise, whose colours are taken, if not the texture's.
        settings: for this style.
        share: takes a longer side, and gives the style's share of each pixel, ``[1, 1, H, W]``; None is all.
        number: among the states of a video.
    """

    texture: Callable[[], Encoded]
    color: Callable[[], Encoded] | None
    settings: Settings
    share: Callable[[int], Tensor] | None
    number: int

    @property
    def in_full_strength(self) -> _Style:
        return replace(self, settings=replace(self.settings, strength=1.0))

    def seen(self, content: Encoded) -> tuple[Encoded, Encoded | None]:
        """Texture and colour style.

        Raises:
            ValueError: nothing of one of them is seen.
        """
        texture, color = self.texture(), None if self.color is None else self.color()
        for name, style in (("texture style", texture), ("color style", color)):
            if style is not None and style is not content and not style.is_seen:
                raise nothing_seen(name)
        return texture, color


class _Layout:
    """Which share of each pixel every area has; where areas overlap the shares add up to 1.

    Shares are made when they are asked for, since a hundred areas of a large picture would fill the memory.

    Args:
        masks: ``[1, h, w]`` each, of any size.
        filled: whether what no area covers is painted too.
        size: height and width of the picture.
        device: that is worked on.
    """

    def __init__(self, masks: Sequence[Tensor], filled: bool, size: tuple[int, int], device: torch.device) -> None:
        self._masks = masks
        self._size = size
        self._device = device
        self._total = torch.zeros(1, 1, *size, dtype=torch.float32, device=device)
        self._there = []
        for index in range(len(masks)):
            mask = self._mask(index)
            self._there.append(bool((mask > 0).any()))
            self._total += mask
        self._divisor = self._total.clamp(min=1) if filled else torch.where(self._total > 0, self._total, 1)

    def _mask(self, index: int) -> Tensor:
        return resize_mask(self._masks[index].to(self._device), self._size)

    def is_there(self, index: int) -> bool:
        """Whether an area covers anything."""
        return self._there[index]

    def share(self, index: int, side: int) -> Tensor:
        """An area's share of the picture with this longer side, ``[1, 1, H, W]``."""
        return resize(self._mask(index) / self._divisor, side)

    def rest(self, side: int) -> Tensor:
        """Likewise, what no area covers."""
        return resize((1 - self._total).clamp(min=0), side)

    @property
    def covered(self) -> Tensor:
        """How much of each pixel some area covers, ``[1, H, W]``."""
        return self._total[0].clamp(max=1)


@dataclass(frozen=True, eq=False)
class _Level:
    """The picture at the size of one level.

    Attributes:
        content: what is painted.
        side: longer side of the level.
        full: longer side of the whole picture.
        picture: the photograph at this size, ``[1, 3, H, W]``, on the model's device.
        drawn: likewise, the painting of the level before, with the photograph's detail; None at first.
    """

    content: Encoded
    side: int
    full: int
    picture: Tensor
    drawn: Tensor | None


def _paint_level(
    model: Coder,
    level: _Level,
    styles: Sequence[_Style],
    states: Sequence[TemporalState] | None,
    detail_map: Tensor | None,
    strength_map: Tensor | None,
    tiles: Tiles,
) -> Tensor:
    """Paints one level: the photograph, or where something is drawn on it already that, ``[1, 3, H, W]``.

    Below strength 1 the part of the photograph that the decoder cannot reproduce is added back in proportion, so that
    strength 0 is the photograph itself and nothing jumps on the way there, if its values lie in 0..1.

    Maps are ``[1, 1, H, W]``, of the level's size.
    """
    content, side = level.content, level.side
    above = left = 0
    for state in states or ():  # all see the same
        above, left = state.follow(level.picture, model.stride)

    def extended(maps: Tensor | None) -> Tensor | None:
        return None if maps is None else extend(maps.to(model.device), above, left)

    photo = extend(level.picture, above, left)
    source = photo if level.drawn is None else extend(level.drawn, above, left)
    counts, details, strengths = (extended(maps) for maps in (content.weight_at(side), detail_map, strength_map))
    in_full = strengths is None and all(style.settings.strength == 1 for style in styles)

    def styles_of(style: _Style, share: Tensor | None) -> tuple[Features, Features | None]:
        texture, color = style.seen(content)
        of_texture = texture.features(style_side(texture.side, side, level.full, style.settings))
        if color is None:
            return of_texture, None
        if color is not content:
            of_color = color.features(style_side(color.side, side, level.full, replace(style.settings, style_size=0)))
            return of_texture, of_color
        # The content keeps its own colours as they are.
        own = content.features(side)
        if share is not None:
            where = position_means(share, own.data.shape[-2:], model.stride)
            own = replace(own, weight=where if own.weight is None else where * own.weight)
        return of_texture, own

    is_plain = styles[0].share is None and details is None and strengths is None
    of_one = styles_of(styles[0], None) if is_plain else None

    def work(tile: int | None) -> Tensor:
        def encoded(images: Tensor) -> Features:
            # A video's features are of no use elsewhere, as its grid moves.
            if images is photo and states is None:
                return content.features(side)
            return model.encode(images, tile).weighted(counts)

        of_source = encoded(source)
        of_photo = of_source if source is photo or in_full else encoded(photo)
        painted_share: float | Tensor = 0.0  # how strongly each pixel is painted
        lines: float | Tensor = 0.0  # how much of the photograph's lines it is given

        def parts() -> Iterator[Part]:
            nonlocal painted_share, lines
            for style in styles:
                chosen = style.settings
                share = None if style.share is None else style.share(side)
                texture, color = styles_of(style, share)
                pixels = extended(share)
                strength = chosen.strength if strengths is None else strengths
                detail = chosen.detail if details is None else details
                amount = strength if pixels is None else pixels * strength
                painted_share = painted_share + amount
                if isinstance(detail, Tensor):
                    lines = lines + amount * ((detail - DEFAULT_DETAIL) / (1 - DEFAULT_DETAIL)).clamp(min=0)
                elif detail > DEFAULT_DETAIL:
                    lines = lines + amount * _lines(detail)
                yield Part(
                    texture,
                    color,
                    None if pixels is None else positions(pixels),
                    positions(strength) if isinstance(strength, Tensor) else strength,
                    positions(detail) if isinstance(detail, Tensor) else detail,
                    chosen.patch_size,
                    None if states is None else states[style.number].steady,
                )

        def positions(values: Tensor) -> Tensor:
            return position_means(values, of_source.data.shape[-2:], model.stride)

        if of_one is not None:
            chosen, strength = styles[0].settings, styles[0].settings.strength
            settle = None if states is None else states[0].steady
            transferred = sandwich_swap(of_source, *of_one, 1.0, chosen.detail, chosen.patch_size, settle)
            share = _lines(chosen.detail)
            if strength == 1:
                return keep_lines(model.decode(transferred, tile), photo, share)
            if strength == 0:
                return photo.to(torch.float32, copy=True)
            data = torch.lerp(of_photo.data, transferred.data, strength)
            painted = model.decode(of_photo.with_data(data), tile)
            lost = photo.to(painted) - model.decode(of_photo, tile)
            return keep_lines(painted.add_(lost, alpha=1 - strength).clamp_(0, 1), photo, share * strength)

        mixed = transfer_regions(of_source, parts(), of_source if in_full else of_photo)
        painted = model.decode(mixed, tile)
        if not in_full:
            lost = photo.to(painted) - model.decode(of_photo, tile)
            painted = painted.add_(lost * (1 - painted_share)).clamp_(0, 1)
        if isinstance(lines, Tensor):
            painted = torch.lerp(painted, keep_lines(painted, photo, 1.0), lines.clamp(0, 1))
        else:
            painted = keep_lines(painted, photo, lines)
        if isinstance(painted_share, Tensor) and not in_full:
            painted = torch.where(painted_share > 0, painted, photo.to(painted))
        return painted

    return tiles.run(photo.shape[-2], work)[..., above:, left:]


def _lines(detail: float) -> float:
    """From the default detail towards 1 the photograph's own lines come back: the share of them."""
    return max(0.0, detail - DEFAULT_DETAIL) / (1 - DEFAULT_DETAIL)


def _for_area(settings: Settings, own: Settings | None) -> Settings:
    """What is set for an area: of its own settings those that do not concern the painting as a whole."""
    if own is None:
        return settings
    return replace(
        settings, strength=own.strength, detail=own.detail, patch_size=own.patch_size, style_size=own.style_size
    )


def _style_key(region: Region) -> tuple[int, int]:
    """The same for regions in one style."""
    return id(region.texture), id(region.texture_mask)


def _at(masks: Tensor, index: int) -> Tensor:
    """One of ``[1 or B, h, w]``, or the only one: ``[1, h, w]``."""
    index = min(index, len(masks) - 1)
    return masks[index : index + 1]


def _same(encoded: Encoded) -> Encoded:
    return encoded
