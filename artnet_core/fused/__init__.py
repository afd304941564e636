"""Fewer kernels on CUDA: swap and pools written in Triton, and cuDNN's for a convolution with its bias and ReLU.

Nothing here is used unless :func:`use` is called, since none of it has been timed on a GPU. Triton comes with torch's
CUDA builds for Linux, and needs a C compiler with Python's headers to build what starts its kernels. The first frame
compiles them. Gradients do not pass through.
"""

from __future__ import annotations

import torch

from ..convolution import CONV_RELU_ON
from ..pooling import MAX_POOL_ON
from ..swap import STEPS_ON, Steps
from .convolution import conv_relu
from .matching import match_patches
from .pooling import max_pool
from .propagation import propagate_matches
from .reassembly import reassemble
from .refinement import refine_matches

FUSED = Steps(match_patches, refine_matches, propagate_matches, reassemble)

_AMPERE = (8, 0)


def use(on: bool = True) -> None:
    """From now on swap, convolutions and pools on CUDA run these kernels, or with False those of torch again.

    Raises:
        RuntimeError: a GPU is older than Ampere or not NVIDIA's, or there is none.
    """
    if not on:
        STEPS_ON.pop("cuda", None)
        CONV_RELU_ON.pop("cuda", None)
        MAX_POOL_ON.pop("cuda", None)
        return
    capabilities = [torch.cuda.get_device_capability(index) for index in range(torch.cuda.device_count())]
    if torch.version.hip or not capabilities or min(capabilities) < _AMPERE:
        found = ", ".join(f"{major}.{minor}" for major, minor in capabilities) or "none"
        raise RuntimeError(
            f"The fused kernels need NVIDIA GPUs of compute capability 8.0 or more (Ampere), here are: {found}. "
            "Do without them."
        )
    STEPS_ON["cuda"] = FUSED
    CONV_RELU_ON["cuda"] = conv_relu
    MAX_POOL_ON["cuda"] = max_pool


__all__ = [
    "FUSED",
    "conv_relu",
    "match_patches",
    "max_pool",
    "propagate_matches",
    "reassemble",
    "refine_matches",
    "use",
]
