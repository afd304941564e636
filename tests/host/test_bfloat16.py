"""The host as it starts by itself, on CPUs that multiply bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from artnet_core.checkpoint import DEFAULT_MODEL, read_checkpoint, shipped_models
from artnet_core.runtime import multiplies_bfloat16

from .conftest import REPOSITORY
from .host import Host
from .test_prompts import EXPECTED, differences

pytestmark = pytest.mark.skipif(
    not multiplies_bfloat16(torch.device("cpu")), reason="this CPU has no instructions for bfloat16"
)


@pytest.fixture(scope="module")
def plain_host(host_install: Path) -> Iterator[Host]:
    with Host(host_install, {"ArtNet": REPOSITORY}) as running:
        yield running


@pytest.mark.parametrize("name", EXPECTED)
def test_pictures_are_those_of_float32(plain_host: Host, name: str) -> None:
    found = list(differences(plain_host, name).values())
    assert all(difference.float().mean() < 0.01 * 255 for difference in found)
    assert any((difference > 0).float().mean() > 0.01 for difference in found)  # else it was float32


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
