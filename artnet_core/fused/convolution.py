"""Convolution, bias and ReLU in one kernel of cuDNN, where PyTorch goes over the result once more for either."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .starting import refuse_gradients


def conv_relu(conv: nn.Module, x: Tensor) -> Tensor:
    """:func:`artnet_core.convolution.conv_relu`, fused, for an ``nn.Conv2d`` whose weights lie where ``x`` does.

    Raises:
        RuntimeError: the map or the weights take gradients, which do not pass.
    """
    assert isinstance(conv, nn.Conv2d) and not isinstance(conv.padding, str)
    refuse_gradients(x, conv.weight, conv.bias)
    result: Tensor = torch.cudnn_convolution_relu(
        x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups
    )
    return result
