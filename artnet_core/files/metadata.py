"""What a picture file says besides its pixels: EXIF, resolution, texts, and the timing of an animation."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image
from PIL.PngImagePlugin import MAX_TEXT_CHUNK, PngInfo

_ORIENTATION = 0x0112
_EXIF, _GPS = 0x8769, 0x8825
_WIDTH, _HEIGHT, _COLOR_SPACE = 0xA002, 0xA003, 0xA001

# Of a picture's own tags those that speak of what is shown, and who made it when and with what: description, maker,
# model, software, date, artist, copyright, rating, and what Windows shows of title, comment, author, keywords, subject.
# All others say how pixels are stored, which is another matter in the file that is written.
_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x4746, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F)

# Makers' notes point to places in the old file; the interoperability table names the old file's kind.
_OF_THE_OLD_FILE = (0x927C, 0xA005)

# Texts that repeat what EXIF says, the orientation too, or belong to the old file.
_REPEATING = ("Raw profile type", "XML:com.adobe.xmp")

_LONGEST_PLAIN_TEXT = 1024


@dataclass(frozen=True)
class Metadata:
    """What is kept of a file besides its pixels.

    Attributes:
        exif: EXIF tags as bytes, upright; empty for none.
        dpi: dots per inch, across and down.
        texts: of a PNG file, by keyword, as the workflow that ComfyUI keeps there.
        duration: milliseconds that a frame of an animation is shown for.
        plays: how many times an animation plays, 0 for ever.
    """

    exif: bytes = b""
    dpi: tuple[float, float] | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    duration: float | None = None
    plays: int | None = None


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1..8; 1 where there is none, or EXIF that cannot be read."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # whatever is wrong with EXIF, the pixels are whole
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def metadata_of(image: Image.Image) -> tuple[Metadata, str | None]:
    """What an opened picture says, and a note where a part of it cannot be read."""
    note = None
    try:
        exif, lost = _kept_exif(image.getexif())
    except Exception:  # Pillow raises nearly anything here
        exif, lost = b"", 1
    if lost:
        note = "a part of its EXIF data is damaged and left out"
    info = image.info
    texts = {
        str(key): str(value)
        for key, value in getattr(image, "text", {}).items()
        if not str(key).startswith(_REPEATING)
    }  # fmt: skip
    return Metadata(exif, _dpi(info.get("dpi")), texts, _duration(info.get("duration")), _plays(image)), note


def exif_for(metadata: Metadata, size: tuple[int, int]) -> bytes:
    """EXIF for a file with a picture of this width and height; empty for none."""
    if not metadata.exif:
        return b""
    exif = Image.Exif()
    exif.load(metadata.exif)
    details = exif.get_ifd(_EXIF)
    if details:
        details[_WIDTH], details[_HEIGHT] = size
        details[_COLOR_SPACE] = 1  # sRGB
        exif[_EXIF] = details
    return exif.tobytes()


def png_texts(metadata: Metadata) -> PngInfo:
    """The chunks that hold a picture's texts."""
    info = PngInfo()
    for key, text in metadata.texts.items():
        # What is packed and longer than this Pillow opens no file with, and so neither does ComfyUI.
        packed = _LONGEST_PLAIN_TEXT < len(text.encode()) <= MAX_TEXT_CHUNK
        try:
            text.encode("latin-1")
        except UnicodeEncodeError:
            info.add_itxt(key, text, zip=packed)
        else:
            info.add_text(key, text, zip=packed)
    return info


def _kept_exif(exif: Image.Exif) -> tuple[bytes, int]:
    """The tags that are kept, as bytes, and how many of them were damaged."""
    kept, lost = Image.Exif(), 0
    for tag in _TAGS:
        if tag in exif:
            lost += not _take(kept, tag, exif[tag])
    for table in (_EXIF, _GPS):
        entries = exif.get_ifd(table)
        whole = {
            tag: value for tag, value in entries.items() if tag not in _OF_THE_OLD_FILE and _is_whole(tag, value, table)
        }
        lost += len(entries) - len(whole) - sum(tag in entries for tag in _OF_THE_OLD_FILE)
        if whole:
            kept[table] = whole
    return (kept.tobytes() if len(kept) else b""), lost


def _take(kept: Image.Exif, tag: int, value: object) -> bool:
    if not _is_whole(tag, value):
        return False
    kept[tag] = value
    return True


def _is_whole(tag: int, value: object, table: int | None = None) -> bool:
    """Whether a tag can be written again."""
    probe = Image.Exif()
    probe[tag if table is None else table] = value if table is None else {tag: value}
    try:
        return bool(probe.tobytes())
    except (struct.error, ValueError, TypeError, OverflowError, ArithmeticError, AttributeError, KeyError):
        return False


def _dpi(value: object) -> tuple[float, float] | None:
    try:
        across, down = (float(number) for number in value)  # type: ignore[attr-defined]  # or it raises
    except (TypeError, ValueError, ArithmeticError):
        return None
    # 1 stands for "not known" in TIFF.
    return (across, down) if all(math.isfinite(number) and 1 < number < 65536 for number in (across, down)) else None


def _duration(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 2**31 else None


def _plays(image: Image.Image) -> int | None:
    loop = image.info.get("loop")
    if image.format == "GIF":  # counts how often it is repeated, and says nothing of playing once
        return 1 if loop is None else loop + 1 if loop else 0
    return loop if isinstance(loop, int) else None
