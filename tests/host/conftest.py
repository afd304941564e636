"""The servers that the host tests share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from core.test_archive import shipped

from artnet_core.checkpoint import DEFAULT_MODEL, shipped_models

from .host import Host

REPOSITORY = Path(__file__).parents[2]
ODD_INPUTS = Path(__file__).parent / "odd_inputs"

ELSEWHERE_MODEL = "from_elsewhere.safetensors"


@pytest.fixture(scope="session")
def odd_host(host_install: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A server as awkward as users' ones are: a folder name with spaces and umlauts, and models in a second place.

    It has the pack as it is published, and works in float32, as what it is compared with.
    """
    published = tmp_path_factory.mktemp("published")
    for path in shipped():
        target = published / path.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    elsewhere = tmp_path_factory.mktemp("other models")
    shutil.copy(shipped_models()[DEFAULT_MODEL], elsewhere / ELSEWHERE_MODEL)
    (elsewhere / "notes.txt").write_text("no model")
    config = elsewhere / "paths.yaml"
    config.write_text(f"shared:\n  base_path: {elsewhere}\n  artnet: .\n")
    packs = {"Art Nét ü 1": published, "odd_inputs": ODD_INPUTS}
    with Host(host_install, packs, extra_model_paths=config, arguments=["--force-fp32"]) as running:
        yield running
