"""What the fused kernels take of a GPU, which need not be there: they are compiled for it, not run.

``python -m benchmarks.kernels`` prints for each kernel and each generation of GPUs the registers of a thread, what of
them is spilled to memory, the shared memory of a block, and the instruction that multiplies matrices. It takes Triton
and the tools that come with it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase
from triton.runtime.jit import JITFunction

from artnet_core.fused import FUSED, max_pool
from artnet_core.refinement import windows_near

# Compute capabilities: A100, RTX 30, RTX 40, H100, B200, RTX 50.
CAPABILITIES = (80, 86, 89, 90, 100, 120)
_TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
_INSTRUCTIONS = ("wgmma.mma_async", "tcgen05.mma", "mma.sync")
_DTYPES = (torch.float16, torch.float32)
_WARP = 32


@dataclass(frozen=True)
class Taken:
    """What one kernel takes.

    Attributes:
        capability: compute capability, times ten.
        kernel: its name.
        dtype: of the features.
        registers: of a thread.
        spilled: bytes of memory of a thread, where registers do not suffice.
        shared: bytes of shared memory of a block.
        multiplies: the instruction that multiplies matrices, if one does.
    """

    capability: int
    kernel: str
    dtype: str
    registers: int
    spilled: int
    shared: int
    multiplies: str


class _Elsewhere(DriverBase):  # type: ignore[misc]
    """A driver of a GPU that is not there, by which Triton knows what to compile for."""

    def __init__(self, capability: int) -> None:
        self._target = GPUTarget("cuda", capability, _WARP)

    @classmethod
    def is_active(cls) -> bool:
        return True

    def map_python_to_cpp_type(self, ty: str) -> str:
        return ty

    def get_current_target(self) -> GPUTarget:
        return self._target

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def get_benchmarker(self) -> Any:
        raise NotImplementedError


@contextmanager
def compiled_only(capability: int) -> Iterator[list[tuple[str, Any]]]:
    """Within it, kernels that are started are compiled for a GPU and not run.

    Yields:
        Their names and what they were compiled to, in the order in which they were started.
    """
    kernels: list[tuple[str, Any]] = []
    run = JITFunction.run

    def compile_only(self: Any, *arguments: Any, grid: Any, warmup: bool, **options: Any) -> None:
        self.device_caches.clear()  # which are kept by device, whatever its capability
        kernels.append((self.__name__, run(self, *arguments, grid=grid, warmup=True, **options)))
        self.device_caches.clear()

    elsewhere = patch.object(triton.runtime.driver, "_active", _Elsewhere(capability))
    with elsewhere, patch.object(JITFunction, "run", compile_only):
        yield kernels


def taken(capability: int, dtype: torch.dtype, channels: int) -> list[Taken]:
    """Compiles all kernels, for features of a dtype of which so many channels are compared."""
    content, style = torch.zeros(channels, 66, 66, dtype=dtype), torch.zeros(channels, 45, 66, dtype=dtype)
    coarse, fine = torch.zeros(31, 31, dtype=torch.int64), torch.zeros(64, 64, dtype=torch.int64)
    near = windows_near(coarse, (66, 66), (45, 66), 3, 2)
    with compiled_only(capability) as kernels:
        FUSED.match_patches(content, style, 3, near, 0.9)
        FUSED.refine_matches(coarse, content, style, 3, 2)
        FUSED.propagate_matches(fine, content, style, 3, 0.9)
        FUSED.reassemble(fine, style.expand(8, -1, -1, -1).flatten(0, 1).contiguous(), 3)
        for stride in (1, 2):
            max_pool(style[None], stride)
    rows = (_taken(capability, name, dtype, kernel) for name, kernel in kernels)
    return list(dict.fromkeys(rows))


def _taken(capability: int, name: str, dtype: torch.dtype, kernel: Any) -> Taken:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        command = [_TOOLS / "cuobjdump", "-res-usage", file.name]
        usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", usage)
    if found is None:
        raise RuntimeError(f"cuobjdump says nothing of registers: {usage}")
    multiplies = next((name for name in _INSTRUCTIONS if name in kernel.asm["ptx"]), "")
    kind = str(dtype).removeprefix("torch.")
    return Taken(capability, name.lstrip("_"), kind, *map(int, found.groups()), kernel.metadata.shared, multiplies)


def table(rows: Sequence[Taken]) -> str:
    """Markdown, one row per kernel."""
    lines = [
        "| GPU | kernel | dtype | registers | spilled | shared | multiplies by |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    lines += [
        f"| sm_{row.capability} | {row.kernel} | {row.dtype} | {row.registers} | {row.spilled} | {row.shared} "
        f"| {row.multiplies} |"
        for row in rows
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compiles and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    parser.add_argument("--capabilities", nargs="+", type=int, default=CAPABILITIES, help="as in sm_90: 90")
    parser.add_argument("--channels", type=int, default=64, help="that patches are compared by (default: %(default)s)")
    options = parser.parse_args(arguments)
    rows = [
        row
        for capability in options.capabilities
        for dtype in _DTYPES
        for row in taken(capability, dtype, options.channels)
    ]
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
