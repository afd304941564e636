"""Pictures: what counts as one, and files to tensors and back.

:mod:`~artnet_core.files.opening`, :mod:`~artnet_core.files.decoding` and :mod:`~artnet_core.files.saving` know the
formats,
:mod:`~artnet_core.files.profiles` the colours, :mod:`~artnet_core.files.metadata` what else files say.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from .files.decoding import TURNED, Decoded, decode
from .files.metadata import Metadata, orientation_of
from .files.opening import PictureError as PictureError
from .files.opening import open_picture, readable_suffixes, speaking_of
from .files.saving import check_target, save_deep, save_images
from .files.saving import writable_suffixes as writable_suffixes

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""The endings of the commonest picture files; :func:`~artnet_core.files.opening.readable_suffixes` has all."""

UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for a file that is no picture, is damaged, or holds too many pixels to be meant."""

# Values of 8-bit pictures that nobody has divided by 255 lie far above this, those of HDR pictures seldom.
_BRIGHTEST = 16.0


def _has_values(images: Tensor) -> bool:
    return not images.is_meta


def check_images(images: object) -> None:
    """Raises unless these are pictures: a floating tensor ``[B, 3, H, W]`` of finite values of about 0..1.

    On a CUDA GPU it waits for the values, and is left out while a CUDA graph is captured.

    Raises:
        TypeError: no tensor.
        ValueError: another shape or dtype, no pixels, values that are not finite, or far beyond 1 as of 0..255.
    """
    if not isinstance(images, Tensor):
        raise TypeError(
            f"Pictures must be a torch tensor [B, 3, H, W] with values of 0..1, got {type(images).__name__}: "
            "read files with artnet_core.images.read_picture, and turn arrays into tensors with torch.from_numpy."
        )
    if images.ndim != 4 or images.shape[1] != 3:
        hint = ": move the colours to the front with movedim(-1, 1)" if images.shape[-1:] == (3,) else ""
        raise ValueError(f"Images must be a tensor [B, 3, H, W] of RGB pictures, got {list(images.shape)}{hint}.")
    if images.numel() == 0:
        raise ValueError(f"The picture is empty: its shape is {list(images.shape)}.")
    if images.layout != torch.strided or not _has_values(images):
        raise ValueError(f"Pictures must be dense tensors with values, got {images.layout} on {images.device}.")
    if not images.is_floating_point():
        raise ValueError(f"The picture is of {images.dtype}, expected floating values of 0..1: divide 8 bits by 255.")
    if images.is_cuda and torch.cuda.is_current_stream_capturing():
        return  # only what waits for no value can be captured
    if images.dtype.itemsize == 1:
        raise ValueError(f"The picture is of {images.dtype}, too coarse for pictures: turn it into float32 first.")
    least, most = (value.item() for value in images.detach().aminmax())
    if not (math.isfinite(least) and math.isfinite(most)):
        raise ValueError("The picture has values that are not finite (NaN or infinity).")
    if most > _BRIGHTEST:
        raise ValueError(f"The picture has values up to {most:.4g}, expected 0..1: divide by 255, or by their maximum.")


@dataclass(frozen=True)
class Picture:
    """A picture, upright, in sRGB.

    Attributes:
        rgb: ``[1, 3, H, W]``, float32, 0..1; where nothing is seen of it, the colours that lie around.
        alpha: ``[1, 1, H, W]``, float32, 0..1; None for a picture that is opaque everywhere.
        metadata: what else the file says.
        notes: what the reader did that an artist should know, as of a damaged profile that was left out.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()


def read_picture(path: Path, size: int | None = None, at_most: int | None = None) -> Picture:
    """Reads a picture file, the first picture of several; turned as its EXIF orientation says, and brought to sRGB.

    Args:
        path: a file of any format that Pillow reads; HEIC with the package pillow-heif.
        size: the length in pixels that the longer side is resized to; as it is by default.
        at_most: as ``size``, for larger pictures alone.

    Raises:
        FileNotFoundError: there is no such file.
        PictureError: the file is not a picture or is damaged, or without ``size`` it has more pixels than are meant
            (some 179 million).

    Example:
        >>> write_picture(Path("sky.png"), Picture(torch.full((1, 3, 60, 90), 0.5)))
        >>> read_picture(Path("sky.png"), size=45).rgb.shape
        torch.Size([1, 3, 30, 45])
    """
    return next(read_frames(path, size, at_most))


def read_frames(path: Path, size: int | None = None, at_most: int | None = None) -> Iterator[Picture]:
    """Reads all pictures of a file one after the other: an animation's frames, a TIFF file's pages.

    Takes and raises what :func:`read_picture` does. Each picture's metadata holds its time.
    """
    with closing(open_picture(path, no_limit=size is not None)) as file:
        for frame in file.frames:
            with speaking_of(path):
                decoded = decode(file, frame, size, at_most)
            yield _picture(decoded)


def frame_total(path: Path) -> int:
    """How many pictures :func:`read_frames` finds in a file.

    Raises:
        FileNotFoundError: there is no such file.
        PictureError: it cannot be read.
    """
    with closing(open_picture(path, no_limit=True, whole=False)) as file:
        return len(file.frames)


def fill_hidden(rgb: Tensor, alpha: Tensor) -> Tensor:
    """Gives pixels that are wholly transparent the colours that lie around them, so that what is hidden never matters.

    Colours flow in from ever farther away: means over 2, 4, 8, ... pixels of what is seen, and where nothing is, those
    of the next coarser scale, smoothly interpolated (the "pull-push" of Gortler et al. 1996, "The Lumigraph").

    Args:
        rgb: ``[B, 3, H, W]``.
        alpha: ``[B, 1, H, W]``, 0..1.

    Returns:
        A tensor like ``rgb``: the same where alpha is above 0, to the bit, and the same for all colours that were
        hidden. Grey for a picture of which nothing is seen.

    Example:
        >>> rgb, alpha = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
        >>> alpha[..., :4] = 1
        >>> bool((fill_hidden(rgb, alpha)[..., :4] == rgb[..., :4]).all())
        True
    """
    seen = alpha > 0
    weight = alpha.to(rgb).clamp(0, 1)
    scales = [(torch.where(seen, rgb, 0) * weight, weight)]
    while max(scales[-1][1].shape[-2:]) > 1:
        # A side of odd length has its last pixel alone in a mean; what is added there weighs nothing.
        scales.append(tuple(F.avg_pool2d(_even(each), 2) for each in scales[-1]))  # type: ignore[arg-type]
    color, weight = scales.pop()
    filled = torch.where(weight > 0, color / weight.clamp(min=_LEAST_WEIGHT), 0.5)
    for color, weight in reversed(scales):
        around = F.interpolate(filled, scale_factor=2, mode="bilinear", align_corners=False)
        around = around[..., : color.shape[-2], : color.shape[-1]]
        filled = torch.where(weight > 0, color / weight.clamp(min=_LEAST_WEIGHT), around)
    return torch.where(seen, rgb, filled)


def write_picture(path: Path, picture: Picture, depth: int = 8, quality: int | None = None) -> None:
    """Writes a picture in the format of the file name's ending, with the sRGB profile; makes missing folders.

    The file is written beside its place and moved there, so it is the old one or the whole new one at any time.

    Args:
        path: of the file.
        picture: with what metadata is to be kept.
        depth: bits per channel: 8, or 16 for a .png.
        quality: 0..100, for .jpg and .avif (95 by default) and .webp (every bit is kept by default).

    Raises:
        PictureError: the ending is unknown, its format cannot hold the picture (transparency, depth), the place is
            read-only or no place for a file, or values are not finite.
        OSError: the disk is full.
    """
    write_frames(path, [picture], depth, quality)


def write_frames(path: Path, pictures: Iterable[Picture], depth: int = 8, quality: int | None = None) -> None:
    """Writes pictures into one file, as an animation or as the pages of a .tif.

    Takes and raises what :func:`write_picture` does. The pictures are taken one at a time, and kept with 8 bits.
    """
    images: list[Image.Image] = []
    metadata: list[Metadata] = []
    for picture in pictures:
        check_target(path, picture.alpha is not None, len(images) + 1, depth)
        if not torch.isfinite(picture.rgb).all():
            raise PictureError(f"{path}: the painting has values that are not finite (NaN or infinity): not written.")
        if depth == 16:
            save_deep(path, _array(picture, 65535).astype(np.uint16), picture.metadata)
            return
        images.append(to_image(picture))
        metadata.append(picture.metadata)
    save_images(path, images, metadata, quality)


def check_ending(path: Path) -> None:
    """Raises PictureError where no picture can be written to a path: its ending is that of no format, or no place."""
    check_target(path)


def to_image(picture: Picture) -> Image.Image:
    """A picture as a Pillow image, RGB or RGBA with 8 bits per channel."""
    return Image.fromarray(_array(picture, 255).astype(np.uint8))


def upright(file: Image.Image) -> Image.Image:
    """An opened picture, turned as its EXIF orientation says, with 8 bits per channel.

    16-bit grey is scaled; Pillow's own conversion would clip it to white.
    """
    file.load()
    orientation = orientation_of(file)
    image = file.transpose(TURNED[orientation]) if orientation in TURNED else file
    if image.mode.startswith("I"):
        return Image.fromarray((np.array(image).astype(np.float64) / 257).round().clip(0, 255).astype(np.uint8))
    return image


def pictures_in(folder: Path) -> list[Path]:
    """The picture files directly in a folder, by name, numbers in it by their values: frame2 before frame10.

    Raises:
        PictureError: there are none.
    """
    return sort_pictures(folder)[0]


def sort_pictures(
    folder: Path, recursive: bool = False, leave_out: Path | None = None
) -> tuple[list[Path], list[Path]]:
    """The picture files in a folder as :func:`pictures_in` has them, and what else lies there.

    Args:
        folder: to look into.
        recursive: whether to look into its folders too, each in its place by name.
        leave_out: a folder in it that is not looked at, such as the one for paintings.

    Returns:
        Pictures, and what is skipped: hidden files, other files and, unless they are looked into, folders.

    Raises:
        PictureError: there are no pictures, or it is no folder.
    """
    if not folder.is_dir():
        raise PictureError(f"There is no folder {folder}: a folder of pictures is needed here.")
    pictures: list[Path] = []
    skipped: list[Path] = []
    suffixes = readable_suffixes()

    def look_into(place: Path) -> None:
        for path in sorted(place.iterdir(), key=_by_numbers):
            if leave_out is not None and path.is_dir() and leave_out.exists() and path.samefile(leave_out):
                continue
            hidden = path.name.startswith(".")
            if recursive and path.is_dir() and not hidden and not path.is_symlink():
                look_into(path)
            else:
                (pictures if path.suffix.lower() in suffixes and not hidden and path.is_file() else skipped).append(
                    path
                )

    look_into(folder)
    if not pictures:
        where = (
            ""
            if recursive or not any(path.is_dir() for path in skipped)
            else "; look into its folders with --recursive"
        )
        raise PictureError(f"{folder} holds no pictures ({', '.join(SUFFIXES)} and others){where}.")
    return pictures, skipped


def file_identity(path: Path) -> tuple[int, int] | str:
    """What all names of one file have in common, links of both kinds too; also of a file that is not there yet."""
    try:
        status = path.stat()
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


_LEAST_WEIGHT = 1e-30


def _even(maps: Tensor) -> Tensor:
    return F.pad(maps, (0, maps.shape[-1] % 2, 0, maps.shape[-2] % 2))


def _picture(decoded: Decoded) -> Picture:
    rgb = torch.from_numpy(np.ascontiguousarray(decoded.rgb)).permute(2, 0, 1)[None]
    if decoded.alpha is None or (decoded.alpha >= 1).all():
        return Picture(rgb, None, decoded.metadata, decoded.notes)
    alpha = torch.from_numpy(np.ascontiguousarray(decoded.alpha))[None, None]
    return Picture(fill_hidden(rgb, alpha), alpha, decoded.metadata, decoded.notes)


def _array(picture: Picture, white: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    planes = [picture.rgb] if picture.alpha is None else [picture.rgb, picture.alpha]
    values = torch.cat([plane.detach().float().cpu() for plane in planes], 1)[0].permute(1, 2, 0)
    return values.mul(white).round().clamp(0, white).numpy()


def _by_numbers(path: Path) -> tuple[list[str | Decimal], str]:
    """Text, capital letters as small ones, and numbers in turn, so that like is compared with like."""
    parts = re.split(r"([0-9]+(?:\.[0-9]+)?)", path.stem.casefold())
    return [Decimal(part) if index % 2 else part for index, part in enumerate(parts)], path.name
