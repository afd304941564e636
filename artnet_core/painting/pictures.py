"""Batches of pictures, read one at a time, and a picture with its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from ..features import Features, ModelId
from ..images import check_images, fill_hidden
from ..network.encoder import Encoder
from ..progress import Progress, ignore
from ..resizing import resize
from ..runtime import Tiles
from ..transfer.histograms import Histograms, histograms
from ..transfer.mask import check_mask, mask_count, resize_mask
from ..transfer.swap import copied_positions


class Coder(Protocol):
    """What the pipeline needs of a model: an :class:`~artnet_core.model.ArtNet`."""

    stride: int
    encoder: Encoder

    @property
    def id(self) -> ModelId: ...

    @property
    def device(self) -> torch.device: ...

    def encode(self, images: Tensor, tile: int | None = None, *, progress: Progress = ignore) -> Features: ...

    def decode(self, features: Features, tile: int | None = None, *, progress: Progress = ignore) -> Tensor: ...


class Kept(Protocol):
    """Features of one picture by model and longer side, on whichever device: a dict, or what forgets in time."""

    def get(self, key: tuple[ModelId, int], /) -> Features | None: ...

    def __setitem__(self, key: tuple[ModelId, int], features: Features, /) -> None: ...


@dataclass(frozen=True, eq=False)
class Pictures:
    """A batch of pictures, read one at a time.

    Attributes:
        name: what errors call the batch.
        count: of its pictures.
        read: index to picture ``[1, 3, H, W]``, RGB, 0..1.
        weight: index to how much each pixel counts, ``[1, 1, h, w]`` of any size, 0..1: the picture's alpha, or a mask.
            What is 0 is neither content nor style. None, or a function that gives None, lets all of it count.
        kept: of a batch of one with this very weight: features of earlier paintings, and room for those of this one.

    Example:
        >>> waves = artnet.Pictures.of(torch.rand(3, 3, 60, 90), "waves", weights=torch.ones(60, 90).tril())
        >>> waves.count, waves.at(2).shape
        (3, torch.Size([1, 3, 60, 90]))
    """

    name: str
    count: int
    read: Callable[[int], Tensor]
    weight: Callable[[int], Tensor | None] | None = None
    kept: Kept | None = None

    @classmethod
    def of(cls, images: Tensor, name: str, weights: Tensor | None = None) -> Pictures:
        """The pictures of a tensor ``[B, 3, H, W]``, and their weights ``[h, w]`` or ``[1 or B, h, w]``.

        Raises:
            TypeError: it is no tensor.
            ValueError: its shape, dtype or values are not those of pictures, or the weights do not fit them.
        """
        check_images(images)
        pictures = cls(name, len(images), lambda index: images[index : index + 1])
        return pictures if weights is None else pictures.weighted(weights)

    def weighted(self, mask: Tensor) -> Pictures:
        """The same pictures, of which only what a mask ``[h, w]`` or ``[1 or B, h, w]`` shows counts, if it did before.

        A batch of one becomes as many pictures as there are masks. Where masks hide nothing these pictures themselves
        come back.

        Raises:
            ValueError: the mask does not fit the batch.
        """
        masks = check_mask(mask, self.count if self.count > 1 else mask_count(mask))
        count = max(self.count, len(masks))
        if count == self.count and (masks >= 1).all():
            return self

        def weight(index: int) -> Tensor:
            of_picture = masks[min(index, len(masks) - 1)][None, None].float().clamp(0, 1)
            before = None if self.weight is None else self.weight(index)
            if before is None:
                return of_picture
            size = before.shape[-2], before.shape[-1]
            return before * resize_mask(of_picture[0], size).to(before)

        return replace(self, count=count, read=lambda index: self.at(index), weight=weight, kept=None)

    def at(self, index: int) -> Tensor:
        """One picture; of a batch of one always the same.

        Raises:
            ValueError: it is no picture; the message says which one of which batch.
        """
        index = min(index, self.count - 1)
        picture = self.read(index)
        try:
            check_images(picture)
        except ValueError as error:
            raise ValueError(f"{self.name}, picture {index + 1}: {error}") from error
        return picture

    def encoded(self, model: Coder, index: int, tiles: Tiles | None = None) -> Encoded:
        """One picture with its weight, ready to be encoded; of a batch of one always the same."""
        index = min(index, self.count - 1)
        weight = None if self.weight is None else self.weight(index)
        return Encoded(model, self.at(index), tiles, weight, self.kept)


class Encoded:
    """A picture, with its features as they are asked for, each taken once.

    Args:
        model: that encodes it.
        picture: ``[1, 3, H, W]``, RGB, 0..1.
        tiles: how many rows are worked on at once; all, until memory runs out, by default.
        weight: ``[1, 1, h, w]`` of any size, 0..1: how much each pixel counts; all of them by default.
        kept: features that were taken before of this picture with this weight; those that are missing are added.

    Attributes:
        original: the picture as it came.
        picture: the same, but where the weight is 0 with the colours that lie around: so what is hidden never matters.
        weight: ``[1, 1, H, W]``, or None where every pixel counts as a whole.
    """

    weight: Tensor | None = None

    def __init__(
        self,
        model: Coder,
        picture: Tensor,
        tiles: Tiles | None = None,
        weight: Tensor | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.original = self.picture = picture
        if weight is not None:
            size = picture.shape[-2], picture.shape[-1]
            weight = resize_mask(check_mask(weight[:, 0], 1).to(picture.device), size)
            if not (weight >= 1).all():
                self.weight = weight
                self.picture = fill_hidden(picture, weight)
        self._model = model
        self._tiles = Tiles() if tiles is None else tiles
        self._kept = kept
        self._reduced: dict[int, Tensor] = {}
        self._features: dict[int, Features] = {}
        self._histograms: dict[int, Histograms] = {}

    @property
    def side(self) -> int:
        """Pixels of the longer side."""
        return max(self.picture.shape[-2:])

    @property
    def is_seen(self) -> bool:
        """Whether anything of the picture counts."""
        return self.weight is None or bool((self.weight > 0).any())

    @property
    def colors(self) -> Tensor:
        """The picture, or the pixels of it that count, one beside the other: ``[1, 3, h, w]``."""
        if self.weight is None:
            return self.picture
        return self.picture[..., copied_positions(self.weight[0, 0])][:, :, None]

    def at(self, side: int) -> Tensor:
        """The picture with a longer side of so many pixels; a small one is made from one of twice the size."""
        if side >= self.side:
            return resize(self.picture, side)
        if side not in self._reduced:
            larger = self.side
            while -(-larger // 2) > side:
                larger = -(-larger // 2)
            self._reduced[side] = resize(self.at(larger), side)
        return self._reduced[side]

    def weight_at(self, side: int) -> Tensor | None:
        """The weight of :meth:`at`."""
        return None if self.weight is None else resize(self.weight, side)

    def pixels_to_encode(self, side: int) -> float:
        """About how many pixels :meth:`features` will encode: none once that is done."""
        height, width = self.picture.shape[-2:]
        return 0.0 if self._found(side) is not None else height * width * (side / self.side) ** 2

    def features(self, side: int, progress: Progress = ignore) -> Features:
        """The features of :meth:`at`; ``progress`` is told which share of them is done."""
        found = self._found(side)
        if found is None:
            picture = self.at(side)
            found = self._tiles.run(
                picture.shape[-2], lambda tile: self._model.encode(picture, tile, progress=progress)
            )
            found = self._features[side] = found.weighted(self.weight_at(side))
            if self._kept is not None:
                self._kept[self._model.id, side] = found
        return found

    def _found(self, side: int) -> Features | None:
        if self._kept is not None and side not in self._features:
            before = self._kept.get((self._model.id, side))
            if before is not None:
                self._features[side] = before.with_data(before.data.to(self._model.device))
        return self._features.get(side)

    def histograms(self, side: int) -> Histograms:
        """The histograms of :meth:`at`, taken once."""
        if side not in self._histograms:
            picture, weight = self.at(side).to(self._model.device), self.weight_at(side)
            self._histograms[side] = histograms(picture, None if weight is None else weight.to(picture.device))
        return self._histograms[side]
