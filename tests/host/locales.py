#!/usr/bin/env python3
"""The texts of the nodes in other languages. Names and tooltips are written once, in the nodes; all else follows.

    python -m tests.host.locales write          English anew from the nodes; what other languages lack, in English
    python -m tests.host.locales accept LANG    says that all of a language is translated from today's English

``translated.json`` remembers which English each text was translated from, so that a test finds what has changed since.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .host import Host
from .install_host import install

REPOSITORY = Path(__file__).parents[2]
LOCALES = REPOSITORY / "locales"
TRANSLATED = Path(__file__).parent / "translated.json"
LANGUAGES = sorted(path.parent.name for path in LOCALES.glob("*/nodeDefs.json"))

Texts = dict[str, Any]


def path_of(language: str) -> Path:
    return LOCALES / language / "nodeDefs.json"


def read(language: str) -> Texts:
    texts: Texts = json.loads(path_of(language).read_text(encoding="utf-8"))
    return texts


def write(language: str, texts: Texts) -> None:
    path_of(language).write_text(json.dumps(texts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def english(host: Host) -> Texts:
    """What the nodes themselves say, in the form of the page's translations."""
    return {name: _of_node(info) for name, info in host.object_info().items() if name.startswith("ArtNet_")}


def _of_node(info: dict[str, Any]) -> Texts:
    inputs = {}
    for kind in ("required", "optional"):
        for name in info["input_order"].get(kind, []):
            options = info["input"][kind][name][1]
            label = options.get("display_name") or name.replace("_", " ")
            inputs[name] = {"name": label, "tooltip": options["tooltip"]}
    outputs = zip(info["output_name"], info["output_tooltips"], strict=True)
    return {
        "display_name": info["display_name"],
        "description": info["description"],
        "inputs": inputs,
        "outputs": {str(index): {"name": name, "tooltip": tip} for index, (name, tip) in enumerate(outputs)},
    }


def leaves(texts: Texts, above: str = "") -> Iterator[tuple[str, str]]:
    """Every text with its path, such as ``ArtNet_Loader/inputs/model_name/tooltip``."""
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{key}/")
        else:
            yield above + key, value


def filled(source: Texts, translation: Texts) -> Texts:
    """The translation with all that the source has and nothing else; what it lacks is the source's."""
    return {
        key: filled(value, translation.get(key, {})) if isinstance(value, dict) else translation.get(key, value)
        for key, value in source.items()
    }


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def stale(source: Texts, language: str) -> list[str]:
    """The paths of a language's texts whose English is another one than they were translated from."""
    known = json.loads(TRANSLATED.read_text()).get(language, {}) if TRANSLATED.is_file() else {}
    return [path for path, text in leaves(source) if known.get(path) != digest(text)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write")
    commands.add_parser("accept").add_argument("language", nargs="+", choices=LANGUAGES)
    arguments = parser.parse_args()
    if arguments.command == "accept":
        known = json.loads(TRANSLATED.read_text()) if TRANSLATED.is_file() else {}
        source = read("en")
        known |= {name: {path: digest(text) for path, text in leaves(source)} for name in arguments.language}
        TRANSLATED.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        return
    installed = Path(os.environ.get("ARTNET_HOST", REPOSITORY / ".cache" / "host"))
    install(installed)
    with Host(installed, {"ArtNet": REPOSITORY}) as host:
        source = english(host)
    write("en", source)
    for language in LANGUAGES:
        write(language, filled(source, read(language)))
        for path in stale(source, language) if language != "en" else []:
            print(f"{language}: {path}")


if __name__ == "__main__":
    main()
