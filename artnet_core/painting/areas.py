"""Parts of a picture that are painted in styles of their own, and which share of each pixel they have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..features import nothing_seen
from ..resizing import resize
from ..transfer.mask import resize_mask
from .pictures import Encoded, Pictures
from .settings import Settings


@dataclass(frozen=True, eq=False)
class Region:
    """A part of all pictures that is painted in a style of its own.

    Attributes:
        mask: ``[h, w]`` or ``[1 or B, h, w]`` of any size, 0..1: where the region is. Where regions overlap each has
            its share.
        texture: the pictures whose strokes are copied.
        color: the pictures whose colours are taken; the texture's by default. The content itself keeps its colours.
        texture_mask: likewise, of the texture: which part of it is the style, as its sky for the sky; all by default.
        settings: what is set for this region; as for the whole by default. Its strength, detail, patch size, stroke
            size and style size count.
        name: what errors call it; its number by default.

    Example:
        >>> from artnet_core.pipeline import Settings
        >>> left = torch.zeros(64, 80)
        >>> left[:, :40] = 1
        >>> waves, streets = (artnet.Pictures.of(torch.rand(1, 3, 96, 96), name) for name in ("waves", "streets"))
        >>> regions = [artnet.Region(left, waves), artnet.Region(1 - left, streets, settings=Settings(detail=0.1))]
        >>> artnet.load().stylize(torch.rand(1, 3, 64, 80), regions=regions).shape
        torch.Size([1, 3, 64, 80])
    """

    mask: Tensor
    texture: Pictures
    color: Pictures | None = None
    texture_mask: Tensor | None = None
    settings: Settings | None = None
    name: str = ""

    @property
    def style(self) -> Pictures:
        """What of the texture's pictures is the style."""
        return self.texture if self.texture_mask is None else self.texture.weighted(self.texture_mask)


@dataclass(frozen=True, eq=False)
class Area:
    """A region of one picture, for :func:`paint_frame`: as :class:`Region`, with functions that give its styles.

    Attributes:
        mask: ``[1, h, w]`` of any size, 0..1.
        texture: gives the style whose strokes are copied; asked whenever it is needed.
        color: likewise, the style whose colours are taken, or the picture that is painted.
        settings: see :class:`Region`.
        name: what errors call it.
    """

    mask: Tensor
    texture: Callable[[], Encoded]
    color: Callable[[], Encoded] | None = None
    settings: Settings | None = None
    name: str = ""


def given(style: Encoded) -> Callable[[], Encoded]:
    """A function that gives this style, for :class:`Area` and :class:`Style`."""
    return lambda: style


@dataclass(frozen=True, eq=False)
class Style:
    """What is painted in one style.

    Attributes:
        texture: gives the style whose strokes are copied.
        color: likewise, whose colours are taken, if not the texture's.
        settings: for this style.
        share: takes a longer side, and gives the style's share of each pixel, ``[1, 1, H, W]``; None is all.
        number: among the states of a video.
        name: of the region, if it is one.
    """

    texture: Callable[[], Encoded]
    color: Callable[[], Encoded] | None
    settings: Settings
    share: Callable[[int], Tensor] | None
    number: int
    name: str = ""

    @property
    def in_full_strength(self) -> Style:
        return replace(self, settings=replace(self.settings, strength=1.0))

    def of_stroke_size(self, stroke_size: float) -> Style:
        return replace(self, settings=replace(self.settings, stroke_size=stroke_size))

    def seen(self, content: Encoded) -> tuple[Encoded, Encoded | None]:
        """Texture and colour style.

        Raises:
            ValueError: nothing of one of them is seen.
        """
        texture, color = self.texture(), None if self.color is None else self.color()
        for name, style in (("texture style", texture), ("color style", color)):
            if style is not None and style is not content and not style.is_seen:
                raise nothing_seen(f"{name} of {self.name}" if self.name else name)
        return texture, color


class Layout:
    """Which share of each pixel every area has; where areas overlap the shares add up to 1.

    Shares are made when they are asked for, since a hundred areas of a large picture would fill the memory.

    Args:
        masks: ``[1, h, w]`` each, of any size.
        filled: whether what no area covers is painted too.
        size: height and width of the picture.
        device: that is worked on.
    """

    def __init__(self, masks: Sequence[Tensor], filled: bool, size: tuple[int, int], device: torch.device) -> None:
        self._masks = masks
        self._size = size
        self._device = device
        self._total = torch.zeros(1, 1, *size, dtype=torch.float32, device=device)
        self._there = []
        for index in range(len(masks)):
            mask = self._mask(index)
            self._there.append(bool((mask > 0).any()))
            self._total += mask
        self._divisor = self._total.clamp(min=1) if filled else torch.where(self._total > 0, self._total, 1)

    def _mask(self, index: int) -> Tensor:
        return resize_mask(self._masks[index].to(self._device), self._size)

    def is_there(self, index: int) -> bool:
        """Whether an area covers anything."""
        return self._there[index]

    def share(self, index: int, side: int) -> Tensor:
        """An area's share of the picture with this longer side, ``[1, 1, H, W]``."""
        return resize(self._mask(index) / self._divisor, side)

    def rest(self, side: int) -> Tensor:
        """Likewise, what no area covers."""
        return resize((1 - self._total).clamp(min=0), side)

    @property
    def covered(self) -> Tensor:
        """How much of each pixel some area covers, ``[1, H, W]``."""
        return self._total[0].clamp(max=1)


def for_area(settings: Settings, own: Settings | None) -> Settings:
    """What is set for an area: of its own settings those that do not concern the painting as a whole."""
    if own is None:
        return settings
    return replace(own, steady=settings.steady, finish=settings.finish)


def stroke_sizes(styles: Sequence[Style], side: int) -> Tensor | None:
    """The stroke size of each pixel of a picture with this longer side, ``[1, 1, H, W]``; None where all have one."""
    if len({style.settings.stroke_size for style in styles}) == 1:
        return None
    sizes = [style.share(side) * style.settings.stroke_size for style in styles if style.share is not None]
    return torch.stack(sizes).sum(0).clamp(0, 1)
