"""The real page, by classic and by Vue nodes, of every front-end: examples, texts on nodes, old workflows, the box."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from host.examples import EXAMPLES, PROMPTS, WORKFLOWS, node_id
from host.host import Host, raise_if_failed

from artnet_core.pipeline import Settings

from .page import APP_RUN_BUTTON, ComfyPage

REPOSITORY = Path(__file__).parents[2]
BLUEPRINT = REPOSITORY / "subgraphs" / "ArtNet Style Transfer.json"
OLD_WORKFLOWS = Path(__file__).parent / "old_workflows"
OLD_PROMPTS = REPOSITORY / "tests" / "host" / "prompts" / "old"
SCREENSHOTS = REPOSITORY / "docs" / "screenshots"

# With ARTNET_UPDATE=1 in the environment, screenshots are written.
UPDATE = os.environ.get("ARTNET_UPDATE") == "1"
PICTURED = {
    "Paint a picture": "one_box",
    "Encoder, transfer, decoder": "basic",
    "Strokes from one picture, colors from another": "texture_and_color",
    "Prune a model": "prune_and_compare",
}
FIRST = "Paint a picture"
DEFAULTS = {
    "strength": 1.0,
    "detail": Settings().detail,
    "patch_size": 3,
    "steady": False,
    "style_size": 0,
    "colors_from": "automatic",
    "stroke_size": Settings().stroke_size,
    "finish": 0,
}
EMPTY = "The mask is empty: nothing is painted."


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def workflow(name: str) -> dict[str, Any]:
    return read(WORKFLOWS / f"{name}.json")


def sent_prompt(page: ComfyPage) -> dict[str, Any]:
    """The prompt of the open workflow without titles, which are no part of what is computed."""
    prompt = page.to_api_prompt()
    return {node: {"class_type": spec["class_type"], "inputs": spec["inputs"]} for node, spec in prompt.items()}


def on_any_host(prompt: dict[str, Any]) -> dict[str, Any]:
    """A prompt without widgets that some hosts have and others lack: the host's own, and ours for growing inputs."""
    kept = {}
    for node, spec in prompt.items():
        own = spec["class_type"].startswith("ArtNet_")
        inputs = {name: value for name, value in spec["inputs"].items() if own or isinstance(value, list)}
        inputs.pop("more_weights", None)
        kept[node] = spec | {"inputs": inputs}
    return kept


def shown_texts(page: ComfyPage) -> list[str]:
    """The texts that ArtNet's nodes show, of those that can be seen."""
    found: list[str] = page.page.locator(".artnet-text:visible").all_inner_texts()
    return found


def test_the_first_example_paints_on_a_fresh_host(page: ComfyPage, host: Host) -> None:
    """Open, press Run, a painting: nothing is in the host's input folder."""
    page.open_workflow(workflow(FIRST))
    entry = page.press_run()
    raise_if_failed(entry)
    assert host.images(entry)[node_id(FIRST, "save")][0].size == (451, 300)


@pytest.mark.parametrize("name", EXAMPLES)
def test_sends_the_committed_prompt(page: ComfyPage, host: Host, name: str, request: pytest.FixtureRequest) -> None:
    drawn = workflow(name)
    known = host.object_info()
    if not {node["type"] for node in drawn["nodes"][1:]} <= known.keys():
        pytest.skip("this host lacks one of its nodes")
    page.open_workflow(drawn)
    assert page.missing_nodes() == []
    assert on_any_host(sent_prompt(page)) == on_any_host(read(PROMPTS / f"{name}.json"))
    assert page.overlapping_nodes() == []
    assert page.wires_behind_nodes() == []
    if UPDATE and name in PICTURED and "classic" in request.node.name:
        raise_if_failed(page.press_run())
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(SCREENSHOTS / f"{PICTURED[name]}.jpg")


@pytest.mark.parametrize("path", sorted(OLD_WORKFLOWS.glob("*.json")), ids=lambda path: path.stem)
def test_workflows_of_version_0_1_0_send_what_they_sent(page: ComfyPage, path: Path) -> None:
    page.open_workflow(read(path))
    assert page.missing_nodes() == []
    now, then = sent_prompt(page), read(OLD_PROMPTS / path.name)
    assert now.keys() == then.keys()
    for node, spec in then.items():
        if not spec["class_type"].startswith("ArtNet_"):
            continue  # the host's own nodes change with it
        inputs = now[node]["inputs"]
        assert {name: inputs[name] for name in spec["inputs"]} == spec["inputs"]
        assert {name: inputs[name] for name in inputs.keys() - spec["inputs"].keys()}.items() <= {
            ("colors_from", "automatic"),
            ("stroke_size", 0),
            ("finish", 0),
            ("more_weights", ""),
        }


@pytest.fixture
def forgetful_host(page: ComfyPage, host: Host) -> None:
    """What the host still has from another test would not run again."""
    assert page.page.request.post(f"{host.url}/free", data={"free_memory": True}).ok


@pytest.mark.usefixtures("forgetful_host")
def test_the_app_paints(page: ComfyPage) -> None:
    page.open_workflow(workflow("Paint a picture (app)"))
    if not page.shows_an_app():
        pytest.skip("this page shows no apps")
    raise_if_failed(page.press_run(button=APP_RUN_BUTTON))
    page.page.wait_for_function(
        "() => [...document.images].some(image => /ArtNet_\\d+_\\.png/.test(image.src) && image.naturalWidth === 512)"
    )


@pytest.mark.usefixtures("forgetful_host")
def test_what_was_pruned_stays_on_the_node(page: ComfyPage) -> None:
    page.open_workflow(workflow("Prune a model"))
    raise_if_failed(page.press_run())
    page.page.wait_for_timeout(1000)  # newer pages take progress texts away when a run ends
    (text,) = shown_texts(page)
    assert text.startswith("2,504 of 4,992 channels kept\n")
    values = page.page.evaluate(
        "() => window.app.graph.serialize().nodes.map(node => [node.type, node.widgets_values])"
    )
    assert dict(values)["ArtNet_ZeroChannelPrune"] == [0.0]


@pytest.mark.usefixtures("forgetful_host")
def test_an_empty_mask_is_named_on_the_node_and_beside_the_graph(page: ComfyPage) -> None:
    page.open_workflow(workflow(FIRST))
    page.page.evaluate(
        """() => {
          const box = window.app.graph.nodes.find(found => found.type === 'ArtNet_Stylize');
          const mask = window.LiteGraph.createNode('SolidMask');
          window.app.graph.add(mask);
          mask.widgets.find(({name}) => name === 'value').value = 0;
          mask.connect(0, box, box.findInputSlot('mask'));
        }"""
    )
    raise_if_failed(page.press_run())
    page.page.locator('[role="alert"]', has_text=EMPTY).first.wait_for()
    assert shown_texts(page) == [EMPTY]
    page.page.evaluate(
        """() => {
          const mask = window.app.graph.nodes.find(found => found.type === 'SolidMask');
          mask.widgets.find(({name}) => name === 'value').value = 1;
        }"""
    )
    raise_if_failed(page.press_run())
    page.page.wait_for_timeout(500)
    assert shown_texts(page) == []


@pytest.mark.usefixtures("forgetful_host")
def test_a_video_shows_the_frame_it_is_at(page: ComfyPage) -> None:
    page.open_workflow(workflow("Paint a video"))
    page.page.evaluate(
        "() => { window.previews = 0; window.app.api.addEventListener('b_preview', () => { window.previews += 1; }); }"
    )
    raise_if_failed(page.press_run())
    assert page.page.evaluate("() => window.previews") >= 2


def test_sockets_have_colors_of_their_own(page: ComfyPage) -> None:
    page.open_workflow(workflow("Encoder, transfer, decoder"))
    colors = page.slot_colors("ArtNet_Encoder")
    assert colors["model"] == "#d9a441"
    assert colors["features"] == "#c77dba"


@pytest.mark.parametrize("pictures", [3, 2])
def test_blueprint_paints(page: ComfyPage, host: Host, pictures: int) -> None:
    """The blueprint's box, wired to pictures, with or without one for the colors, gives a picture."""
    names = ("content/chelsea.jpg", "style/great_wave.jpg", "style/poppies.jpg")[:pictures]
    blueprint = read(BLUEPRINT)
    (box,) = blueprint["nodes"]
    loaders = [
        {
            "id": 10 + slot,
            "type": "ArtNet_ExamplePicture",
            "pos": [-400, 400 * slot],
            "size": [280, 330],
            "outputs": [{"name": "image", "type": "IMAGE", "links": [slot + 1]}],
            "widgets_values": [name],
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
