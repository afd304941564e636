"""Opens picture files: of every kind that Pillow reads, also where something beside their pixels is damaged."""

from __future__ import annotations

import importlib
import io
import math
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image, UnidentifiedImageError

# Formats that are no pictures of pixels, or that Pillow has other programs draw.
_NOT_READ = ("BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF")
_HEIC = (".heic", ".heif", ".hif")

# Others may hold previews, layers or sizes of one picture beside it.
_WITH_FRAMES = ("AVIF", "GIF", "PNG", "TIFF", "WEBP")

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT")

_SUBFILE = 254  # a tag of TIFF files

_LIMIT = threading.Lock()

# Where Pillow begins to warn. Pictures have a hundred pixels in a byte at most, a blank page in a PNG file 8,256; what
# claims more is damaged, or was made to fill the memory.
_MOST_PIXELS_IN_A_BYTE = 10_000

_BYTES_OF_A_PIXEL = 8  # while it is made smaller: Pillow takes 4, and as many for it in other colours


class PictureError(ValueError):
    """A picture file that cannot be read or written; the message names the file and the cause."""


@dataclass
class PictureFile:
    """An opened file.

    Attributes:
        path: for messages.
        image: of Pillow.
        frames: the numbers of its pictures, previews left out.
        data: all of a PNG file, without what is damaged in it.
        cicp: what a PNG file's cICP chunk says.
        notes: what an artist should know of it.
    """

    path: Path
    image: Image.Image
    frames: Sequence[int] = (0,)
    data: bytes | None = None
    cicp: bytes | None = None
    notes: list[str] = field(default_factory=list)

    def close(self) -> None:
        self.image.close()

    def again(self) -> Image.Image:
        """The same file, opened once more."""
        return _open_with_pillow(self.path if self.data is None else io.BytesIO(self.data), no_limit=True)


@contextmanager
def speaking_of(path: Path) -> Iterator[None]:
    """Whatever goes wrong in here, the error names the file in one sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (PictureError, FileNotFoundError):
        raise
    except MemoryError as error:
        raise PictureError(f"{path}: there is not enough memory to read this picture; make a smaller copy.") from error
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise PictureError(
            f"{path} has more than {most:.0f} million pixels, which is taken for a mistake: give a size to paint it "
            "smaller (--size, or --style-size for a style)."
        ) from error
    except Exception as error:  # Pillow raises nearly anything for a damaged file
        if isinstance(error, UnidentifiedImageError):
            cause = "it is damaged, or of a kind that is not known here"
        else:
            cause = " ".join(str(error).split())[:120] or type(error).__name__
        raise PictureError(f"{path} is not a readable picture ({cause}).") from error


def open_picture(path: Path, no_limit: bool = False, whole: bool = True) -> PictureFile:
    """Opens a file.

    Args:
        path: of the file.
        no_limit: whether it may have any number of pixels, as where it is made smaller.
        whole: whether its pixels will be read, and not its headers alone.

    Raises:
        FileNotFoundError: there is no such file.
        PictureError: it cannot be read.
    """
    if path.is_dir():
        raise PictureError(f"{path} is a folder, and a picture is needed here.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no picture {path}.")
    if path.suffix.lower() in _HEIC:
        _register_heic(path)
    with speaking_of(path):
        with path.open("rb") as stream:
            start = stream.read(len(_PNG_SIGNATURE))
            if not start:
                raise PictureError(f"{path} is not a readable picture (the file is empty).")
            data = start + stream.read() if start == _PNG_SIGNATURE else None
        file = _open_png(path, data, no_limit, whole) if data else PictureFile(path, _open_with_pillow(path, no_limit))
        file.frames = _frames(file.image)
        return file


def readable_suffixes() -> frozenset[str]:
    """The endings of all formats that are read, in lower case."""
    _formats()
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in _formats()}
    return frozenset((*known, *_HEIC))


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in Image.OPEN if name not in _NOT_READ)


def _register_heic(path: Path) -> None:
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError as error:
        raise PictureError(
            f"{path}: HEIC pictures need the package pillow-heif: install it with pip install pillow-heif."
        ) from error
    _formats.cache_clear()


def _open_with_pillow(source: Path | io.BytesIO, no_limit: bool) -> Image.Image:
    with _LIMIT:  # Pillow's limit is one for all
        limit = Image.MAX_IMAGE_PIXELS
        try:
            if no_limit:
                Image.MAX_IMAGE_PIXELS = None
            image = Image.open(source, formats=_formats())
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    if image.width * image.height > (limit or 0):
        stored = source.stat().st_size if isinstance(source, Path) else source.getbuffer().nbytes
        _check_claim(image, stored)
    return image


def _check_claim(image: Image.Image, stored: int) -> None:
    """Raises ValueError where a large picture claims more pixels than its file can hold, or the memory."""
    pixels = image.width * image.height
    if pixels > stored * _MOST_PIXELS_IN_A_BYTE:
        raise ValueError(f"it claims {image.width} x {image.height} pixels, but has only {stored:,} bytes")
    needed, there = pixels * _BYTES_OF_A_PIXEL, _machine_memory()
    if needed > there and image.format not in ("JPEG", "MPO"):  # of these only a part is decoded
        raise ValueError(
            f"its {image.width} x {image.height} pixels take {needed / 2**30:.0f} GB of memory, and this machine has "
            f"{there / 2**30:.0f}: make a smaller copy"
        )


def _machine_memory() -> float:
    """Bytes of memory that this machine has."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows does not say
        return math.inf


def _open_png(path: Path, data: bytes, no_limit: bool, whole: bool) -> PictureFile:
    """Opens a PNG file after a look at its checksums, which Pillow does not take of pixels.

    What is damaged beside the pixels is left out, and where Pillow fails all that is beside them.
    """
    chunks = list(_png_chunks(data))
    for name, _, _, sound in chunks:
        if name in _PNG_PIXELS and not sound:
            raise PictureError(f"{path} is not a readable picture (its {name.decode()} data is damaged).")
    notes = []
    if not all(sound for *_, sound in chunks):
        data = _PNG_SIGNATURE + b"".join(data[start:stop] for _, start, stop, sound in chunks if sound)
        notes.append("a damaged part of it that holds no pixels is left out")
        chunks = list(_png_chunks(data))
    cicp = next((data[start + 8 : stop - 4] for name, start, stop, _ in chunks if name == b"cICP"), None)
    try:
        image = _open_with_pillow(io.BytesIO(data), no_limit)
        if whole and getattr(image, "n_frames", 1) == 1:
            image.load()  # here, since texts may come after the pixels
        return PictureFile(path, image, data=data, cicp=cicp, notes=notes)
    except (ValueError, SyntaxError, OSError, KeyError, IndexError, struct.error, zlib.error):
        kept = [data[start:stop] for name, start, stop, _ in chunks if name in _PNG_PIXELS]
        bare = _PNG_SIGNATURE + b"".join(kept)
        if bare == data:
            raise
    image = _open_with_pillow(io.BytesIO(bare), no_limit)
    notes.append("what it says beside its pixels cannot be read, and is left out")
    return PictureFile(path, image, data=bare, cicp=cicp, notes=notes)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int, bool]]:
    """The chunks of a PNG file: name, start, end, and whether the checksum is right; one that is cut off counts so."""
    start = len(_PNG_SIGNATURE)
    while start + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, start)
        stop = start + 12 + length
        sound = (
            stop > len(data) or zlib.crc32(data[start + 4 : stop - 4]) == struct.unpack_from(">I", data, stop - 4)[0]
        )
        yield name, start, min(stop, len(data)), sound
        start = stop


def _frames(image: Image.Image) -> Sequence[int]:
    count = getattr(image, "n_frames", 1) if image.format in _WITH_FRAMES else 1
    if count == 1:
        return (0,)
    if image.format == "TIFF":
        pages = []
        for page in range(count):
            image.seek(page)
            if not int(image.tag_v2.get(_SUBFILE, 0)) & 1:  # type: ignore[attr-defined]  # a TIFF has tags
                pages.append(page)
        image.seek(0)
        return pages or (0,)
    # The first of an animated PNG may be a still for programs that show no animations.
    return range(1 if image.info.get("default_image") else 0, count)
