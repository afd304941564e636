"""Colours of any profile as sRGB: ICC profiles, and what PNG files say in chunks of their own."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Values = NDArray[np.floating[Any]]

Curve = Callable[[Values], Values]
"""From values of 0..1, as a file holds them, to light."""

_BLACK_POINT_COMPENSATION = 0x2000  # ImageCms.Flags has a name for it only since Pillow 10.3

# What monitors and PNG files mean by a gamma of 1 / 2.2 is sRGB.
_USUAL_GAMMA, _GAMMA_TOLERANCE = 1 / 2.2, 0.005

_D65 = (0.3127, 0.3290)
_BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_PRIMARIES = {  # by their numbers in ITU-T H.273: BT.709, BT.2020, Display P3
    1: _BT709,
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_SRGB_XYZ_D50 = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

# Largest difference, in light and in the matrix, up to which a profile is sRGB by another name.
_SAME = 0.002


class ProfileError(ValueError):
    """A profile that is damaged or of no use for its picture."""


@dataclass(frozen=True)
class Space:
    """Colours as three curves and a matrix from there to the light of sRGB's primaries; of greys one curve alone."""

    curves: Sequence[Curve]
    matrix: NDArray[np.float64] | None = None

    def to_srgb(self, values: Values) -> Values:
        """``[H, W, 3]``, or ``[H, W, 1]`` with one curve, as sRGB; what lies outside of its gamut is cut off."""
        light = np.stack([curve(values[..., index]) for index, curve in enumerate(self.curves)], -1)
        if self.matrix is not None:
            light = light @ self.matrix.T.astype(np.float32)
        return _encode_srgb(light.clip(0, 1))

    @property
    def is_srgb(self) -> bool:
        ramp = np.linspace(0, 1, 256, dtype=np.float32)
        same = self.matrix is None or np.abs(self.matrix - np.eye(3)).max() < _SAME
        return bool(same) and all(np.abs(curve(ramp) - _decode_srgb(ramp)).max() < _SAME for curve in self.curves)


@cache
def srgb_profile() -> bytes:
    """The ICC profile that pictures are written with; the same bytes on every day."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    made[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # when it was made
    return bytes(made)


def space_of_icc(profile: bytes) -> Space | None:
    """The curves and the matrix of an ICC profile; None for one that holds tables instead, or is damaged."""
    try:
        count = struct.unpack_from(">I", profile, 128)[0]
        tags = {}
        for index in range(min(count, 200)):
            name, start, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
            tags[name] = profile[start : start + size]
        kind = profile[16:20]
        if kind == b"GRAY":
            return Space([_icc_curve(tags[b"kTRC"])])
        if kind != b"RGB " or b"A2B0" in tags:
            return None
        colorants = [struct.unpack_from(">3i", tags[name], 8) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        curves = [_icc_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    except (struct.error, KeyError, IndexError, ValueError):
        return None
    return Space(curves, np.linalg.inv(_SRGB_XYZ_D50) @ (np.array(colorants).T / 65536))


def space_of_png(
    cicp: bytes | None, gamma: float | None, chromaticity: Sequence[float] | None
) -> tuple[Space | None, str | None]:
    """What a PNG file says of its colours besides a profile.

    Args:
        cicp: the four bytes of its cICP chunk.
        gamma: of its gAMA chunk.
        chromaticity: of its cHRM chunk: white, red, green and blue, x and y each.

    Returns:
        The space, None for sRGB, and what cannot be done right with it.
    """
    if cicp is not None and len(cicp) == 4:
        primaries, curve = _PRIMARIES.get(cicp[0]), _CURVES.get(cicp[1])
        if primaries is None or curve is None or cicp[2] != 0 or cicp[3] != 1:
            kind = "HDR colours" if cicp[1] in (16, 18) else "colours of a rare kind"
            return None, f"it holds {kind} (cICP {', '.join(map(str, cicp))}), which are taken as sRGB"
        return Space([curve] * 3, _to_srgb_light(primaries, _D65)), None
    if gamma is None or not 0.01 < gamma < 10:
        return None, None
    curve = _decode_srgb if abs(gamma - _USUAL_GAMMA) < _GAMMA_TOLERANCE else _power(1 / gamma)
    matrix = np.eye(3)
    if chromaticity is not None and len(chromaticity) == 8:
        white, red, green, blue = zip(chromaticity[::2], chromaticity[1::2], strict=True)
        try:
            matrix = _to_srgb_light((red, green, blue), white)
        except (np.linalg.LinAlgError, ZeroDivisionError):
            return None, "its primary colours (cHRM) make no sense, and it is taken as sRGB"
    return Space([curve] * 3, matrix), None


def icc_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """A picture of 8 bits and without transparency, of mode L, RGB, CMYK or LAB, as RGB.

    Raises:
        ProfileError: the profile is damaged, or for pictures of another kind.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        kind = source.profile.xcolor_space.strip()
        if kind == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}.get(kind)
        if mode is None:
            raise ValueError("there are no such pictures")  # and what it says may hold anything
        if mode != image.mode:
            raise ProfileError(f"its colour profile is for {kind} pictures, and it is taken as sRGB")
        target = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(
            source, target, image.mode, "RGB", intent, _flags(_BLACK_POINT_COMPENSATION)
        )
        converted = ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        if isinstance(error, ProfileError):
            raise
        raise ProfileError("its colour profile is damaged, and it is taken as sRGB") from error
    assert converted is not None  # only a transform in place returns None
    return converted


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """A picture of mode LAB as RGB."""
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"),
        ImageCms.createProfile("sRGB"),
        "LAB",
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None
    return converted


def _flags(value: int) -> ImageCms.Flags:
    return ImageCms.Flags(value) if hasattr(ImageCms, "Flags") else value  # type: ignore[return-value]


def _icc_curve(tag: bytes) -> Curve:
    """The curve of a tag of type curv or para, ICC.1:2010, 10.5 and 10.15."""
    kind = tag[:4]
    if kind == b"curv":
        count = struct.unpack_from(">I", tag, 8)[0]
        if count == 0:
            return _power(1.0)
        table = np.frombuffer(tag, ">u2", count, 12)
        if count == 1:
            return _power(float(table[0]) / 256)
        points = np.linspace(0, 1, count)
        return lambda values: np.interp(values, points, table / 65535).astype(np.float32)
    if kind == b"para":
        function = struct.unpack_from(">H", tag, 8)[0]
        numbers = [value / 65536 for value in struct.unpack_from(f">{(1, 3, 4, 5, 7)[function]}i", tag, 12)]
        g, a, b, c, d, e, f = numbers + [0.0] * (7 - len(numbers))
        if function == 0:
            return _power(g)
        if function == 1:
            c, d = 0.0, -b / a
        elif function == 2:
            c, d, e, f = 0.0, -b / a, c, c
        return lambda values: np.where(values >= d, np.maximum(a * values + b, 0) ** g + e, c * values + f).astype(
            np.float32
        )
    raise ValueError(f"no curve: {kind!r}")


def _power(exponent: float) -> Curve:
    return lambda values: values**exponent


def _decode_srgb(values: Values) -> Values:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _encode_srgb(light: Values) -> Values:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def _decode_bt709(values: Values) -> Values:
    return np.where(values < 0.081, values / 4.5, ((values + 0.099) / 1.099) ** (1 / 0.45)).astype(np.float32)


# By their numbers in ITU-T H.273.
_CURVES: dict[int, Curve] = {
    **dict.fromkeys((1, 6, 14, 15), _decode_bt709),
    4: _power(2.2),
    5: _power(2.8),
    8: _power(1.0),
    13: _decode_srgb,
}


def _to_srgb_light(primaries: Sequence[tuple[float, float]], white: tuple[float, float]) -> NDArray[np.float64]:
    """The matrix from the light of primaries around a white point to that of sRGB's around D65."""

    def xyz(x: float, y: float) -> NDArray[np.float64]:
        return np.array([x / y, 1, (1 - x - y) / y])

    def to_xyz(primaries: Sequence[tuple[float, float]], white: tuple[float, float]) -> NDArray[np.float64]:
        columns = np.stack([xyz(*point) for point in primaries], -1)
        return columns * np.linalg.solve(columns, xyz(*white))

    cones = (_BRADFORD @ xyz(*_D65)) / (_BRADFORD @ xyz(*white))
    adapt = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD
    matrix: NDArray[np.float64] = np.linalg.inv(to_xyz(_BT709, _D65)) @ adapt @ to_xyz(primaries, white)
    return matrix
