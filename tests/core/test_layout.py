"""How the library hangs together: seven floors, imports that only go down, no circle, nothing from outside."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "artnet_core"

# Rooms, from the ground up. A room may import from its own floor and from those below.
FLOORS = (
    {"files", "network", "resizing", "progress", "console", "options", "__init__"},
    {"images", "features", "transfer", "runtime", "scores"},
    {"video", "finish", "finishing"},
    {"painting", "pipeline"},
    {"model"},
    {"checkpoint", "pruning", "figures"},
    {"compare", "scene", "batch", "commands", "cli", "__main__"},
)

# What pyproject names as dependencies, and torchvision, whose MobileNetV2 can be pruned.
LIBRARIES = {"torch", "torchvision", "numpy", "safetensors", "PIL", "tqdm"}


def imports_of(path: Path) -> Iterator[tuple[str, ...]]:
    """What a file imports when it runs, as parts of dotted names.

    Imports for type checkers alone are left out. ``from .a import b`` gives ``(artnet_core, a, b)``, whatever b is.
    """
    here = (PACKAGE.name, *path.relative_to(PACKAGE).parts[:-1])
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= len(here), f"{path} imports from beyond the package"
            base = here[: len(here) + 1 - node.level] if node.level else ()
            module = tuple(node.module.split(".")) if node.module else ()
            yield from ((*base, *module, alias.name) for alias in node.names)


def module_graph() -> dict[str, set[str]]:
    """The modules of the package, by their dotted names within it, and what each of them imports of the others."""
    paths = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}

    def module(name: tuple[str, ...]) -> str:
        for candidate in (name[1:], name[1:-1]):
            for end in ((), ("__init__",)):
                if (dotted := ".".join((*candidate, *end))) in paths:
                    return dotted
        raise AssertionError(f"There is no module {'.'.join(name)}.")

    return {
        importer: {module(name) for name in imports_of(path) if name[0] == PACKAGE.name}
        for importer, path in paths.items()
    }


def floor_of(module: str) -> int:
    room = module.partition(".")[0]
    floors = [number for number, rooms in enumerate(FLOORS, 1) if room in rooms]
    assert len(floors) == 1, f"Which floor is {module} on? Name it in FLOORS."
    return floors[0]


def test_no_module_imports_itself_by_way_of_others() -> None:
    order = list(TopologicalSorter(module_graph()).static_order())  # raises CycleError, which names the circle
    assert {"network.encoder", "transfer.sandwich", "pipeline", "cli"} <= set(order)


def test_imports_go_down() -> None:
    graph = module_graph()
    upwards = [
        f"{importer} imports {imported}"
        for importer, all_imported in graph.items()
        for imported in all_imported
        if floor_of(imported) > floor_of(importer)
    ]
    assert not upwards
    # Every floor stands on something, or it would not be one.
    assert {floor_of(module) for module in graph} == set(range(1, len(FLOORS) + 1))
    assert len(FLOORS) <= 7


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_from_outside_is_imported(path: Path) -> None:
    """Neither the host, nor nodes, training, experiments, benchmarks, nor a library that nobody installs."""
    known = sys.stdlib_module_names | LIBRARIES | {PACKAGE.name}
    assert {name[0] for name in imports_of(path)} <= known
