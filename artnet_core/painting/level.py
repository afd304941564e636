"""One level of a painting: the picture at one size, encoded, transferred in every style, decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..features import Features, position_means
from ..runtime import Tiles
from ..transfer.lines import keep_lines
from ..transfer.regions import Part, transfer_regions
from ..transfer.sandwich import DEFAULT_DETAIL, sandwich_swap
from ..video.steadiness import TemporalState, extend
from .areas import Style
from .pictures import Coder, Encoded
from .settings import style_side


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

    def styles_of(style: Style, share: Tensor | None) -> tuple[Features, Features | None]:
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
                    lines = lines + amount * lines_share(detail)
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
            share = lines_share(chosen.detail)
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


def lines_share(detail: float) -> float:
    """From the default detail towards 1 the photograph's own lines come back: the share of them."""
    return max(0.0, detail - DEFAULT_DETAIL) / (1 - DEFAULT_DETAIL)
