"""Fixtures of the tests that need a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from host.host import Host
from host.install_host import newest_front_end
from playwright.sync_api import Browser, sync_playwright

from .page import ComfyPage

REPOSITORY = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # a container's root user has no other way
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A running Chromium: the one ARTNET_CHROMIUM names, or else the first on PATH."""
    executable = os.environ.get("ARTNET_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.fail(f"no {' or '.join(NAMES)} on PATH; install one or name it in ARTNET_CHROMIUM", pytrace=False)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session", params=["own", "newest"])
def host(request: pytest.FixtureRequest, host_install: Path) -> Iterator[Host]:
    """A server with this repository as its only node pack, once with its own page and once with the newest one."""
    arguments = ["--force-fp32"]
    if request.param == "newest":
        front_end = newest_front_end(host_install)
        if front_end is None:
            pytest.skip("a checkout is tested with its own page")
        arguments += ["--front-end-root", str(front_end)]
    with Host(host_install, {"ArtNet": REPOSITORY}, arguments=arguments) as running:
        yield running


def _scope(**_arguments: object) -> str:
    """A page for all tests of a module; for screenshots one for each, since it shows what was open before."""
    return "function" if os.environ.get("ARTNET_UPDATE") == "1" else "module"


@pytest.fixture(scope=_scope, params=["classic", "vue"])
def page(request: pytest.FixtureRequest, browser: Browser, host: Host) -> Iterator[ComfyPage]:
    """An open page: each test runs with classic nodes and with Vue nodes."""
    opened = ComfyPage(browser, host, vue_nodes=request.param == "vue")
    yield opened
    opened.close()
