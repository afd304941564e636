"""Batches frame by frame, between the host's pictures and the core's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

import comfy.model_management as mm
import comfy.utils
import torch
from PIL import Image
from torch import Tensor

from ..artnet_core import Features
from ..artnet_core.pipeline import Mix, Pictures
from ..artnet_core.runtime import transfer_memory
from .kept import FeaturesOf

Picked = TypeVar("Picked", bound=Pictures | Mix)


def frame_of(images: Tensor, index: int) -> Tensor:
    """A picture of an IMAGE ``[B, H, W, C]``, or the only one: ``[1, 3, H, W]``, float32, without alpha."""
    index = min(index, len(images) - 1)
    return images[index : index + 1, ..., :3].movedim(-1, 1).float()


def check_image(images: object, name: str) -> None:
    """Raises ValueError for what is no IMAGE of at least one picture; its values are looked at frame by frame."""
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[-1] not in (3, 4):
        given = f"a tensor of shape {list(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(
            f"{name}: expected pictures with red, green, blue and perhaps transparency, as Load Image gives them, "
            f"got {given}. Check the node that this input is wired to."
        )
    if images.numel() == 0:
        raise ValueError(f"{name}: there is no picture in this batch. Check the node that this input is wired to.")


def pictures_of(images: Tensor, name: str) -> Pictures:
    """The pictures of an input of this name; what is transparent in them counts neither as content nor as style."""
    check_image(images, name)

    def weight(index: int) -> Tensor:
        return images[index : index + 1, ..., 3:].movedim(-1, 1).float().clamp(0, 1)

    return Pictures(
        name,
        len(images),
        lambda index: frame_of(images, index),
        weight if images.shape[-1] == 4 else None,
        FeaturesOf(images) if len(images) == 1 else None,
    )


def masked(pictures: Picked, mask: Tensor | None) -> Picked:
    """The same pictures, of which only what a MASK shows counts.

    Raises:
        ValueError: the mask does not fit, or it is for a mix; the message names the pictures.
    """
    if mask is None:
        return pictures
    if isinstance(pictures, Mix):
        raise ValueError(
            f"Mask of the {pictures.name}: a mix of styles takes none. Cut its pictures out in front of ArtNet Style "
            "Mix, with Join Image with Alpha."
        )
    try:
        return pictures.weighted(mask)
    except ValueError as error:
        raise ValueError(f"Mask of the {pictures.name}: {error}") from error


def with_alpha(frames: Iterable[Tensor], images: Tensor, watch: Watch) -> Iterator[Tensor]:
    """Painted frames ``[1, 3, H, W]`` as pictures ``[1, H, W, C]``, with the transparency that an IMAGE has.

    The node shows them as they come.
    """
    for index, frame in enumerate(frames):
        watch.painted(frame)
        alpha = images[min(index, len(images) - 1)][None, ..., 3:].to(frame)
        yield torch.cat([frame.movedim(1, -1), alpha], -1)


def style_of(style: Tensor | Mix, name: str) -> Pictures | Mix:
    """The style of an input of this name: pictures, or a mix of styles."""
    return replace(style, name=name) if isinstance(style, Mix) else pictures_of(style, name)


def sides_of(pictures: Pictures | Mix, longer_side: int = 0) -> tuple[int, int]:
    """Height and width of pictures, of a mix the largest; resized to this longer side where it is not 0."""
    if isinstance(pictures, Mix):
        sizes = [style.size if isinstance(style, Features) else sides_of(style) for style in pictures.styles]
        height, width = max(height for height, _ in sizes), max(width for _, width in sizes)
    else:
        height, width = pictures.read(0).shape[-2:]
    scale = longer_side / max(height, width) if longer_side else 1
    return max(1, round(height * scale)), max(1, round(width * scale))


_PREVIEW_SECONDS = 1.0
_PREVIEW_SIDE = 512
_PARTS = 100  # of a frame, that the bar shows


class Watch:
    """Tells how far a node is with its frames, shows what it makes, and ends its work when the user cancels."""

    def __init__(self, count: int) -> None:
        self._bar = comfy.utils.ProgressBar(_PARTS * count)
        self._count = count
        self._done = 0
        self._at = 0
        self._last_shown = -_PREVIEW_SECONDS

    def within(self, share: float) -> None:
        """So much of the frame at work is done."""
        mm.throw_exception_if_processing_interrupted()
        at = self._done * _PARTS + round(share * _PARTS)
        if at > self._at:
            self._at = at
            self._bar.update_absolute(at, _PARTS * self._count)

    def shown(self, picture: Tensor) -> None:
        """The frame at work looks like this by now, ``[1, 3, h, w]``; the page is sent one about once in a second."""
        if time.monotonic() - self._last_shown >= _PREVIEW_SECONDS:
            self._last_shown = time.monotonic()
            self._bar.update_absolute(self._at, _PARTS * self._count, ("JPEG", _picture(picture), _PREVIEW_SIDE))

    def painted(self, frame: Tensor) -> None:
        """A whole frame ``[1, 3, H, W]``: shown unless it is the only one, which is the node's result."""
        if self._count > 1:
            self.shown(frame)

    def frame_done(self) -> None:
        self.within(1.0)
        self._done += 1


def collect(
    count: int, frames: Iterable[Tensor], dtype: torch.dtype | None = None, watch: Watch | None = None
) -> Tensor:
    """Takes ``count`` frames ``[1, ...]`` one after the other, with progress and cancel, and gathers them.

    Args:
        count: at least 1.
        frames: made as they are asked for.
        dtype: of the result; the first frame's by default.
        watch: over these frames, where whoever makes them needs it too.

    Returns:
        ``[count, ...]`` on the host's intermediate device.
    """
    watch = Watch(count) if watch is None else watch
    gathered: Tensor | None = None
    watch.within(0.0)
    for index, frame in enumerate(frames):
        if gathered is None:
            shape = (count, *frame.shape[1:])
            gathered = torch.empty(shape, dtype=dtype or frame.dtype, device=mm.intermediate_device())
        gathered[index : index + 1] = frame
        watch.frame_done()
    assert gathered is not None
    return gathered


def _picture(picture: Tensor) -> Image.Image:
    return Image.fromarray(picture[0, :3].movedim(0, -1).mul(255).clamp(0, 255).byte().cpu().numpy())


def features_on_device(features: Features) -> Callable[[int], Features]:
    """The features of each frame, or the only ones for all, where the host computes; the last ones are kept."""
    kept: dict[int, Features] = {}

    def bring(index: int) -> Features:
        index = min(index, len(features.data) - 1)
        if index not in kept:
            frame = features.pick(index)
            kept.clear()
            kept[index] = frame.with_data(frame.data.to(mm.get_torch_device()))
        return kept[index]

    return bring


def collect_features(
    count: int, content: Features, style: Features, transfer: Callable[[int], Features], float32: bool = False
) -> Features:
    """Frees memory for a transfer of the style to one frame of the content, then makes and gathers ``count`` frames.

    ``float32`` says that the transfer makes copies in it.
    """
    device = mm.get_torch_device()
    mm.free_memory(transfer_memory(content, style, float32), device)
    return content.with_data(collect(count, (transfer(index).data for index in range(count))))


def intermediate_dtype() -> torch.dtype:
    """What the host wants IMAGEs to be."""
    return mm.intermediate_dtype() if hasattr(mm, "intermediate_dtype") else torch.float32
