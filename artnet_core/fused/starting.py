"""What comes before any kernel: the GPU that its tensors lie on, and that they take no gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")


def on_its_device(step: Callable[P, T]) -> Callable[P, T]:
    """Runs a step on the GPU of its first tensor: Triton starts kernels on the current one, wherever tensors lie."""

    @wraps(step)
    def run(*arguments: P.args, **options: P.kwargs) -> T:
        first = arguments[0]
        with torch.cuda.device(first.device if isinstance(first, Tensor) and first.is_cuda else -1):
            return step(*arguments, **options)

    return run


def refuse_gradients(*tensors: Tensor | None) -> None:
    """Raises RuntimeError if a tensor takes gradients, which do not pass through fused kernels."""
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors):
        raise RuntimeError("Gradients do not pass through fused kernels: call artnet_core.fused.use(False).")
