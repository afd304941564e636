"""Training pictures: what is held out, where they may lie, how they are augmented."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from artnet_core.images import PictureError
from training.data import draw, is_held_out, load_pictures, random_windows, stored_side

from .conftest import CPU, PICTURES_PER_KIND


def test_each_picture_is_either_trained_on_or_held_out(data: Path) -> None:
    training = load_pictures([data], 32, CPU)
    held_out = load_pictures([data], 32, CPU, held_out=True)
    assert len(training.photo) + len(held_out.photo) == PICTURES_PER_KIND
    assert len(training.art) + len(held_out.art) == PICTURES_PER_KIND
    assert training.digest == held_out.digest


def test_one_name_in_twenty_is_held_out() -> None:
    share = sum(is_held_out(f"{index}.jpg") for index in range(4000)) / 4000
    assert 0.04 < share < 0.06


def test_a_tar_file_holds_the_same_data_as_its_folder(data: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "data.tar", "w") as tar:
        tar.add(data, "train")
    packed, plain = load_pictures([tmp_path / "data.tar"], 32, CPU), load_pictures([data], 32, CPU)
    assert packed.digest == plain.digest
    assert torch.equal(packed.photo, plain.photo)
    assert torch.equal(load_pictures([tmp_path], 32, CPU).art, plain.art)


def test_pictures_are_turned_as_their_exif_orientation_says(data: Path, tmp_path: Path) -> None:
    for kind in ("photo", "art"):
        (tmp_path / kind).mkdir()
        for path in (data / kind).iterdir():
            exif = Image.Exif()
            exif[0x0112] = 6  # turned by 90 degrees
            with Image.open(path) as image:
                image.save(tmp_path / kind / path.name, exif=exif, quality=100)
    turned, plain = load_pictures([tmp_path], 32, CPU).photo.float(), load_pictures([data], 32, CPU).photo.float()
    assert (turned - plain.rot90(-1, (2, 3))).abs().mean() < 3


def test_other_contents_give_another_digest(data: Path, tmp_path: Path) -> None:
    for kind in ("photo", "art"):
        (tmp_path / kind).mkdir()
        for file in (data / kind).iterdir():
            (tmp_path / kind / file.name).write_bytes(file.read_bytes())
    before = load_pictures([tmp_path], 32, CPU).digest
    (tmp_path / "art" / "000.jpg").write_bytes((data / "art" / "001.jpg").read_bytes())
    assert load_pictures([tmp_path], 32, CPU).digest != before


def test_missing_and_damaged_data_are_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_pictures([tmp_path / "nowhere"], 32, CPU)
    with pytest.raises(PictureError, match="art"):
        load_pictures([data / "photo"], 32, CPU)
    (tmp_path / "photo").mkdir()
    (tmp_path / "photo" / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"broken\.jpg"):
        load_pictures([tmp_path], 32, CPU)


def test_samples_are_the_same_for_the_same_seed_and_stay_in_range(data: Path) -> None:
    pictures = load_pictures([data], stored_side(64), CPU).photo
    first = draw(pictures, 6, 64, torch.Generator().manual_seed(3))
    assert first.shape == (6, 3, 64, 64)
    assert first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, draw(pictures, 6, 64, torch.Generator().manual_seed(3)))


def test_half_of_the_samples_are_exact_crops() -> None:
    picture = torch.randint(256, (1, 3, 36, 36), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    samples = draw(picture, 40, 32, torch.Generator().manual_seed(1))
    windows = random_windows(40, 32, 36, torch.Generator().manual_seed(1))
    assert windows.shape == (40, 2, 3)
    whole = picture[0].float() / 255
    crops = [whole[:, top : top + 32, left : left + 32] for top in range(5) for left in range(5)]
    crops += [crop.flip(2) for crop in crops]
    exact = sum(any(torch.allclose(sample, crop, atol=1e-4) for crop in crops) for sample in samples)
    assert 12 <= exact <= 28


def test_half_of_the_samples_are_mirrored() -> None:
    """The exact crops among them; none is upside down."""
    picture = torch.randint(256, (1, 3, 36, 36), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    samples = draw(picture, 80, 32, torch.Generator().manual_seed(1))
    whole = picture[0].float() / 255
    crops = torch.stack([whole[:, top : top + 32, left : left + 32] for top in range(5) for left in range(5)])

    def found(kind: torch.Tensor) -> int:
        return sum(bool((sample - kind).abs().amax((1, 2, 3)).min() < 1e-4) for sample in samples)

    straight, mirrored = found(crops), found(crops.flip(3))
    assert 24 <= straight + mirrored <= 56
    assert min(straight, mirrored) >= 10
    assert found(crops.flip(2)) == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are a thing of POSIX")
@pytest.mark.parametrize("name", ["data.tar", "folder/photo/a.jpg", "folder/more.tar"])
def test_a_pipe_among_the_data_is_refused_and_not_waited_for(data: Path, tmp_path: Path, name: str) -> None:
    pipe = tmp_path / name
    pipe.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(pipe)
    given = tmp_path / Path(name).parts[0]
    with pytest.raises(PictureError, match=rf"{pipe.name} is no ordinary file"):
        load_pictures([data, given], 32, CPU)


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_cut_archive_is_named(data: Path, tmp_path: Path, compression: str) -> None:
    path = tmp_path / f"data.tar.{compression}"
    with tarfile.open(path, f"w:{compression}") as tar:
        tar.add(data, "train")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(PictureError, match=r"data\.tar.* is not a readable"):
        load_pictures([path], 32, CPU)


def test_a_damaged_archive_is_named(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(data, "train")
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 255
    path.write_bytes(contents)
    with pytest.raises(PictureError, match=r"data\.tar\.gz is not a readable"):
        load_pictures([path], 32, CPU)
