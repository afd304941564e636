"""Constant tensors on the device that reads them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=128)
def constant(make: Callable[..., Tensor], device: torch.device, dtype: torch.dtype, *arguments: Hashable) -> Tensor:
    """``make(*arguments)`` on a device, in a dtype.

    It is kept, since bringing it to a GPU waits for all that the GPU has to do, in every frame.
    """
    with torch.inference_mode(False):  # whoever asks first, others may take gradients
        return make(*arguments).to(dtype).to(device)
