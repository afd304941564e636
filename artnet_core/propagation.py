"""Patches that continue their neighbours': what lies side by side in the style is copied side by side.

Ashikhmin 2001 ("Synthesizing Natural Textures") takes for a cell what continues the match of a neighbour, and Barnes
et al. 2009 ("PatchMatch") pass matches on over the whole map. Here a match is passed on where it scores nearly as well
as the one that is there, and rather the more neighbours agree on it. So pieces of the style grow, with their strokes,
where alone every cell of a calm area would take one and the same patch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .matching import comparable_cells
from .pieces import piece_elements

TURNS = 2
"""How often each patch asks its neighbours; few change after that."""

# What a neighbour's consent is worth, as a share of the score that a patch begins with.
_CONSENT = 0.05
_NEIGHBORS = ((0, -1), (0, 1), (-1, 0), (1, 0))


@torch.no_grad()
def propagate_matches(matches: Tensor, content: Tensor, style: Tensor, patch_size: int, share: float) -> Tensor:
    """Lets each patch take what continues the match of the patch to its left, right, above or below.

    The patches of a checkerboard's two colours take turns, so that none changes together with one that it asks.

    Args:
        matches: what :func:`~artnet_core.matching.match_patches` found for the same maps: int64
            ``[h - k + 1, w - k + 1]``, the style's cell ``row * ws + column`` at the upper left of each patch.
        content: ``[C, h, w]``.
        style: ``[C, hs, ws]``, multiplied as in ``match_patches``.
        patch_size: k.
        share: 0..1, of the score that a patch begins with, below which nothing is taken.

    Returns:
        Matches of the same form.
    """
    k, device = patch_size, matches.device
    (width, style_width), (rows, columns) = (content.shape[2], style.shape[2]), matches.shape
    content_cells, style_cells, weight = comparable_cells(content, style, k)  # [h * w, C], [C, hs * ws], of patches
    style_cells = style_cells.T.contiguous()
    limits = torch.tensor(weight.shape, device=device)[:, None, None]
    steps = torch.tensor(_NEIGHBORS, device=device).T[:, None]  # [2, 1, 4]
    within = torch.arange(k, device=device)
    cells_of_patch, cells_of_style_patch = (
        (within[:, None] * side + within).flatten() for side in (width, style_width)
    )

    def scores(patches: Tensor, places: Tensor) -> Tensor:
        """Of n content patches with m of the style each, ``[2, n]`` and ``[2, n, m]``: float32 ``[n, m]``."""
        cells = content_cells[(patches[0] * width + patches[1])[:, None] + cells_of_patch]
        style_patches = style_cells[(places[0] * style_width + places[1])[..., None] + cells_of_style_patch]
        products = torch.bmm(style_patches.flatten(2), cells.flatten(1)[..., None])
        return products[..., 0].float() * weight[places[0], places[1]]

    found = torch.stack([matches // style_width, matches % style_width])  # [2, rows, columns]
    block = max(1, piece_elements(device) // ((len(_NEIGHBORS) + 1) * k * k * content.shape[0]))
    places = torch.stack(torch.meshgrid(*(torch.arange(n, device=device) for n in (rows, columns)), indexing="ij"))
    blocks = [  # of the one colour, then of the other
        patches for color in (0, 1) for patches in torch.split((places.sum(0) % 2 == color).nonzero().T, block, dim=1)
    ]
    begun = torch.empty(rows, columns, device=device)
    for patches in blocks:
        begun[tuple(patches)] = scores(patches, found[:, patches[0], patches[1], None])[:, 0]
    score = torch.ones_like(begun)  # of what is found, in units of what was at first

    for _ in range(TURNS):
        for patches in blocks:
            at = tuple(patches)
            asked = patches[..., None] + steps  # [2, n, 4]
            there = ((asked >= 0) & (asked < torch.tensor([rows, columns], device=device)[:, None, None])).all(0)
            asked = asked.clamp(min=0)
            continued = found[:, asked[0].clamp(max=rows - 1), asked[1].clamp(max=columns - 1)] - steps
            there &= ((continued >= 0) & (continued < limits)).all(0)
            continued = torch.minimum(continued.clamp(min=0), limits - 1)
            # In units of the first score, which may be negative.
            new = 1 + (scores(patches, continued) - begun[at][:, None]) / begun[at][:, None].abs()

            same = (continued[:, :, :, None] == continued[:, :, None]).all(0) & there[:, None]
            value = torch.where(there & (new >= share), new + _CONSENT * same.sum(2), -torch.inf)
            own = found[:, at[0], at[1], None]
            own_value = score[at] + _CONSENT * ((continued == own).all(0) & there).sum(1)
            best, choice = value.max(1)
            better = best > own_value
            score[at] = torch.where(better, new.gather(1, choice[:, None])[:, 0], score[at])
            taken = continued.gather(2, choice.expand(2, -1)[..., None])[..., 0]
            found[:, at[0], at[1]] = torch.where(better, taken, own[..., 0])
    return found[0] * style_width + found[1]
