"""How far half precision is from float32: ``python -m benchmarks.precision``.

Every photograph in ``examples`` with every painting there, at several values of ``detail``, by both models. Where two
patches fit nearly alike rounding decides between them, so differences grow with what is copied.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

import torch

import artnet_core as artnet
from artnet_core.images import pictures_in, read_picture
from artnet_core.pipeline import Encoded, Settings, paint_frame

from .speed import DTYPES, OUR_MODELS, ROOT


@torch.inference_mode()
def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the largest and the mean difference of a picture, which is the mean over its values of 0..1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", help="where half precision works; float32 works on the CPU")
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16")
    parser.add_argument("--detail", type=float, nargs="+", default=[0.0, 0.1, 0.2, 0.3, 1.0])
    parser.add_argument("--size", type=int, default=512, help="longer side of all pictures at the most")
    options = parser.parse_args(arguments)
    photos, paintings = (
        [read_picture(path, options.size).rgb for path in pictures_in(ROOT / "examples" / kind)]
        for kind in ("content", "style")
    )
    print("| model | detail | largest | mean |\n|---|---:|---:|---:|")
    for name, file in OUR_MODELS.items():
        exact, half = artnet.load(file), artnet.load(file, options.device, DTYPES[options.dtype])
        styles = [(Encoded(exact, painting), Encoded(half, painting)) for painting in paintings]
        for detail in options.detail:
            differences, settings = [], Settings(detail=detail, stroke_size=0)
            for photo in photos:
                for of_exact, of_half in styles:
                    difference = paint_frame(half, Encoded(half, photo), of_half, settings=settings).cpu()
                    difference -= paint_frame(exact, Encoded(exact, photo), of_exact, settings=settings)
                    differences.append(difference.abs().mean().item())
            largest, mean = max(differences), statistics.mean(differences)
            print(f"| {name} | {detail:g} | {largest:.4f} | {mean:.4f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
