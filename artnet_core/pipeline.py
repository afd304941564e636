"""The way of a picture: encode, transfer, decode; and the one loop over frames for library, nodes, command line, film.

Whoever paints brings batches as :class:`Pictures`, which are read one frame at a time, and takes the frames of
:func:`paint` as they come. So neither side ever holds more of a film than it wants to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .features import Features, picture_count
from .images import check_images
from .runtime import Tiles
from .transfer.mask import check_mask, mask_count, mask_images
from .transfer.sandwich import DEFAULT_DETAIL, sandwich_swap
from .transfer.swap import Settle, check_patch_size
from .video.steadiness import TemporalState, extend


class Coder(Protocol):
    """What the pipeline needs of a model: an :class:`~artnet_core.model.ArtNet`."""

    stride: int

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

    Raises:
        ValueError: a number is out of its range.
    """

    strength: float = 1.0
    detail: float = DEFAULT_DETAIL
    patch_size: int = 3
    steady: bool = False

    def __post_init__(self) -> None:
        for name, value in (("strength", self.strength), ("detail", self.detail)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in 0..1, got {value}.")
        check_patch_size(self.patch_size)


@dataclass(frozen=True, eq=False)
class Pictures:
    """A batch of pictures, read one at a time.

    Attributes:
        name: what errors call the batch.
        count: of its pictures.
        read: index to picture ``[1, 3, H, W]``, RGB, 0..1.
    """

    name: str
    count: int
    read: Callable[[int], Tensor]

    @classmethod
    def of(cls, images: Tensor, name: str) -> Pictures:
        """The pictures of a tensor ``[B, 3, H, W]``.

        Raises:
            TypeError: it is no tensor.
            ValueError: its shape, dtype or values are not those of pictures.
        """
        check_images(images)
        return cls(name, len(images), lambda index: images[index : index + 1])

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


def frame_count(content: Pictures, texture: Pictures, color: Pictures | None = None, masks: int | None = None) -> int:
    """How many frames :func:`paint` gives: as many as the largest batch has.

    Raises:
        ValueError: a batch is neither one picture nor as many as the largest.
    """
    colors = None if color is None else color.count
    return picture_count(
        {content.name: content.count, texture.name: texture.count, "color style": colors, "mask": masks}
    )


def paint(
    model: Coder,
    content: Pictures,
    texture: Pictures,
    color: Pictures | None = None,
    settings: Settings = Settings(),
    mask: Tensor | None = None,
    tiles: Tiles | None = None,
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

    Yields:
        Frames ``[1, 3, H, W]``, float32, 0..1, on the model's device.

    Raises:
        ValueError: batches or masks do not fit together, or a picture is none.
        MemoryError: not even the smallest tile fits.
    """
    tiles = Tiles() if tiles is None else tiles
    count = frame_count(content, texture, color, None if mask is None else mask_count(mask))
    masks = None if mask is None else check_mask(mask, count)
    texture_at = _encoder(model, texture, tiles)
    content_at = _encoder(model, content, tiles)
    color_at = None if color is None else content_at if color is content else _encoder(model, color, tiles)
    temporal = TemporalState() if settings.steady else None
    varies = max(content.count, texture.count, 1 if color is None else color.count) > 1
    painted: Tensor | None = None  # the only one, for any number of masks

    for index in range(count):
        picture = content.at(index)
        of_frame = None if masks is None else masks[min(index, len(masks) - 1)]
        if of_frame is not None and temporal is None and not (of_frame > 0).any():
            yield picture.to(model.device, torch.float32)
            continue
        if painted is None or varies:
            of_texture, of_color = texture_at(index), None if color_at is None else color_at(index)
            if temporal is None:
                painted = tiles.run(
                    picture.shape[2],
                    lambda tile: transfer(model, picture, content_at(index), of_texture, of_color, settings, tile=tile),  # noqa: B023 (called at once)
                )
            else:
                painted = paint_frame(model, picture, of_texture, of_color, settings, temporal, tiles)
        yield painted if of_frame is None else mask_images(picture, painted, of_frame)


def paint_frame(
    model: Coder,
    content: Tensor,
    texture: Features,
    color: Features | None = None,
    settings: Settings = Settings(),
    temporal: TemporalState | None = None,
    tiles: Tiles | None = None,
) -> Tensor:
    """Paints one picture, or the next frame of a video, with styles that are encoded already.

    Without ``temporal`` nothing in a frame that lies on a CUDA GPU waits for it but the look at the picture's values,
    which is left out while a CUDA graph is captured.

    Args:
        model: encodes and decodes.
        content: ``[1, 3, H, W]``, RGB, 0..1.
        texture: of the style whose strokes are copied.
        color: of the style whose colours are taken; the texture's by default.
        settings: what the artist sets; of ``steady`` ``temporal`` decides.
        temporal: of the video, if the picture is its next frame.
        tiles: how many rows are worked on at once; all, until memory runs out, by default.

    Returns:
        ``[1, 3, H, W]``, float32, 0..1, on the model's device.
    """
    tiles = Tiles() if tiles is None else tiles
    check_images(content)
    above = left = 0
    if temporal is not None:
        content = content.to(model.device)
        above, left = temporal.follow(content, model.stride)
    extended = extend(content, above, left)
    settle = None if temporal is None else temporal.steady

    def work(tile: int | None) -> Tensor:
        return transfer(model, extended, model.encode(extended, tile), texture, color, settings, settle, tile)

    return tiles.run(extended.shape[2], work)[..., above:, left:]


def transfer(
    model: Coder,
    content: Tensor,
    features: Features,
    texture: Features,
    color: Features | None,
    settings: Settings,
    settle: Settle | None = None,
    tile: int | None = None,
) -> Tensor:
    """S2 and the decoder, on a picture whose ``features`` are known.

    Below strength 1 the part of the picture that the decoder cannot reproduce is added back in proportion, so that
    strength 0 is the content itself and nothing jumps on the way there, if its values lie in 0..1.
    """
    strength = settings.strength
    transferred = sandwich_swap(features, texture, color, strength, settings.detail, settings.patch_size, settle)
    if strength == 0:
        return content.to(model.device, torch.float32, copy=True)
    painted = model.decode(transferred, tile)
    if strength < 1:
        lost = content.to(painted) - model.decode(features, tile)
        painted = painted.add_(lost, alpha=1 - strength).clamp_(0, 1)
    return painted


def _encoder(model: Coder, pictures: Pictures, tiles: Tiles) -> Callable[[int], Features]:
    """The features of each picture of a batch; the last ones are kept, so those of a single picture are taken once."""
    kept: dict[int, Features] = {}

    def encode(index: int) -> Features:
        index = min(index, pictures.count - 1)
        if index not in kept:
            picture = pictures.at(index)
            kept.clear()
            kept[index] = tiles.run(picture.shape[2], lambda tile: model.encode(picture, tile))
        return kept[index]

    return encode
