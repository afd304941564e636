"""CUDA graphs: all kernels of a call started at once, where else Python starts one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")

# Libraries choose their kernels and take their memory in the first calls.
_WARM_UP = 3


def captured(work: Callable[[], T]) -> Callable[[], T]:
    """Captures a call on the current CUDA device.

    Args:
        work: reads the same tensors each time, and waits for nothing. A frame that lies on the GPU, painted by
            :meth:`~artnet_core.model.ArtNet.stylize_frame`, does not.

    Returns:
        A function that does the work again, on what its inputs hold by then. Its result lies in the same memory each
        time.
    """
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(_WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()

    def replay() -> T:
        graph.replay()
        return result

    return replay
