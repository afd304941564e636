"""Opened picture files to values: with all their bits, in sRGB, upright, in the size that is asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .metadata import Metadata, metadata_of, orientation_of
from .opening import PictureFile
from .profiles import ProfileError, Space, Values, icc_to_srgb, lab_to_srgb, space_of_icc, space_of_png

_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # tags of TIFF files

# A file of 16 bits is decoded twice, since Pillow keeps 8: here is, by the raw mode, what unpacks high and low bytes.
_NATIVE = ("L", "B") if sys.byteorder == "little" else ("B", "L")
_DEEP = {
    f"{mode};16{order}": (f"{read};16{high}", f"{read};16{low}")
    for mode, read in (("RGB", "RGB"), ("RGBA", "RGBA"), ("RGBa", "RGBA"))
    for order, (high, low) in (("L", ("L", "B")), ("B", ("B", "L")), ("N", _NATIVE))
}

# Smaller JPEG files are decoded whole, for the better picture; of larger ones only as much as is needed.
_MANY_PIXELS = 2**24

TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Decoded:
    """One picture of a file: ``rgb [H, W, 3]`` and ``alpha [H, W]``, float32, 0..1, in sRGB and upright."""

    rgb: Values
    alpha: Values | None
    metadata: Metadata
    notes: tuple[str, ...]


def decode(file: PictureFile, frame: int, size: int | None = None, at_most: int | None = None) -> Decoded:
    """Reads one picture.

    Args:
        file: an opened one.
        frame: one of its frames.
        size: pixels of the longer side that it is resized to.
        at_most: as ``size``, for pictures that are larger.
    """
    image, notes = file.image, list(file.notes)
    if frame != image.tell():
        image.seek(frame)
    width, height = image.size
    if at_most is not None and size is None and max(width, height) > at_most:
        size = at_most
        notes.append(f"reduced from {width} x {height} pixels: more than {at_most} do not make a style better")
    if size is not None and image.format in ("JPEG", "MPO") and width * height > _MANY_PIXELS:
        scale = 2 * size / max(width, height)
        image.draft(None, (max(1, int(width * scale)), max(1, int(height * scale))))
    image.load()
    orientation = orientation_of(image)  # not before: Pillow turns TIFF files itself, and PNG files are loaded for it
    metadata, note = metadata_of(image)
    notes += [note] if note else []
    planes = _deep_planes(file, notes)
    if planes is None:
        planes = _planes(file, notes)
    if orientation in TURNED:
        planes = [plane.transpose(TURNED[orientation]) for plane in planes]
    if size is not None:
        scale = size / max(planes[0].size)
        width, height = (max(1, round(side * scale)) for side in planes[0].size)
        planes = _resized(planes, (width, height))
    values = _values(planes)
    return Decoded(values[..., :3], values[..., 3] if values.shape[2] == 4 else None, metadata, tuple(notes))


def _planes(file: PictureFile, notes: list[str]) -> list[Image.Image]:
    """The loaded picture in sRGB: one of mode RGB or RGBA, or float planes where 8 bits would lose something."""
    image = file.image
    alpha = None
    if image.has_transparency_data:
        whole = image.convert("RGBA")
        alpha = whole.getchannel("A")
        color = whole.convert("RGB")
    else:
        color = image if image.mode in ("L", "CMYK", "LAB") else image.convert("L" if image.mode == "1" else "RGB")
    if image.mode in ("LA", "La"):
        color = color.convert("L")

    profile = image.info.get("icc_profile")
    space = _space(file, profile, notes)
    if profile and not (space is not None and space.is_srgb):
        try:
            color = icc_to_srgb(color, profile)
        except ProfileError as error:
            notes.append(str(error))
    elif color.mode == "LAB":
        color = lab_to_srgb(color)
    elif not profile and space is not None and not space.is_srgb:
        values = np.asarray(color.convert("RGB"), np.float32) / 255
        return _float_planes(space.to_srgb(values), None if alpha is None else np.asarray(alpha, np.float32) / 255)
    if color.mode != "RGB":
        color = color.convert("RGB")
    if alpha is not None:
        color = Image.merge("RGBA", [*color.split(), alpha])
    return [color]


def _deep_planes(file: PictureFile, notes: list[str]) -> list[Image.Image] | None:
    """A loaded picture of more than 8 bits in sRGB: float planes; None for one of 8 bits."""
    image = file.image
    alpha = None
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values, note = _grey_values(image)
        notes += [note] if note else []
        key = image.info.get("transparency")
        if isinstance(key, int):
            alpha = (np.asarray(image) != key).astype(np.float32)
    else:
        found = _sixteen_bits(file)
        if found is None:
            return None
        values, alpha = found
    profile = image.info.get("icc_profile")
    space = _space(file, profile, notes)
    if profile and space is None:
        if values.shape[2] == 3:
            notes.append("its colour profile holds tables, so only 8 of its 16 bits are read")
            return None
        notes.append("its colour profile is not one for grey pictures, and it is taken as sRGB")
    if space is not None and not space.is_srgb and len(space.curves) >= values.shape[2]:
        values = space.to_srgb(np.broadcast_to(values, (*values.shape[:2], len(space.curves))))
    return _float_planes(values, alpha)


def _sixteen_bits(file: PictureFile) -> tuple[Values, Values | None] | None:
    """Colours and alpha of a file with 16 bits for each; None for another."""
    if len(file.frames) > 1 or file.image.format not in ("PNG", "TIFF"):
        return None
    with file.again() as image:
        raw_modes = {_raw_mode(tile) for tile in image.tile}
    raw_mode = raw_modes.pop() if len(raw_modes) == 1 else None
    key = file.image.info.get("transparency")
    if raw_mode == "LA;16B":
        high_and_low = _unpacked(file, "RGBA").reshape(*file.image.size[::-1], 2, 2)
        whole = high_and_low[..., 0] << 8 | high_and_low[..., 1]
    elif raw_mode in _DEEP:
        high, low = (_unpacked(file, mode) for mode in _DEEP[raw_mode])
        whole = high << 8 | low
    else:
        return None
    values = whole.astype(np.float32) / 65535
    if whole.shape[2] in (2, 4):
        alpha = values[..., -1]
        if raw_mode.startswith("RGBa"):  # colours are multiplied with alpha
            values = values / np.maximum(alpha, 1 / 65535)[..., None]
        return values[..., :-1].clip(0, 1), alpha
    if isinstance(key, tuple) and len(key) == 3:
        return values, (whole != np.array(key, np.uint16)).any(-1).astype(np.float32)
    return values, None


def _raw_mode(tile: Sequence[object]) -> str:
    """How the pixels of a part of a file are packed; ``tile`` is of another type in each version of Pillow."""
    return tile[3] if isinstance(tile[3], str) else str(tile[3][0])  # type: ignore[index]  # all others are tuples


def _unpacked(file: PictureFile, raw_mode: str) -> NDArray[np.uint16]:
    """The file's bytes as another raw mode unpacks them, ``[H, W, C]``."""
    with file.again() as image:
        opened: Any = image
        opened.tile = [
            (*tile[:3], raw_mode if isinstance(tile[3], str) else (raw_mode, *tile[3][1:])) for tile in opened.tile
        ]
        image.load()
        return np.asarray(image, np.uint16)


def _space(file: PictureFile, profile: bytes | None, notes: list[str]) -> Space | None:
    info = file.image.info
    if file.cicp is None and profile:
        return space_of_icc(profile)
    if file.data is None or (file.cicp is None and "srgb" in info):
        return None
    space, note = space_of_png(file.cicp, info.get("gamma"), info.get("chromaticity"))
    notes += [note] if note else []
    return space


def _grey_values(image: Image.Image) -> tuple[Values, str | None]:
    """A loaded picture of one channel and more than 8 bits, ``[H, W, 1]``, and a note where its range was a guess."""
    values = np.asarray(image).astype(np.float64)[..., None]
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, (16,))[0] if image.format == "TIFF" else 16
    if not np.isfinite(values).all():
        raise ValueError("it has values that are not finite")
    note = None
    low, high = 0.0, float(2**bits - 1)
    if image.mode == "F" and values.min() >= 0 and values.max() <= 1:
        high = 1.0
    elif image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        low, high = float(values.min()), float(values.max())
        note = f"its values of {low:.6g} to {high:.6g} are taken as black to white"
    values = (values - low) / max(high - low, np.finfo(np.float64).tiny)
    if tags.get(_PHOTOMETRIC) == 0 and image.format == "TIFF":  # white is zero, which Pillow sees to with 8 bits only
        values = 1 - values
    return values.clip(0, 1).astype(np.float32), note


def _float_planes(values: Values, alpha: Values | None) -> list[Image.Image]:
    planes = [values[..., min(index, values.shape[2] - 1)] for index in range(3)]
    planes += [] if alpha is None else [alpha]
    return [Image.fromarray(np.ascontiguousarray(plane, np.float32)) for plane in planes]


def _resized(planes: Sequence[Image.Image], size: tuple[int, int]) -> list[Image.Image]:
    """Pictures in another size; colours count as much as they are seen, which Pillow sees to in RGBA."""
    if len(planes) < 4:
        return [plane.resize(size, Image.Resampling.LANCZOS) for plane in planes]
    *colors, alpha = (np.asarray(plane) for plane in planes)
    seen = [Image.fromarray(plane * alpha) for plane in colors] + [planes[3]]
    *colors, alpha = (np.asarray(plane.resize(size, Image.Resampling.LANCZOS)).clip(0, 1) for plane in seen)
    return _float_planes(np.stack([plane / np.maximum(alpha, 1e-6) for plane in colors], -1).clip(0, 1), alpha)


def _values(planes: Sequence[Image.Image]) -> Values:
    if len(planes) == 1:
        return np.array(planes[0], np.float32) / 255
    return np.stack([np.asarray(plane) for plane in planes], -1).clip(0, 1)
