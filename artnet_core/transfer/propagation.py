"""Patches that continue their neighbours': what lies side by side in the style is copied side by side.

Ashikhmin 2001 ("Synthesizing Natural Textures") takes for a position what continues the match of a neighbour, and
Barnes et al. 2009 ("PatchMatch") pass matches on over the whole map. Here a match is passed on where it scores nearly
as well as the one that is there, and more neighbours agree on it. So pieces of the style grow, with their strokes,
where alone every position of a calm area would take one and the same patch. Where nothing at all varies, they are two
positions wide.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..progress import Progress, ignore
from .matching import pair_scores

TURNS = 2
"""How often each patch asks its neighbours; few change after that."""


def neighbors(device: torch.device | None = None) -> Tensor:
    """Steps to the patches on the left, on the right, above and below: int64 ``[2, 1, 4]``, rows and columns."""
    # Reckoned: a GPU would be waited for until a list of numbers has come to it.
    of_four = torch.arange(4, device=device)
    sign, vertical = of_four % 2 * 2 - 1, of_four // 2
    return torch.stack([sign * vertical, sign * (1 - vertical)])[:, None]


def checkerboard(rows: int, columns: int, color: int, device: torch.device | None = None) -> Tensor:
    """Rows and columns of all positions of one of the two colours: int64 ``[2, n]``."""
    # Reckoned, since a GPU that looked for them would have to be waited for. Of every two positions in a line one has
    # the colour. Where rows have odd lengths the colours of the line alternate.
    positions = rows * columns
    pairs = torch.arange((positions + 1 - color) // 2 if columns % 2 else positions // 2, device=device)
    second = (2 * pairs // columns + color) % 2 if columns % 2 == 0 else color
    position = 2 * pairs + second
    return torch.stack([position // columns, position % columns])


@torch.no_grad()
def propagate_matches(
    matches: Tensor,
    content: Tensor,
    style: Tensor,
    patch_size: int,
    share: float,
    visible: Tensor | None = None,
    progress: Progress = ignore,
) -> Tensor:
    """Lets each patch take what continues the match of the patch to its left, right, above or below.

    The patches of a checkerboard's two colours take turns, so that none changes together with one that it asks.

    Args:
        matches: what :func:`artnet_core.transfer.matching.match_patches` found for the same maps: int64
            ``[h - k + 1, w - k + 1]``, the style's position ``row * ws + column`` at the upper left of each patch.
        content: ``[C, h, w]``.
        style: ``[C, hs, ws]``.
        patch_size: k.
        share: 0..1, of the score that a patch begins with, which it keeps at least. Each neighbour's consent is worth
            as much as a patch may lose.
        visible: bool ``[hs, ws]``, the style's positions that may be copied; all by default.
        progress: is told which share is done.

    Returns:
        Matches of the same form.
    """
    k, device = patch_size, matches.device
    style_width = style.shape[2]
    (rows, columns), (style_rows, style_columns) = matches.shape, (side - k + 1 for side in style.shape[1:])
    steps = neighbors(device)
    scores = pair_scores(content, style, k, visible)

    found = torch.stack([matches // style_width, matches % style_width])  # [2, rows, columns]
    boards, current = [], []
    for color in (0, 1):
        patches = checkerboard(rows, columns, color, device)  # [2, n]
        asked_row, asked_column = patches[..., None] + steps  # [n, 4] each
        there = (asked_row >= 0) & (asked_row < rows) & (asked_column >= 0) & (asked_column < columns)
        begun = scores(patches, found[:, patches[0], patches[1], None])
        boards.append((patches, asked_row.clamp(0, rows - 1), asked_column.clamp(0, columns - 1), there, begun))
        current.append(torch.ones_like(begun[:, 0]))  # of what is found, in units of what was at first

    for turn in range(TURNS):
        for color, (patches, asked_row, asked_column, there, begun) in enumerate(boards):
            row, column = found[:, asked_row, asked_column] - steps
            fits = there & (row >= 0) & (row < style_rows) & (column >= 0) & (column < style_columns)
            continued = torch.stack([row.clamp(0, style_rows - 1), column.clamp(0, style_columns - 1)])  # [2, n, 4]
            # In units of the first score, which may be negative. To score better than that counts for nothing: patches
            # that were chosen to keep together are to move together.
            new = 1 + (scores(patches, continued) - begun) / begun.abs()
            new = new.clamp(max=1)

            same = (continued[:, :, :, None] == continued[:, :, None]).all(0) & fits[:, None]
            value = torch.where(fits & (new >= share), new + (1 - share) * same.sum(2), -torch.inf)
            own = found[:, patches[0], patches[1], None]
            own_value = current[color] + (1 - share) * ((continued == own).all(0) & fits).sum(1)
            best, choice = value.max(1)
            better = best > own_value
            current[color] = torch.where(better, new.gather(1, choice[:, None])[:, 0], current[color])
            taken = continued.gather(2, choice.expand(2, -1)[..., None])[..., 0]
            found[:, patches[0], patches[1]] = torch.where(better, taken, own[..., 0])
            progress((2 * turn + color + 1) / (2 * TURNS))
    return found[0] * style_width + found[1]
