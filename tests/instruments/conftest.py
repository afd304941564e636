"""The core's pictures and models serve the tests of benchmarks and experiments too."""

from __future__ import annotations

from pathlib import Path

import pytest
from core.conftest import EXAMPLES, _no_grad, model, painting, palette, photo, unpruned

from benchmarks.judge import Judge

from .judges import use_tiny_judge

__all__ = ["EXAMPLES", "_no_grad", "model", "painting", "palette", "photo", "unpruned"]


@pytest.fixture
def tiny_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    return use_tiny_judge(tmp_path / "judge", monkeypatch)


@pytest.fixture
def heldout(tmp_path: Path) -> Path:
    """Three photographs and four artworks."""
    folder = tmp_path / "heldout"
    folder.mkdir()
    for kind, prefix, count in (("content", "photo", 3), ("style", "art", 4)):
        for index, path in enumerate(sorted((EXAMPLES / kind).glob("*.jpg"))[:count]):
            (folder / f"{prefix}_{index}.jpg").write_bytes(path.read_bytes())
    return folder
