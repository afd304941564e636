"""What a frame takes, counted: operations, bytes that they read and write, and the peak of memory.

``python -m benchmarks.traffic --sizes 512 1080p 4k`` runs one frame on the CPU. The counts are the same whatever else
the machine does, and so show what a change saves where no time can be trusted. A GPU goes over large maps in larger
pieces or as a whole: with fewer operations, and in the encoder's pools with fewer bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import artnet_core as artnet
from artnet_core.picture import read_picture

from .speed import CONTENT, DTYPES, OUR_MODELS, STYLE, our_calls, parse_size

# They read as much of their first input as they give, and not all of it.
_GATHERS = (
    torch.ops.aten.embedding.default,
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_select.default,
    torch.ops.aten.gather.default,
)


@dataclass(frozen=True)
class Traffic:
    """What one stage takes.

    Attributes:
        operations: that compute or move something; views are free.
        moved: bytes that these operations read and write.
        peak: most bytes that are held at a time, inputs not counted.
    """

    operations: int
    moved: int
    peak: int


class _Counter(TorchDispatchMode):
    """Counts operations and the bytes of their inputs and outputs; what only shares its input's memory is a view."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0
        self.moved = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        known = {tensor.untyped_storage().data_ptr() for tensor in inputs}
        fresh = any(tensor.untyped_storage().data_ptr() not in known for tensor in outputs)
        if inputs and (fresh or func._schema.is_mutable):
            self.operations += 1
            read = [tensor.nbytes for tensor in inputs]
            if func in _GATHERS:
                read[0] = min(read[0], outputs[0].nbytes)
            self.moved += sum(read) + sum(tensor.nbytes for tensor in outputs)
        return result


def count(work: Callable[[], object]) -> Traffic:
    """Counts what a call takes on the CPU, by running it twice."""
    return Traffic(*operations_and_bytes(work), peak_bytes(work))


def operations_and_bytes(work: Callable[[], object]) -> tuple[int, int]:
    """Operations of a call, and bytes that they read and write."""
    with _Counter() as counter:
        work()
    return counter.operations, counter.moved


def peak_bytes(work: Callable[[], object]) -> int:
    """The most memory that torch's CPU tensors took at a time during a call."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    # The public list of events drops the allocations made inside of operators.
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events), default=0)


@torch.inference_mode()
def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table, one row for each stage, and one for the whole with its style prepared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=parse_size, nargs="+", required=True, metavar="SIZE")
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16")
    options = parser.parse_args(arguments)
    dtype = DTYPES[options.dtype]
    models = {name: artnet.load(file, dtype=dtype) for name, file in OUR_MODELS.items()}
    photo, style = read_picture(CONTENT).rgb, read_picture(STYLE, 512).rgb
    print("| size | stage | operations | bytes per pixel | peak MB |\n|---|---|---:|---:|---:|")
    for height, width in options.sizes:
        frame = F.interpolate(photo, (height, width), mode="bicubic").clamp(0, 1)
        calls: dict[str, Callable[[], object]] = {}
        for name, model in models.items():
            calls |= our_calls(name, model, frame.to(dtype), style.to(dtype))
        for name, call in calls.items():
            traffic = count(call)
            numbers = f"{traffic.operations} | {traffic.moved / (height * width):,.0f} | {traffic.peak / 1e6:,.0f}"
            print(f"| {width} x {height} | {name} | {numbers} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
