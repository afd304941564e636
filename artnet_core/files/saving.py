"""Writes picture files, wholly or not at all."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .metadata import Metadata, exif_for, png_texts
from .opening import PictureError
from .profiles import srgb_profile

QUALITY = 95
"""Of JPEG and AVIF files, 0..100. WebP files keep every bit unless another quality is asked for, as at any quality they
would keep a fourth of the colours alone."""

_FRAME_MILLISECONDS = 100.0  # for pages, which have no timing of their own

_DEEP_SUFFIX = ".png"


@dataclass(frozen=True)
class _Format:
    name: str
    alpha: bool
    frames: bool = False


_FORMATS = {
    ".png": _Format("PNG", True, True),
    ".jpg": _Format("JPEG", False),
    ".jpeg": _Format("JPEG", False),
    ".webp": _Format("WEBP", True, True),
    ".tif": _Format("TIFF", True, True),
    ".tiff": _Format("TIFF", True, True),
    ".bmp": _Format("BMP", False),
    ".gif": _Format("GIF", True, True),
    ".avif": _Format("AVIF", True, True),
    ".jp2": _Format("JPEG2000", True),
    ".tga": _Format("TGA", True),
    ".ppm": _Format("PPM", False),
}


def writable_suffixes() -> tuple[str, ...]:
    """The endings that can be written with the Pillow that is installed."""
    Image.init()
    return tuple(suffix for suffix, kind in _FORMATS.items() if kind.name in Image.SAVE)


def check_target(path: Path, alpha: bool = False, frames: int = 1, depth: int = 8) -> None:
    """Raises PictureError unless a picture of this kind can be written to this path; writes nothing.

    Args:
        path: of the file.
        alpha: whether the picture has transparency.
        frames: how many pictures the file is to hold.
        depth: bits per channel, 8 or 16.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        raise PictureError(f"{path} is a folder: name a picture in it, such as {path / 'painted.png'}.")
    if suffix not in writable_suffixes():
        raise PictureError(f"{path}: unknown ending {suffix!r}; use one of {', '.join(writable_suffixes())}.")
    kind = _FORMATS[suffix]
    if alpha and not kind.alpha:
        raise PictureError(f"{path}: {suffix} holds no transparency, which the content has; write a .png instead.")
    if frames > 1 and not kind.frames:
        raise PictureError(
            f"{path}: {suffix} holds one picture, and the content has {frames}; write a .gif, .webp, .png or .tif, or "
            "paint the first alone with --first-frame."
        )
    if depth not in (8, 16):
        raise PictureError(f"Pictures are written with 8 or 16 bits per channel, not with {depth}.")
    if depth == 16 and (suffix != _DEEP_SUFFIX or frames > 1):
        raise PictureError(f"{path}: 16 bits are written into a .png of one picture; use --depth 8 for others.")
    check_place(path)


def check_place(path: Path) -> None:
    """Raises PictureError where nothing can be written at this path: a parent is a file, or something is read-only."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise PictureError(f"{path} is a folder, and a file is to be written there: choose another name.")
    # A file without any right to write is meant to stay, also for root, who may do everything.
    if target.exists() and (not os.access(target, os.W_OK) or not target.stat().st_mode & 0o222):
        raise PictureError(f"{path} is read-only: write to another file, or allow changes to this one.")
    folder = target.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise PictureError(f"{path}: {folder} is a file, and a folder is needed there: choose another name.")
    if not os.access(folder, os.W_OK):
        raise PictureError(f"{path}: the folder {folder} is read-only: write to another one.")


def save_images(
    path: Path, images: Sequence[Image.Image], metadata: Sequence[Metadata] = (Metadata(),), quality: int | None = None
) -> None:
    """Writes one picture, or several as an animation or as pages, in the format of the ending; makes missing folders.

    Args:
        path: of the file; a name that :func:`check_target` has let pass.
        images: RGB or RGBA, of 8 bits, in sRGB.
        metadata: of each; of the first the whole file's.
        quality: 0..100, for formats that lose something.

    Raises:
        PictureError: pictures of several sizes for an animation, or a format that cannot hold this one.
        OSError: the disk is full, or the file may not be written.
    """
    kind = _FORMATS[path.suffix.lower()]
    if len({image.mode for image in images}) > 1:
        images = [image.convert("RGBA") for image in images]
    first, rest = images[0], list(images[1:])
    options: dict[str, Any] = {"icc_profile": srgb_profile(), **_metadata_options(kind, metadata[0], first.size)}
    options |= _quality_options(kind, quality)
    if rest:
        if len({image.size for image in images}) > 1 and kind.name != "TIFF":
            raise PictureError(f"{path}: the pictures are of several sizes, which only a .tif holds.")
        options |= {"save_all": True, "append_images": rest, **_timing(kind, metadata)}
        if kind.name == "GIF" and first.mode == "RGBA":
            options["disposal"] = 2  # what was seen of the frame before goes
    file = io.BytesIO()
    try:
        first.save(file, kind.name, **options)
    except (ValueError, OSError, struct.error, OverflowError) as error:
        width, height = first.size
        raise PictureError(f"{path}: a picture of {width} x {height} pixels cannot be written so ({error}).") from error
    write_whole(path, file.getbuffer())


def save_deep(path: Path, values: NDArray[np.uint16], metadata: Metadata) -> None:
    """Writes a PNG file with 16 bits per channel, which Pillow cannot.

    Args:
        path: of the file.
        values: ``[H, W, 3]``, or ``[H, W, 4]`` with alpha, in sRGB.
        metadata: what else it says.
    """
    height, width, channels = values.shape
    rows = values.astype(">u2").reshape(height, width * channels).view(np.uint8)
    # Each row as what it differs by from the one above, PNG's filter 2: smooth pictures pack smaller.
    lines = np.full((height, rows.shape[1] + 1), 2, np.uint8)
    lines[0, 1:] = rows[0]
    lines[1:, 1:] = rows[1:] - rows[:-1]
    header = struct.pack(">2I5B", width, height, 16, 6 if channels == 4 else 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"iCCP", b"sRGB\0\0" + zlib.compress(srgb_profile()))]
    if metadata.dpi is not None:
        chunks.append((b"pHYs", struct.pack(">2IB", *(round(dots / 0.0254) for dots in metadata.dpi), 1)))
    exif = exif_for(metadata, (width, height))
    if exif:
        chunks.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    chunks += [(name, data) for name, data, *_ in png_texts(metadata).chunks]
    chunks += [(b"IDAT", zlib.compress(lines.tobytes(), 3)), (b"IEND", b"")]
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    file.seek(0, io.SEEK_END)
    for name, data in chunks:
        file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))
    write_whole(path, file.getbuffer())


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Writes a file beside its place and moves it there: whoever looks finds the old file or the whole new one.

    Missing folders are made. Of a link the file that it leads to is replaced.

    Raises:
        OSError: the disk is full, say; it names the file that was to be written.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _metadata_options(kind: _Format, metadata: Metadata, size: tuple[int, int]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    exif = exif_for(metadata, size)
    if exif and kind.name in ("AVIF", "JPEG", "PNG", "TIFF", "WEBP"):
        options["exif"] = exif
    if metadata.dpi is not None:
        options["dpi"] = metadata.dpi
    if kind.name == "PNG":
        options["pnginfo"] = png_texts(metadata)
    return options


def _quality_options(kind: _Format, quality: int | None) -> dict[str, Any]:
    if kind.name == "WEBP":
        return {"lossless": True} if quality is None else {"quality": quality, "use_sharp_yuv": True}
    if kind.name == "JPEG":
        return {"quality": QUALITY if quality is None else quality, "subsampling": 0}
    if kind.name == "AVIF":
        return {"quality": QUALITY if quality is None else quality, "subsampling": "4:4:4"}
    return {}


def _timing(kind: _Format, metadata: Sequence[Metadata]) -> dict[str, Any]:
    if kind.name == "TIFF":
        return {}
    durations = [_FRAME_MILLISECONDS if each.duration is None else each.duration for each in metadata]
    plays = metadata[0].plays or 0
    if kind.name == "GIF":  # how often it is repeated, and nothing for playing once
        return {"duration": durations, **({} if plays == 1 else {"loop": max(plays - 1, 0)})}
    return {"duration": [round(duration) for duration in durations], "loop": plays}
