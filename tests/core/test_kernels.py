"""The fused kernels compile for GPUs that are not at hand, and fit into them."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton", reason="comes with torch's builds for Linux")

from benchmarks.kernels import main, taken

SMALLEST_SHARED_MEMORY = 99 * 1024  # bytes, of an RTX 30 to 50
KERNELS = {"best_of_parts", "best_of_all", "best_in_window", "take_turn", "mean_of_patches"}


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_kernels_fit(capability: int, dtype: torch.dtype) -> None:
    """A100 and H100; in half precision no registers are spilled."""
    rows = taken(capability, dtype, 64)
    assert {row.kernel for row in rows} == KERNELS
    assert all(row.shared <= SMALLEST_SHARED_MEMORY for row in rows)
    assert dtype == torch.float32 or all(row.spilled == 0 for row in rows)
    assert all(row.multiplies for row in rows if row.kernel in ("best_of_parts", "best_in_window"))


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--capabilities", "86", "--channels", "32"]) == 0
    assert "| sm_86 | take_turn | float16 |" in capsys.readouterr().out
