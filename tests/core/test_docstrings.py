"""Examples in docstrings run as they stand, with ``torch`` and the library under the name ``artnet``."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

import artnet_core as artnet

PACKAGE = Path(artnet.__file__).parent

# What people call: each of these has an example.
SHOWN = (
    "checkpoint.load",
    "checkpoint.save",
    "features.Features",
    "model.ArtNet.encode",
    "model.ArtNet.decode",
    "model.ArtNet.stylize",
    "painting.areas.Region",
    "painting.pictures.Pictures",
    "pruning.zero_channels.prune_zero_channels",
    "transfer.adain.adain",
    "transfer.mix.mix_styles",
    "transfer.sandwich.sandwich_swap",
    "transfer.swap.swap",
)


def modules() -> Iterator[ModuleType]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] not in ("__init__", "__main__"):
            yield importlib.import_module(".".join((artnet.__name__, *parts)))


def examples() -> dict[str, doctest.DocTest]:
    """By the name of what they show, within the package."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [
        test
        for module in modules()
        for test in finder.find(module, extraglobs={"torch": torch, "artnet": artnet})
        if test.examples
    ]
    return {test.name.removeprefix(f"{artnet.__name__}."): test for test in found}


@pytest.mark.parametrize("test", examples().values(), ids=examples().keys())
def test_example_runs(test: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # some write a file
    messages: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    results = runner.run(test, out=messages.append, clear_globs=False)
    assert results.attempted == len(test.examples)
    assert not results.failed, "".join(messages)


def test_what_people_call_has_an_example() -> None:
    assert set(SHOWN) <= set(examples())
    # All that the package itself offers, but for types that are only received.
    public = [getattr(artnet, name) for name in artnet.__all__ if callable(getattr(artnet, name))]
    without = {"ArtNet", "CheckpointError", "PruningReport"}
    called = {f"{value.__module__}.{value.__qualname__}" for value in public if value.__name__ not in without}
    assert called <= {f"{artnet.__name__}.{name}" for name in SHOWN}
