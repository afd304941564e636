"""Batches frame by frame, between the host's pictures and the core's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import comfy.model_management as mm
import comfy.utils
import torch
from PIL import Image
from torch import Tensor

from ..artnet_core import Features
from ..artnet_core.pipeline import Pictures, Progress
from ..artnet_core.runtime import transfer_memory


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

    return Pictures(name, len(images), lambda index: frame_of(images, index), weight if images.shape[-1] == 4 else None)


def masked(pictures: Pictures, mask: Tensor | None) -> Pictures:
    """The same pictures, of which only what a MASK shows counts.

    Raises:
        ValueError: the mask does not fit; the message names the pictures.
    """
    if mask is None:
        return pictures
    try:
        return pictures.weighted(mask)
    except ValueError as error:
        raise ValueError(f"Mask of the {pictures.name}: {error}") from error


def with_alpha(frames: Iterable[Tensor], images: Tensor) -> Iterator[Tensor]:
    """Painted frames ``[1, 3, H, W]`` as pictures ``[1, H, W, C]``, with the transparency that an IMAGE has."""
    for index, frame in enumerate(frames):
        alpha = images[min(index, len(images) - 1)][None, ..., 3:].to(frame)
        yield torch.cat([frame.movedim(1, -1), alpha], -1)


def sides_of(images: Tensor, longer_side: int = 0) -> tuple[int, int]:
    """Height and width of the pictures of an IMAGE once the longer side is resized to this length; 0 leaves it."""
    height, width = images.shape[1:3]
    scale = longer_side / max(height, width) if longer_side else 1
    return max(1, round(height * scale)), max(1, round(width * scale))


_PREVIEW_SECONDS = 1.0
_PREVIEW_SIDE = 512


def collect(
    count: int, frames: Iterable[Tensor], dtype: torch.dtype | None = None, *, previewed: bool = False
) -> Tensor:
    """Takes ``count`` frames ``[1, ...]`` one after the other, with progress and cancel, and gathers them.

    Args:
        count: at least 1.
        frames: made as they are asked for.
        dtype: of the result; the first frame's by default.
        previewed: whether the frames are pictures ``[1, H, W, C]``, of which the node shows the newest about once in a
            second.

    Returns:
        ``[count, ...]`` on the host's intermediate device.
    """
    progress = comfy.utils.ProgressBar(count)
    gathered: Tensor | None = None
    shown = -_PREVIEW_SECONDS
    mm.throw_exception_if_processing_interrupted()
    for index, frame in enumerate(frames):
        if gathered is None:
            shape = (count, *frame.shape[1:])
            gathered = torch.empty(shape, dtype=dtype or frame.dtype, device=mm.intermediate_device())
        gathered[index : index + 1] = frame
        preview = None
        if previewed and count > 1 and time.monotonic() - shown >= _PREVIEW_SECONDS:
            preview, shown = ("JPEG", _picture(frame), _PREVIEW_SIDE), time.monotonic()
        progress.update_absolute(index + 1, count, preview)
        mm.throw_exception_if_processing_interrupted()
    assert gathered is not None
    return gathered


def within_frame(count: int) -> Progress:
    """Watches each of ``count`` frames while it is painted: the user may cancel, and a single one has its own bar."""
    bar = comfy.utils.ProgressBar(100) if count == 1 else None
    shown = 0

    def watch(share: float) -> None:
        nonlocal shown
        mm.throw_exception_if_processing_interrupted()
        if bar is not None and round(100 * share) != shown:
            shown = round(100 * share)
            bar.update_absolute(shown, 100)

    return watch


def _picture(frame: Tensor) -> Image.Image:
    return Image.fromarray(frame[0, ..., :3].mul(255).clamp(0, 255).byte().cpu().numpy())


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
