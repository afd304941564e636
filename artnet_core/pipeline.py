"""The way of a picture: encode, transfer, decode; and the one loop over frames for library, nodes, command line, film.

Whoever paints brings batches as :class:`Pictures`, which are read one frame at a time, and takes the frames of
:func:`paint` as they come. So neither side ever holds more of a film than it wants to.

Large strokes are painted first, on a small picture, and finer ones over them, as painters do and as image analogies
are made (Hertzmann et al. 2001, "coarse to fine"). Each level sees the painting of the level before with the
photograph's own detail of its size put back (Burt and Adelson 1983, the Laplacian pyramid), in the style reduced alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from .features import Features, nothing_seen, picture_count
from .finish import finish
from .images import check_images, fill_hidden
from .network.encoder import Encoder
from .resizing import enlarge, resize
from .runtime import Tiles, multiplies_bfloat16
from .transfer.lines import keep_lines
from .transfer.mask import check_mask, mask_count, mask_images, resize_mask
from .transfer.sandwich import DEFAULT_DETAIL, sandwich_swap
from .transfer.swap import check_patch_size, copied_positions
from .video.steadiness import TemporalState, extend

# Pixels of the longer side of the smallest level at a stroke size of 1. At 0.5 it has four times as many: the same in a
# picture of 512 pixels and in one of 4096.
_BROADEST = 128

# A style is not reduced below this, or it would have too few patches to choose from.
_SMALLEST_STYLE = 256

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

        Raises:
            ValueError: the mask does not fit the batch.
        """
        masks = check_mask(mask, self.count)

        def weight(index: int) -> Tensor:
            of_picture = masks[min(index, len(masks) - 1)][None, None].float().clamp(0, 1)
            before = None if self.weight is None else self.weight(index)
            if before is None:
                return of_picture
            size = before.shape[-2], before.shape[-1]
            return before * resize_mask(of_picture[0], size).to(before)

        return replace(self, weight=weight)

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


def frame_count(content: Pictures, texture: Pictures, color: Pictures | None = None, masks: int | None = None) -> int:
    """How many frames :func:`paint` gives: as many as the largest batch has.

    Raises:
        ValueError: a batch is neither one picture nor as many as the largest.
    """
    colors = None if color is None else color.count
    return picture_count(
        {content.name: content.count, texture.name: texture.count, "color style": colors, "mask": masks}
    )


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
    texture: Pictures,
    color: Pictures | None = None,
    settings: Settings = Settings(),
    mask: Tensor | None = None,
    tiles: Tiles | None = None,
    kept: dict[str, Encoded] | None = None,
    progress: Progress = _ignore,
) -> Iterator[Tensor]:
    """Paints one frame after the other.

    A batch of one stands for every frame, and is encoded once.

    Args:
        model: encodes and decodes.
        content: the pictures to paint; with ``settings.steady`` the frames of a video.
        texture: the pictures whose strokes are copied.
        color: the pictures whose colours are taken; the texture's by default. The content itself keeps its colours.
        settings: what the artist sets.
        mask: ``[h, w]`` or ``[1 or B, h, w]``, any size: where to paint, 1, and where the content stays, 0.
        tiles: how many rows are worked on at once; all, until memory runs out, by default.
        kept: features of single pictures by their role: empty at first, filled for the next call with the same model,
            content, texture and colour pictures.
        progress: is told how far each frame is.

    Yields:
        Frames ``[1, 3, H, W]``, float32, 0..1, on the model's device.

    Raises:
        ValueError: batches or masks do not fit together, a picture is none, or nothing of a style is seen.
        MemoryError: not even the smallest tile fits.
    """
    tiles = Tiles() if tiles is None else tiles
    kept = {} if kept is None else kept
    count = frame_count(content, texture, color, None if mask is None else mask_count(mask))
    masks = None if mask is None else check_mask(mask, count)
    temporal: list[TemporalState] | None = [] if settings.steady else None
    varies = max(content.count, texture.count, 1 if color is None else color.count) > 1
    painted: Tensor | None = None  # the only one, for any number of masks

    def encoded(pictures: Pictures, role: str, index: int) -> Encoded:
        index = min(index, pictures.count - 1)
        if index > 0 or role not in kept or pictures.count > 1:
            kept[role] = pictures.encoded(model, index, tiles)
        return kept[role]

    for index in range(count):
        of_content = encoded(content, "content", index)
        of_frame = None if masks is None else masks[min(index, len(masks) - 1)]
        untouched = of_frame is not None and temporal is None and not (of_frame > 0).any()
        if untouched or not of_content.is_seen:
            yield of_content.original.to(model.device, torch.float32)
            continue
        if painted is None or varies:
            of_texture = encoded(texture, "texture", index)
            of_color = of_content if color is content else None if color is None else encoded(color, "color", index)
            painted = paint_frame(model, of_content, of_texture, of_color, settings, temporal, tiles, progress)
        yield painted if of_frame is None else mask_images(of_content.original, painted, of_frame)


def paint_frame(
    model: Coder,
    content: Encoded,
    texture: Encoded,
    color: Encoded | None = None,
    settings: Settings = Settings(),
    temporal: list[TemporalState] | None = None,
    tiles: Tiles | None = None,
    progress: Progress = _ignore,
) -> Tensor:
    """Paints one picture, or the next frame of a video, coarse to fine.

    Without ``temporal`` nothing in a frame that lies on a CUDA GPU waits for it but the look at the picture's values,
    which is left out while a CUDA graph is captured.

    Args:
        model: encodes and decodes.
        content: the picture.
        texture: the style whose strokes are copied.
        color: the style whose colours are taken; the texture's by default.
        settings: what the artist sets; of ``steady`` ``temporal`` decides.
        temporal: of the video, if the picture is its next frame: a list, empty before the first frame.
        tiles: how many rows are worked on at once; all, until memory runs out, by default.
        progress: is told which share of the frame is done.

    Returns:
        ``[1, 3, H, W]``, float32, 0..1, on the model's device.
    """
    tiles = Tiles() if tiles is None else tiles
    check_images(content.picture)
    for name, style in (("texture style", texture), ("color style", color)):
        if style is not None and style is not content and not style.is_seen:
            raise nothing_seen(name)
    full = content.side
    sides = level_sides(full, settings.stroke_size)
    if temporal is not None:
        temporal.extend(TemporalState() for _ in sides[len(temporal) :])
    # A step of the finish takes about half of what painting takes.
    total, done = sum(side**2 for side in sides) + full**2 * settings.finish / 2, 0.0
    below: Tensor | None = None  # the photograph of the level before
    painted: Tensor | None = None
    for level, side in enumerate(sides):
        picture = content.at(side).to(model.device)
        drawn = None
        if painted is not None and below is not None:
            # What the level before could not show of the photograph is drawn onto its painting.
            size = picture.shape[-2], picture.shape[-1]
            drawn = (enlarge(painted, size) + picture - enlarge(below, size)).clamp_(0, 1)
        of_texture = texture.features(style_side(texture.side, side, full, settings))
        of_color = None
        if color is not None:
            # The content keeps its own colours as they are.
            of_color = color.features(
                side if color is content else style_side(color.side, side, full, replace(settings, style_size=0))
            )
        of_level = settings if side == full else replace(settings, strength=1.0)
        features = partial(content.features, side) if temporal is None else None
        state = None if temporal is None else temporal[level]
        weight = content.weight_at(side)
        painted = _paint_level(model, picture, weight, drawn, features, of_texture, of_color, of_level, state, tiles)
        below = picture
        done += side**2
        progress(done / total)
    assert painted is not None
    if settings.finish == 0 or settings.strength == 0:
        return painted
    of_full = style_side(texture.side, full, full, settings)
    finished = finish(
        model.encoder,
        painted,
        content.picture.to(model.device),
        texture.at(of_full),
        None if color is None else color.colors,
        settings.finish,
        torch.bfloat16 if multiplies_bfloat16(model.device) else torch.float32,
        lambda share: progress((done + share * (total - done)) / total),
        texture.weight_at(of_full),
    )
    return torch.lerp(painted, finished, settings.strength)


def _paint_level(
    model: Coder,
    picture: Tensor,
    weight: Tensor | None,
    drawn: Tensor | None,
    features: Callable[[], Features] | None,
    texture: Features,
    color: Features | None,
    settings: Settings,
    temporal: TemporalState | None,
    tiles: Tiles,
) -> Tensor:
    """Paints one level: the photograph, or where something is ``drawn`` on it already that, ``[1, 3, H, W]``.

    Below strength 1 the part of the photograph that the decoder cannot reproduce is added back in proportion, so that
    strength 0 is the photograph itself and nothing jumps on the way there, if its values lie in 0..1.

    ``features`` are the photograph's, if they are of use elsewhere too; a video's are not, as its grid moves.
    """
    above = left = 0
    if temporal is not None:
        above, left = temporal.follow(picture, model.stride)
    photo = extend(picture, above, left)
    counts = None if weight is None else extend(weight, above, left)
    source = photo if drawn is None else extend(drawn, above, left)
    settle = None if temporal is None else temporal.steady
    # From the default towards 1 the photograph's own lines come back.
    lines = max(0.0, settings.detail - DEFAULT_DETAIL) / (1 - DEFAULT_DETAIL)

    def work(tile: int | None) -> Tensor:
        def encoded(images: Tensor) -> Features:
            if images is photo and features is not None:
                return features()
            return model.encode(images, tile).weighted(counts)

        of_source = encoded(source)
        transferred = sandwich_swap(of_source, texture, color, 1.0, settings.detail, settings.patch_size, settle)
        if settings.strength == 1:
            return keep_lines(model.decode(transferred, tile), photo, lines)
        of_photo = of_source if source is photo else encoded(photo)
        mixed = torch.lerp(of_photo.data, transferred.data, settings.strength)
        if settings.strength == 0:
            return photo.to(torch.float32, copy=True)
        painted = model.decode(of_photo.with_data(mixed), tile)
        lost = photo.to(painted) - model.decode(of_photo, tile)
        painted = painted.add_(lost, alpha=1 - settings.strength).clamp_(0, 1)
        return keep_lines(painted, photo, lines * settings.strength)

    return tiles.run(photo.shape[-2], work)[..., above:, left:]
