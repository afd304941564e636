"""The transfers that the paper compares S2 with (Table 2), each on our encoder's features.

AdaIN (Huang and Belongie 2017), StyleSwap (Chen and Schmidt 2016), WCT (Li et al. 2017), OptimalWCT (Lu et al. 2019)
and Avatar-Net (Sheng et al. 2018). They share checks, pairs of one content and one style, and the blend with the
content.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..features import Features, check_style
from .adain import align, channel_statistics
from .gaussian import fit_gaussian, transport
from .swap import copied_positions, swap


def transfer_pairs(
    content: Features,
    style: Features,
    strength: float,
    transfer: Callable[[Tensor, Tensor, Tensor | None, Tensor | None], Tensor],
) -> Features:
    """Applies a transfer to each content picture and its style, and blends the result with the content.

    A content picture that weighs nothing stays as it is.

    Args:
        content: features of B pictures.
        style: features of 1 or B pictures.
        strength: 0 returns the content's features exactly, 1 the whole transfer.
        transfer: takes content ``[C, h, w]`` and style ``[C, hs, ws]``, both float32, and the weights of both,
            ``[1, 1, h, w]`` and ``[1, 1, hs, ws]`` or None; returns ``[C, h, w]``.

    Returns:
        Features of B pictures of the content's size, in the content's dtype.

    Raises:
        ValueError: features of different models, a style batch that is neither 1 nor B, a style of which nothing is
            seen, or a strength out of range.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must lie in 0..1, got {strength}.")
    check_style("style", content, style)
    if strength == 0:
        return content
    sources = content.data.float()
    transferred = torch.stack(
        [_transfer_picture(content.pick(index), style.pick(index), transfer) for index in range(len(sources))]
    )
    return content.with_data(torch.lerp(sources, transferred, strength).to(content.data.dtype))


def _transfer_picture(
    content: Features, style: Features, transfer: Callable[[Tensor, Tensor, Tensor | None, Tensor | None], Tensor]
) -> Tensor:
    source, of_style = content.data[0].float(), style.visible_part
    if content.weight is not None and not (content.weight > 0).any():
        return source
    return transfer(source, of_style.data[0].float(), content.weight, of_style.weight)


def _counting(values: Tensor, weight: Tensor | None) -> Tensor:
    """The positions of ``[C, h, w]`` that count, ``[C, N]``."""
    return values.flatten(1) if weight is None else values[:, copied_positions(weight[0, 0])]


def adain(content: Features, style: Features, strength: float = 1.0) -> Features:
    """Gives each channel of the content the mean and standard deviation it has in the style.

    Args, returns and errors are those of :func:`transfer_pairs`.
    """

    def transfer(
        content_map: Tensor, style_map: Tensor, content_weight: Tensor | None, style_weight: Tensor | None
    ) -> Tensor:
        return align(content_map[None], *channel_statistics(style_map[None], style_weight), content_weight)[0]

    return transfer_pairs(content, style, strength, transfer)


def style_swap(content: Features, style: Features, strength: float = 1.0) -> Features:
    """Replaces each patch of the content by the style patch it correlates with best.

    Args, returns and errors are those of :func:`transfer_pairs`.
    """

    def transfer(
        content_map: Tensor, style_map: Tensor, _content_weight: Tensor | None, style_weight: Tensor | None
    ) -> Tensor:
        return swap(content_map[None], style_map[None], weight=style_weight)[0]

    return transfer_pairs(content, style, strength, transfer)


def wct(content: Features, style: Features, strength: float = 1.0) -> Features:
    """Gives the content's features the mean and the covariance of the style's.

    Both steps are symmetric (ZCA): ``Cs^(1/2) Cc^(-1/2) (x - mean_c) + mean_s``. The original repeats this at five
    depths with five decoders; here it acts once on the aggregated features.

    Args, returns and errors are those of :func:`transfer_pairs`. The covariance is met as
    far as the content varies in as many directions as the style; a flat content becomes the style's mean.
    """
    return transfer_pairs(content, style, strength, _wct)


def _wct(content: Tensor, style: Tensor, content_weight: Tensor | None, style_weight: Tensor | None) -> Tensor:
    source, target = fit_gaussian(_counting(content, content_weight)), fit_gaussian(_counting(style, style_weight))
    return target.color(source.whiten(content.flatten(1))).view_as(content)


def optimal_wct(content: Features, style: Features, strength: float = 1.0) -> Features:
    """Gives the features the style's mean and covariance while moving them as little as possible.

    The map is ``T = Cc^(-1/2) (Cc^(1/2) Cs Cc^(1/2))^(1/2) Cc^(-1/2)``. Of all linear maps with ``T Cc T = Cs`` it has
    the least mean squared displacement, so it disturbs the content less than WCT.

    Args, returns and errors are those of :func:`transfer_pairs`. The covariance is met as
    far as the content varies in as many directions as the style; a flat content becomes the style's mean.
    """

    def transfer(
        content_map: Tensor, style_map: Tensor, content_weight: Tensor | None, style_weight: Tensor | None
    ) -> Tensor:
        source = fit_gaussian(_counting(content_map, content_weight))
        target = fit_gaussian(_counting(style_map, style_weight))
        return transport(content_map.flatten(1), source, target).view_as(content_map)

    return transfer_pairs(content, style, strength, transfer)


def avatar(content: Features, style: Features, strength: float = 1.0) -> Features:
    """Replaces whitened content patches by whitened style patches and colours them as the style.

    Whitening puts both on an equal footing, so that the match looks at structure and not at colours. Avatar-Net
    also applies AdaIN at every stage of its decoder, which the one decoder of ArtNet does not have.

    Args, returns and errors are those of :func:`transfer_pairs`.
    """

    def transfer(
        content_map: Tensor, style_map: Tensor, content_weight: Tensor | None, style_weight: Tensor | None
    ) -> Tensor:
        source = fit_gaussian(_counting(content_map, content_weight))
        target = fit_gaussian(_counting(style_map, style_weight))
        whitened = source.whiten(content_map.flatten(1)).view_as(content_map)
        patches = target.whiten(style_map.flatten(1)).view_as(style_map)
        swapped = swap(whitened[None], patches[None], weight=style_weight)[0]
        return target.color(swapped.flatten(1)).view_as(content_map)

    return transfer_pairs(content, style, strength, transfer)
