"""What the host serves beside the nodes: help, translations, templates, the blueprint."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from .host import Host

REPOSITORY = Path(__file__).parents[2]
NODES = json.loads((Path(__file__).parent / "schema.json").read_text())
LANGUAGES = ("en", "zh", "ja", "fr", "de")  # which help pages are written in


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_help_page_with_its_picture(host: Host, node: str, language: str) -> None:
    """Where the page asks for it: first in its own language, then the English one."""
    page = host.get(
        f"/extensions/ArtNet/docs/{node}{'' if language == 'en' else f'/{language}'}.md", parse=False
    ).decode()
    names = host.get("/i18n")[language]["nodeDefs"][node]
    assert page.startswith(f"# {names['display_name']}\n")
    for shown in names["inputs"].values():
        assert f"**{shown['name']}**" in page
    (picture,) = re.findall(r"!\[.+?\]\((.+?)\)", page)
    assert Image.open(BytesIO(host.get(f"/extensions/ArtNet/docs/{picture}", parse=False))).width > 300


def test_translations(host: Host) -> None:
    served = host.get("/i18n")
    for language in LANGUAGES:
        assert NODES.keys() <= served[language]["nodeDefs"].keys()


def test_templates_with_thumbnails(host: Host) -> None:
    names = {path.stem for path in (REPOSITORY / "example_workflows").glob("*.json")}
    assert set(host.get("/workflow_templates")["ArtNet"]) == names
    for name in names:
        address = f"/api/workflow_templates/ArtNet/{quote(name)}"
        assert host.get(f"{address}.json")["nodes"]
        thumbnail = Image.open(BytesIO(host.get(f"{address}.jpg", parse=False)))
        assert thumbnail.size == (400, 400)


def test_blueprint(host: Host) -> None:
    found = {item["name"]: key for key, item in host.get("/global_subgraphs").items()}
    blueprint = json.loads(host.get(f"/global_subgraphs/{quote(found['ArtNet Style Transfer'])}")["data"])
    assert blueprint["extra"]["BlueprintDescription"].startswith("Paints a picture or the frames of a video")
    assert "oil painting" in blueprint["extra"]["BlueprintSearchAliases"]
    (box,) = blueprint["definitions"]["subgraphs"]
    assert box["description"] == blueprint["extra"]["BlueprintDescription"]
    assert box["category"] == "Image generation and editing/Style transfer"
    assert [entry["label"] for entry in box["inputs"]] == ["picture", "texture style", "color style", "mask"]
