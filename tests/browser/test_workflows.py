"""Every example workflow in the real page: opens whole and sends the committed prompt, which test_examples runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from host.host import Host, raise_if_failed

from artnet_core.transfer.sandwich import DEFAULT_DETAIL

from .page import ComfyPage

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"
WORKFLOWS = sorted((REPOSITORY / "example_workflows").glob("*.json"))
PROMPTS = REPOSITORY / "tests" / "host" / "prompts" / "examples"
SCREENSHOTS = REPOSITORY / "docs" / "screenshots"

# With ARTNET_UPDATE=1 in the environment, prompts and screenshots are written instead of compared.
UPDATE = os.environ.get("ARTNET_UPDATE") == "1"
DEFAULTS = {"strength": 1.0, "detail": DEFAULT_DETAIL, "patch_size": 3, "steady": False, "style_size": 0}
PICTURED = ("one_box", "basic", "texture_and_color", "prune_and_compare")


@pytest.fixture(scope="module", autouse=True)
def _pictures(host: Host) -> None:
    for path in EXAMPLES.glob("*/*.jpg"):
        host.upload(path)


def sent_prompt(page: ComfyPage) -> dict[str, Any]:
    """The prompt of the open workflow without titles, which are no part of what is computed."""
    prompt = page.to_api_prompt()
    return {node: {"class_type": spec["class_type"], "inputs": spec["inputs"]} for node, spec in prompt.items()}


def shown_texts(page: ComfyPage) -> dict[str, str]:
    """What nodes show as text, by type."""
    script = """() => window.app.graph.nodes.flatMap(node =>
      (node.widgets ?? []).filter(widget => widget.name === '$$node-text-preview').map(w => [node.type, w.value]))"""
    return dict(page.page.evaluate(script))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_sends_the_committed_prompt(page: ComfyPage, path: Path, request: pytest.FixtureRequest) -> None:
    page.open_workflow(json.loads(path.read_text()))
    assert page.missing_nodes() == []
    prompt, committed = sent_prompt(page), PROMPTS / path.name
    if UPDATE:
        committed.parent.mkdir(parents=True, exist_ok=True)
        committed.write_text(json.dumps(prompt, indent=2) + "\n")
    assert prompt == json.loads(committed.read_text())
    if UPDATE and path.stem in PICTURED and "classic" in request.node.name:
        raise_if_failed(page.press_run())
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(SCREENSHOTS / f"{path.stem}.jpg")


@pytest.fixture
def forgetful_host(page: ComfyPage, host: Host) -> None:
    """What the host still has from another test would not run again, and only what runs sends its text."""
    assert page.page.request.post(f"{host.url}/free", data={"free_memory": True}).ok


@pytest.mark.usefixtures("forgetful_host")
def test_what_was_pruned_is_shown_on_the_node(page: ComfyPage) -> None:
    page.open_workflow(json.loads((REPOSITORY / "example_workflows" / "prune_and_compare.json").read_text()))
    raise_if_failed(page.press_run())
    assert "2,504 of 4,992 channels kept" in shown_texts(page)["ArtNet_ZeroChannelPrune"]


@pytest.mark.usefixtures("forgetful_host")
def test_an_empty_mask_is_named_on_the_node(page: ComfyPage) -> None:
    """Such as Load Image gives of a picture in which nobody has drawn one, until there is another."""
    page.open_workflow(json.loads((REPOSITORY / "example_workflows" / "one_box.json").read_text()))
    page.page.evaluate(
        """() => {
          const node = type => window.app.graph.nodes.find(found => found.type === type);
          const box = node('ArtNet_Stylize'), photo = node('LoadImage');
          photo.connect(1, box, box.findInputSlot('mask'));
        }"""
    )
    raise_if_failed(page.press_run())
    assert shown_texts(page)["ArtNet_Stylize"] == "The mask is empty: nothing is painted."
    page.page.evaluate(
        """() => {
          const box = window.app.graph.nodes.find(found => found.type === 'ArtNet_Stylize');
          const mask = window.LiteGraph.createNode('SolidMask');
          window.app.graph.add(mask);
          mask.connect(0, box, box.findInputSlot('mask'));
        }"""
    )
    raise_if_failed(page.press_run())
    assert shown_texts(page)["ArtNet_Stylize"] == "Painted where the mask is white."


@pytest.mark.parametrize("names", [("chelsea", "great_wave", "poppies"), ("chelsea", "great_wave")], ids=len)
def test_blueprint_paints(page: ComfyPage, host: Host, names: tuple[str, ...]) -> None:
    """The blueprint's box, wired to pictures, with or without one for the colours, gives a picture."""
    blueprint = json.loads((REPOSITORY / "subgraphs" / "ArtNet Style Transfer.json").read_text())
    (box,) = blueprint["nodes"]
    loaders = [
        {
            "id": 10 + slot,
            "type": "LoadImage",
            "pos": [-400, 400 * slot],
            "size": [280, 330],
            "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [slot + 1]}],
            "widgets_values": [f"{name}.jpg", "image"],
        }
        for slot, name in enumerate(names)
    ]
    preview = {
        "id": 20,
        "type": "PreviewImage",
        "pos": [400, 0],
        "size": [300, 300],
        "inputs": [{"name": "images", "type": "IMAGE", "link": 9}],
    }
    for slot in range(len(names)):
        box["inputs"][slot]["link"] = slot + 1
    box["outputs"][0]["links"] = [9]
    links = [[slot + 1, 10 + slot, 0, box["id"], slot, "IMAGE"] for slot in range(len(names))]
    wired = blueprint | {
        "nodes": [*loaders, box, preview],
        "links": [*links, [9, box["id"], 0, 20, 0, "IMAGE"]],
        "last_node_id": 20,
        "last_link_id": 9,
    }
    page.open_workflow(wired)
    assert page.missing_nodes() == []
    (stylize,) = (node["inputs"] for node in sent_prompt(page).values() if node["class_type"] == "ArtNet_Stylize")
    assert {name: stylize[name] for name in DEFAULTS} == DEFAULTS
    assert ("color_style" in stylize) == (len(names) == 3)
    entry = page.press_run()
    raise_if_failed(entry)
    assert host.images(entry)["20"][0].size == (451, 300)
