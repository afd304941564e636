"""The fused kernels compile for GPUs that are not at hand, and fit into them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

triton = pytest.importorskip("triton", reason="comes with torch's builds for Linux")

REPOSITORY = Path(__file__).parents[2]
SMALLEST_SHARED_MEMORY = 99 * 1024  # bytes, of an RTX 30 to 50
KERNELS = {"best_of_parts", "best_of_all", "best_in_window", "take_turn", "mean_of_patches"}


@pytest.mark.skipif(
    not (Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump").is_file(),
    reason="this build of Triton does not bring NVIDIA's tools",
)
@pytest.mark.parametrize(("capability", "channels"), [("90", "64"), ("80", "746")])
def test_kernels_fit(capability: str, channels: str, tmp_path: Path) -> None:
    """H100, compared by conv1, and A100, compared by all channels. In half precision no registers are spilled.

    In a process of its own: where Triton has interpreted, it can no longer compile.
    """
    command = [sys.executable, "-m", "benchmarks.kernels", "--capabilities", capability, "--channels", channels]
    fresh = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path), "TRITON_INTERPRET": "0"}
    printed = subprocess.run(command, cwd=REPOSITORY, env=fresh, check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines()[2:]]
    assert {row[0] for row in rows} == {f"sm_{capability}"}
    for dtype in ("float16", "float32"):
        assert {row[1] for row in rows if row[2] == dtype} == KERNELS
    assert all(int(row[5]) <= SMALLEST_SHARED_MEMORY for row in rows)
    assert all(row[4] == "0" for row in rows if row[2] == "float16")
    assert all(row[6] for row in rows if row[1] in ("best_of_parts", "best_in_window"))
