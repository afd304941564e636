"""Strokes that keep their places in a scene from one frame of a video to the next.

Every frame is matched by itself, so where patches of the style score nearly alike noise decides, and strokes flicker.
Here a patch keeps the match of the frame before where that still scores nearly as well as what was found. And positions
lie on a grid, so where the camera moves by a part of a position all of them see something else. Here the grid moves
with the camera, and the matches of the frame before with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from ..network.aggregation import reflect
from ..transfer.matching import pair_scores
from .motion import averaged_luma, camera_motion

STEADINESS = 0.97
"""Share of the score of what was found that the match of the frame before keeps its place with."""

_SAVED = {
    "camera": (1, torch.float64),
    "numbers": (1, torch.int64),
    "luma": (2, torch.float32),
    "matches": (2, torch.int64),
    "style": (1, torch.uint8),
}
_FARTHEST = 2**40  # pixels or positions; a film ends before


@torch.no_grad()
def keep_matches(
    matches: Tensor, before: Tensor, content: Tensor, style: Tensor, patch_size: int, share: float
) -> Tensor:
    """For every content patch the match of the frame before, if it scores at least ``share`` of the one of this frame.

    Args:
        matches: of this frame's patches: int64 ``[h - k + 1, w - k + 1]`` as
            :func:`artnet_core.transfer.matching.match_patches` returns it.
        before: of the frame before, likewise.
        content: ``[C, h, w]``, of this frame.
        style: ``[C, hs, ws]``.
        patch_size: k.
        share: 0..1.

    Returns:
        Matches of the same form.
    """
    rows, columns = (torch.arange(side, device=matches.device) for side in matches.shape)
    patches = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).flatten(1)  # [2, n]
    both = torch.stack([matches, before], -1).flatten(0, 1)  # [n, 2]
    places = torch.stack([both // style.shape[2], both % style.shape[2]])  # [2, n, 2]
    found, kept = pair_scores(content, style, patch_size)(patches, places).view(*matches.shape, 2).unbind(-1)
    return torch.where(kept >= found - (1 - share) * found.abs(), before, matches)


class TemporalState:
    """What a frame of a video takes over from the one before.

    Whoever paints a video makes one of these and hands it to each frame in turn.
    """

    def __init__(self) -> None:
        self._luma: Tensor | None = None  # of the frame that motion is measured from
        self._camera = (0.0, 0.0)  # where it looks, in pixels, from where it looked at first
        self._position = (0, 0)  # of the scene, that the grid begins with
        self._matches: Tensor | None = None
        self._position_of_matches = (0, 0)
        self._style: Tensor | None = None  # that the matches were found in, with patches of this size
        self._digest: Tensor | None = None  # of the style, where it is asked for or all that is known
        self._patch_size = 0

    @torch.no_grad()
    def follow(self, image: Tensor, stride: int) -> tuple[int, int]:
        """Finds out how the camera has moved since the frame before.

        Args:
            image: ``[1, 3, H, W]``, this frame.
            stride: pixels per position.

        Returns:
            Rows above and columns to the left of the frame, 0..stride - 1, that its grid has to begin with, see
            :func:`extend`, for positions to show the same parts of the scene as before.
        """
        luma, side = averaged_luma(image)
        seen = None if self._luma is None else self._luma.to(luma.device)
        motion = None if seen is None or seen.shape != luma.shape else camera_motion(seen, luma)
        if motion is not None:
            self._camera = self._camera[0] + motion[0] * side, self._camera[1] + motion[1] * side
        if motion != (0, 0):
            self._luma = luma
        row, column = (round(place) for place in self._camera)
        self._position = row // stride, column // stride
        return row % stride, column % stride

    def steady(self, matches: Tensor, content: Tensor, style: Tensor, patch_size: int, whole_style: Tensor) -> Tensor:
        """:func:`keep_matches` with those of the frame before, at the same places of the scene.

        Nothing is taken over from a frame in another style, by which ``whole_style``, with all its channels, differs.
        """
        before = self._at_the_same_places(matches.shape)
        is_the_style = self._is_the_style(whole_style)
        if before is not None and self._patch_size == patch_size and is_the_style:
            matches = keep_matches(matches, before.to(matches.device), content, style, patch_size, STEADINESS)
        self._matches, self._position_of_matches = matches, self._position
        self._digest = self._digest if is_the_style else None
        self._style, self._patch_size = whole_style, patch_size
        return matches

    def saved(self) -> dict[str, Tensor]:
        """All that a later run goes on from as if there had been no pause, see :meth:`restored`."""
        numbers = [*self._position, *self._position_of_matches, self._patch_size]
        found = {"camera": torch.tensor(self._camera, dtype=torch.float64), "numbers": torch.tensor(numbers)}
        if self._luma is not None:
            found["luma"] = self._luma
        if self._matches is not None and self._style is not None:
            if self._digest is None:
                self._digest = _digest(self._style)
            found |= {"matches": self._matches, "style": self._digest}
        return {name: values.cpu().contiguous() for name, values in found.items()}

    @classmethod
    def restored(cls, saved: Mapping[str, Tensor]) -> TemporalState:
        """What :meth:`saved` gave.

        Raises:
            ValueError: it gave no such thing.
        """
        state = cls()
        for name, (axes, dtype) in _SAVED.items():
            values = saved.get(name, torch.zeros([0] * axes, dtype=dtype))
            if values.ndim != axes or values.dtype != dtype or not (values.double().abs() < _FARTHEST).all():
                raise ValueError(f"{name} of a video's strokes is damaged.")
        try:
            row, column = saved["camera"].tolist()
            top, left, top_of_matches, left_of_matches, state._patch_size = saved["numbers"].tolist()
        except (KeyError, ValueError) as error:
            raise ValueError("A video's strokes are damaged.") from error
        state._camera = row, column
        state._position, state._position_of_matches = (top, left), (top_of_matches, left_of_matches)
        state._luma, state._matches, state._digest = (saved.get(name) for name in ("luma", "matches", "style"))
        return state

    def _is_the_style(self, style: Tensor) -> bool:
        """Whether it is that of the frame before: in most videos the same tensor."""
        if self._style is not None:
            return style is self._style or torch.equal(style, self._style)
        if self._digest is None or self._matches is None or not torch.equal(_digest(style), self._digest):
            return False
        # After a pause, and whoever wrote the file.
        (height, width), beyond = style.shape[-2:], self._patch_size
        rows, columns = self._matches // width, self._matches % width
        return bool(((rows >= 0) & (rows <= height - beyond) & (columns <= width - beyond)).all())

    def _at_the_same_places(self, size: torch.Size) -> Tensor | None:
        """The matches of the frame before, brought to where their positions are now; the nearest for new positions."""
        if self._matches is None:
            return None
        rows, columns = (
            (torch.arange(count, device=self._matches.device) + now - then).clamp(0, known - 1)
            for count, now, then, known in zip(
                size, self._position, self._position_of_matches, self._matches.shape, strict=True
            )
        )
        return self._matches[rows][:, columns]


def _digest(style: Tensor) -> Tensor:
    """By which a style is known after a pause."""
    values = style.detach().float().cpu().contiguous().numpy()
    return torch.tensor(list(hashlib.sha256(values.tobytes()).digest()), dtype=torch.uint8)


def extend(image: Tensor, above: int, left: int) -> Tensor:
    """Reflects ``[B, 3, H, W]`` upwards and to the left: ``[B, 3, above + H, left + W]``."""
    return reflect(image, (above, 0), (left, 0))
