"""What the encoder hands to the transfer and the transfer to the decoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TypeVar

from torch import Tensor

from .adain import channel_statistics

T = TypeVar("T")


@dataclass(frozen=True)
class Features:
    """The aggregated features of a batch of pictures.

    Attributes:
        data: ``[B, C, h, w]``, float; covers the picture and up to one cell more at the right and at the bottom.
        layers: channels of each encoder block, in the order in which ``data`` concatenates them.
        stride: pixels of the picture per cell of ``data``.
        size: height and width of the picture in pixels.
        model: fingerprint of the model the features belong to.
    """

    data: Tensor
    layers: Mapping[str, int]
    stride: int
    size: tuple[int, int]
    model: str

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


def one_for_all(count: int, make: Callable[[int], T]) -> Callable[[int], T]:
    """What is made of each frame's picture: of several each when it is its turn, of a single one once for all frames.

    Args:
        count: of the pictures.
        make: index to what is made of that picture.
    """
    if count > 1:
        return make
    only = cache(lambda: make(0))
    return lambda _index: only()


def picture_count(batches: Mapping[str, int | None]) -> int:
    """How many pictures come of batches that hold one for all or one for each, as of one content and several styles.

    Args:
        batches: their sizes by name; None for one that is not there.

    Raises:
        ValueError: a batch is neither one picture nor as many as the largest.
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
            f"The {name} features come from another model than the content features "
            f"({style.model} and {content.model}): encode both with the same model."
        )
    styles, contents = len(style.data), len(content.data)
    if styles not in (1, contents):
        raise ValueError(
            f"The {name} is a batch of {styles} pictures, the content of {contents}: "
            f"give 1 style picture or {contents}."
        )
