"""How much strokes flicker from frame to frame, with and without ``steady``: ``python -m benchmarks.flicker``.

Each photograph in ``examples`` is a video of a camera that stands still, that sees the light grow, that pans or zooms;
each frame has noise of one level in 255 of its own. What a frame differs by from the one before, moved as the scene has
moved, is the mean over all values, which lie in 0..1.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

import artnet_core as artnet
from artnet_core.images import pictures_in, read_picture
from artnet_core.pipeline import Encoded, Settings, paint_frame
from artnet_core.video.steadiness import TemporalState

from .speed import OUR_MODELS, ROOT

STYLES = ("great_wave", "poppies")
FRAMES = 6
# At the borders new parts of the scene come into view.
_BORDER = 24


class Motion(NamedTuple):
    """From each frame to the next: pixels that the camera moves down and to the right, and shares of the first frame
    by which it comes nearer and the light grows."""

    down: float = 0
    right: float = 0
    zoom: float = 0
    light: float = 0


MOTIONS = {
    "still": Motion(),
    "light grows by 1%": Motion(light=0.01),
    "pans by 2 pixels": Motion(right=2),
    "pans by 0.7 and 1.5 pixels": Motion(down=0.7, right=1.5),
    "zooms by 0.5%": Motion(zoom=0.005),
}


def seen_from(image: Tensor, scale: float, down: float, right: float) -> Tensor:
    """An image ``[1, 3, H, W]`` at places scaled around its middle and moved, interpolated by cubics."""
    places = []
    for side, shift in ((image.shape[-2], down), (image.shape[-1], right)):
        middle = (side - 1) / 2
        places.append((scale * (torch.arange(side) - middle) + shift) / middle)
    grid = torch.stack(torch.meshgrid(*places, indexing="ij")[::-1], -1)[None]
    return F.grid_sample(image, grid, mode="bicubic", padding_mode="reflection", align_corners=True).clamp(0, 1)


def video(photo: Tensor, motion: Motion, seed: int = 0) -> Tensor:
    """Frames ``[FRAMES, 3, h, w]`` of a photograph ``[1, 3, H, W]``, smaller by as much as the camera moves."""
    generator = torch.Generator().manual_seed(seed)
    height, width = (
        side - math.ceil(step * (FRAMES - 1))
        for side, step in zip(photo.shape[-2:], (motion.down, motion.right), strict=True)
    )
    frames = torch.cat(
        [
            seen_from(photo, 1 - motion.zoom * index, motion.down * index, motion.right * index)[..., :height, :width]
            * (1 + motion.light * index)
            for index in range(FRAMES)
        ]
    )
    return (frames + torch.randn(frames.shape, generator=generator) / 255).clamp(0, 1).mul(255).round().div(255)


def flicker(frames: Tensor, motion: Motion) -> float:
    """Mean difference of neighbouring frames, each seen from where the next one is."""
    differences = []
    for index in range(FRAMES - 1):
        scale = (1 - motion.zoom * (index + 1)) / (1 - motion.zoom * index)
        moved = seen_from(frames[index : index + 1], scale, motion.down, motion.right)
        difference = (moved - frames[index + 1 : index + 2])[..., _BORDER:-_BORDER, _BORDER:-_BORDER]
        differences.append(difference.abs().mean().item())
    return statistics.mean(differences)


def painted(model: artnet.ArtNet, frames: Tensor, style: Encoded, detail: float, steady: bool) -> Tensor:
    """A video in a style, on the CPU."""
    temporal: list[TemporalState] | None = [] if steady else None
    settings, pictures = Settings(detail=detail, stroke_size=0), [Encoded(model, frame) for frame in frames.split(1)]
    return torch.cat([paint_frame(model, picture, style, None, settings, temporal).cpu() for picture in pictures])


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
    styles = [Encoded(model, read_picture(ROOT / "examples" / "style" / f"{name}.jpg", 512).rgb) for name in STYLES]
    print("| camera | detail | photographs | each by itself | steady |\n|---|---:|---:|---:|---:|")
    for name, motion in MOTIONS.items():
        videos = [video(photo, motion) for photo in photos]
        own = statistics.mean(flicker(frames, motion) for frames in videos)
        for detail in options.detail:
            single, steady = (
                statistics.mean(
                    flicker(painted(model, frames, style, detail, keeps), motion)
                    for frames in videos
                    for style in styles
                )
                for keeps in (False, True)
            )
            print(f"| {name} | {detail:g} | {own:.4f} | {single:.4f} | {steady:.4f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
