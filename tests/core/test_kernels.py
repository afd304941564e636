"""The fused kernels compile for GPUs that are not at hand, and fit into them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

triton = pytest.importorskip("triton", reason="comes with torch's builds for Linux")

REPOSITORY = Path(__file__).parents[2]
SMALLEST_SHARED_MEMORY = 99 * 1024  # bytes, of an RTX 30 to 50
KERNELS = {"best_of_parts", "best_of_all", "best_in_window", "take_turn", "mean_of_patches", "highest_of_cells"}
CAPABILITIES = ["80", "90"]  # A100, H100
CHANNELS = [64, 746]  # compared: conv1's, and all


@pytest.fixture(scope="module")
def compilers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, subprocess.Popen[str]]]:
    """By channels; processes of their own, side by side: where Triton has interpreted, it can no longer compile."""
    fresh = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("kernels")), "TRITON_INTERPRET": "0"}
    command = [sys.executable, "-m", "benchmarks.kernels", "--capabilities", *CAPABILITIES, "--channels"]
    started = {
        channels: subprocess.Popen(
            [*command, str(channels)],
            cwd=REPOSITORY,
            env=fresh,
            stdout=subprocess.PIPE,
            text=True,
        )
        for channels in CHANNELS
    }
    yield started
    for process in started.values():
        process.kill()
        process.wait()


@pytest.mark.skipif(
    not (Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump").is_file(),
    reason="this build of Triton does not bring NVIDIA's tools",
)
@pytest.mark.parametrize("channels", CHANNELS)
def test_kernels_fit(channels: int, compilers: dict[int, subprocess.Popen[str]]) -> None:
    """In half precision no registers are spilled."""
    printed, _ = compilers[channels].communicate()
    assert compilers[channels].returncode == 0
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines()[2:]]
    assert {row[0] for row in rows} == {f"sm_{capability}" for capability in CAPABILITIES}
    for dtype in ("float16", "float32"):
        assert {row[1] for row in rows if row[2] == dtype} == KERNELS
    assert all(int(row[5]) <= SMALLEST_SHARED_MEMORY for row in rows)
    assert all(row[4] == "0" for row in rows if row[2] == "float16")
    assert all(row[6] for row in rows if row[1] in ("best_of_parts", "best_in_window"))
