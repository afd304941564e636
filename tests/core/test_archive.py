"""What goes to artists: no code that the registry's scan takes for harmful, nothing but what the nodes need."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

FORBIDDEN = re.compile(
    r"\b(subprocess|os\.environ|os\.system|urllib|requests|socket|http|pickle|torch\.load)\b|(?<![.\w])(eval|exec)\(|\.cuda\("
)


def shipped() -> list[Path]:
    """The files of the published archive: those that git tracks, less what .comfyignore names."""
    git = ["git", "-C", str(REPOSITORY), "ls-files", "-z"]
    tracked = set(subprocess.run(git, check=True, capture_output=True, text=True).stdout.split("\0")) - {""}
    ignore = [*git, "--cached", "--ignored", f"--exclude-from={REPOSITORY / '.comfyignore'}"]
    left_out = set(subprocess.run(ignore, check=True, capture_output=True, text=True).stdout.split("\0"))
    return [REPOSITORY / name for name in sorted(tracked - left_out)]


@pytest.mark.parametrize("path", [path for path in shipped() if path.suffix == ".py"], ids=lambda path: path.name)
def test_source_is_harmless(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    text.encode("cp1252")  # what some Windows hosts read source files with
    assert not FORBIDDEN.search(text)


def test_only_what_nodes_need_is_shipped() -> None:
    folders = {path.relative_to(REPOSITORY).parts[0] for path in shipped() if path.parent != REPOSITORY}
    needed = {"artnet_core", "nodes", "web", "locales", "example_workflows", "subgraphs", "assets", "examples"}
    assert folders <= needed
    assert {"artnet_core", "nodes", "web"} <= folders
    assert sum(path.stat().st_size for path in shipped()) < 25_000_000


def test_what_is_shipped_imports_nothing_that_is_left_out() -> None:
    """The command line stays at home, with all that only it needs."""
    names = {path.relative_to(REPOSITORY) for path in shipped()}
    for name in sorted(name for name in names if name.suffix == ".py"):
        for node in ast.walk(ast.parse((REPOSITORY / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                package = name.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                imported = [Path(f"{at}.py") for at in (package, *(package / alias.name for alias in node.names))]
                left_out = [file for file in imported if (REPOSITORY / file).is_file() and file not in names]
                assert not left_out, f"{name} imports {left_out}"
    assert not names & {Path("artnet_core", file) for file in ("__main__.py", "cli.py", "compare.py", "scores.py")}


def test_requirements_are_the_hosts() -> None:
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    assert not [line for line in lines if line.strip() and not line.startswith("#")]
