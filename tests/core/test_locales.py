"""The translations name what the nodes have, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LANGUAGES = ["de", "en", "es", "fr", "it", "ja", "ko", "pt-BR", "ru", "zh", "zh-TW"]


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


SCHEMA = read(ROOT / "tests" / "host" / "schema.json")


def texts(entry: dict[str, Any]) -> Iterator[Any]:
    for value in entry.values():
        if isinstance(value, dict):
            yield from texts(value)
        else:
            yield value


def test_languages() -> None:
    assert sorted(path.parent.name for path in ROOT.glob("locales/*/nodeDefs.json")) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_what_the_nodes_have(language: str) -> None:
    nodes = read(ROOT / "locales" / language / "nodeDefs.json")
    assert nodes.keys() == SCHEMA.keys()
    for node_id, node in nodes.items():
        assert node.keys() == {"display_name", "description", "inputs", "outputs"}, node_id
        assert list(node["inputs"]) == [entry["name"] for entry in SCHEMA[node_id]["inputs"]], node_id
        assert list(node["outputs"]) == [str(index) for index in range(len(SCHEMA[node_id]["outputs"]))], node_id
        for slot in [*node["inputs"].values(), *node["outputs"].values()]:
            assert slot.keys() == {"name", "tooltip"}, node_id
    assert all(isinstance(text, str) and text.strip() for text in texts(nodes))


def test_english_repeats_the_nodes() -> None:
    for node_id, node in read(ROOT / "locales" / "en" / "nodeDefs.json").items():
        schema = SCHEMA[node_id]
        assert node["display_name"] == schema.get("display_name", node["display_name"])
        assert [slot["name"] for slot in node["outputs"].values()] == [entry["name"] for entry in schema["outputs"]]
