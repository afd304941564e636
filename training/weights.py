"""Weights from files that other programs wrote."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from artnet_core.checkpoint import CheckpointError

# int64: how many batches a batch norm has seen.
_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name: a state dict.

    Args:
        path: a .safetensors file; any other is read as what ``torch.save`` wrote, and code in it is not run.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it cannot be read, or holds anything but tensors by name, of finite floating values.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no weights file {path}.")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a readable .safetensors file ({error}).") from error
    # What a damaged pickle raises is no closed list, and torch's own words advise to run the code in it.
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be read as weights: it is damaged, or holds more than tensors. Give a .safetensors file."
        ) from error
    if not isinstance(state, dict) or not all(map(_named_tensor, state.items())):
        raise CheckpointError(f"{path} holds no weights: numbers by name are expected, a state dict.")
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(f"{path} is damaged: {name} holds values that are not finite.")
    return state


def _named_tensor(entry: tuple[object, object]) -> bool:
    name, tensor = entry
    if not isinstance(name, str) or not isinstance(tensor, Tensor):
        return False
    return tensor.dtype in _DTYPES and tensor.layout == torch.strided and tensor.device.type == "cpu"
