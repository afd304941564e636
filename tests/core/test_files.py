"""Files: colours, transparency, frames, depth and metadata survive; what is damaged is said or is whole."""

from __future__ import annotations

import io
import os
import random
import resource
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, PngImagePlugin, features
from torch import Tensor

from artnet_core.files import opening
from artnet_core.files.opening import readable_suffixes
from artnet_core.files.saving import writable_suffixes
from artnet_core.images import (
    Picture,
    PictureError,
    fill_hidden,
    frame_total,
    pictures_in,
    read_frames,
    read_picture,
    sort_pictures,
    to_image,
    write_frames,
    write_picture,
)

from .conftest import EXAMPLES

PHOTO = EXAMPLES / "content" / "chelsea.jpg"

DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_RGB = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
D50 = (0.9642, 1.0, 0.8249)


def photo(width: int = 96, height: int = 64) -> Image.Image:
    return Image.open(PHOTO).convert("RGB").resize((width, height))


def gradient(width: int = 4001, channels: int = 3) -> np.ndarray:
    """16-bit levels, each its own."""
    levels = np.linspace(0, 65535, width).round().astype(np.uint16)
    return np.stack([np.roll(levels, index) for index in range(channels)], -1)[None].repeat(2, 0)


def icc_profile(primaries: tuple[tuple[float, float], ...], gamma: float) -> bytes:
    """A matrix profile: sRGB's own with other colorants and another curve."""

    def xyz(point: tuple[float, float]) -> np.ndarray:
        return np.array([point[0] / point[1], 1, (1 - sum(point)) / point[1]])

    d65 = xyz((0.3127, 0.3290))
    columns = np.stack([xyz(point) for point in primaries], -1)
    matrix = columns * np.linalg.solve(columns, d65)
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    adapt = np.linalg.inv(bradford) @ np.diag((bradford @ D50) / (bradford @ d65)) @ bradford
    fixed = lambda values: struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))  # noqa: E731
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 79
    tags = {b"desc": description + b"\0" * (-len(description) % 4), b"wtpt": b"XYZ \0\0\0\0" + fixed(D50)}
    for index, name in enumerate((b"r", b"g", b"b")):
        tags[name + b"XYZ"] = b"XYZ \0\0\0\0" + fixed((adapt @ matrix)[:, index])
        tags[name + b"TRC"] = curve
    tags[b"cprt"] = b"text\0\0\0\0none"
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data
    header = struct.pack(">I4xI4s4s4s12x4s28x3i48x", start + len(body), 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp", *(round(v * 65536) for v in D50))  # fmt: skip  # noqa: E501
    return header + struct.pack(">I", len(tags)) + table + body


def in_space(image: Image.Image, profile: bytes) -> Image.Image:
    """An sRGB picture's values in another space, by Little CMS."""
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    converted = ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), target)
    assert converted is not None
    return converted


def difference(picture: Picture, image: Image.Image) -> float:
    """The largest difference from an 8-bit picture, in steps of 255."""
    return float((picture.rgb[0].permute(1, 2, 0) * 255 - torch.from_numpy(np.array(image))).abs().max())


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_chunk(png: bytes, name: bytes, data: bytes) -> bytes:
    """A PNG file with one more chunk, after the header."""
    return png[:33] + png_chunk(name, data) + png[33:]


def png_of(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def deep_png(values: np.ndarray, path: Path, filter_type: int = 1) -> None:
    """A PNG file of 16 bits from values ``[H, W, C]``, each row as differences from the pixel to the left."""
    height, width, channels = values.shape
    rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    lines = rows.copy()
    lines[:, 2 * channels :] -= rows[:, : -2 * channels]
    data = b"".join(bytes([filter_type]) + line.tobytes() for line in lines)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">2I5B", width, height, 16, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks))


# --- colours ---


@pytest.mark.parametrize(("primaries", "gamma"), [(DISPLAY_P3, 2.2), (ADOBE_RGB, 2.19921875)])
def test_profiles_become_srgb(tmp_path: Path, primaries: tuple[tuple[float, float], ...], gamma: float) -> None:
    """With 8 bits and with 16, which Little CMS has no part in; muted colours, that lie in sRGB."""
    profile = icc_profile(primaries, gamma)
    image = Image.blend(photo(), Image.new("RGB", (96, 64), (128, 128, 128)), 0.3)
    stored = in_space(image, profile)
    assert np.abs(np.array(stored, int) - np.array(image, int)).max() > 8
    for name in ("a.png", "a.tif", "a.jpg", "a.webp"):
        options = (
            {"quality": 100, "subsampling": 0} if name == "a.jpg" else {"lossless": True} if name == "a.webp" else {}
        )
        stored.save(tmp_path / name, icc_profile=profile, **options)
        assert difference(read_picture(tmp_path / name), image) <= (6 if name == "a.jpg" else 3)
    deep_png(np.array(stored, np.uint16) * 257, tmp_path / "deep.png")
    data = (tmp_path / "deep.png").read_bytes()
    (tmp_path / "deep.png").write_bytes(with_chunk(data, b"iCCP", b"x\0\0" + zlib.compress(profile)))
    assert difference(read_picture(tmp_path / "deep.png"), image) <= 3


def test_srgb_is_left_alone_and_written(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo().save(tmp_path / "a.png", icc_profile=profile)
    picture = read_picture(tmp_path / "a.png")
    assert difference(picture, photo()) == 0
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        write_picture(tmp_path / f"b{suffix}", picture)
        written = Image.open(tmp_path / f"b{suffix}").info["icc_profile"]
        assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(written)))
    first = (tmp_path / "b.png").read_bytes()
    write_picture(tmp_path / "b.png", picture)
    assert (tmp_path / "b.png").read_bytes() == first


def test_colours_of_png_chunks(tmp_path: Path) -> None:
    """cICP: Display P3 of sRGB's curve. gAMA: linear light, which sRGB shows lighter."""
    path = tmp_path / "a.png"
    image = Image.new("RGB", (4, 4), (200, 100, 50))
    path.write_bytes(with_chunk(png_of(image), b"cICP", bytes([12, 13, 0, 1])))
    # By the matrix of CSS Color 4 between the light of both.
    light = np.where(
        np.array([200, 100, 50]) / 255 <= 0.04045, 0, ((np.array([200, 100, 50]) / 255 + 0.055) / 1.055) ** 2.4
    )
    matrix = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
    expected = 255 * (1.055 * (matrix @ light).clip(0.0031308, 1) ** (1 / 2.4) - 0.055)
    assert (read_picture(path).rgb[0, :, 0, 0].numpy() * 255 - expected).__abs__().max() < 1
    path.write_bytes(with_chunk(png_of(image), b"gAMA", struct.pack(">I", 100000)))
    lighter = 255 * (1.055 * (200 / 255) ** (1 / 2.4) - 0.055)
    assert float(read_picture(path).rgb[0, 0, 0, 0] * 255) == pytest.approx(lighter, abs=0.01)
    path.write_bytes(with_chunk(png_of(image), b"gAMA", struct.pack(">I", 45455)))
    assert difference(read_picture(path), image) == 0
    path.write_bytes(with_chunk(png_of(image), b"cICP", bytes([9, 16, 0, 1])))
    picture = read_picture(path)
    assert difference(picture, image) == 0 and "HDR" in picture.notes[0]


def test_damaged_profiles_are_said(tmp_path: Path) -> None:
    for profile in (b"no profile", icc_profile(DISPLAY_P3, 2.2)[:150]):
        photo().save(tmp_path / "a.png", icc_profile=profile)
        picture = read_picture(tmp_path / "a.png")
        assert difference(picture, photo()) == 0
        assert "colour profile is damaged" in picture.notes[0]
    photo().convert("CMYK").save(tmp_path / "a.tif", icc_profile=icc_profile(DISPLAY_P3, 2.2))
    assert "for RGB pictures" in read_picture(tmp_path / "a.tif").notes[0]


def test_lab_and_grey_with_a_profile_of_colours(tmp_path: Path) -> None:
    lab = ImageCms.profileToProfile(
        photo(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    lab.save(tmp_path / "lab.tif")
    assert difference(read_picture(tmp_path / "lab.tif"), photo()) < 12  # 8 bits of a and b are coarse
    grey = photo().convert("L")
    profile = icc_profile(DISPLAY_P3, 2.2)
    grey.save(tmp_path / "grey.png", icc_profile=profile)
    picture = read_picture(tmp_path / "grey.png")
    light = (np.array(grey) / 255) ** 2.2
    expected = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert not picture.notes
    assert np.abs(picture.rgb[0].numpy() * 255 - expected).max() < 1.5


# --- transparency ---


def test_hidden_colours_never_matter(tmp_path: Path) -> None:
    alpha = Image.new("L", (97, 65), 0)
    alpha.paste(255, (30, 10, 70, 50))
    pictures = []
    for color in ((0, 0, 0), (255, 255, 255), (255, 0, 255)):
        image = Image.composite(photo(97, 65), Image.new("RGB", (97, 65), color), alpha)
        image.putalpha(alpha)
        image.save(tmp_path / "a.png")
        pictures.append((read_picture(tmp_path / "a.png"), read_picture(tmp_path / "a.png", 50)))
    for size in (0, 1):
        first = pictures[0][size]
        assert all(torch.equal(each[size].rgb, first.rgb) for each in pictures)
    whole = pictures[0][0]
    assert whole.alpha is not None
    shown = whole.alpha.expand_as(whole.rgb) > 0
    assert torch.equal((whole.rgb[shown] * 255).round(), _tensor(photo(97, 65))[shown])
    seen = whole.rgb[..., 10:50, 30:70]
    hidden_mean = whole.rgb[~shown].view(3, -1).mean(1)
    assert (hidden_mean - seen.mean((0, 2, 3))).abs().max() < 0.12  # like what is seen, not black or white
    assert (whole.rgb[0, :, 9, 40] - whole.rgb[0, :, 10, 40]).abs().max() < 0.2  # nor is there an edge


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (64, 33)])
def test_fill_hidden(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    rgb = torch.rand(2, 3, *size, generator=generator)
    alpha = (torch.rand(2, 1, *size, generator=generator) > 0.6).float()
    alpha[1] = 0
    filled = fill_hidden(rgb, alpha)
    shown = alpha.expand_as(rgb) > 0
    assert torch.equal(filled[shown], rgb[shown])
    assert torch.isfinite(filled).all() and filled.min() >= 0 and filled.max() <= 1
    assert (filled[1] == 0.5).all()
    assert torch.equal(filled, fill_hidden(torch.where(shown, rgb, torch.nan), alpha))
    one = torch.zeros(1, 1, *size)
    one[..., 0, 0] = 1
    assert torch.allclose(fill_hidden(rgb[:1], one), rgb[:1, :, :1, :1].expand_as(rgb[:1]), atol=1e-6)


def test_opaque_alpha_is_none(tmp_path: Path) -> None:
    image = photo()
    image.putalpha(255)
    image.save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.alpha is None
    write_picture(tmp_path / "a.jpg", picture)
    assert Image.open(tmp_path / "a.jpg").mode == "RGB"


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha_is_written_as_it_was_read(tmp_path: Path, suffix: str) -> None:
    image = photo()
    alpha = Image.linear_gradient("L").resize(image.size)
    image.putalpha(alpha)
    image.save(tmp_path / f"a{suffix}", **({"lossless": True} if suffix == ".webp" else {}))
    write_picture(tmp_path / f"b{suffix}", read_picture(tmp_path / f"a{suffix}"))
    assert np.array_equal(np.array(Image.open(tmp_path / f"b{suffix}"))[..., 3], np.array(alpha))


def test_palette_transparency(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P").save(path, transparency=0)
    picture = read_picture(path)
    assert picture.alpha is not None and picture.alpha.flatten().tolist() == [0.0, 1.0]


# --- several pictures in one file ---


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_animations(tmp_path: Path, suffix: str) -> None:
    frames = [photo().rotate(40 * index) for index in range(3)]
    durations = {} if suffix == ".tif" else {"duration": [100, 250, 50], "loop": 0}
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], **durations)
    pictures = list(read_frames(tmp_path / f"a{suffix}"))
    assert len(pictures) == frame_total(tmp_path / f"a{suffix}") == 3
    for picture, frame in zip(pictures, frames, strict=True):
        assert (picture.rgb * 255 - _tensor(frame)).abs().mean() < 6  # a palette or lossy
    target = tmp_path / f"b{suffix}"
    write_frames(target, pictures)
    again = list(read_frames(target))
    assert len(again) == 3
    for picture, other in zip(pictures, again, strict=True):
        assert (picture.rgb - other.rgb).abs().mean() < 0.02
        assert picture.metadata.duration == other.metadata.duration
    if suffix != ".tif":
        assert [picture.metadata.duration for picture in again] == [100, 250, 50]
        assert again[0].metadata.plays == 0
    with pytest.raises(PictureError, match=r"\.jpg holds one picture.*--first-frame"):
        write_frames(tmp_path / "b.jpg", pictures)


def test_how_often_an_animation_plays(tmp_path: Path) -> None:
    """GIF counts repeats, and says nothing of once; others count how often it plays."""
    frames = [photo().rotate(40 * index) for index in range(2)]
    for options, plays in (({}, 1), ({"loop": 2}, 3), ({"loop": 0}, 0)):
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100, **options)
        pictures = list(read_frames(tmp_path / "a.gif"))
        assert pictures[0].metadata.plays == plays
        for suffix in (".gif", ".png", ".webp"):
            write_frames(tmp_path / f"b{suffix}", pictures)
            assert read_picture(tmp_path / f"b{suffix}").metadata.plays == plays


def test_previews_are_no_frames(tmp_path: Path) -> None:
    """Of a TIFF file's pages one may be marked as a small copy of another."""
    path = tmp_path / "a.tif"
    photo().save(path, save_all=True, append_images=[photo(24, 16)], tiffinfo={254: 0})
    assert frame_total(path) == 2
    before, entry, after = path.read_bytes().rpartition(b"\xfe\0\4\0\1\0\0\0\0\0\0\0")  # tag 254 of the second page
    path.write_bytes(before + entry[:-4] + b"\1\0\0\0" + after)
    assert frame_total(path) == 1


# --- depth ---


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_survive(tmp_path: Path, channels: int) -> None:
    """Every level of 4,001, in each channel, there and back."""
    values = gradient(channels=channels)
    deep_png(values, tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    whole = picture.rgb if picture.alpha is None else torch.cat([picture.rgb, picture.alpha], 1)
    found = (whole[0].permute(1, 2, 0) * 65535).round().numpy()
    expected = values if channels > 2 else np.concatenate([values[..., :1]] * 3 + [values[..., 1:]], -1)
    shown = expected[..., -1] > 0 if channels in (2, 4) else np.full(expected.shape[:2], True)
    assert np.array_equal(found[shown], expected[shown])
    write_picture(tmp_path / "b.png", picture, depth=16)
    again = read_picture(tmp_path / "b.png")
    assert (again.rgb - picture.rgb).abs().max() < 0.51 / 65535
    assert len(np.unique(again.rgb[0, 0, 0])) == 4001
    assert Image.open(tmp_path / "b.png").mode == ("RGB" if channels in (1, 3) else "RGBA")
    write_picture(tmp_path / "c.png", picture)
    if channels in (1, 3):  # where nothing is seen, there may be levels between
        assert len(np.unique(read_picture(tmp_path / "c.png").rgb[0, 0, 0])) == 256


def test_sixteen_bits_of_tiff(tmp_path: Path) -> None:
    """Colours in both orders of bytes; Pillow writes none, so a grey file's header is rewritten."""
    values = gradient(width=301)
    for order, mark in (("<", b"II"), (">", b"MM")):
        data = values.astype(f"{order}u2").tobytes()
        entries = [(256, 4, 1, 301), (257, 4, 1, 2), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 140), (277, 3, 1, 3), (278, 4, 1, 2), (279, 4, 1, len(data))]  # fmt: skip  # noqa: E501
        body = struct.pack(f"{order}H", len(entries))
        for tag, kind, count, value in entries:
            packed = (
                struct.pack(f"{order}HH", value, 0) if kind == 3 and count == 1 else struct.pack(f"{order}I", value)
            )
            body += struct.pack(f"{order}HHI", tag, kind, count) + packed
        file = mark + struct.pack(f"{order}HI", 42, 8) + body + struct.pack(f"{order}I", 0)
        file = file.ljust(134, b"\0") + struct.pack(f"{order}3H", 16, 16, 16)
        (tmp_path / "a.tif").write_bytes(file + data)
        found = (read_picture(tmp_path / "a.tif").rgb[0].permute(1, 2, 0) * 65535).round().numpy()
        assert np.array_equal(found, values)


def test_floats_and_long_integers(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    picture = read_picture(tmp_path / "a.tif")
    assert np.array_equal(picture.rgb[0, 0].numpy(), ramp) and not picture.notes
    for values in (ramp * 2000 - 300, (ramp * 2**27).astype(np.int32) + 5):
        Image.fromarray(values).save(tmp_path / "a.tif")
        picture = read_picture(tmp_path / "a.tif")
        np.testing.assert_allclose(picture.rgb[0, 0].numpy(), ramp, atol=1e-5)
        assert "are taken as black to white" in picture.notes[0]
    broken = ramp.copy()
    broken[3, 3] = np.nan
    Image.fromarray(broken).save(tmp_path / "a.tif")
    with pytest.raises(PictureError, match=r"a\.tif.*not finite"):
        read_picture(tmp_path / "a.tif")


def test_sixteen_bits_with_another_size(tmp_path: Path) -> None:
    """As 8 bits of the same, but finer; and turned alike."""
    image = photo(90, 60)
    deep_png(np.array(image, np.uint16) * 257, tmp_path / "deep.png")
    image.save(tmp_path / "plain.png")
    deep, plain = (read_picture(tmp_path / f"{name}.png", 45).rgb for name in ("deep", "plain"))
    assert deep.shape == plain.shape and (deep - plain).abs().max() < 1.1 / 255
    exif = Image.Exif()
    exif[0x0112] = 6
    data = (tmp_path / "deep.png").read_bytes()
    (tmp_path / "deep.png").write_bytes(with_chunk(data, b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    assert torch.equal(read_picture(tmp_path / "deep.png").rgb, (_tensor(image) / 255).rot90(-1, (2, 3)))


def test_what_cannot_have_sixteen_bits(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"16 bits are written into a \.png"):
        write_picture(tmp_path / "a.jpg", Picture(torch.rand(1, 3, 4, 4)), depth=16)


# --- metadata ---


def described(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x013B], exif[0x8298], exif[0x0132] = 6, "Canon", "Jane", "(c) Jane", "2026:11:29 10:00:00"  # fmt: skip  # noqa: E501
    exif[0x8769] = {0x9003: "2026:11:28 09:00:00", 0xA002: 96, 0xA003: 64, 0x829A: 0.005}
    photo().save(path, exif=exif.tobytes(), dpi=(300, 300))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("source", [".jpg", ".png", ".tif"])
def test_exif_and_resolution_are_kept(tmp_path: Path, source: str, suffix: str) -> None:
    """Upright, and with the size of what is written."""
    described(tmp_path / f"a{source}")
    write_picture(tmp_path / f"b{suffix}", read_picture(tmp_path / f"a{source}", 48))
    with Image.open(tmp_path / f"b{suffix}") as image:
        assert image.size == (32, 48)
        exif = image.getexif()
        assert exif.get(0x0112, 1) == 1
        assert [exif[tag] for tag in (0x010F, 0x013B, 0x8298, 0x0132)] == ["Canon", "Jane", "(c) Jane", "2026:11:29 10:00:00"]  # fmt: skip  # noqa: E501
        details = exif.get_ifd(0x8769)
        assert details[0x9003] == "2026:11:28 09:00:00" and details[0x829A] == pytest.approx(0.005)
        assert (details[0xA002], details[0xA003]) == (32, 48)
        if suffix != ".webp":
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_texts_are_kept(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("workflow", '{"nodes": []}')
    texts.add_itxt("Author", "Зоя 画家")
    texts.add_text("long", "x" * 5000, zip=True)
    photo().save(tmp_path / "a.png", pnginfo=texts, dpi=(72, 72))
    for depth in (8, 16):
        write_picture(tmp_path / "b.png", read_picture(tmp_path / "a.png"), depth)
        with Image.open(tmp_path / "b.png") as image:
            image.load()
            assert image.text == {"workflow": '{"nodes": []}', "Author": "Зоя 画家", "long": "x" * 5000}
            assert image.info["dpi"] == pytest.approx((72, 72), abs=0.1)


def test_full_colour_resolution(tmp_path: Path) -> None:
    """Stripes of red and blue, a pixel wide, turn to one violet where colours are halved."""
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 0], stripes[:, 1::2, 2] = 200, 200
    picture = Picture(torch.from_numpy(stripes).permute(2, 0, 1)[None].float() / 255)
    for suffix in (".jpg", ".webp"):
        write_picture(tmp_path / f"a{suffix}", picture)
        assert (read_picture(tmp_path / f"a{suffix}").rgb - picture.rgb).abs().mean() < 0.03
        full = (tmp_path / f"a{suffix}").stat().st_size
        write_picture(tmp_path / f"a{suffix}", Picture(_tensor(photo()) / 255), quality=95)
        fine = (tmp_path / f"a{suffix}").stat().st_size
        write_picture(tmp_path / f"a{suffix}", Picture(_tensor(photo()) / 255), quality=20)
        assert full and (tmp_path / f"a{suffix}").stat().st_size < fine / 2


# --- damage ---


def test_odd_exif_is_no_reason(tmp_path: Path) -> None:
    """A number of the wrong type, which Pillow cannot turn back into bytes; the rest is kept."""
    described(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    exif = Image.open(tmp_path / "a.jpg").info["exif"]
    start = data.index(exif)
    for order in ("<", ">"):
        entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, 6, 0)
        data = data.replace(entry, struct.pack(f"{order}HHII", 0x0112, 12, 1, 8))  # DOUBLE, at byte 8
    assert data[start : start + len(exif)] != exif
    (tmp_path / "a.jpg").write_bytes(data)
    picture = read_picture(tmp_path / "a.jpg")
    assert min(picture.rgb.shape[-2:]) == 64
    assert b"Jane" in picture.metadata.exif


def test_whoever_opens_a_picture_opens_its_painting(tmp_path: Path) -> None:
    """Pillow, and so ComfyUI, refuses a file with a packed text of more than 1 MB, as a large workflow may be."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("workflow", '{"nodes": 1}' * 100_000)
    texts.add_itxt("prompt", "ü" * 600_000)
    photo().save(tmp_path / "a.png", pnginfo=texts)
    write_picture(tmp_path / "b.png", read_picture(tmp_path / "a.png"))
    with Image.open(tmp_path / "a.png") as before, Image.open(tmp_path / "b.png") as after:
        assert before.text == after.text and len(after.text["workflow"]) == 1_200_000


def test_large_and_damaged_texts_are_no_reason(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("big", "x" * 3_000_000, zip=True)
    photo().save(tmp_path / "big.png", pnginfo=texts)
    text = with_chunk(png_of(photo()), b"tEXt", b"Author\0Jane")
    (tmp_path / "wrong.png").write_bytes(text.replace(b"Jane", b"Jan3"))
    (tmp_path / "short.png").write_bytes(with_chunk(png_of(photo()), b"pHYs", b"1"))
    for name in ("big", "wrong", "short"):
        picture = read_picture(tmp_path / f"{name}.png")
        assert difference(picture, photo()) == 0
        assert "left out" in picture.notes[0]


def test_damaged_pixels_are_said(tmp_path: Path) -> None:
    """Pillow does not look at the checksums of pixels."""
    data = bytearray(png_of(photo()))
    data[data.index(b"IDAT") + 900] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(PictureError, match=r"a\.png is not a readable picture \(its IDAT data is damaged\)"):
        read_picture(tmp_path / "a.png")
    (tmp_path / "cut.jpg").write_bytes(PHOTO.read_bytes()[:5000])
    with pytest.raises(PictureError, match=r"cut\.jpg is not a readable picture"):
        read_picture(tmp_path / "cut.jpg")
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(PictureError, match=r"empty\.jpg .*the file is empty"):
        read_picture(tmp_path / "empty.jpg")
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")  # to open it would be to wait for ever
    with pytest.raises(FileNotFoundError, match=r"pipe\.png"):
        read_picture(tmp_path / "pipe.png")


def test_other_programs_are_never_started(tmp_path: Path) -> None:
    """Pillow has Ghostscript draw PostScript, whatever the file's ending."""
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    assert Image.open(tmp_path / "a.png").format == "EPS"
    with pytest.raises(PictureError, match="not a readable picture"):
        read_picture(tmp_path / "a.png")


def test_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In plain words; no reason where it is made smaller, of JPEG by decoding no more than is needed."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40_000)
    with pytest.raises(PictureError, match=r"chelsea\.jpg has more than 0 million pixels.*--size"):
        read_picture(PHOTO)
    assert read_picture(PHOTO, 45).rgb.shape == (1, 3, 30, 45)
    assert Image.MAX_IMAGE_PIXELS == 40_000
    monkeypatch.undo()
    Image.new("RGB", (16000, 16000), (90, 120, 200)).save(tmp_path / "huge.jpg")
    with pytest.raises(PictureError, match="more than 179 million pixels"):
        read_picture(tmp_path / "huge.jpg")
    Image.new("1", (16000, 16000)).save(tmp_path / "huge.png")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert frame_total(tmp_path / "huge.png") == 1
    with pytest.raises(PictureError, match="more than 179 million pixels"):
        read_picture(tmp_path / "huge.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB: it was never unpacked
    picture = read_picture(tmp_path / "huge.jpg", 100)
    assert (
        picture.rgb.shape == (1, 3, 100, 100) and difference(picture, Image.new("RGB", (100, 100), (90, 120, 200))) < 3
    )


def test_pixels_that_no_file_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of pixels may be made smaller, but not what claims more than it has, or than there is memory for."""
    photo(40, 30).save(tmp_path / "a.gif")
    data = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(data[:6] + b"\xff" * 4 + data[10:])
    with pytest.raises(PictureError, match=r"claims 65535 x 65535 pixels, but has only [\d,]+ bytes"):
        read_picture(tmp_path / "a.gif", 16)
    Image.new("1", (16000, 16000)).save(tmp_path / "huge.png")
    monkeypatch.setattr(opening, "_machine_memory", lambda: 1.1 * 2**30)
    with pytest.raises(PictureError, match=r"take 2 GB of memory, and this machine has 1: make a smaller copy\)"):
        read_picture(tmp_path / "huge.png", 16)
    monkeypatch.undo()
    assert read_picture(tmp_path / "huge.png", 16).rgb.shape == (1, 3, 16, 16)


def originals() -> list[tuple[str, bytes]]:
    """Whole files of all common formats, and their endings."""
    image = photo(48, 32)
    texts = PngImagePlugin.PngInfo()
    texts.add_text("workflow", "{}" * 1500)
    texts.add_text("long", "y" * 3000, zip=True)
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Jane"
    kinds: list[tuple[str, dict[str, object]]] = [
        ("png", {"pnginfo": texts, "dpi": (72, 72), "exif": exif}),
        ("png", {"icc_profile": icc_profile(DISPLAY_P3, 2.2)}),
        ("jpeg", {"exif": exif}),
        ("tiff", {"exif": exif}),
        ("tiff", {"compression": "tiff_deflate"}),
        ("gif", {}),
        ("gif", {"save_all": True, "append_images": [image.rotate(90)]}),
        ("webp", {"exif": exif}),
        ("bmp", {}),
        ("tga", {}),
        ("ppm", {}),
    ]
    files = []
    for name, options in kinds:
        file = io.BytesIO()
        image.save(file, name, **options)
        files.append((name, file.getvalue()))
    return files


def mutated(original: bytes, chance: random.Random) -> bytes:
    """A file with bytes changed, taken out, put in, or its end missing."""
    data = bytearray(original)
    for _ in range(chance.choice((1, 1, 1, 3, 20))):
        # Headers decide more than pixels do.
        place = int(len(data) * chance.random() ** chance.choice((1, 4)))
        kind = chance.randrange(5)
        if kind == 0:
            data[place : place + 1] = bytes([chance.choice((0, 1, 127, 128, 255))])
        elif kind == 1:
            data[place : place + 1] = bytes([data[place] ^ 1 << chance.randrange(8)]) if data else b""
        elif kind == 2:
            del data[place : place + chance.choice((1, 2, 4, 100))]
        elif kind == 3:
            data[place:place] = chance.randbytes(chance.choice((1, 2, 4, 50)))
        else:
            del data[place:]
    return bytes(data)


def test_mutated_files(tmp_path: Path) -> None:
    """500 damaged files: a picture, or one sentence with the file's name.

    PNG has checksums, so no other picture comes of it, but where a note says that something was left out. Other formats
    have none: of them values alone can be right.
    """
    start, chance = time.process_time(), random.Random(7)
    files = originals()
    whole = {}
    for name, original in files:
        (tmp_path / f"whole.{name}").write_bytes(original)
        with Image.open(tmp_path / f"whole.{name}") as image:
            whole[original] = (read_picture(tmp_path / f"whole.{name}").rgb, _tensor(image.convert("RGB")) / 255)
    pictures = sentences = same = 0
    for index in range(500):
        name, original = chance.choice(files)
        path = tmp_path / f"case{index}.{name}"
        path.write_bytes(mutated(original, chance))
        try:
            picture = read_picture(path)
        except PictureError as error:
            message = str(error)
            assert path.name in message and "\n" not in message and len(message) < 200 + len(str(tmp_path))
            sentences += 1
            continue
        pictures += 1
        assert picture.rgb.shape[:2] == (1, 3) and picture.rgb.numel() > 0
        assert torch.isfinite(picture.rgb).all() and picture.rgb.min() >= 0 and picture.rgb.max() <= 1
        if name == "png":  # as it was, or without what is said to be left out: its profile, its being turned
            upright, stored = whole[original]
            assert torch.equal(picture.rgb, upright) or (picture.notes and torch.equal(picture.rgb, stored))
            same += 1
        write_picture(tmp_path / "again.png", picture)
    assert pictures > 50 and sentences > 150 and same > 5, (pictures, sentences, same)
    assert time.process_time() - start < 30


# --- writing ---


@pytest.mark.parametrize("before", [None, b"the old file"])
def test_a_full_disk_leaves_the_old_file_or_none(tmp_path: Path, before: bytes | None) -> None:
    target = tmp_path / "a.png"
    if before is not None:
        target.write_bytes(before)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as raised:
            write_picture(target, Picture(torch.rand(1, 3, 64, 64)))
        assert raised.value.filename == str(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == ([] if before is None else [target])
    assert before is None or target.read_bytes() == before


def test_rights_follow_the_umask(tmp_path: Path) -> None:
    for mask, rights in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        old = os.umask(mask)
        try:
            write_picture(tmp_path / f"{mask}.png", Picture(torch.rand(1, 3, 4, 4)))
        finally:
            os.umask(old)
        assert (tmp_path / f"{mask}.png").stat().st_mode & 0o777 == rights


def test_links_stay_links(tmp_path: Path) -> None:
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    write_picture(tmp_path / "link.png", Picture(torch.rand(1, 3, 4, 4)))
    assert (tmp_path / "link.png").is_symlink() and Image.open(tmp_path / "real.png").size == (4, 4)


def test_refused_places(tmp_path: Path) -> None:
    picture = Picture(torch.rand(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
    (tmp_path / "file").write_text("x")
    (tmp_path / "old.png").write_bytes(b"old")
    (tmp_path / "old.png").chmod(0o444)
    (tmp_path / "folder.png").mkdir()
    for name, words in (
        ("a.jpg", "holds no transparency"),
        ("a.xyz", "unknown ending '.xyz'"),
        ("file/a.png", "is a file, and a folder is needed"),
        ("old.png", "is read-only"),
        ("folder.png", "is a folder: name a picture in it"),
    ):
        with pytest.raises(PictureError, match=words):
            write_picture(tmp_path / name, picture)
    assert (tmp_path / "old.png").read_bytes() == b"old"
    with pytest.raises(PictureError, match="not finite"):
        write_picture(tmp_path / "b.png", Picture(torch.full((1, 3, 4, 4), torch.nan)))
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize("suffix", writable_suffixes())
def test_every_ending_is_written_and_read(tmp_path: Path, suffix: str) -> None:
    picture = Picture(_tensor(photo()) / 255)
    write_picture(tmp_path / "new folder" / f"a{suffix}", picture)
    assert (read_picture(tmp_path / "new folder" / f"a{suffix}").rgb - picture.rgb).abs().mean() < 0.03
    assert to_image(picture).size == (96, 64)


# --- folders ---


def test_names_sort_as_people_count(tmp_path: Path) -> None:
    names = ["10.png", "9.png", "b.png", "C.png", "a10.png", "a9b.png", "a9.png", "a010.png", "A11.png", "r1.5.png", "r1.25.png"]  # fmt: skip  # noqa: E501
    for name in names:
        (tmp_path / name).touch()
    expected = ["9.png", "10.png", "a9.png", "a9b.png", "a010.png", "a10.png", "A11.png", "b.png", "C.png", "r1.25.png", "r1.5.png"]  # fmt: skip  # noqa: E501
    assert [path.name for path in pictures_in(tmp_path)] == expected


def test_all_formats_are_taken_in_folders(tmp_path: Path) -> None:
    names = ["a.gif", "b.jp2", "c.ppm", "d.tga", "e.JPG", "f.apng", "g.psd", "h.heic"]
    names += ["i.avif"] if features.check("avif") else []
    others = [".hidden.png", "notes.txt", "k.eps", "l.mpg"]
    for name in (*names, *others):
        (tmp_path / name).touch()
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "n.png").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "o.png").touch()
    pictures, skipped = sort_pictures(tmp_path, leave_out=tmp_path / "out")
    assert [path.name for path in pictures] == names
    assert {path.name for path in skipped} == {*others, "m"}
    deeper, _ = sort_pictures(tmp_path, recursive=True, leave_out=tmp_path / "out")
    assert [path.name for path in deeper] == [*names, "n.png"]
    with pytest.raises(PictureError, match="--recursive"):
        pictures_in(_with_folder(tmp_path / "empty"))
    assert {".png", ".jpg", ".jpeg", ".webp", ".tif", ".bmp"} <= readable_suffixes()


def _with_folder(folder: Path) -> Path:
    (folder / "inside").mkdir(parents=True)
    return folder


def test_heic_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
    (tmp_path / "a.heic").write_bytes(b"x")
    with pytest.raises(PictureError, match=r"a\.heic.*pip install pillow-heif"):
        read_picture(tmp_path / "a.heic")
