"""One level of a painting: the picture at one size, encoded, transferred in every style, decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..features import Features, position_means
from ..progress import Progress, ignore, in_turn
from ..runtime import Tiles
from ..transfer.histograms import Histograms, Tones, histograms, in_colors_of, match_histograms
from ..transfer.lines import keep_lines
from ..transfer.regions import Part, transfer_regions
from ..transfer.sandwich import pooling_for, sandwich_swap
from ..video.steadiness import TemporalState, extend
from .areas import Style
from .faithful import LINES_FROM, PHOTOGRAPH_FROM, give_way, share_above
from .look import detail_where_kept, keep_look, keeps_most, kept_at
from .pictures import Coder, Encoded
from .settings import style_side

# What a pixel takes beside what encoding it does. Measured on a CPU with pictures of 2,048 and 4,096 pixels; small ones
# are done before anybody looks. Regions are matched in rectangles, which overlap.
_TRANSFER, _TRANSFER_OF_REGIONS, _DECODE = 0.5, 1.0, 1.1

MOST_STYLES_KEPT = 8
"""Where regions have more styles than this none is kept: a hundred of them would fill the memory."""


@dataclass(frozen=True, eq=False)
class Level:
    """The picture at the size of one level.

    Attributes:
        content: what is painted.
        side: longer side of the level.
        full: longer side of the whole picture.
        picture: the photograph at this size, ``[1, 3, H, W]``, on the model's device.
        drawn: likewise, the painting of the level before, with the photograph's detail; None at first.
        before: that painting as it is, ``[1, 3, h, w]``; None at first.
        kept: how far it stays, see :func:`~artnet_core.painting.look.kept_share`; a number or ``[1, 1, H, W]``.
    """

    content: Encoded
    side: int
    full: int
    picture: Tensor
    drawn: Tensor | None = None
    before: Tensor | None = None
    kept: float | Tensor = 0.0


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

    Below strength 1 the painting is mixed with the photograph: strength 0 is the photograph itself, and tones are
    those of the whole painting at any strength.

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
    most = keeps_most(level.kept)

    # A steady video is not given tones: what still moves in its strokes would move twice as much.
    is_faithful = details is not None or any(style.settings.detail > PHOTOGRAPH_FROM for style in styles)
    in_tones = states is None or is_faithful

    shares: dict[int, Tensor] = {}

    def share_of(style: Style) -> Tensor | None:
        if style.share is None:
            return None
        if style.number not in shares:
            if len(styles) > MOST_STYLES_KEPT:
                return style.share(side)
            shares[style.number] = style.share(side)
        return shares[style.number]

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

    def colors_follow(found: list[tuple[Encoded, int]]) -> bool:
        """Whether fine colours are foretold from the light: not where the content's own are kept."""
        return found[-1][0] is not content

    def goal(found: list[tuple[Encoded, int]], share: Tensor | None) -> Histograms:
        """The histograms that a style gives to the level, or to its share of it."""
        (texture, own), *others = found
        of_texture = texture.histograms(own)
        if not others:
            return of_texture
        ((color, own),) = others
        if share is None or color is not content:
            return in_colors_of(of_texture, color.histograms(own))
        of_content = content.weight_at(own)
        where = share if of_content is None else share * of_content.to(share)
        if not (where > 0).any():
            return of_texture
        return in_colors_of(of_texture, histograms(level.picture, where))

    is_plain = styles[0].share is None and details is None and strengths is None
    in_plain = seen(styles[0]) if is_plain else []
    area = photo.shape[-2] * photo.shape[-1]
    told_of_style, told_of_source, told_of_transfer, told_of_decoding = in_turn(
        progress,
        sum(style.pixels_to_encode(own_side) for style, own_side in in_plain),
        content.pixels_to_encode(side) if source is photo and states is None else area,
        area * (_TRANSFER if is_plain else _TRANSFER_OF_REGIONS),
        area * _DECODE,
    )
    of_one = features_of(in_plain, None, told_of_style) if is_plain else None

    def laid(painted: Tensor, strength: float | Tensor, kept: float | Tensor) -> Tensor:
        """What is painted, without the margin of a video, on what was painted before and on the photograph."""
        painted = painted[..., above:, left:]
        strength, kept = (
            amount[..., above:, left:].to(painted) if isinstance(amount, Tensor) else amount
            for amount in (strength, kept)
        )
        if level.before is not None and (isinstance(level.kept, Tensor) or level.kept > 0):
            painted = keep_look(painted, level.before, level.kept * kept)
        if isinstance(strength, Tensor):
            strength = strength.clamp(0, 1)
        elif strength == 1:
            return painted
        return torch.lerp(level.picture.to(painted), painted, strength)

    def work(tile: int | None) -> Tensor:
        # A video's features are of no use elsewhere, as its grid moves.
        if source is photo and states is None:
            of_source = content.features(side, told_of_source)
        else:
            of_source = model.encode(source, tile, progress=told_of_source).weighted(counts)
        painted_share: float | Tensor = 0.0  # how strongly each pixel is painted
        lines: float | Tensor = 0.0  # how much of the photograph's lines it is given
        faithful: float | Tensor = 0.0  # how far it gives way to the photograph
        kept: float | Tensor = 0.0  # how much of the level before stays, as far as it is kept
        goals: list[Histograms] = []  # of the styles; taken with their features, as a style may be read for each use

        def parts() -> Iterator[Part]:
            nonlocal painted_share, lines, faithful, kept
            for style, told in zip(styles, in_turn(told_of_transfer, *[1] * len(styles)), strict=True):
                chosen = style.settings
                share = share_of(style)
                told_of_features, told_of_part = in_turn(told, 1, 1)
                found = seen(style)
                texture, color = features_of(found, share, told_of_features)
                if in_tones:
                    goals.append(goal(found, share))
                pixels = extended(share)
                strength = chosen.strength if strengths is None else strengths
                detail = chosen.detail if details is None else details
                amount = 1.0 if pixels is None else pixels
                painted_share = painted_share + amount * strength
                kept = kept + amount * kept_at(detail, most)
                if isinstance(detail, Tensor) or detail > LINES_FROM:
                    lines = lines + amount * share_above(LINES_FROM, detail)
                if isinstance(detail, Tensor) or detail > PHOTOGRAPH_FROM:
                    faithful = faithful + amount * share_above(PHOTOGRAPH_FROM, detail)
                copied = detail_where_kept(detail, most)
                yield Part(
                    texture,
                    color,
                    None if pixels is None else positions(pixels),
                    positions(copied) if isinstance(copied, Tensor) else copied,
                    chosen.patch_size,
                    None if states is None else states[style.number].steady,
                    told_of_part,
                    pooling_for(of_source, texture, level.drawn is not None),
                    colors_follow(found),
                )

        def tones() -> Iterator[Tones]:
            for style, wanted in zip(styles, goals, strict=True):
                if strengths is None and style.settings.strength == 0:
                    continue
                pixels = extended(share_of(style))
                weight = pixels if counts is None else counts if pixels is None else pixels * counts
                yield Tones(wanted, 1.0 if pixels is None else pixels, weight)

        def positions(values: Tensor) -> Tensor:
            return position_means(values, of_source.data.shape[-2:], model.stride)

        if of_one is not None:
            chosen, strength = styles[0].settings, styles[0].settings.strength
            settle = None if states is None else states[0].steady
            transferred = sandwich_swap(
                of_source,
                *of_one,
                1.0,
                detail_where_kept(chosen.detail, most),
                chosen.patch_size,
                settle,
                told_of_transfer,
                pooling_for(of_source, of_one[0], level.drawn is not None),
                colors_follow(in_plain),
            )
            if strength == 0:
                return level.picture.to(torch.float32, copy=True)
            painted = model.decode(transferred, tile, progress=told_of_decoding)
            painted = keep_lines(painted, photo, share_above(LINES_FROM, chosen.detail))
            wanted = [Tones(goal(in_plain, None), weight=counts)] if in_tones else []
            if states is None:
                painted = match_histograms(painted, wanted)
            painted = give_way(painted, photo, share_above(PHOTOGRAPH_FROM, chosen.detail), wanted)
            return laid(painted, strength, kept_at(chosen.detail, most))

        mixed = transfer_regions(of_source, parts())
        painted = model.decode(mixed, tile, progress=told_of_decoding)
        painted = keep_lines(painted, photo, lines.clamp(0, 1) if isinstance(lines, Tensor) else lines)
        if states is None:
            painted = match_histograms(painted, tones())
        painted = give_way(painted, photo, faithful, tones())
        return laid(painted, painted_share, kept)

    painted = tiles.run(photo.shape[-2], work)
    progress(1.0)
    return painted
