"""Graphs at random from what a server says of its nodes: new nodes are taken in by themselves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

Graph = dict[str, dict[str, Any]]

_MODEL = "ARTNET_MODEL"
_DEEPEST = 2
_LARGEST_STEP = 3  # from the least or the usual number: every graph is to be quick


class GraphMaker:
    """Makes graphs of small pictures in which each input is wired or set as the server says it may be.

    Args:
        nodes: by id, as the server tells of them, those that graphs are made of.
        pictures: file names that the server loads.
        source: decides everything.
    """

    def __init__(self, nodes: dict[str, Any], pictures: Sequence[str], source: random.Random) -> None:
        self._nodes = nodes
        self._pictures = pictures
        self._source = source
        self._graph: Graph = {}
        self._model: tuple[str, int] | None = None
        self._frames = 1

    def graph(self, root: str) -> Graph:
        """A graph that ends with this node and shows all that comes out of it."""
        self._graph, self._model = {}, None
        self._frames = self._source.choice((1, 1, 1, 2))
        if self._source.random() < 0.5:  # one for all nodes, as features of one model are of no use to another
            loader, loads = next(
                (name, output)
                for name, info in self._nodes.items()
                if not _wires(info, "required")
                for output, kind in enumerate(info["output"])
                if kind == _MODEL
            )
            self._model = self._add(loader, 0), loads
        made = self._add(root, 0)
        for output, kind in enumerate(self._nodes[root]["output"]):
            if kind == "IMAGE":
                self._put("PreviewImage", images=[made, output])
            else:
                self._put("PreviewAny", source=[made, output])
        return self._graph

    def _put(self, class_type: str, **inputs: object) -> str:
        name = str(len(self._graph) + 1)
        self._graph[name] = {"class_type": class_type, "inputs": inputs}
        return name

    def _add(self, node: str, depth: int) -> str:
        inputs = {}
        for kind in ("required", "optional"):
            for name, (wire, options) in self._nodes[node]["input"].get(kind, {}).items():
                if kind == "optional" and self._source.random() < 0.5 and _MODEL not in wire:
                    continue
                if isinstance(wire, list) or wire in ("COMBO", "INT", "FLOAT", "BOOLEAN", "STRING"):
                    inputs[name] = self._value(wire, options)
                    continue
                found = self._made(wire.split(","), depth + 1, needed=kind == "required")
                if found is not None:
                    inputs[name] = list(found)
        return self._put(node, **inputs)

    def _value(self, wire: str | list[str], options: dict[str, Any]) -> object:
        source = self._source
        choices = wire if isinstance(wire, list) else options.get("options")
        if choices:
            return source.choice(choices)
        if source.random() < 0.3 and "default" in options:
            return options["default"]
        if wire == "BOOLEAN":
            return source.random() < 0.5
        if wire == "STRING":
            return source.choice(("a", "Größe 1", "name with spaces"))
        least, most = options["min"], options["max"]
        if wire == "FLOAT":
            return source.choice((least, most, source.uniform(least, most)))
        start = source.choice((least, options.get("default", least)))
        return min(most, start + source.randrange(_LARGEST_STEP) * (options.get("step") or 1))

    def _made(self, kinds: Sequence[str], depth: int, needed: bool) -> tuple[str, int] | None:
        """A node and its output of one of these kinds; None where it may be left out, or nothing makes it."""
        source = self._source
        kind = source.choice(kinds)
        if kind == _MODEL:
            if self._model is None and needed:
                self._model = self._made_by_node(kind, depth)
            return self._model
        if kind == "IMAGE" and (depth > _DEEPEST or source.random() < 0.7):
            return self._picture(), 0
        if kind == "MASK":
            size = {side: source.randrange(1, 60) for side in ("width", "height")}
            return self._put("SolidMask", value=source.choice((0.4, 0.7, 1.0)), **size), 0
        return self._made_by_node(kind, depth)

    def _made_by_node(self, kind: str, depth: int) -> tuple[str, int] | None:
        makers = [(name, info["output"].index(kind)) for name, info in self._nodes.items() if kind in info["output"]]
        if depth > _DEEPEST:  # what needs the fewest wires comes to an end
            fewest = min((len(_wires(self._nodes[name], "required")) for name, _ in makers), default=0)
            makers = [maker for maker in makers if len(_wires(self._nodes[maker[0]], "required")) == fewest]
        if not makers:
            return None
        node, output = self._source.choice(makers)
        return self._add(node, depth), output

    def _picture(self) -> str:
        source = self._source
        loaded = self._put("LoadImage", image=source.choice(self._pictures))
        size = {side: source.randrange(16, 72) for side in ("width", "height")}
        scaled = self._put("ImageScale", image=[loaded, 0], upscale_method="area", crop="disabled", **size)
        if self._frames == 1 or source.random() < 0.5:
            return scaled
        return self._put("RepeatImageBatch", image=[scaled, 0], amount=self._frames)


def _wires(info: dict[str, Any], kind: str) -> list[str]:
    """The inputs of a node that cannot be set by hand."""
    plain = ("COMBO", "INT", "FLOAT", "BOOLEAN", "STRING")
    given = info["input"].get(kind, {})
    return [name for name, (wire, _) in given.items() if not isinstance(wire, list) and wire not in plain]
