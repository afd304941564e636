"""Fixtures of the tests that need a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from host.host import Host
from playwright.sync_api import Browser, sync_playwright

from .page import ComfyPage

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


def _scope(**_arguments: object) -> str:
    """A page for all tests of a module; for screenshots one for each, since it shows what was open before."""
    return "function" if os.environ.get("ARTNET_UPDATE") == "1" else "module"


@pytest.fixture(scope=_scope, params=["classic", "vue"])
def page(request: pytest.FixtureRequest, browser: Browser, host: Host) -> Iterator[ComfyPage]:
    """An open page: each test runs with classic nodes and with Vue nodes."""
    opened = ComfyPage(browser, host, vue_nodes=request.param == "vue")
    yield opened
    opened.close()
