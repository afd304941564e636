"""The benchmark of flicker."""

from __future__ import annotations

import pytest
import torch

from benchmarks.flicker import FRAMES, MOTIONS, flicker, main, video


@pytest.mark.parametrize("pan", [0, 2, 5])
def test_a_pan_without_noise_does_not_flicker(pan: int) -> None:
    photo = torch.rand(1, 3, 64, 90)
    width = 90 - pan * (FRAMES - 1)
    frames = torch.cat([photo[..., index * pan : index * pan + width] for index in range(FRAMES)])
    assert flicker(frames, pan) == 0
    if pan:
        assert flicker(frames, 0) > 0.1
    assert flicker(video(photo, pan, 0.0), pan) == pytest.approx(2 / 255 / torch.pi**0.5, rel=0.1)


def test_steady_flickers_less_at_every_motion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "artnet_fast", "--size", "128", "--detail", "0"]) == 0
    rows = [row.strip("| ").split(" | ") for row in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == list(MOTIONS)
    assert all(float(steady) < float(single) for *_, single, steady in rows)
