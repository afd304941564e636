"""The methods of the paper's Table 3 on VGG19, to be timed: networks and transforms, written here from the papers.

Weights are random, since time does not depend on them: these are references of cost, not of quality. VGG19 is
torchvision's, decoders mirror the encoder with nearest-neighbour upsampling as in AdaIN's paper.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artnet_core.transfer.adain import align, channel_statistics
from artnet_core.transfer.gaussian import fit_gaussian, transport
from benchmarks.peers import Peer, Place, Stylize, adain_between, vgg_encoder, wct_between


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


def adain_vgg(place: Place) -> Peer:
    """AdaIN (Huang and Belongie 2017): relu4_1, mean and deviation; the paper's baseline."""
    return adain_between(place(vgg_encoder(4)), place(vgg_decoder(4)))


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


def style_swap_vgg(place: Place) -> Peer:
    """StyleSwap (Chen and Schmidt 2016) as published, at relu3_1."""
    encoder, decoder = place(vgg_encoder(3)), place(vgg_decoder(3))

    def prepare(style: Tensor) -> Stylize:
        swap = _swap_by_convolution(encoder(style))
        return lambda content: decoder(torch.cat([swap(picture) for picture in encoder(content).split(1)]))

    return prepare


def wct_vgg(place: Place) -> Peer:
    """WCT (Li et al. 2017): five encoders and decoders one after the other, whitening and colouring at each."""
    return wct_between([(place(vgg_encoder(level)), place(vgg_decoder(level))) for level in (5, 4, 3, 2, 1)])


def optimal_wct_vgg(place: Place) -> Peer:
    """OptimalWCT (Lu et al. 2019) at relu4_1: the closed-form transport map, by one decomposition more than WCT's."""
    encoder, decoder = place(vgg_encoder(4)), place(vgg_decoder(4))

    def prepare(style: Tensor) -> Stylize:
        target = fit_gaussian(encoder(style)[0].flatten(1).float())

        def stylize(content: Tensor) -> Tensor:
            features = encoder(content)
            every = features.flatten(2).float()
            moved = [transport(positions, fit_gaussian(positions), target) for positions in every]
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


def linear_wct_vgg(place: Place) -> Peer:
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


def avatar_vgg(place: Place) -> Peer:
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


PEERS: dict[str, Callable[[Place], Peer]] = {
    "AdaIN, VGG19": adain_vgg,
    "StyleSwap, VGG19": style_swap_vgg,
    "LinearWCT, VGG19": linear_wct_vgg,
    "OptimalWCT, VGG19": optimal_wct_vgg,
    "Avatar-Net, VGG19": avatar_vgg,
    "WCT, VGG19 x 5": wct_vgg,
}
"""References of cost by name; each takes a function that brings modules to their device and dtype."""
