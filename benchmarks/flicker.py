"""How much strokes flicker from frame to frame, with and without ``steady``: ``python -m benchmarks.flicker``.

Each photograph in ``examples`` is a video of a camera that stands still, that sees the light grow, or that pans; each
frame has noise of one level in 255 of its own. What a frame differs by from the one before, moved as the picture has
moved, is the mean over all values, which lie in 0..1.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.picture import pictures_in, read_picture

from .speed import OUR_MODELS, ROOT

STYLES = ("great_wave", "poppies")
FRAMES = 6
# What moves: pixels per frame that the camera pans, and how much brighter each frame is than the first.
MOTIONS = {"still": (0, 0.0), "light grows by 1%": (0, 0.01), "pans by 2 pixels": (2, 0.0)}
# At the borders a pan shows what was not there.
_BORDER = 24


def video(photo: Tensor, pan: int, brightening: float, seed: int = 0) -> Tensor:
    """Frames ``[FRAMES, 3, H, W - pan * (FRAMES - 1)]`` of a photograph ``[1, 3, H, W]``."""
    generator = torch.Generator().manual_seed(seed)
    width = photo.shape[-1] - pan * (FRAMES - 1)
    frames = torch.cat(
        [photo[..., index * pan : index * pan + width] * (1 + brightening * index) for index in range(FRAMES)]
    )
    return (frames + torch.randn(frames.shape, generator=generator) / 255).clamp(0, 1).mul(255).round().div(255)


def flicker(frames: Tensor, pan: int) -> float:
    """Mean difference of neighbouring frames, where the same is shown."""
    width = frames.shape[-1] - pan
    difference = frames[:-1, ..., pan:] - frames[1:, ..., :width]
    return difference[..., _BORDER:-_BORDER, _BORDER:-_BORDER].abs().mean().item()


@torch.inference_mode()
def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table of means over the photographs and two styles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=list(OUR_MODELS.values()), default="artnet")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--detail", type=float, nargs="+", default=[0.0, 0.1, 0.3])
    parser.add_argument("--size", type=int, default=384, help="longer side of the photographs")
    options = parser.parse_args(arguments)
    model = artnet.load(options.model, options.device)
    photos = [read_picture(path, options.size).rgb for path in pictures_in(ROOT / "examples" / "content")]
    styles = [read_picture(ROOT / "examples" / "style" / f"{name}.jpg", 512).rgb for name in STYLES]
    print("| camera | detail | photographs | each by itself | steady |\n|---|---:|---:|---:|---:|")
    for name, (pan, brightening) in MOTIONS.items():
        videos = [video(photo, pan, brightening) for photo in photos]
        own = statistics.mean(flicker(frames, pan) for frames in videos)
        for detail in options.detail:
            painted = [
                statistics.mean(
                    flicker(model.stylize(frames, style, detail=detail, steady=steady), pan)
                    for frames in videos
                    for style in styles
                )
                for steady in (False, True)
            ]
            print(f"| {name} | {detail:g} | {own:.4f} | {painted[0]:.4f} | {painted[1]:.4f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
