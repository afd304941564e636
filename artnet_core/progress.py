"""How far some work is: told by its parts, up to whoever waits for the whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

Progress = Callable[[float], None]
"""Is told which share of some work is done, 0..1; what it raises ends the work."""


def ignore(_share: float) -> None:
    """Nobody waits."""


def in_turn(progress: Progress, *sizes: float) -> list[Progress]:
    """Progress of parts that are done one after the other, each told as progress of the whole.

    Args:
        progress: of the whole.
        sizes: how long each part takes, in any unit; a part that is done already has 0.

    Example:
        >>> from artnet_core.progress import in_turn
        >>> first, second = in_turn(print, 1, 3)
        >>> first(1.0)
        0.25
        >>> second(0.5)
        0.625
    """
    total = sum(sizes) or 1.0
    return [partial(_tell, progress, sum(sizes[:index]) / total, size / total) for index, size in enumerate(sizes)]


def _tell(progress: Progress, before: float, size: float, share: float) -> None:
    progress(before + size * share)
