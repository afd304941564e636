"""The swap on CUDA in a few kernels of its own, written in Triton.

Nothing here is used unless :func:`use` is called, since the kernels have not been timed on a GPU. They need the package
Triton, which comes with torch's CUDA builds for Linux, and a C compiler with Python's headers, with which Triton builds
what starts them. The first frame compiles them. Gradients do not pass through them.
"""

from __future__ import annotations

import torch

from ..swap import STEPS_ON, Steps
from .matching import match_patches
from .propagation import propagate_matches
from .reassembly import reassemble
from .refinement import refine_matches

FUSED = Steps(match_patches, refine_matches, propagate_matches, reassemble)

_AMPERE = (8, 0)


def use(on: bool = True) -> None:
    """From now on the swap on CUDA runs these kernels, or with False those of torch again.

    Raises:
        RuntimeError: a GPU is older than Ampere or not NVIDIA's, or there is none.
    """
    if not on:
        STEPS_ON.pop("cuda", None)
        return
    capabilities = [torch.cuda.get_device_capability(index) for index in range(torch.cuda.device_count())]
    if torch.version.hip or not capabilities or min(capabilities) < _AMPERE:
        found = ", ".join(f"{major}.{minor}" for major, minor in capabilities) or "none"
        raise RuntimeError(
            f"The fused kernels need NVIDIA GPUs of compute capability 8.0 or more (Ampere), here are: {found}. "
            "Do without them."
        )
    STEPS_ON["cuda"] = FUSED


__all__ = ["FUSED", "match_patches", "propagate_matches", "reassemble", "refine_matches", "use"]
