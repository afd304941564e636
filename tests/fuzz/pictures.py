"""Picture files of many kinds, damaged; what is read of them is written again."""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from artnet_core.files.profiles import srgb_profile
from artnet_core.images import Picture, frame_total, read_frames, write_frames

from .damage import damaged
from .outcomes import Run

_PLAIN = (
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
    ("TIFF", "LAB"),
    ("BMP", "RGB"),
    ("BMP", "P"),
    ("GIF", "P"),
    ("AVIF", "RGBA"),
    ("JPEG2000", "RGB"),
    ("TGA", "RGBA"),
    ("PPM", "RGB"),
    ("DDS", "RGBA"),
    ("ICNS", "RGBA"),
    ("ICO", "RGBA"),
    ("IM", "RGB"),
    ("PCX", "RGB"),
    ("QOI", "RGBA"),
    ("SGI", "RGB"),
    ("XBM", "1"),
)
_RICH = (("PNG", "RGB"), ("PNG", "RGBA"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("TIFF", "RGB"), ("AVIF", "RGB"))
_ANIMATED = ("PNG", "GIF", "WEBP", "TIFF", "AVIF")
Image.init()
_PLAIN, _RICH = (tuple(each for each in kinds if each[0] in Image.SAVE) for kinds in (_PLAIN, _RICH))
_ANIMATED = tuple(kind for kind in _ANIMATED if kind in Image.SAVE_ALL)
_TARGETS = ("png", "png", "jpg", "webp", "tif", "gif", "bmp")
_MOST_FRAMES = 4


@functools.cache
def plain_picture(kind: str, mode: str) -> bytes:
    """A small file of this format and mode: the same at every call."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return _saved(kind, mode, exif=exif) if kind in ("JPEG", "PNG", "WEBP") else _saved(kind, mode)


@functools.cache
def _rich_picture(kind: str, mode: str) -> bytes:
    """With a profile, EXIF of all sorts, a resolution and texts."""
    exif = Image.Exif()
    exif.update({0x0112: 3, 0x010F: "Maker", 0x013B: "Jane", 0x8298: "Jane", 0x0132: "2026:01:02 03:04:05", 0x4746: 5})
    exif[0x8769] = {0x829A: (1, 60), 0x9000: b"0232", 0x920A: 35.0, 0xA002: 34, 0xA003: 21, 0x927C: b"notes"}
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 12.5)}
    options: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": srgb_profile(), "dpi": (72, 300)}
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("workflow", '{"nodes": []}' * 100, zip=True)
        texts.add_itxt("prompt", "Flöße", zip=False)
        for name, data in ((b"gAMA", struct.pack(">I", 60_000)), (b"cICP", bytes((12, 13, 0, 1)))):
            texts.add(name, data)
        options["pnginfo"] = texts
        del options["icc_profile"]
    return _saved(kind, mode, **options)


@functools.cache
def animation(kind: str) -> bytes:
    """A small file with three frames, or pages."""
    frames = [_image("RGB").rotate(90 * turn) for turn in range(1, 3)]
    timing = {} if kind == "TIFF" else {"duration": [40, 80, 120]}
    if kind in ("PNG", "GIF", "WEBP"):
        timing["loop"] = 2  # type: ignore[assignment]  # one number for all
    return _saved(kind, "RGB", save_all=True, append_images=frames, **timing)


def every_picture() -> list[bytes]:
    """One file of each kind there is."""
    return [
        *(plain_picture(kind, mode) for kind, mode in _PLAIN),
        *(_rich_picture(kind, mode) for kind, mode in _RICH),
        *map(animation, _ANIMATED),
    ]


def _image(mode: str) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (21, 34, 3), dtype=np.uint8)
    picture = Image.fromarray(values)
    if mode == "LAB":
        return Image.frombytes("LAB", picture.size, values.tobytes())
    return picture.convert("I").convert(mode) if mode == "I;16" else picture.convert(mode)


def _saved(kind: str, mode: str, **options: Any) -> bytes:
    file = io.BytesIO()
    _image(mode).save(file, kind, **options)
    return file.getvalue()


def with_checksums(content: bytes) -> bytes:
    """A PNG file whose chunks all have the right checksum, as damage on purpose would leave them."""
    changed, start = bytearray(content), 8
    while start + 12 <= len(changed):
        stop = start + 12 + int.from_bytes(changed[start : start + 4])
        if stop <= len(changed):
            changed[stop - 4 : stop] = struct.pack(">I", zlib.crc32(changed[start + 4 : stop - 4]))
        start = stop
    return bytes(changed)


def check_picture(picture: Picture, size: int | None = None) -> None:
    """Raises AssertionError unless this is a picture, of this longer side if one is given."""
    planes = [picture.rgb] if picture.alpha is None else [picture.rgb, picture.alpha]
    height, width = picture.rgb.shape[-2:]
    assert size is None or max(height, width) == size
    for plane, channels in zip(planes, (3, 1), strict=False):
        assert plane.shape == (1, channels, height, width)
        assert plane.isfinite().all() and plane.min() >= 0 and plane.max() <= 1
    assert all(note.isprintable() and len(note) < 200 for note in picture.notes)


def picture_file(source: random.Random, folder: Path) -> Run:
    """A file that is read, and written again."""
    kind, mode = source.choice(_PLAIN)
    make: Callable[[], bytes] = lambda: plain_picture(kind, mode)  # noqa: E731
    match source.randrange(4):
        case 0:
            kind, mode = source.choice(_RICH)
            make = lambda: _rich_picture(kind, mode)  # noqa: E731
        case 1:
            kind = source.choice(_ANIMATED)
            make = lambda: animation(kind)  # noqa: E731
    content = make()
    for _ in range(source.choice((0, 1, 1, 1, 1, 2, 3))):
        content = damaged(content, source)
    if kind == "PNG" and source.random() < 0.7:
        content = with_checksums(content)
    ending = source.choice((kind.lower(), kind.lower(), "png", "jpg", "webp", "tif", "bmp"))
    path = folder / f"picture.{ending}"
    path.write_bytes(content)
    size = source.choice((None, None, 1, 16, 50))
    target = folder / f"written.{source.choice(_TARGETS)}"
    depth = source.choice((8, 8, 16))

    def run() -> None:
        pictures = list(islice(read_frames(path, size), _MOST_FRAMES))
        assert 1 <= len(pictures) <= frame_total(path)
        for picture in pictures:
            check_picture(picture, size)
        write_frames(target, pictures, depth)
        for picture, again in zip(pictures, read_frames(target), strict=False):
            check_picture(again)
            assert again.rgb.shape == picture.rgb.shape
            assert not any("damaged" in note for note in again.notes), again.notes

    return run
