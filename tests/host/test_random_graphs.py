"""Sixty graphs that nobody would draw: the server lives, paints as before, and takes no more memory."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import torch
from fuzz.outcomes import what_is_wrong

from .host import Host, NodeFailed, raise_if_failed
from .pictures import pixels, upload
from .random_graphs import Graph, GraphMaker
from .test_schema import own_nodes

GRAPHS = 60
SEED = 1
AGAIN = 20  # of them
MOST_GROWTH = 60  # MB, while those run once more


def control(picture: str, style: str) -> Graph:
    return {
        "content": {"class_type": "LoadImage", "inputs": {"image": picture}},
        "style": {"class_type": "LoadImage", "inputs": {"image": style}},
        "paint": {
            "class_type": "ArtNet_Stylize",
            "inputs": {
                "image": ["content", 0],
                "texture_style": ["style", 0],
                "detail": 0.2,
                "strength": 0.9,
                "stroke_size": 0.5,
            },
        },
        "save": {"class_type": "PreviewImage", "inputs": {"images": ["paint", 0]}},
    }


def painted(host: Host, graph: Graph) -> torch.Tensor:
    """The control picture, painted and not kept from before."""
    entry = host.run(graph)
    kept = [
        node for event, data in entry["status"]["messages"] if event == "execution_cached" for node in data["nodes"]
    ]
    assert "paint" not in kept
    return pixels(host.images(entry)["save"])


def failure_of(entry: dict[str, Any]) -> NodeFailed | None:
    """How a prompt has failed, if it has."""
    try:
        raise_if_failed(entry)
    except NodeFailed as failure:
        return failure
    return None


def test_random_graphs(host: Host) -> None:
    """Each ends in a picture or in a sentence, and most do in a picture."""
    pictures = [upload(host, name) for name in ("coffee.jpg", "great_wave.jpg", "poppies.jpg")]
    nodes = own_nodes(host)
    maker = GraphMaker(nodes, pictures, random.Random(SEED))
    graphs = [maker.graph(list(nodes)[index % len(nodes)]) for index in range(GRAPHS)]
    used = Counter(node["class_type"] for graph in graphs for node in graph.values())
    assert all(used[name] > 1 for name in nodes)

    before = painted(host, control(*pictures[:2]))
    entries = [host.wait(prompt_id) for prompt_id in [host.queue(graph) for graph in graphs]]
    memory = host.memory()
    for prompt_id in [host.queue(graph) for graph in graphs[:AGAIN]]:
        host.wait(prompt_id)
    assert host.memory() - memory < MOST_GROWTH
    failures = [(failure, graph) for failure, graph in zip(map(failure_of, entries), graphs, strict=True) if failure]
    assert len(failures) < GRAPHS / 2  # nodes refuse some of what the server lets pass, in words
    for failure, graph in failures:
        assert failure.kind in ("ValueError", "TypeError"), (failure, graph)
        assert not what_is_wrong(failure.message), (failure, graph)
    assert torch.equal(painted(host, control(*pictures[:2])), before)


def test_graphs_are_the_same_each_time(host: Host) -> None:
    nodes = own_nodes(host)
    first, second, other = (
        GraphMaker(nodes, ["a.png"], random.Random(seed)).graph("ArtNet_Stylize") for seed in (1, 1, 2)
    )
    assert first == second != other
