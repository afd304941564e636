"""Fixtures and markers shared by the tests of all kinds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from host.host import Host
from host.install_host import install
from hypothesis import settings

TESTS = Path(__file__).parent
REPOSITORY = TESTS.parent
KINDS = {
    "host": "runs inside a real ComfyUI server, which is installed where ARTNET_HOST says",
    "browser": "drives the real ComfyUI page in Chromium",
}


# A busy machine is no failure of what is tested.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_configure(config: pytest.Config) -> None:
    for kind, meaning in KINDS.items():
        config.addinivalue_line("markers", f"{kind}: {meaning}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for kind in KINDS:
            if TESTS / kind in item.path.parents:
                item.add_marker(kind)


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Whatever ran before."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def host_install() -> Path:
    """A folder with ComfyUI installed; it is installed there first if need be."""
    folder = Path(os.environ.get("ARTNET_HOST", REPOSITORY / ".cache" / "host"))
    install(folder)
    return folder


@pytest.fixture(scope="session")
def host(host_install: Path) -> Iterator[Host]:
    """A running server that has this repository as its only node pack; in float32, as what it is compared with."""
    with Host(host_install, {"ArtNet": REPOSITORY}, arguments=["--force-fp32"]) as running:
        yield running
