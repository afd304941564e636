"""Training pictures: all of them as one tensor of bytes on the device, augmented there.

Files lie in folders, or folders within .tar files, called ``photo`` (or ``content``) and ``art`` (or ``style``).
One file in twenty is held out from training, chosen by a hash of its name: the same ones for every run, whatever
else the data holds.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import math
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from artnet_core.images import SUFFIXES, UNREADABLE, PictureError, upright

_KIND_OF_FOLDER = {"photo": "photo", "content": "photo", "art": "art", "style": "art"}
_HELD_OUT_OF = 20

# Pictures are kept a little larger than they are shown, so that a crop can move.
_ROOM = 9 / 8

_LARGEST_ANGLE = math.radians(12)
_SMALLEST_WINDOW = 0.5


@dataclass(frozen=True)
class Pictures:
    """Square pictures of two kinds.

    Attributes:
        photo: uint8 ``[N, 3, side, side]``, photographs.
        art: uint8 ``[M, 3, side, side]``, paintings, drawings, textures.
        digest: of all files found, held out or not: their names and contents.
    """

    photo: Tensor
    art: Tensor
    digest: str


def load_pictures(paths: Sequence[Path], side: int, device: torch.device, *, held_out: bool = False) -> Pictures:
    """Reads the training pictures, or those held out, cut to squares around their middle.

    Args:
        paths: folders and .tar files; a folder may hold .tar files.
        side: of the squares in pixels.
        device: where the tensors go.
        held_out: the pictures kept from training in place of the training pictures.

    Raises:
        FileNotFoundError: a path does not exist.
        PictureError: a file is damaged or no ordinary file, or there is not a picture of each kind.
    """
    files = sorted(_files(paths))
    digest = hashlib.sha256()
    for name, _kind, data in files:
        digest.update(name.encode() + hashlib.sha256(data).digest())
    chosen = [file for file in files if is_held_out(file[0]) == held_out]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded = list(pool.map(lambda file: _decode(file[0], file[2], side), chosen))
    tensors = {}
    for kind in ("photo", "art"):
        of_kind = [picture for picture, file in zip(decoded, chosen, strict=True) if file[1] == kind]
        if not of_kind:
            which = "held-out" if held_out else "training"
            raise PictureError(
                f"{', '.join(map(str, paths))}: none of {len(files)} files is a {which} picture in a folder {kind}."
            )
        tensors[kind] = torch.from_numpy(np.stack(of_kind)).permute(0, 3, 1, 2).contiguous().to(device)
    return Pictures(tensors["photo"], tensors["art"], digest.hexdigest()[:16])


def is_held_out(name: str) -> bool:
    """Whether a file, known by its name without folders, is kept from training."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % _HELD_OUT_OF == 0


def stored_side(size: int) -> int:
    """Side at which pictures are stored that are shown at ``size``; the difference is even, so crops can be exact."""
    return size + round(size * (_ROOM - 1) / 2) * 2


def draw(pictures: Tensor, count: int, size: int, generator: torch.Generator) -> Tensor:
    """A batch of random pictures, augmented.

    Args:
        pictures: uint8 ``[N, 3, side, side]``.
        count: pictures in the batch.
        size: side of the result, with ``side - size`` even and not negative.
        generator: on the CPU, whatever the device, so that its state can be saved.

    Returns:
        ``[count, 3, size, size]``, float32, 0..1, channels_last.
    """
    index = torch.randint(len(pictures), (count,), generator=generator).to(pictures.device)
    images = pictures[index].float().div_(255).contiguous(memory_format=torch.channels_last)
    theta = random_windows(count, size, pictures.shape[-1], generator).to(pictures.device)
    # F.affine_grid multiplies matrices, on GPUs with the few digits of TF32: exact crops would be no more.
    centre = (torch.arange(size, device=theta.device) * 2 + 1) / size - 1
    x, y, shift = theta[:, None, None].unbind(-1)  # each [count, 1, 1, 2]
    grid = centre[:, None] * x + centre[:, None, None] * y + shift  # [count, size, size, 2]
    images = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return images.clamp_(0, 1).contiguous(memory_format=torch.channels_last)


def random_windows(count: int, size: int, side: int, generator: torch.Generator) -> Tensor:
    """Where each sample looks: affine matrices ``[count, 2, 3]`` as ``F.affine_grid`` reads them.

    Half of the samples are crops at full resolution, pixel by pixel, since every other transform blurs; the others are
    turned by up to 12 degrees and enlarged by up to 2. Half of all are mirrored.
    """
    random = torch.rand(count, 6, generator=generator)
    exact = random[:, 0] < 0.5
    mirror = torch.where(random[:, 1] < 0.5, -1.0, 1.0)
    angle = torch.where(exact, 0.0, (random[:, 2] * 2 - 1) * _LARGEST_ANGLE)
    window = torch.where(exact, size / side, _SMALLEST_WINDOW + random[:, 3] * (1 - _SMALLEST_WINDOW))
    shift = (random[:, 4:] * 2 - 1) * (1 - window)[:, None]  # [count, 2], in half sides
    whole_pixels = (shift * side / 2).round() * 2 / side
    shift = torch.where(exact[:, None], whole_pixels, shift)
    cos, sin = angle.cos() * window, angle.sin() * window
    row_x = torch.stack([cos * mirror, -sin, shift[:, 0]], 1)
    row_y = torch.stack([sin * mirror, cos, shift[:, 1]], 1)
    return torch.stack([row_x, row_y], 1)


def _files(paths: Sequence[Path]) -> Iterator[tuple[str, str, bytes]]:
    """Name without folders, kind, and contents of every picture."""
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"There is no {path}.")
        if not path.is_dir():
            yield from _files_of_tar(path)
            continue
        for file in path.rglob("*"):
            if file.is_dir():
                continue
            if file.suffix == ".tar":
                yield from _files_of_tar(file)
            elif file.suffix.lower() in SUFFIXES and file.parent.name in _KIND_OF_FOLDER:
                _check_ordinary(file)
                yield file.name, _KIND_OF_FOLDER[file.parent.name], file.read_bytes()


def _check_ordinary(path: Path) -> None:
    """Raises PictureError for what has no end or no contents: a pipe, a device, a link to nothing."""
    if not path.is_file():
        raise PictureError(f"{path} is no ordinary file: take it out of --data.")


def _files_of_tar(path: Path) -> Iterator[tuple[str, str, bytes]]:
    _check_ordinary(path)
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                data = tar.extractfile(member)
                if data is not None and name.suffix.lower() in SUFFIXES and name.parent.name in _KIND_OF_FOLDER:
                    yield name.name, _KIND_OF_FOLDER[name.parent.name], data.read()
            # A compressed archive has its check sum behind the end of the .tar file within.
            while tar.fileobj is not None and tar.fileobj.read(2**20):
                pass
    # Of compressed archives each kind has an error of its own where it is cut.
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise PictureError(f"{path} is not a readable .tar file ({error}).") from error


def _decode(name: str, data: bytes, side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """One picture as ``[side, side, 3]``."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.array(ImageOps.fit(upright(image).convert("RGB"), (side, side), Image.Resampling.LANCZOS))
    except UNREADABLE as error:
        raise PictureError(f"{name} is not a readable picture ({error}).") from error
