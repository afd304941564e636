"""Networks that judge texture in evaluations and had no part in training."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..checkpoint import CheckpointError
from ..encoder import normalize

# Behind the first ReLU and behind the last Fire module at each of the strides 4, 8 and 16.
_TAPS = (1, 4, 7, 12)


class SqueezeNetJudge(nn.Module):
    """Features of SqueezeNet 1.1 (Iandola et al. 2016).

    Args:
        features: the ``features`` of torchvision's ``squeezenet1_1``.
    """

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.features = features[: _TAPS[-1] + 1]
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """``[B, 3, H, W]``, RGB, 0..1, to four maps of 64, 128, 256 and 512 channels."""
        x = normalize(images)
        maps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in _TAPS:
                # A copy, since the ReLU that follows a tap may work in place.
                maps.append(x.clone())
        return maps


def load_judge(path: Path) -> SqueezeNetJudge:
    """Reads torchvision's ``squeezenet1_1`` state dict, a .pth or .safetensors file.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is not that.
        ModuleNotFoundError: torchvision is not installed.
    """
    # Here, since nothing else in the package needs torchvision.
    from torchvision.models import squeezenet1_1

    if not path.is_file():
        raise FileNotFoundError(f"There is no weights file {path}.")
    network = squeezenet1_1()
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(f"{path} is not a state dict of squeezenet1_1 ({error}).") from error
    return SqueezeNetJudge(network.features)
