"""Several styles in one painting: each is matched and aligned inside its own region, and all are blended as features.

A region is a share of every position. Its share is the weight by which means and deviations are taken, so that a sky
becomes as blue as its own style, whatever the house below it is. What is painted in each region is then mixed by the
shares, and decoded once: soft borders cross-fade strokes, not pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..features import Features, rectangle
from ..progress import Progress, ignore
from .sandwich import DEFAULT_DETAIL, pooling_for, sandwich_swap
from .swap import Settle


@dataclass(frozen=True, eq=False)
class Part:
    """One style and where it paints.

    Attributes:
        texture: features of one picture whose strokes are copied.
        color: features of one picture whose channel statistics are taken; the texture's by default.
        share: ``[1, 1, h, w]``, float32, 0..1, of each position; those of all parts add up to 1 at the most. None
            paints everywhere.
        detail: see :func:`~artnet_core.transfer.sandwich.sandwich_swap`.
        patch_size: side of the swapped patches in positions, odd.
        settle: what may still change which patches are copied; the whole picture is matched then, so that places stay
            the same from frame to frame.
        progress: is told which share of this part is done.
        pooling: see :func:`~artnet_core.transfer.sandwich.matching_at`; by default as suits the size of the whole.
        colors_follow: see :func:`~artnet_core.transfer.sandwich.sandwich_swap`.
    """

    texture: Features
    color: Features | None = None
    share: Tensor | None = None
    detail: float | Tensor = DEFAULT_DETAIL
    patch_size: int = 3
    settle: Settle | None = None
    progress: Progress = ignore
    pooling: int | None = None
    colors_follow: bool = True


def transfer_regions(content: Features, parts: Iterable[Part]) -> Features:
    """Transfers each part's style where the part has a share, and mixes what comes of it.

    Parts are taken one after the other, and of each only the rectangle that it covers is matched.

    Args:
        content: features of one picture.
        parts: may be made as they are asked for.

    Returns:
        Features of the content's size. Where no part paints they stay. In a part that no other overlaps mean and
        standard deviation of every channel, weighted by its share, are those of its own colour style.

    Raises:
        ValueError: as :func:`~artnet_core.transfer.sandwich.sandwich_swap`; or the content is a batch.

    Example:
        >>> from artnet_core.transfer.regions import Part, transfer_regions
        >>> model = artnet.load()
        >>> sky = torch.zeros(1, 1, 12, 16)
        >>> sky[..., :6, :] = 1
        >>> waves, streets = (model.encode(torch.rand(1, 3, 64, 64)) for _ in range(2))
        >>> parts = [Part(waves, share=sky), Part(streets, share=1 - sky)]
        >>> transfer_regions(model.encode(torch.rand(1, 3, 96, 128)), parts).size
        (96, 128)
    """
    if len(content.data) != 1:
        raise ValueError(f"Regions are painted one picture at a time, got a batch of {len(content.data)}: pick one.")
    left = content.data
    total = torch.zeros_like(left)
    taken = torch.zeros_like(left[:, :1], dtype=torch.float32)
    for part in parts:
        rows, columns = (0, left.shape[2]), (0, left.shape[3])
        source, share = content, part.share
        if share is not None:
            if not (share > 0).any():
                continue
            source = replace(content, weight=share if content.weight is None else share * content.weight)
            if part.settle is None:
                # As far as patches reach that cover a position of the part.
                reach = part.patch_size - 1
                rows, columns = (
                    (max(first - reach, 0), min(end + reach, side))
                    for (first, end), side in zip(rectangle(share), share.shape[2:], strict=True)
                )
                source = source.cut(rows, columns)
        place = (..., slice(*rows), slice(*columns))
        detail = part.detail[place] if isinstance(part.detail, Tensor) else part.detail
        # A part is matched as the whole would be, or a small one would take longer than a large one.
        pooling = part.pooling or pooling_for(content, part.texture)
        swapped = sandwich_swap(
            source,
            part.texture,
            part.color,
            1.0,
            detail,
            part.patch_size,
            part.settle,
            part.progress,
            pooling,
            part.colors_follow,
        ).data
        amount: float | Tensor = 1.0
        if share is not None:
            amount = share[place]
            # Rounded before it is added, or the order of parts would matter. What the transfer gave is nobody else's.
            swapped.mul_(amount.to(swapped))
        total[place].add_(swapped)
        taken[place] += amount
    if (taken < 1).any():
        total.addcmul_(left, (1 - taken).to(left))
    return content.with_data(total)
