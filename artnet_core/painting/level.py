"""One level of a painting: the picture at one size, encoded, transferred in every style, decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..features import Features, position_means
from ..progress import Progress, ignore, in_turn
from ..runtime import Tiles
from ..transfer.lines import keep_lines
from ..transfer.regions import Part, transfer_regions
from ..transfer.sandwich import DEFAULT_DETAIL, sandwich_swap
from ..video.steadiness import TemporalState, extend
from .areas import Style
from .pictures import Coder, Encoded
from .settings import style_side

# What a pixel takes beside what encoding it does. Measured on a CPU with pictures of 2,048 and 4,096 pixels; small ones
# are done before anybody looks. Regions are matched in rectangles, which overlap.
_TRANSFER, _TRANSFER_OF_REGIONS, _DECODE = 0.5, 1.0, 1.1


@dataclass(frozen=True, eq=False)
class Level:
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


def paint_level(
    model: Coder,
    level: Level,
    styles: Sequence[Style],
    states: Sequence[TemporalState] | None,
    detail_map: Tensor | None,
    strength_map: Tensor | None,
    tiles: Tiles,
    progress: Progress = ignore,
) -> Tensor:
    """Paints one level: the photograph, or where something is drawn on it already that, ``[1, 3, H, W]``.

    Below strength 1 the part of the photograph that the decoder cannot reproduce is added back in proportion, so that
    strength 0 is the photograph itself and nothing jumps on the way there, if its values lie in 0..1.

    Maps are ``[1, 1, H, W]``, of the level's size. ``progress`` is told which share of the level is done.
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

    def seen(style: Style) -> list[tuple[Encoded, int]]:
        """Texture and perhaps colour style, and the longer sides that they are encoded at."""
        texture, color = style.seen(content)
        found = [(texture, style_side(texture.side, side, level.full, style.settings))]
        if color is content:
            found.append((content, side))
        elif color is not None:
            found.append((color, style_side(color.side, side, level.full, replace(style.settings, style_size=0))))
        return found

    def features_of(
        found: list[tuple[Encoded, int]], share: Tensor | None, progress: Progress
    ) -> tuple[Features, Features | None]:
        of_each = in_turn(progress, *(style.pixels_to_encode(own_side) for style, own_side in found))
        texture, *others = (style.features(own, told) for (style, own), told in zip(found, of_each, strict=True))
        if not others:
            return texture, None
        (color,) = others
        if share is not None and found[1][0] is content:  # which keeps its own colours as they are
            where = position_means(share, color.data.shape[-2:], model.stride)
            color = replace(color, weight=where if color.weight is None else where * color.weight)
        return texture, color

    is_plain = styles[0].share is None and details is None and strengths is None
    in_plain = seen(styles[0]) if is_plain else []
    area = photo.shape[-2] * photo.shape[-1]
    of_photo_alone = area if states is not None else content.pixels_to_encode(side)
    told_of_style, told_of_source, told_of_photo, told_of_transfer, told_of_decoding, told_of_loss = in_turn(
        progress,
        sum(style.pixels_to_encode(own_side) for style, own_side in in_plain),
        of_photo_alone if source is photo else area,
        0 if source is photo or in_full else of_photo_alone,
        area * (_TRANSFER if is_plain else _TRANSFER_OF_REGIONS),
        area * _DECODE,
        0 if in_full else area * _DECODE,
    )
    of_one = features_of(in_plain, None, told_of_style) if is_plain else None

    def work(tile: int | None) -> Tensor:
        def encoded(images: Tensor, progress: Progress) -> Features:
            # A video's features are of no use elsewhere, as its grid moves.
            if images is photo and states is None:
                return content.features(side, progress)
            return model.encode(images, tile, progress=progress).weighted(counts)

        of_source = encoded(source, told_of_source)
        of_photo = of_source if source is photo or in_full else encoded(photo, told_of_photo)
        painted_share: float | Tensor = 0.0  # how strongly each pixel is painted
        lines: float | Tensor = 0.0  # how much of the photograph's lines it is given

        def parts() -> Iterator[Part]:
            nonlocal painted_share, lines
            for style, told in zip(styles, in_turn(told_of_transfer, *[1] * len(styles)), strict=True):
                chosen = style.settings
                share = None if style.share is None else style.share(side)
                told_of_features, told_of_part = in_turn(told, 1, 1)
                texture, color = features_of(seen(style), share, told_of_features)
                pixels = extended(share)
                strength = chosen.strength if strengths is None else strengths
                detail = chosen.detail if details is None else details
                amount = strength if pixels is None else pixels * strength
                painted_share = painted_share + amount
                if isinstance(detail, Tensor):
                    lines = lines + amount * ((detail - DEFAULT_DETAIL) / (1 - DEFAULT_DETAIL)).clamp(min=0)
                elif detail > DEFAULT_DETAIL:
                    lines = lines + amount * lines_share(detail)
                yield Part(
                    texture,
                    color,
                    None if pixels is None else positions(pixels),
                    positions(strength) if isinstance(strength, Tensor) else strength,
                    positions(detail) if isinstance(detail, Tensor) else detail,
                    chosen.patch_size,
                    None if states is None else states[style.number].steady,
                    told_of_part,
                )

        def positions(values: Tensor) -> Tensor:
            return position_means(values, of_source.data.shape[-2:], model.stride)

        if of_one is not None:
            chosen, strength = styles[0].settings, styles[0].settings.strength
            settle = None if states is None else states[0].steady
            transferred = sandwich_swap(
                of_source, *of_one, 1.0, chosen.detail, chosen.patch_size, settle, told_of_transfer
            )
            share = lines_share(chosen.detail)
            if strength == 1:
                return keep_lines(model.decode(transferred, tile, progress=told_of_decoding), photo, share)
            if strength == 0:
                return photo.to(torch.float32, copy=True)
            data = torch.lerp(of_photo.data, transferred.data, strength)
            painted = model.decode(of_photo.with_data(data), tile, progress=told_of_decoding)
            lost = photo.to(painted) - model.decode(of_photo, tile, progress=told_of_loss)
            return keep_lines(painted.add_(lost, alpha=1 - strength).clamp_(0, 1), photo, share * strength)

        mixed = transfer_regions(of_source, parts(), of_source if in_full else of_photo)
        painted = model.decode(mixed, tile, progress=told_of_decoding)
        if not in_full:
            lost = photo.to(painted) - model.decode(of_photo, tile, progress=told_of_loss)
            painted = painted.add_(lost * (1 - painted_share)).clamp_(0, 1)
        if isinstance(lines, Tensor):
            painted = torch.lerp(painted, keep_lines(painted, photo, 1.0), lines.clamp(0, 1))
        else:
            painted = keep_lines(painted, photo, lines)
        if isinstance(painted_share, Tensor) and not in_full:
            painted = torch.where(painted_share > 0, painted, photo.to(painted))
        return painted

    painted = tiles.run(photo.shape[-2], work)[..., above:, left:]
    progress(1.0)
    return painted


def lines_share(detail: float) -> float:
    """From the default detail towards 1 the photograph's own lines come back: the share of them."""
    return max(0.0, detail - DEFAULT_DETAIL) / (1 - DEFAULT_DETAIL)
