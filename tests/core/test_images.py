"""What counts as a picture, and what is said of all else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import artnet_core as artnet
from artnet_core.images import Picture, check_images, read_picture, to_image, write_picture

from .conftest import EXAMPLES

PHOTO = EXAMPLES / "content" / "chelsea.jpg"

WRONG: dict[str, tuple[Callable[[Tensor], object], type[Exception], str]] = {
    "bytes": (lambda x: (x * 255).byte(), ValueError, r"torch\.uint8, expected floating values of 0\.\.1: divide"),
    "whole numbers": (lambda x: (x * 255).long(), ValueError, r"torch\.int64, expected floating values of 0\.\.1"),
    "0..255": (lambda x: x * 255, ValueError, r"values up to 2\d\d.*, expected 0\.\.1: divide by 255"),
    "colours last": (
        lambda x: x.movedim(1, -1),
        ValueError,
        r"\[B, 3, H, W\] of RGB pictures, got \[1, 256, 256, 3\]: move the colours to the front with movedim\(-1, 1\)",
    ),
    "one picture, colours last": (lambda x: x[0].movedim(0, -1), ValueError, r"got \[256, 256, 3\]: move the colours"),
    "one picture": (lambda x: x[0], ValueError, r"got \[3, 256, 256\]\.$"),
    "grey": (lambda x: x[:, :1], ValueError, r"got \[1, 1, 256, 256\]\.$"),
    "an array": (lambda x: x.numpy(), TypeError, r"got ndarray: read files with .*read_picture, and turn arrays into"),
    "an image": (
        lambda x: to_image(Picture(x)),
        TypeError,
        r"must be a torch tensor \[B, 3, H, W\] .* got Image: read",
    ),
    "a path": (lambda x: PHOTO, TypeError, r"got \w*Path: read files with artnet_core\.images\.read_picture"),
    "a name": (lambda x: str(PHOTO), TypeError, "got str: read files"),
    "a list": (lambda x: [x[0]], TypeError, "got list: read files"),
    "nothing": (lambda x: None, TypeError, "got NoneType: read files"),
    "no pixels": (lambda x: x[..., :0], ValueError, r"picture is empty: its shape is \[1, 3, 256, 0\]"),
    "infinite": (lambda x: x / 0, ValueError, "not finite"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_picture_is_refused_in_words(case: str, model: artnet.ArtNet, photo: Tensor) -> None:
    change, kind, message = WRONG[case]
    wrong = change(photo)
    for refuse in (check_images, model.encode, lambda x: model.stylize(x, photo)):
        with pytest.raises(kind, match=message):
            refuse(wrong)
    if wrong is None:  # as a style it leaves the painting to regions
        kind, message = ValueError, "give a texture style, or regions"
    with pytest.raises(kind, match=message):
        model.stylize(photo, wrong)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_pictures_of_any_precision(dtype: torch.dtype, photo: Tensor) -> None:
    check_images(photo.to(dtype))
    check_images(photo.expand(3, -1, -1, -1).to(dtype))


def test_a_little_out_of_range_is_a_picture(photo: Tensor) -> None:
    """As resampling and HDR make it."""
    check_images(photo * 12 - 0.1)


def test_a_jpeg_keeps_what_eyes_see(tmp_path: Path, photo: Tensor) -> None:
    """Half a level of 256 is what rounding costs at least."""
    for name, most in (("a.jpg", 2.0), ("a.webp", 3.0), ("a.png", 0.51)):
        write_picture(tmp_path / name, Picture(photo))
        assert (read_picture(tmp_path / name).rgb - photo).abs().mean() * 255 < most, name


def test_an_image_is_the_picture_in_bytes(photo: Tensor) -> None:
    expected = (photo[0].permute(1, 2, 0) * 255).round().byte().numpy()
    image = to_image(Picture(photo))
    assert isinstance(image, Image.Image) and image.mode == "RGB"
    np.testing.assert_array_equal(np.array(image), expected)
