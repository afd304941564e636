"""Zero-channel pruning of torchvision's MobileNetV2: ``python -m experiments.mobilenet``.

With ``--weights`` the file is torchvision's state dict; ``--nsfwjs`` is the folder ``dist/models/mobilenet_v2`` of the
npm package of that name. Without either, half of the channels of every ReLU6, chosen by chance, are made zero in a
network of random weights: that shows what pruning does, not how many zeros training leaves.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import MobileNetV2, mobilenet_v2

from artnet_core.images import pictures_in, read_picture
from artnet_core.network.encoder import normalize
from artnet_core.pruning.mobilenet import Masks, parts_of, prune_mobilenet

from .nsfwjs import load_mobilenet

ROOT = Path(__file__).parents[1]
SIDE, TIMED_RUNS = 224, 9


def plant_zeros(network: MobileNetV2, share: float = 0.5, seed: int = 0) -> None:
    """Makes gamma zero and beta negative for a share of the channels in front of every ReLU6, each apart."""
    generator = torch.Generator().manual_seed(seed)
    parts = parts_of(network)
    for norm in [norm for block in parts.blocks for norm in (block.expand[1], block.depthwise[1])] + [parts.last[1]]:
        chosen = torch.rand(norm.num_features, generator=generator) < share
        norm.weight[chosen], norm.bias[chosen] = 0, -0.1


def small(path: Path) -> Tensor:
    """A picture of the network's size, ``[1, 3, 224, 224]``, RGB, 0..1."""
    return nn.functional.interpolate(read_picture(path).rgb, (SIDE, SIDE), mode="bilinear", antialias=True)


def cut_channels(masks: Masks) -> tuple[int, int]:
    """How many channels behind ReLU6 are cut, and of how many."""
    behind = [mask for name, mask in masks.items() if name.startswith("features") and not name.endswith(".expand")]
    return sum(int((~mask).sum()) for mask in behind), sum(len(mask) for mask in behind)


@torch.inference_mode()
def report(network: MobileNetV2, pruned: MobileNetV2, pictures: Sequence[Tensor]) -> str:
    """Sizes, costs and times before and after, and by how much the outputs differ; Markdown."""
    counts, costs = [], []
    for model in (network, pruned):
        counts.append(sum(parameter.numel() for parameter in model.parameters()))
        with FlopCounterMode(display=False) as counter:
            model(pictures[0])
        costs.append(counter.get_total_flops() // 2)
    rounds: list[list[float]] = [[], []]
    for _ in range(TIMED_RUNS):
        for model, seconds in zip((network, pruned), rounds, strict=True):
            start = time.perf_counter()
            model(pictures[0])
            seconds.append(time.perf_counter() - start)
    times = [statistics.median(seconds) * 1000 for seconds in rounds]
    before = [network(picture) for picture in pictures]
    gap = max(float((pruned(x) - y).abs().max() / y.abs().max()) for x, y in zip(pictures, before, strict=True))
    lines = ["| | before | after | left |", "|---|---:|---:|---:|"]
    for name, (first, last), style in (("parameters", counts, ",.0f"), ("multiply-adds", costs, ",.0f")):
        lines.append(f"| {name} | {first:{style}} | {last:{style}} | {last / first:.1%} |")
    lines.append(f"| milliseconds | {times[0]:.1f} | {times[1]:.1f} | {times[1] / times[0]:.1%} |")
    lines.append(f"\nlargest difference of the classes on {len(pictures)} pictures: {gap:.1e} of the largest")
    return "\n".join(lines)


@torch.no_grad()
def main(arguments: Sequence[str] | None = None) -> int:
    """Prunes and prints the report."""
    parser = argparse.ArgumentParser(prog="python -m experiments.mobilenet", description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--weights", type=Path, metavar="FILE", help="torchvision's mobilenet_v2 state dict")
    source.add_argument("--nsfwjs", type=Path, metavar="FOLDER", help="dist/models/mobilenet_v2 of nsfwjs 4.4.0")
    parser.add_argument("--pictures", type=Path, default=ROOT / "examples" / "content", metavar="FOLDER")
    parser.add_argument("--calibrate", action="store_true", help="also cut what none of the pictures drives")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    pictures = [small(path) for path in pictures_in(options.pictures)]
    if options.nsfwjs is not None:
        network, source_name = load_mobilenet(options.nsfwjs), "nsfwjs"
    else:
        network, source_name = mobilenet_v2(weights=None).eval(), "planted zeros, random weights"
        pictures = [normalize(picture) for picture in pictures]
        if options.weights is None:
            plant_zeros(network)
        else:
            network.load_state_dict(torch.load(options.weights, map_location="cpu", weights_only=True))
            source_name = options.weights.name
    pruned, masks = prune_mobilenet(network, pictures if options.calibrate else ())
    cut, total = cut_channels(masks)
    judged_by = f"on {len(pictures)} pictures" if options.calibrate else "by its batch norms"
    print(f"{source_name}: {cut:,} of {total:,} channels behind ReLU6 are zero {judged_by}")
    print()
    print(report(network, pruned, pictures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
