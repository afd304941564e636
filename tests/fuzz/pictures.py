"""Picture files of many kinds, damaged."""

from __future__ import annotations

import functools
import io
import random
from pathlib import Path

import numpy as np
from PIL import Image

from artnet_core.images import read_picture

from .damage import damaged
from .outcomes import Run

_KINDS = (
    ("PNG", "RGB"),
    ("PNG", "RGBA"),
    ("PNG", "LA"),
    ("PNG", "L"),
    ("PNG", "P"),
    ("PNG", "1"),
    ("PNG", "I;16"),
    ("JPEG", "RGB"),
    ("JPEG", "L"),
    ("JPEG", "CMYK"),
    ("WEBP", "RGB"),
    ("WEBP", "RGBA"),
    ("TIFF", "RGB"),
    ("TIFF", "RGBA"),
    ("TIFF", "F"),
    ("TIFF", "I"),
    ("TIFF", "I;16"),
    ("TIFF", "CMYK"),
    ("BMP", "RGB"),
    ("BMP", "P"),
    ("GIF", "P"),
)


@functools.cache
def plain_picture(kind: str, mode: str) -> bytes:
    """A small file of this format and mode: the same at every call."""
    values = np.random.default_rng(0).integers(0, 256, (21, 34, 3), dtype=np.uint8)
    picture = Image.fromarray(values)
    picture = picture.convert("I").convert(mode) if mode == "I;16" else picture.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    options = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}
    picture.save(file, kind, **options)
    return file.getvalue()


def picture_file(source: random.Random, folder: Path) -> Run:
    """A file that is read."""
    kind, mode = source.choice(_KINDS)
    content = plain_picture(kind, mode)
    for _ in range(source.choice((0, 1, 1, 1, 1, 2, 3))):
        content = damaged(content, source)
    ending = source.choice((kind.lower(), kind.lower(), "png", "jpg", "webp", "tif", "bmp"))
    path = folder / f"picture.{ending}"
    path.write_bytes(content)
    size = source.choice((None, None, 1, 16, 50))

    def run() -> None:
        picture = read_picture(path, size)
        planes = [picture.rgb] if picture.alpha is None else [picture.rgb, picture.alpha]
        height, width = picture.rgb.shape[-2:]
        assert size is None or max(height, width) == size
        for plane, channels in zip(planes, (3, 1), strict=False):
            assert plane.shape == (1, channels, height, width)
            assert plane.isfinite().all() and plane.min() >= 0 and plane.max() <= 1

    return run
