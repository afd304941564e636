"""Makes the torchvision on PyPI importable beside a CPU build of torch; Python loads this by itself from PYTHONPATH.

That torchvision is built for CUDA: with a CPU torch its compiled half does not load, and its import then stops because
the operators it decorates are unknown. ComfyUI imports torchvision when it starts, though no picture node calls those
operators.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any


class _DeclareOperators(MetaPathFinder):
    """Finds no module itself; it declares the missing operators when torchvision is about to be imported."""

    # torch forgets a declaration together with the library object that made it.
    library: Any = None

    def find_spec(self, fullname: str, path: object = None, target: ModuleType | None = None) -> None:
        if fullname != "torchvision" or self.library is not None:
            return
        import torch

        if torch.version.cuda is None:
            self.library = torch.library.Library("torchvision", "DEF")
            for operator in ("nms", "qnms"):
                self.library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


sys.meta_path.insert(0, _DeclareOperators())
