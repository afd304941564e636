"""What the encoder hands to the transfer and the transfer to the decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from .transfer.adain import channel_statistics


@dataclass(frozen=True)
class ModelId:
    """Which model features belong to.

    Attributes:
        fingerprint: of the weights and of all else that decides features.
        name: for people: the name of the model file, where there is one. Two models of one name are still two.
    """

    fingerprint: str
    name: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelId) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def told_from(self, other: ModelId) -> str:
        """The name, and the fingerprint where the name alone would not tell the two models apart."""
        named = self.name or "a model without a name"
        return f"{named} ({self.fingerprint})" if self.name == other.name else named


@dataclass(frozen=True, eq=False, repr=False)
class Features:
    """The aggregated features of a batch of pictures.

    Two of them are equal where they are the same object: to compare values, compare ``data``.

    Attributes:
        data: ``[B, C, h, w]``, float; covers the picture and up to one position more at the right and at the bottom.
        layers: channels of each encoder block, in the order in which ``data`` concatenates them.
        stride: pixels of the picture per position of ``data``.
        size: height and width of the picture in pixels.
        model: which model the features belong to.
        weight: ``[B, 1, h, w]``, float32, 0..1: how much of each position is content, or style; what is transparent or
            masked away is none. None where all of it is. See :meth:`weighted`.

    Example:
        >>> artnet.load().encode(torch.rand(1, 3, 60, 100))
        Features(1 x 746 channels at 8 x 14 positions of stride 8, of pictures of 60 x 100 pixels, torch.float32, cpu, \
model artnet)
    """

    data: Tensor
    layers: Mapping[str, int]
    stride: int
    size: tuple[int, int]
    model: ModelId
    weight: Tensor | None = None

    def __repr__(self) -> str:
        batch, channels, height, width = self.data.shape
        picture_height, picture_width = self.size
        return (
            f"Features({batch} x {channels} channels at {height} x {width} positions of stride {self.stride}, "
            f"of pictures of {picture_height} x {picture_width} pixels, {self.data.dtype}, {self.data.device}, "
            f"model {self.model.name or self.model.fingerprint})"
        )

    @cached_property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of every channel, ``[B, C, 1, 1]`` each; taken once for all frames of a video.

        Of what counts, where there is a weight.
        """
        return channel_statistics(self.data, self.weight)

    @property
    def visible_part(self) -> Features:
        """The smallest rectangle of positions that holds all of any weight; all where there is no weight.

        Its size is that of whole positions.
        """
        return self if self.weight is None else self._visible_part

    @cached_property  # not for features that are their own part, which a reference to themselves would keep alive
    def _visible_part(self) -> Features:
        assert self.weight is not None
        return self.cut(*rectangle(self.weight))

    def cut(self, rows: tuple[int, int], columns: tuple[int, int]) -> Features:
        """The features of a rectangle of positions: first row and the row after the last, columns likewise."""
        weight = None if self.weight is None else self.weight[..., slice(*rows), slice(*columns)]
        data = self.data[..., slice(*rows), slice(*columns)]
        size = data.shape[-2] * self.stride, data.shape[-1] * self.stride
        return replace(self, data=data, size=size, weight=weight)

    def with_data(self, data: Tensor) -> Features:
        """The same description over other values, which may lie on another device."""
        return replace(self, data=data, weight=None if self.weight is None else self.weight.to(data.device))

    def weighted(self, weight: Tensor | None) -> Features:
        """The same features, of which only a part counts.

        Args:
            weight: ``[1 or B, 1, H, W]``, 0..1, in the size of the pictures: 1 where a pixel counts, 0 where it is no
                content and no style. Each position takes the mean over its pixels. None lets everything count.

        Raises:
            ValueError: the weight is not of the pictures' size.
        """
        if weight is None:
            return replace(self, weight=None)
        if tuple(weight.shape[-2:]) != self.size:
            raise ValueError(
                f"The mask has {weight.shape[-2]} x {weight.shape[-1]} pixels, the picture {self.size[0]} x "
                f"{self.size[1]}: resize the mask to the picture."
            )
        means = position_means(weight.to(self.data.device, torch.float32), self.data.shape[-2:], self.stride)
        return replace(self, weight=means.expand(len(self.data), -1, -1, -1))

    def pick(self, index: int) -> Features:
        """The features of one picture of the batch; of the only one where the batch has one."""
        if len(self.data) == 1:
            return self
        weight = self.weight
        if weight is not None and len(weight) > 1:  # one may stand for the whole batch
            weight = weight[index : index + 1]
        return replace(self, data=self.data[index : index + 1], weight=weight)


def position_means(maps: Tensor, positions: Sequence[int], stride: int) -> Tensor:
    """Means of ``[B, C, H, W]`` over the pixels of each position: ``[B, C, *positions]``.

    Positions reach up to the stride beyond the picture, where its last pixels go on.
    """
    below, right = (count * stride - side for count, side in zip(positions, maps.shape[-2:], strict=True))
    return F.avg_pool2d(F.pad(maps, (0, right, 0, below), mode="replicate"), stride)


def rectangle(weight: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns of the rectangle that holds what of ``[..., h, w]`` is above 0: first and after the last."""
    most = weight.reshape(-1, *weight.shape[-2:]).amax(0)
    return _bounds(most.amax(1)), _bounds(most.amax(0))


def _bounds(line: Tensor) -> tuple[int, int]:
    """The first place of ``[n]`` that is above 0 and the one after the last; the whole line where none is."""
    places = (line > 0).nonzero().flatten()
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, len(line))


def picture_count(batches: Mapping[str, int | None]) -> int:
    """How many pictures come of several batches, each of which holds one picture for all or one for each.

    Args:
        batches: their sizes by name; None for one that is not there.

    Raises:
        ValueError: a batch is neither one picture nor as many as the largest.

    Example:
        >>> from artnet_core.features import picture_count
        >>> picture_count({"content": 1, "style": 4, "color style": None})
        4
    """
    sizes = {name: size for name, size in batches.items() if size is not None}
    count = max(sizes.values())
    if any(size not in (1, count) for size in sizes.values()):
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        each = "1" if count == 1 else f"1 or {count}"
        raise ValueError(f"The batches do not fit together ({listed}): give {each} of each.")
    return count


def check_style(name: str, content: Features, style: Features) -> None:
    """Raises ValueError unless a style fits the content: the same model, and 1 or as many pictures."""
    if style.model != content.model:
        raise ValueError(
            f"The {name} was encoded with {style.model.told_from(content.model)}, the content with "
            f"{content.model.told_from(style.model)}: encode both with the same model."
        )
    styles, contents = len(style.data), len(content.data)
    if styles not in (1, contents):
        raise ValueError(
            f"The {name} is a batch of {styles} pictures, the content of {contents}: "
            f"give 1 style picture or {contents}."
        )
    if style.weight is not None and not (style.weight.amax((1, 2, 3)) > 0).all():
        raise nothing_seen(name)


def nothing_seen(name: str) -> ValueError:
    """The error for a style that is transparent or masked away everywhere."""
    return ValueError(
        f"Nothing of the {name} is seen: all of it is transparent or masked away. Choose a picture or a mask that "
        "shows something."
    )
