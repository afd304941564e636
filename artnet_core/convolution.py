"""A convolution and the ReLU behind it."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

CONV_RELU_ON: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {}
"""Other functions like :func:`conv_relu` by type of device, such as ``"cuda"``."""


def conv_relu(conv: nn.Module, x: Tensor) -> Tensor:
    """The ReLU of a convolution with a bias: ``[B, C, h, w]`` to ``[B, C', h', w']``."""
    other = CONV_RELU_ON.get(x.device.type)
    return F.relu(conv(x), inplace=True) if other is None else other(conv, x)
