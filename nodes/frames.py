"""Batches frame by frame, between the host's pictures and the core's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import comfy.model_management as mm
import comfy.utils
import torch
from torch import Tensor

from ..artnet_core import ArtNet, Features
from ..artnet_core.features import one_for_all
from ..artnet_core.memory import transfer_bytes
from ..artnet_core.model import check_images
from .managed import strips


def frame_of(images: Tensor, index: int) -> Tensor:
    """A picture of an IMAGE ``[B, H, W, C]``, or the only one: ``[1, 3, H, W]``, float32, without alpha."""
    index = min(index, len(images) - 1)
    return images[index : index + 1, ..., :3].movedim(-1, 1).float()


def check_batch(images: Tensor, name: str) -> None:
    """Raises ValueError for an IMAGE that is empty, or whose first picture is none; the others follow in their turn."""
    with named(name, 0):
        check_images(images[:1, ..., :3].movedim(-1, 1))


@contextmanager
def named(name: str, index: int) -> Iterator[None]:
    """Says in errors about a picture which one of which input it is."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}, picture {index + 1}: {error}") from error


def collect(count: int, make: Callable[[int], Tensor], dtype: torch.dtype | None = None) -> Tensor:
    """Makes ``count`` frames ``[1, ...]`` one after the other, with progress and cancel, and gathers them.

    Args:
        count: at least 1.
        make: index to frame.
        dtype: of the result; the first frame's by default.

    Returns:
        ``[count, ...]`` on the host's intermediate device.
    """
    progress = comfy.utils.ProgressBar(count)
    frames: Tensor | None = None
    for index in range(count):
        mm.throw_exception_if_processing_interrupted()
        frame = make(index)
        if frames is None:
            frames = torch.empty((count, *frame.shape[1:]), dtype=dtype or frame.dtype, device=mm.intermediate_device())
        frames[index : index + 1] = frame
        progress.update(1)
    assert frames is not None
    return frames


def features_on_device(features: Features) -> Callable[[int], Features]:
    """The features of each frame, or the only ones for all, where the host computes."""

    def bring(index: int) -> Features:
        frame = features.pick(index)
        return frame.with_data(frame.data.to(mm.get_torch_device()))

    return one_for_all(len(features.data), bring)


def collect_features(
    count: int,
    content: Features,
    style: Features,
    transfer: Callable[[int], Features],
    dtype: torch.dtype | None = None,
) -> Features:
    """Frees memory for a transfer of the style to one frame of the content, then makes and gathers ``count`` frames.

    ``dtype`` is what :func:`~artnet_core.memory.transfer_bytes` takes.
    """
    device = mm.get_torch_device()
    mm.free_memory(transfer_bytes(content, style, device, dtype), device)
    return content.with_data(collect(count, lambda index: transfer(index).data))


def image_dtype() -> torch.dtype:
    """What the host wants IMAGEs to be."""
    return mm.intermediate_dtype() if hasattr(mm, "intermediate_dtype") else torch.float32


def sides_of(images: Tensor, longer_side: int = 0) -> tuple[int, int]:
    """Height and width of the pictures of an IMAGE once the longer side is resized to this length; 0 leaves it."""
    height, width = images.shape[1:3]
    scale = longer_side / max(height, width) if longer_side else 1
    return max(1, round(height * scale)), max(1, round(width * scale))


def encoded_frames(model: ArtNet, images: Tensor, name: str, longer_side: int = 0) -> Callable[[int], Features]:
    """The features of the pictures of an input of this name, resized as by :func:`sides_of`."""
    check_batch(images, name)
    height, width = sides_of(images, longer_side)
    rows = strips(height)

    def encode(index: int) -> Features:
        picture = frame_of(images, index)
        with named(name, index):
            if picture.shape[-2:] != (height, width):
                check_images(picture)  # what is not finite would be black
                picture = comfy.utils.common_upscale(picture, width, height, "lanczos", "disabled")
            return rows.run(lambda strip: model.encode(picture, strip))

    return one_for_all(len(images), encode)
