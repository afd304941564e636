"""The host as it starts by itself, on CPUs that multiply bfloat16."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import artnet_core as artnet
from artnet_core.checkpoint import DEFAULT_MODEL, read_checkpoint, shipped_models
from artnet_core.precision import multiplies_bfloat16

from .host import Host
from .pictures import pixels, saved, scaled, upload_examples

REPOSITORY = Path(__file__).parents[2]
PROMPT = Path(__file__).parent / "prompts" / "basic.json"

pytestmark = pytest.mark.skipif(
    not multiplies_bfloat16(torch.device("cpu")), reason="this CPU has no instructions for bfloat16"
)


@pytest.fixture(scope="module")
def plain_host(host_install: Path) -> Iterator[Host]:
    with Host(host_install, {"ArtNet": REPOSITORY}) as running:
        yield running


def test_the_picture_is_that_of_float32(plain_host: Host) -> None:
    prompt = json.loads(PROMPT.read_text())
    upload_examples(plain_host, prompt)
    found = pixels(plain_host.images(plain_host.run(prompt))["save"])
    expected = saved(artnet.load().stylize(scaled("astronaut.jpg", 192, 192), scaled("great_wave.jpg", 192, 128)))
    difference = (found - expected).abs().float()
    assert difference.mean() < 0.01 * 255
    assert difference.max() > 0  # else it was float32


def test_saved_weights_are_whole(plain_host: Host) -> None:
    prompt = {
        "model": {"class_type": "ArtNet_Loader", "inputs": {"model_name": DEFAULT_MODEL}},
        "save": {"class_type": "ArtNet_SaveModel", "inputs": {"model": ["model", 0], "name": "again"}},
    }
    plain_host.run(prompt)
    written, _ = read_checkpoint(plain_host.base / "models" / "artnet" / "again.safetensors")
    shipped, _ = read_checkpoint(shipped_models()[DEFAULT_MODEL])
    assert written.keys() == shipped.keys()
    assert all(torch.equal(written[name], shipped[name]) for name in shipped)
