"""The benchmark of flicker."""

from __future__ import annotations

import pytest
import torch

from artnet_core.images import read_picture
from benchmarks.flicker import MOTIONS, Motion, flicker, main, video

from .conftest import EXAMPLES


@pytest.mark.parametrize("motion", [Motion(), Motion(right=2), Motion(down=3, right=5)])
def test_whole_pixels_flicker_by_their_noise_alone(motion: Motion) -> None:
    photo = torch.rand(1, 3, 80, 90)
    assert flicker(video(photo, motion), motion) == pytest.approx(2 / 255 / torch.pi**0.5, rel=0.1)
    if motion.right:
        assert flicker(video(photo, motion), Motion()) > 0.1


@pytest.mark.parametrize("motion", [Motion(down=0.7, right=1.5), Motion(zoom=0.005)])
def test_other_motions_are_followed(motion: Motion) -> None:
    """Up to what interpolating takes from the noise and the finest detail."""
    photo = read_picture(EXAMPLES / "content" / "astronaut.jpg", 384).rgb
    frames = video(photo, motion)
    assert flicker(frames, motion) < 0.008
    assert flicker(frames, Motion()) > 0.02


def test_steady_flickers_less_at_every_motion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "artnet_fast", "--size", "128", "--detail", "0"]) == 0
    rows = [row.strip("| ").split(" | ") for row in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == list(MOTIONS)
    assert all(float(steady) < float(single) for *_, single, steady in rows)
