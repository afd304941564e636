"""What the encoder hands to the transfer and the transfer to the decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

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
        """Mean and standard deviation of every channel, ``[B, C, 1, 1]`` each; taken once for all frames of a video."""
        return channel_statistics(self.data)

    def with_data(self, data: Tensor) -> Features:
        """The same description over other values."""
        return replace(self, data=data)

    def pick(self, index: int) -> Features:
        """The features of one picture of the batch; of the only one where the batch has one."""
        if len(self.data) == 1:
            return self
        return self.with_data(self.data[index : index + 1])


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
