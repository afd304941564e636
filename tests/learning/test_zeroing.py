"""Which channels die, and when."""

from __future__ import annotations

import pytest
import torch

from artnet_core.network.encoder import FULL_WIDTHS, Encoder
from artnet_core.pruning.zero_channels import parameters
from training.zeroing import (
    END,
    START,
    allowed_parameters,
    channel_costs,
    default_floors,
    kill_channels,
    trunk_parameters,
)

TARGET = 980_000


def _all_alive() -> dict[str, torch.Tensor]:
    return {name: torch.ones(width, dtype=torch.bool) for name, width in FULL_WIDTHS.items()}


def _scores(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(width, generator=generator) for name, width in FULL_WIDTHS.items()}


def test_parameters_are_those_of_the_encoder() -> None:
    assert trunk_parameters(FULL_WIDTHS) == parameters(Encoder())
    widths = {name: max(1, width // 3) for name, width in FULL_WIDTHS.items()}
    assert trunk_parameters(widths) == parameters(Encoder(widths))
    assert min(channel_costs().values()) > 0


def test_channels_die_between_two_shares_of_the_run() -> None:
    whole = trunk_parameters(FULL_WIDTHS)
    assert allowed_parameters(0.0, whole, TARGET) == allowed_parameters(START, whole, TARGET) == whole
    assert allowed_parameters((START + END) / 2, whole, TARGET) == pytest.approx((whole + TARGET) / 2)
    assert allowed_parameters(END, whole, TARGET) == allowed_parameters(1.0, whole, TARGET) == TARGET


def test_the_target_is_met_and_no_layer_starves() -> None:
    scores = _scores()
    scores["inception4e.branch1"] *= 1e-6
    left = kill_channels(_all_alive(), scores, default_floors(), TARGET)
    widths = {name: int(mask.sum()) for name, mask in left.items()}
    assert 0.98 * TARGET < trunk_parameters(widths) <= TARGET
    assert all(widths[name] >= floor for name, floor in default_floors().items())
    assert widths["inception4e.branch1"] == default_floors()["inception4e.branch1"]


def test_the_least_important_go_and_the_dead_stay_dead() -> None:
    first = kill_channels(_all_alive(), _scores(), default_floors(), 2_500_000)
    second = kill_channels(first, _scores(1), default_floors(), 2_000_000)
    for name, mask in second.items():
        assert not (mask & ~first[name]).any()
        if not first[name].all():
            assert _scores()[name][~first[name]].max() <= _scores()[name][first[name]].min()


def test_floors_win_over_the_target() -> None:
    left = kill_channels(_all_alive(), _scores(), default_floors(), 0)
    assert {name: int(mask.sum()) for name, mask in left.items()} == default_floors()
