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


# What only hosts have that can add inputs to a node while it is wired.
GROWING = ("more", "more_weights")


def own_nodes(host: Host) -> dict[str, Any]:
    return {name: info for name, info in host.object_info().items() if name.startswith("ArtNet_")}


def on_any_host(node: dict[str, Any]) -> dict[str, Any]:
    return node | {"inputs": [entry for entry in node["inputs"] if entry["name"] not in GROWING]}


def test_nodes_are_as_saved_workflows_know_them(host: Host) -> None:
    assert {name: on_any_host(reduced(info)) for name, info in own_nodes(host).items()} == json.loads(
        SNAPSHOT.read_text()
    )


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
        *("ArtNet", "S² (An 2020)", "StyleSwap (Chen 2016)", "AdaIN (Huang 2017)", "WCT (Li 2017)"),
        *("LinearWCT (Li 2019)", "OptimalWCT (Lu 2019)", "Avatar-Net (Sheng 2018)"),
        *("S² without its first AdaIN", "S² without its last AdaIN", "S², each block by itself"),
        "S², compared by conv1",
    ]
