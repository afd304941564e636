"""Every language says what the nodes say today, and nothing else."""

from __future__ import annotations

import pytest

from .host import Host
from .locales import LANGUAGES, english, leaves, read, stale

SOURCE = read("en")


def test_english_is_what_the_nodes_say(host: Host) -> None:
    """If it is not: ``python -m tests.host.locales write``."""
    said = english(host)
    # Newer hosts have inputs that grow while they are wired, which no page translates.
    for node in said.values():
        for name in ("more", "more_weights"):
            node["inputs"].pop(name, None)
    assert said == SOURCE


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_a_language_is_whole_and_of_today(language: str) -> None:
    """If it is not: translate what is named, then ``python -m tests.host.locales accept LANGUAGE``."""
    texts = dict(leaves(read(language)))
    assert list(texts) == [path for path, _ in leaves(SOURCE)]
    assert all(text.strip() for text in texts.values())
    assert stale(SOURCE, language) == []


def test_a_text_that_has_changed_is_found() -> None:
    changed = {**SOURCE, "ArtNet_Loader": {**SOURCE["ArtNet_Loader"], "description": "Loads a model."}}
    assert stale(changed, "fr") == ["ArtNet_Loader/description"]
