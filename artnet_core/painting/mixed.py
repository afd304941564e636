"""Several weighted styles, painted with as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..features import Features, picture_count
from ..progress import Progress, ignore, in_turn
from ..runtime import Tiles
from ..transfer.gaussian import Gaussian, fit_gaussian, transport
from ..transfer.histograms import Histograms, histograms, mix_histograms
from ..transfer.mix import mix_styles, side_by_side, style_shares
from ..transfer.swap import copied_positions
from .pictures import Coder, Encoded, Pictures


@dataclass(frozen=True, eq=False)
class Mix:
    """Several styles as one texture or colour style, for :func:`~artnet_core.pipeline.paint`.

    Attributes:
        name: what errors call it.
        styles: batches of one picture, or of as many as the largest; features have the one size they were encoded at.
        weights: how much each counts, see :func:`~artnet_core.transfer.mix.mix_styles`.

    Example:
        >>> from artnet_core.painting.mixed import Mix
        >>> from artnet_core.pipeline import Pictures, paint
        >>> photo, waves, streets = (Pictures.of(torch.rand(1, 3, 64, 64), name) for name in ("photo", "a", "b"))
        >>> (painted,) = paint(artnet.load(), photo, Mix("styles", [waves, streets], [2, 1]))
    """

    name: str
    styles: Sequence[Pictures | Features]
    weights: Sequence[float]

    @property
    def count(self) -> int:
        """How many mixes there are: as many as the largest batch has pictures.

        Raises:
            ValueError: a batch is neither one picture nor as many as the largest.
        """
        return picture_count({f"style {number}": _count(style) for number, style in enumerate(self.styles, 1)})

    def encoded(self, model: Coder, index: int, tiles: Tiles | None = None) -> Encoded:
        """One of the mixes, ready to be encoded. What has no weight is left out; a style that is left alone is itself.

        Raises:
            ValueError: weights are negative, not finite or all zero, or not as many as styles.
        """
        shares = style_shares(self.weights, len(self.styles))
        chosen = [each for each in zip(self.styles, self.weights, shares, strict=True) if each[2] > 0]
        parts: list[Encoded] = [
            _FixedStyle(style.pick(index), model) if isinstance(style, Features) else style.encoded(model, index, tiles)
            for style, *_ in chosen
        ]
        return parts[0] if len(parts) == 1 else MixedStyles(parts, [weight for _, weight, _ in chosen])


def _count(style: Pictures | Features) -> int:
    return len(style.data) if isinstance(style, Features) else style.count


class MixedStyles(Encoded):
    """Several styles as one, mixed at each size that is asked for.

    Its size is that of the largest style, and the others are resized in proportion.

    Args:
        styles: of one model.
        weights: how much each counts.
    """

    def __init__(self, styles: Sequence[Encoded], weights: Sequence[float]) -> None:
        self._styles = styles
        self._weights = weights
        self._shares = style_shares(weights, len(styles))
        self._mixed: dict[int, Features] = {}
        self._mixed_histograms: dict[int, Histograms] = {}

    @property
    def side(self) -> int:
        return max(style.side for style in self._styles)

    @property
    def is_seen(self) -> bool:
        return all(style.is_seen for style in self._styles)

    @property
    def colors(self) -> Tensor:
        picture, weight = self.at(self.side), self.weight_at(self.side)
        return picture if weight is None else picture[..., copied_positions(weight[0, 0])][:, :, None]

    def at(self, side: int) -> Tensor:
        """Parts of the styles side by side, as wide as their shares, all in the mixed palette: what the finish sees."""
        palettes = [fit_gaussian(style.colors.float().flatten(2)[0]) for style in self._styles]
        shares = torch.tensor(self._shares, device=palettes[0].mean.device)[:, None, None]
        mean = (shares * torch.stack([palette.mean for palette in palettes])).sum(0)
        root = (shares * torch.stack([palette.root for palette in palettes])).sum(0)
        recolored = []
        for (style, each), palette in zip(self._sized(side), palettes, strict=True):
            picture = style.at(each).float()
            pixels = transport(picture[0].flatten(1), palette, Gaussian(mean, root, palette.inverse_root))
            recolored.append(pixels.reshape(picture.shape).clamp(0, 1))
        return torch.cat(side_by_side(recolored, self._shares), -1)

    def weight_at(self, side: int) -> Tensor | None:
        weights = [style.weight_at(each) for style, each in self._sized(side)]
        if all(weight is None for weight in weights):
            return None
        filled = [
            torch.ones_like(style.at(each)[:, :1]) if weight is None else weight
            for weight, (style, each) in zip(weights, self._sized(side), strict=True)
        ]
        return torch.cat(side_by_side(filled, self._shares), -1)

    def pixels_to_encode(self, side: int) -> float:
        return sum(style.pixels_to_encode(each) for style, each in self._sized(side))

    def features(self, side: int, progress: Progress = ignore) -> Features:
        if side not in self._mixed:
            sized = self._sized(side)
            of_styles = in_turn(progress, *(style.pixels_to_encode(each) for style, each in sized))
            parts = [style.features(each, told) for (style, each), told in zip(sized, of_styles, strict=True)]
            self._mixed[side] = mix_styles(parts, self._weights)
        return self._mixed[side]

    def histograms(self, side: int) -> Histograms:
        if side not in self._mixed_histograms:
            of_each = [style.histograms(each) for style, each in self._sized(side)]
            self._mixed_histograms[side] = mix_histograms(of_each, self._weights)
        return self._mixed_histograms[side]

    def _sized(self, side: int) -> list[tuple[Encoded, int]]:
        """Each style, and the longer side it has where the largest has this one."""
        return [(style, max(1, round(side * style.side / self.side))) for style in self._styles]


class _FixedStyle(Encoded):
    """A style of which only features are left, of one size.

    Args:
        features: of one picture.
        model: whose they are.
    """

    def __init__(self, features: Features, model: Coder) -> None:
        self._only = features.with_data(features.data.to(model.device))
        self._decode = model.decode
        self._only_histograms: Histograms | None = None

    @property
    def side(self) -> int:
        return max(self._only.size)

    @property
    def is_seen(self) -> bool:
        return self._only.weight is None or bool((self._only.weight > 0).any())

    @property
    def colors(self) -> Tensor:
        return self.at(self.side)

    def at(self, side: int) -> Tensor:
        raise ValueError("The finish needs the pictures of all styles, and one is features: give its picture.")

    def pixels_to_encode(self, side: int) -> float:
        return 0.0

    def features(self, side: int, progress: Progress = ignore) -> Features:
        if side != self.side:
            raise ValueError(
                f"A style is features of {self.side} pixels, and is needed with {side}: give its picture, or leave "
                "stroke size and style size at 0."
            )
        return self._only

    def histograms(self, side: int) -> Histograms:
        """Of what the decoder makes of the features, which is a little softer than their picture."""
        if self._only_histograms is None:
            picture, weight = self._decode(self._only), self._only.weight
            if weight is not None:
                weight = F.interpolate(weight.to(picture), (picture.shape[-2], picture.shape[-1]))
            self._only_histograms = histograms(picture, weight)
        return self._only_histograms
