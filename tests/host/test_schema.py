"""What saved workflows depend on: a change of the snapshot breaks them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .host import Host

SNAPSHOT = Path(__file__).parent / "schema.json"
PINNED = ("default", "min", "max", "step")


def reduced(info: dict[str, Any]) -> dict[str, Any]:
    """A node's ids, names, order, types, defaults and ranges."""
    inputs = []
    for kind in ("required", "optional"):
        for name in info["input_order"].get(kind, []):
            wire, options = info["input"][kind][name]
            values = {key: options[key] for key in PINNED if key in options}
            inputs.append({"name": name, "kind": kind, "type": wire, **values})
    outputs = [{"name": n, "type": t} for n, t in zip(info["output_name"], info["output"], strict=True)]
    return {
        "display_name": info["display_name"],
        "category": info["category"],
        "output_node": info["output_node"],
        "inputs": inputs,
        "outputs": outputs,
    }


def own_nodes(host: Host) -> dict[str, Any]:
    return {name: info for name, info in host.object_info().items() if name.startswith("ArtNet_")}


def test_nodes_are_as_saved_workflows_know_them(host: Host) -> None:
    assert {name: reduced(info) for name, info in own_nodes(host).items()} == json.loads(SNAPSHOT.read_text())


def test_everything_is_explained(host: Host) -> None:
    nodes = own_nodes(host)
    assert nodes
    for name, info in nodes.items():
        assert info["description"], name
        assert all(info["output_tooltips"]), name
        for kind in ("required", "optional"):
            for input_name, (_, options) in info["input"].get(kind, {}).items():
                assert options.get("tooltip"), f"{name}.{input_name}"


def test_methods_keep_the_names_that_workflows_save(host: Host) -> None:
    _, options = own_nodes(host)["ArtNet_FeatureTransfer"]["input"]["required"]["method"]
    assert options["options"] == [
        *("artnet", "s2", "style_swap", "adain", "wct", "optimal_wct", "avatar"),
        *("s2_without_first_adain", "s2_without_last_adain", "s2_without_aggregation", "s2_compared_by_conv1"),
    ]
