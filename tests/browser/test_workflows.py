"""Every example workflow in the real page: opens whole, sends the committed prompt, paints."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from host.host import Host, raise_if_failed

from .page import ComfyPage

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"
WORKFLOWS = sorted((REPOSITORY / "example_workflows").glob("*.json"))
PROMPTS = REPOSITORY / "tests" / "host" / "prompts" / "examples"
SCREENSHOTS = REPOSITORY / "docs" / "screenshots"

# With ARTNET_UPDATE=1 in the environment, prompts and screenshots are written instead of compared.
UPDATE = os.environ.get("ARTNET_UPDATE") == "1"
PICTURED = ("basic", "texture_and_color", "prune_and_compare")


@pytest.fixture(scope="module", autouse=True)
def _pictures(host: Host) -> None:
    for path in EXAMPLES.glob("*/*.jpg"):
        host.upload(path)


def sent_prompt(page: ComfyPage) -> dict[str, Any]:
    """The prompt of the open workflow without titles, which are no part of what is computed."""
    prompt = page.to_api_prompt()
    return {node: {"class_type": spec["class_type"], "inputs": spec["inputs"]} for node, spec in prompt.items()}


def own_errors(page: ComfyPage) -> list[str]:
    return [error.text for error in page.console_errors() if "/extensions/ArtNet/" in error.url]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_opens_and_runs(page: ComfyPage, host: Host, path: Path, request: pytest.FixtureRequest) -> None:
    page.open_workflow(json.loads(path.read_text()))
    assert page.missing_nodes() == []
    prompt, committed = sent_prompt(page), PROMPTS / path.name
    if UPDATE:
        committed.parent.mkdir(parents=True, exist_ok=True)
        committed.write_text(json.dumps(prompt, indent=2) + "\n")
    assert prompt == json.loads(committed.read_text())

    entry = page.press_run()
    raise_if_failed(entry)
    pictures = [picture for found in host.images(entry).values() for picture in found]
    assert pictures
    assert all(np.asarray(picture.convert("L")).std() > 10 for picture in pictures)
    assert own_errors(page) == []
    if UPDATE and path.stem in PICTURED and "classic" in request.node.name:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(SCREENSHOTS / f"{path.stem}.jpg")


def test_blueprint_paints(page: ComfyPage, host: Host) -> None:
    """The blueprint's box, wired to two pictures, gives a picture."""
    blueprint = json.loads((REPOSITORY / "subgraphs" / "ArtNet Style Transfer.json").read_text())
    (box,) = blueprint["nodes"]
    pictures = ["chelsea.jpg", "great_wave.jpg", "poppies.jpg"]
    loaders = [
        {
            "id": number,
            "type": "LoadImage",
            "pos": [-400, 400 * number],
            "size": [280, 330],
            "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [number]}],
            "widgets_values": [name, "image"],
        }
        for number, name in enumerate(pictures, 1)
    ]
    preview = {
        "id": 8,
        "type": "PreviewImage",
        "pos": [400, 0],
        "size": [300, 300],
        "inputs": [{"name": "images", "type": "IMAGE", "link": 4}],
    }
    for number, slot in enumerate(box["inputs"], 1):
        slot["link"] = number
    box["outputs"][0]["links"] = [4]
    links = [[number, number, 0, box["id"], number - 1, "IMAGE"] for number in (1, 2, 3)]
    wired = blueprint | {
        "nodes": [*loaders, box, preview],
        "links": [*links, [4, box["id"], 0, 8, 0, "IMAGE"]],
        "last_node_id": 8,
        "last_link_id": 4,
    }
    page.open_workflow(wired)
    assert page.missing_nodes() == []
    entry = page.press_run()
    raise_if_failed(entry)
    assert host.images(entry)["8"][0].size == (451, 300)
