"""Devices that are not at hand.

A fake tensor knows its shape, dtype and device, and has no values. Where tensors of two devices meet, an operation
fails as it would there. Tensors on the CPU stay what they are, so files are read and constants made as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._pytree import tree_leaves, tree_map_only

CUDA = pytest.param(
    "cuda", marks=pytest.mark.skipif(torch.version.cuda is None, reason="this build of torch knows no CUDA")
)

_VALUES = (torch.ops.aten.item.default, torch.ops.aten._local_scalar_dense.default)
_PLACES = torch.ops.aten.nonzero.default
_COPY = torch.ops.aten.copy_.default
_INDEXED = (torch.ops.aten.index_put_.default, torch.ops.aten.index_put.default, torch.ops.aten.index.Tensor)


class Waits(Exception):
    """Something waits for the device while a graph is captured."""


@contextmanager
def pretended(device: str) -> Iterator[Pretended]:
    """Within it, tensors made on or moved to this device are fake.

    Args:
        device: ``cuda``, or ``meta``, which stands for all backends that are neither a CPU nor CUDA.
    """
    with pytest.MonkeyPatch.context() as patch, Pretended(device) as mode:
        # torch's own exchanges the contents of parameters, which fake tensors do not let it.
        patch.setattr(nn.Module, "_apply", _apply)
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: mode.captures)
        patch.setattr(torch.cuda, "get_device_capability", lambda device=None: (9, 0))
        patch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
        patch.setattr(torch.cuda, "device", lambda device: nullcontext())
        patch.setattr("artnet_core.images._has_values", lambda images: True)
        yield mode


class Pretended(FakeTensorMode):
    """The device.

    Attributes:
        captures: whether a graph is captured. Then nothing may wait for the device: neither a tensor be brought to it,
            nor a value be asked for. Else all values are 1, and of those that are not 0 there are two.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self._device = device
        self.captures = False

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        to = next((leaf.type for leaf in leaves if isinstance(leaf, torch.device)), None)
        there = to == self._device
        if not there and not any(isinstance(leaf, FakeTensor) for leaf in leaves):
            with unset_fake_temporarily():
                return func(*args, **kwargs)
        asks = func in _VALUES or func is _PLACES or to == "cpu"
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        # A number that an operation takes along lies on the CPU, without dimensions.
        crosses = (there or func is _COPY) and any(not isinstance(t, FakeTensor) and t.ndim for t in tensors)
        looks = func in _INDEXED and any(getattr(leaf, "dtype", None) == torch.bool for leaf in tree_leaves(args[1]))
        if self.captures and (asks or crosses or looks):
            raise Waits(f"{func} waits for the device.")
        if asks:
            if func is _PLACES:
                return args[0].new_zeros(2, args[0].ndim, dtype=torch.int64)
            ones = torch.ones(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
            return ones if to == "cpu" else ones.item()

        def fake(tensor: Tensor) -> Tensor:
            comes_along = there or func is _COPY or tensor.ndim == 0
            return self.from_tensor(tensor) if comes_along and not isinstance(tensor, FakeTensor) else tensor

        args, kwargs = tree_map_only(Tensor, fake, (args, kwargs))
        return super().__torch_dispatch__(func, types, args, kwargs)


@torch.no_grad()
def _apply(module: nn.Module, convert: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    for part in module.modules():
        for key, parameter in list(part.named_parameters(recurse=False)):
            setattr(part, key, nn.Parameter(convert(parameter), requires_grad=parameter.requires_grad))
        for key, buffer in list(part.named_buffers(recurse=False)):
            setattr(part, key, convert(buffer))
    return module
