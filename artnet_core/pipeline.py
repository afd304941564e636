"""The way of a picture: encode, transfer, decode; and the one loop over frames for library, nodes, command line, film.

Whoever paints brings batches as :class:`Pictures`, which are read one frame at a time, and takes the frames of
:func:`paint` as they come. So neither side ever holds more of a film than it wants to.

Large strokes are painted first, on a small picture, and finer ones over them, as painters do and as image analogies
are made (Hertzmann et al. 2001, "coarse to fine"). Each level sees the painting of the level before with the
photograph's own detail of its size put back (Burt and Adelson 1983, the Laplacian pyramid), in the style reduced alike.
Large levels keep what the small ones painted, so that a painting looks the same at any resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial

import torch
from torch import Tensor

from .features import picture_count
from .finish import Goal, finish_parts, recolor
from .painting.areas import Area as Area
from .painting.areas import Layout, Style, for_area, given, stroke_sizes
from .painting.areas import Region as Region
from .painting.faithful import finished_share
from .painting.level import MOST_STYLES_KEPT, Level, paint_level
from .painting.look import kept_share
from .painting.mixed import Mix as Mix
from .painting.pictures import Coder as Coder
from .painting.pictures import Encoded as Encoded
from .painting.pictures import Pictures as Pictures
from .painting.settings import DEFAULTS as DEFAULTS
from .painting.settings import Settings as Settings
from .painting.settings import Shown as Shown
from .painting.settings import drawn_share
from .painting.settings import level_sides as level_sides
from .painting.settings import style_side as style_side
from .progress import Progress as Progress
from .progress import ignore, in_turn
from .resizing import resize, resize_linearly
from .runtime import Tiles, multiplies_bfloat16
from .transfer.mask import check_mask, mask_count, mask_images, resize_mask
from .video.steadiness import TemporalState

_MAPS = ("detail map", "strength map", "stroke map")


def frame_count(
    content: Pictures,
    texture: Pictures | Mix | None,
    color: Pictures | Mix | None = None,
    masks: int | None = None,
    regions: Sequence[Region] = (),
    detail_map: Tensor | None = None,
    strength_map: Tensor | None = None,
    stroke_map: Tensor | None = None,
) -> int:
    """How many frames :func:`paint` gives: as many as the largest batch has.

    Raises:
        ValueError: a batch is neither one picture nor as many as the largest.
    """
    batches: dict[str, int | None] = {content.name: content.count}
    if texture is not None:
        batches[texture.name] = texture.count
    batches |= {"color style": None if color is None else color.count, "mask": masks}
    for number, region in enumerate(regions):
        name = _region_name(region, number)
        batches |= {
            f"mask of {name}": mask_count(region.mask),
            f"style of {name}": region.style.count,
            f"color style of {name}": None if region.color is None else region.color.count,
        }
    for name, values in zip(_MAPS, (detail_map, strength_map, stroke_map), strict=True):
        batches[name] = None if values is None else mask_count(values)
    return picture_count(batches)


def paint(
    model: Coder,
    content: Pictures,
    texture: Pictures | Mix | None,
    color: Pictures | Mix | None = None,
    settings: Settings = DEFAULTS,
    mask: Tensor | None = None,
    tiles: Tiles | None = None,
    kept: dict[str, Encoded] | None = None,
    progress: Progress = ignore,
    regions: Sequence[Region] = (),
    detail_map: Tensor | None = None,
    strength_map: Tensor | None = None,
    stroke_map: Tensor | None = None,
    *,
    shown: Shown | None = None,
) -> Iterator[Tensor]:
    """Paints one frame after the other.

    A batch of one stands for every frame, and is encoded once.

    Args:
        model: encodes and decodes.
        content: the pictures to paint; with ``settings.steady`` the frames of a video.
        texture: the pictures whose strokes are copied, or a mix of several. Beside regions it paints what none of them
            covers; where it is None that stays as it is.
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
        stroke_map: likewise, for the stroke size; where it is 0 only the finest strokes are painted.
        shown: is given what each frame looks like on its way, ``[1, 3, h, w]``, 0..1, of any size, for a preview.

    Yields:
        Frames ``[1, 3, H, W]``, float32, 0..1, on the model's device.

    Raises:
        ValueError: batches or masks do not fit together, a picture is none, or nothing of a style is seen.
        MemoryError: not even the smallest tile fits.
    """
    tiles = Tiles() if tiles is None else tiles
    kept = {} if kept is None else kept
    maps = detail_map, strength_map, stroke_map
    count = frame_count(content, texture, color, None if mask is None else mask_count(mask), regions, *maps)
    if texture is None and not regions:
        raise ValueError("There is nothing to paint with: give a texture style, or regions with styles of their own.")
    masks, *checked = (
        None if values is None else check_mask(values, count, name)
        for name, values in zip(("mask", *_MAPS), (mask, *maps), strict=True)
    )
    shapes = [
        check_mask(region.mask, count, f"mask of {_region_name(region, number)}")
        for number, region in enumerate(regions)
    ]
    temporal: list[TemporalState] | None = [] if settings.steady else None
    varies = frame_count(content, texture, color, None, regions, *maps) > 1
    painted: Tensor | None = None  # the only one, for any number of masks
    of_colors = {id(region.color) for region in regions if region.color not in (None, content, color)}
    keeps = len({_style_key(region) for region in regions}) + len(of_colors) <= MOST_STYLES_KEPT

    def encoded(pictures: Pictures | Mix, role: str, index: int) -> Encoded:
        index = min(index, pictures.count - 1)
        if pictures.count > 1 or role not in kept:
            kept[role] = pictures.encoded(model, index, tiles)
        return kept[role]

    def of_region(pictures: Pictures, role: str, index: int) -> Encoded:
        return encoded(pictures, role, index) if keeps else pictures.encoded(model, index, tiles)

    def areas(index: int, of_content: Encoded) -> Iterator[Area]:
        numbers: dict[object, int] = {}  # of the first region in each style
        for number, (region, shape) in enumerate(zip(regions, shapes, strict=True)):
            first = numbers.setdefault(_style_key(region), number)
            of_style = partial(of_region, region.style, f"texture of region {first}", index)
            colors: Callable[[], Encoded] | None = None
            if region.color is content:
                colors = given(of_content)
            elif region.color is not None and region.color is color:
                colors = partial(encoded, region.color, "color", index)
            elif region.color is not None:
                first = numbers.setdefault(region.color, number)
                colors = partial(of_region, region.color, f"color of region {first}", index)
            yield Area(_at(shape, index), of_style, colors, region.settings, _region_name(region, number))

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
                *(None if values is None else _at(values, index) for values in checked),
                shown=shown,
            )
        yield painted if of_frame is None else mask_images(of_content.original, painted, of_frame)


def paint_frame(
    model: Coder,
    content: Encoded,
    texture: Encoded | None,
    color: Encoded | None = None,
    settings: Settings = DEFAULTS,
    temporal: list[TemporalState] | None = None,
    tiles: Tiles | None = None,
    progress: Progress = ignore,
    areas: Sequence[Area] = (),
    detail_map: Tensor | None = None,
    strength_map: Tensor | None = None,
    stroke_map: Tensor | None = None,
    *,
    shown: Shown | None = None,
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
        stroke_map: likewise.
        shown: is given what the frame looks like on its way, see :func:`paint`.

    Returns:
        ``[1, 3, H, W]``, float32, 0..1, on the model's device.

    Raises:
        ValueError: nothing of a style is seen.
    """
    tiles = Tiles() if tiles is None else tiles
    full = content.side
    size = content.picture.shape[-2], content.picture.shape[-1]
    of_detail, of_strength, of_stroke = (
        None if values is None else resize_mask(values.to(model.device), size)
        for values in (detail_map, strength_map, stroke_map)
    )
    layout = Layout([area.mask for area in areas], texture is not None, size, model.device) if areas else None
    if layout is not None and not layout.covered.any():
        layout = None  # nothing is left to any area
    styles = [
        Style(
            area.texture, area.color, for_area(settings, area.settings), partial(layout.share, index), index, area.name
        )
        for index, area in enumerate(areas)
        if layout is not None and layout.is_there(index)
    ]
    if texture is not None:
        share = None if layout is None else layout.rest
        own = None if color is None else given(color)
        styles.append(Style(given(texture), own, settings, share, len(areas)))
    if not styles:
        return content.original.to(model.device, torch.float32)
    of_stroke = stroke_sizes(styles, full) if of_stroke is None else of_stroke
    broadest = styles[0].settings.stroke_size if of_stroke is None else float(of_stroke.max())
    styles = [style.of_stroke_size(broadest) for style in styles]
    sides = level_sides(full, broadest)
    if temporal is not None:
        temporal.extend(TemporalState() for _ in range(len(temporal), len(sides) * (len(areas) + 1)))
    # A step of the finish takes about half of what painting takes.
    *of_levels, of_finish = in_turn(progress, *(side**2 for side in sides), full**2 * settings.finish / 2)
    below: Tensor | None = None  # the photograph of the level before
    painted: Tensor | None = None
    width = len(areas) + 1  # states of each level
    for halvings, side in zip(reversed(range(len(sides))), sides, strict=True):
        picture = content.at(side).to(model.device)
        level = Level(content, side, full, picture)
        if painted is not None and below is not None:
            # What the level before could not show of the photograph is drawn onto its painting.
            shape = picture.shape[-2], picture.shape[-1]
            drawn = resize_linearly(painted - below, shape).add_(picture).clamp_(0, 1)
            kept: float | Tensor = kept_share(max(below.shape[-2:]))
            if of_stroke is not None:
                drawn_on = drawn_share(full, resize(of_stroke, side), halvings)
                drawn = torch.lerp(picture.to(drawn), drawn, drawn_on)
                kept = kept * drawn_on
            level = replace(level, drawn=drawn, before=painted, kept=kept)
        painted = paint_level(
            model,
            level,
            styles if side == full else [style.in_full_strength for style in styles],
            None if temporal is None else temporal[halvings * width : (halvings + 1) * width],
            None if of_detail is None else resize(of_detail, side),
            None if of_strength is None or side < full else of_strength,
            tiles,
            of_levels[-1 - halvings],
        )
        below = picture
        if shown is not None and (side < full or settings.finish):
            shown(painted)
    assert painted is not None
    if settings.finish > 0:
        painted = _finish(model, content, painted, styles, of_strength, of_detail, of_finish, shown)
    if layout is None or texture is not None or (layout.covered >= 1).all():
        return painted
    return mask_images(content.original, painted, layout.covered)


def finish_frame(
    model: Coder,
    painting: Tensor,
    content: Encoded,
    texture: Encoded,
    color: Encoded | None = None,
    settings: Settings = DEFAULTS,
    progress: Progress = ignore,
    shown: Shown | None = None,
) -> Tensor:
    """Improves a painting, whoever painted it, see :mod:`~artnet_core.finish`.

    Args:
        model: whose encoder looks at it.
        painting: ``[1, 3, H, W]``, RGB, 0..1, on the device that is worked on.
        content: what it shows, in the same size.
        texture: the style whose strokes are wanted.
        color: the style whose colours are wanted; the texture's by default.
        settings: its steps, and its style size.
        progress: is told which share is done, many times in each step.
        shown: see :func:`paint`.

    Returns:
        ``[1, 3, H, W]``, float32, 0..1.

    Raises:
        ValueError: nothing of a style is seen.
    """
    style = Style(given(texture), None if color is None else given(color), settings, None, 0)
    return _finish(model, content, painting, [style], None, None, progress, shown)


def _finish(
    model: Coder,
    content: Encoded,
    painted: Tensor,
    styles: Sequence[Style],
    strength_map: Tensor | None,
    detail_map: Tensor | None,
    progress: Progress,
    shown: Shown | None,
) -> Tensor:
    """Improves a painting ``[1, 3, H, W]``, each part of it in its style and as far as strength and detail let it."""
    strengths = [style.settings.strength if strength_map is None else strength_map for style in styles]
    goals = []
    for style, strength in zip(styles, strengths, strict=True):
        if isinstance(strength, Tensor) or strength > 0:
            look = partial(_look, content, style)
            where = _where(content, style, strength_map)
            goals.append(Goal(cache(look) if len(styles) <= MOST_STYLES_KEPT else look, where))
    finished = finish_parts(
        model.encoder,
        # Of one layout, on which rounding depends: so it is the same in one go with the painting and by itself.
        painted.contiguous(),
        content.picture.to(model.device).contiguous(),
        goals,
        styles[0].settings.finish,
        torch.bfloat16 if multiplies_bfloat16(model.device) else torch.float32,
        progress,
        shown=shown,
    )
    amount: float | Tensor = 0.0  # how strongly each pixel is painted
    for style, strength in zip(styles, strengths, strict=True):
        allowed = strength * finished_share(style.settings.detail if detail_map is None else detail_map)
        amount = amount + (allowed if style.share is None else style.share(content.side) * allowed)
    return torch.lerp(painted, finished, amount)


def _look(content: Encoded, style: Style) -> tuple[Tensor, Tensor | None]:
    """A picture that the finish comes nearer to, and how much each pixel of it counts."""
    texture, color = style.seen(content)
    side = style_side(texture.side, content.side, content.side, style.settings)
    picture = texture.at(side).float()
    return picture if color is None else recolor(picture, color.colors.to(picture)), texture.weight_at(side)


def _where(content: Encoded, style: Style, strength_map: Tensor | None) -> Callable[[int], Tensor] | None:
    """Where a style is wanted in the picture of a longer side, ``[1, 1, H, W]``; None is everywhere."""
    shares = [] if style.share is None else [style.share]
    shares += [partial(resize, values) for values in (content.weight, strength_map) if values is not None]
    if not shares:
        return None

    def product(side: int) -> Tensor:
        share, *others = (each(side) for each in shares)
        for other in others:
            share = share * other.to(share)
        return share

    return product


def _style_key(region: Region) -> tuple[int, int]:
    """The same for regions in one style."""
    return id(region.texture), id(region.texture_mask)


def _region_name(region: Region, number: int) -> str:
    return region.name or f"region {number + 1}"


def _at(masks: Tensor, index: int) -> Tensor:
    """One of ``[1 or B, h, w]``, or the only one: ``[1, h, w]``."""
    index = min(index, len(masks) - 1)
    return masks[index : index + 1]
