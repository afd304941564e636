"""Half precision while training."""

from __future__ import annotations

import torch

from artnet_core.runtime import multiplies_bfloat16


def autocast(device: torch.device) -> torch.autocast:
    """Convolutions and matrix products in bfloat16 on GPUs and CPUs with instructions for it, else in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=multiplies_bfloat16(device))
