"""Pictures: what counts as one, and files to tensors and back."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
_WITHOUT_ALPHA = (".jpg", ".jpeg", ".bmp")


UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for a file that is no picture, is damaged, or holds too many pixels to be meant."""


class PictureError(ValueError):
    """A picture file that cannot be read or written; the message names the file and the cause."""


# Values of 8-bit pictures that nobody has divided by 255 lie far above this, those of HDR pictures seldom.
_BRIGHTEST = 16.0


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
    if not images.is_floating_point():
        raise ValueError(f"The picture is of {images.dtype}, expected floating values of 0..1: divide 8 bits by 255.")
    if images.is_cuda and torch.cuda.is_current_stream_capturing():
        return  # only what waits for no value can be captured
    least, most = (value.item() for value in images.detach().aminmax())
    if not (math.isfinite(least) and math.isfinite(most)):
        raise ValueError("The picture has values that are not finite (NaN or infinity).")
    if most > _BRIGHTEST:
        raise ValueError(f"The picture has values up to {most:.4g}, expected 0..1: divide by 255, or by their maximum.")


@dataclass(frozen=True)
class Picture:
    """A picture, upright.

    Attributes:
        rgb: ``[1, 3, H, W]``, float32, 0..1.
        alpha: ``[1, 1, H, W]``, float32, 0..1; None where the file has no transparency.
    """

    rgb: Tensor
    alpha: Tensor | None = None


def read_picture(path: Path, size: int | None = None) -> Picture:
    """Reads a picture file: grey, palette, RGB, with alpha, 8 or 16 bits; turned as its EXIF orientation says.

    Args:
        path: a file of any format that Pillow reads.
        size: the length in pixels that the longer side is resized to; as it is by default.

    Raises:
        FileNotFoundError: there is no such file.
        PictureError: the file is not a picture, is damaged, or has more pixels than Pillow takes (some 179 million).
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no picture {path}.")
    try:
        with Image.open(path) as file:
            image = upright(file)
    except UNREADABLE as error:
        raise PictureError(f"{path} is not a readable picture ({error}).") from error
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if size is not None:
        scale = size / max(image.size)
        image = image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    return Picture(values[:, :3], values[:, 3:] if values.shape[1] == 4 else None)


def write_picture(path: Path, picture: Picture) -> None:
    """Writes a picture with 8 bits per channel, in the format of the file name's ending; makes missing folders.

    Raises:
        PictureError: the ending is unknown, or its format holds no transparency and the picture has some.
    """
    check_ending(path)
    suffix = path.suffix.lower()
    if picture.alpha is not None and suffix in _WITHOUT_ALPHA:
        raise PictureError(f"{path}: {suffix} holds no transparency, which the content has; write a .png instead.")
    path.parent.mkdir(parents=True, exist_ok=True)
    to_image(picture).save(path, quality=95)


def check_ending(path: Path) -> None:
    """Raises PictureError where the file name's ending is that of no format that pictures are written in."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise PictureError(f"{path}: unknown ending {suffix!r}; use one of {', '.join(SUFFIXES)}.")


def to_image(picture: Picture) -> Image.Image:
    """A picture as a Pillow image, RGB or RGBA with 8 bits per channel."""
    planes = [picture.rgb] if picture.alpha is None else [picture.rgb, picture.alpha]
    values = torch.cat([plane.cpu() for plane in planes], 1)[0].permute(1, 2, 0)
    return Image.fromarray(values.mul(255).round().clamp(0, 255).byte().numpy())


def upright(file: Image.Image) -> Image.Image:
    """An opened picture, turned as its EXIF orientation says, with 8 bits per channel.

    16-bit grey is scaled; Pillow's own conversion would clip it to white.
    """
    image = ImageOps.exif_transpose(file)
    if image.mode.startswith("I"):
        return Image.fromarray((np.array(image).astype(np.float64) / 257).round().clip(0, 255).astype(np.uint8))
    return image


def pictures_in(folder: Path) -> list[Path]:
    """The picture files directly in a folder, by name, numbers in it by their values: frame2 before frame10.

    Raises:
        PictureError: there are none.
    """
    found = sorted((path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES), key=_by_numbers)
    if not found:
        raise PictureError(f"{folder} holds no pictures ({', '.join(SUFFIXES)}).")
    return found


def _by_numbers(path: Path) -> tuple[list[str | int], str]:
    parts = re.split(r"([0-9]+)", path.name)  # text and numbers in turn, so that like is compared with like
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], path.name
