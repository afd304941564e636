"""Small data, a teacher of random weights, and short runs for the tests of training."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from artnet_core.images import Picture, pictures_in, read_picture, to_image
from artnet_core.network.encoder import TRUNK
from training.__main__ import main

EXAMPLES = Path(__file__).parents[2] / "examples"
CPU = torch.device("cpu")
PICTURES_PER_KIND = 48

_TAIL_WIDTHS = {"inception5a": (256, 160, 320, 32, 128, 128), "inception5b": (384, 192, 384, 48, 128, 128)}
_CLASSES = 10


def teacher_state() -> dict[str, torch.Tensor]:
    """BVLC GoogLeNet's shapes with random weights."""
    generator = torch.Generator().manual_seed(0)
    state = {}

    def add(name: str, outputs: int, inputs: int, kernel: int) -> None:
        deviation = (2 / (inputs * kernel**2)) ** 0.5
        state[f"{name}.weight"] = torch.randn(outputs, inputs, kernel, kernel, generator=generator) * deviation
        state[f"{name}.bias"] = torch.randn(outputs, generator=generator) * 0.1

    for name, unit in TRUNK.items():
        inputs = sum(TRUNK[source].width for source in unit.inputs) if unit.inputs else 3
        add(name, unit.width, inputs, 5 if name.endswith("branch3.1") else unit.kernel)
    inputs = 832
    for name, (b1, b2_reduce, b2, b3_reduce, b3, b4) in _TAIL_WIDTHS.items():
        add(f"{name}.branch1", b1, inputs, 1)
        add(f"{name}.branch2.0", b2_reduce, inputs, 1)
        add(f"{name}.branch2.1", b2, b2_reduce, 3)
        add(f"{name}.branch3.0", b3_reduce, inputs, 1)
        add(f"{name}.branch3.1", b3, b3_reduce, 5)
        add(f"{name}.branch4.1", b4, inputs, 1)
        inputs = b1 + b2 + b3 + b4
    # Small, so that the classes of a network that knows nothing do not drown the features in the loss.
    state["fc.weight"] = torch.randn(_CLASSES, inputs, generator=generator) * 1e-2 * inputs**-0.5
    state["fc.bias"] = torch.zeros(_CLASSES)
    return state


@pytest.fixture(scope="session")
def teacher_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_file({name: tensor.half() for name, tensor in teacher_state().items()}, path)
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photo/ and art/: pieces of the example pictures, 80 x 80."""
    folder = tmp_path_factory.mktemp("data")
    generator = torch.Generator().manual_seed(0)
    for kind, source in (("photo", "content"), ("art", "style")):
        (folder / kind).mkdir()
        pictures = [read_picture(path, 256).rgb for path in pictures_in(EXAMPLES / source)]
        for index in range(PICTURES_PER_KIND):
            picture = pictures[index % len(pictures)]
            top, left = (int(torch.randint(side - 80, (), generator=generator)) for side in picture.shape[2:])
            piece = Picture(picture[..., top : top + 80, left : left + 80])
            to_image(piece).save(folder / kind / f"{index:03}.jpg", quality=95)
    return folder


@pytest.fixture(scope="session")
def encoder_run(data: Path, teacher_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a short run of the encoder command, its curve next to it."""
    out = tmp_path_factory.mktemp("encoder") / "encoder.safetensors"
    arguments = ["encoder", "--data", data, "--teacher", teacher_file, "--out", out, "--steps", 32, "--batch", 4]
    arguments += ["--size", 64, "--log-every", 4, "--kill-every", 2, "--device", "cpu"]
    assert main([str(argument) for argument in arguments]) == 0
    return out


@pytest.fixture(scope="session")
def deeper_run(encoder_run: Path, data: Path, teacher_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a short run that keeps that encoder up to inception3b and trains what follows."""
    out = tmp_path_factory.mktemp("deeper") / "encoder.safetensors"
    arguments = ["encoder", "--data", data, "--teacher", teacher_file, "--out", out, "--steps", 16, "--batch", 4]
    arguments += ["--size", 64, "--log-every", 4, "--kill-every", 2, "--device", "cpu", "--start", encoder_run]
    assert main([str(argument) for argument in arguments]) == 0
    return out


@pytest.fixture(scope="session")
def decoder_run(encoder_run: Path, data: Path, teacher_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a short run of the decoder command for that encoder."""
    out = tmp_path_factory.mktemp("decoder") / "model.safetensors"
    arguments = ["decoder", "--encoder", encoder_run, "--data", data, "--teacher", teacher_file, "--out", out]
    arguments += ["--steps", 40, "--batch", 2, "--size", 64, "--log-every", 4, "--device", "cpu", "--rate", 2e-3]
    arguments += ["--stages", "8:32,32 4:16 2:16"]
    assert main([str(argument) for argument in arguments]) == 0
    return out


def curve(out: Path) -> list[dict[str, float]]:
    """The rows of a run's .csv."""
    with out.with_suffix(".csv").open(encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
