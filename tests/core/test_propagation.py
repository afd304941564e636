"""Passing matches on, against a position by position walk over all scores."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from artnet_core import ArtNet
from artnet_core.transfer.matching import match_patches
from artnet_core.transfer.propagation import TURNS, checkerboard, propagate_matches
from artnet_core.transfer.sandwich import CONTINUITY

from .conftest import all_scores, compared_maps, maps

CLOSE = 1e-5
"""Scores nearer to one another than this may come in another order where they are added up in another."""


def walk(matches: Tensor, scores: Tensor, style_width: int, share: float) -> Tensor:
    """What ``propagate_matches`` does, one patch after the other, from best matches."""
    rows, columns, style_rows, style_columns = scores.shape
    values = scores.tolist()
    places = [(r, c) for r in range(rows) for c in range(columns)]
    found = {at: divmod(int(matches[at]), style_width) for at in places}
    begun = {(r, c): values[r][c][row][column] for (r, c), (row, column) in found.items()}

    def value(at: tuple[int, int], place: tuple[int, int]) -> float:
        return min(1, 1 + (values[at[0]][at[1]][place[0]][place[1]] - begun[at]) / abs(begun[at]))

    for _ in range(TURNS):
        for color in (0, 1):
            for r, c in places:
                if (r + c) % 2 != color:
                    continue
                offered = []
                for i, j in ((0, -1), (0, 1), (-1, 0), (1, 0)):
                    if (r + i, c + j) in found:
                        row, column = found[r + i, c + j]
                        if 0 <= row - i < style_rows and 0 <= column - j < style_columns:
                            offered.append((row - i, column - j))
                worths = {found[r, c]: value((r, c), found[r, c])}
                worths |= {place: value((r, c), place) for place in offered if value((r, c), place) >= share}
                worths = {place: worth + (1 - share) * offered.count(place) for place, worth in worths.items()}
                assume(all(abs(value((r, c), place) - share) > CLOSE for place in offered))
                assume(all(abs(one - two) > CLOSE for one, two in itertools.combinations(worths.values(), 2)))
                found[r, c] = max(worths, key=lambda place: worths[place])
    return torch.tensor([row * style_width + column for row, column in found.values()]).view(rows, columns)


sides = st.integers(3, 9)


@given(sides, sides, sides, sides, st.sampled_from([1, 3]), st.sampled_from([0.0, 0.5, 0.9]), st.integers(0, 2**31))
def test_equals_a_walk_over_all_scores(h: int, w: int, hs: int, ws: int, k: int, share: float, seed: int) -> None:
    content, style = maps(seed, 4, (h, w), (hs, ws))
    matches = match_patches(content, style, k)
    found = propagate_matches(matches, content, style, k, share)
    assert torch.equal(found, walk(matches, all_scores(content.double(), style.double(), k), ws, share))


def test_a_share_of_one_changes_nothing() -> None:
    content, style = maps(7, 6, (12, 15), (14, 11))
    matches = torch.randint(12 * 9, (10, 13), generator=torch.Generator().manual_seed(0))
    matches = matches // 9 * 11 + matches % 9
    assert torch.equal(propagate_matches(matches, content, style, 3, 1.0), matches)


def test_blocks_of_patches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    content, style = maps(3, 5, (17, 11), (13, 9))
    matches = match_patches(content, style)
    whole = propagate_matches(matches, content, style, 3, 0.5)
    monkeypatch.setattr("artnet_core.network.ops._CACHED_ELEMENTS", 1)
    assert torch.equal(propagate_matches(matches, content, style, 3, 0.5), whole)
    assert not torch.equal(whole, matches)


def test_pieces_of_the_style_grow_on_real_features(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    """Twice as many patches continue the one to their left, and none scores less than its share."""
    content, style = compared_maps(model, photo, painting)
    matches, width = match_patches(content, style), style.shape[2]
    found = propagate_matches(matches, content, style, 3, CONTINUITY)

    def continuing(matches: Tensor) -> float:
        return (matches[:, 1:] == matches[:, :-1] + 1).float().mean().item()

    def scores(matches: Tensor) -> Tensor:
        places = matches // width * (width - 2) + matches % width
        return all_scores(content, style, 3).flatten(2).gather(2, places[..., None])[..., 0]

    assert continuing(found) > 2 * continuing(matches)
    assert (scores(found) >= (CONTINUITY - 1e-4) * scores(matches)).all()


@pytest.mark.parametrize("seed", range(6))
def test_a_calm_area_takes_more_than_one_patch_of_a_calm_style(seed: int) -> None:
    """Alone, each of its positions takes the same."""
    content = torch.ones(8, 20, 20)
    style = 1 + 0.05 * torch.rand(8, 20, 20, generator=torch.Generator().manual_seed(seed))
    matches = match_patches(content, style)
    assert (matches == matches[0, 0]).all()
    found = propagate_matches(matches, content, style, 3, CONTINUITY)
    across, down = found[:, 1:] == found[:, :-1] + 1, found[1:] == found[:-1] + 20
    assert across.float().mean() + down.float().mean() > 0.4


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (2, 1), (3, 5), (4, 5), (3, 6), (62, 62)])
def test_checkerboard(rows: int, columns: int) -> None:
    colors = (torch.arange(rows)[:, None] + torch.arange(columns)) % 2
    for color in (0, 1):
        assert torch.equal(checkerboard(rows, columns, color), (colors == color).nonzero().T)
