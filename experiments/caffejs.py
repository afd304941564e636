"""SqueezeNet 1.1 (Iandola et al. 2016) with the weights that its authors published for Caffe.

They lie as raw float32 in ``models/squeezenet`` of the branch gh-pages of github.com/chaosmail/caffejs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import squeezenet1_1
from torchvision.models.squeezenet import Fire

from training.teacher import BGR_MEAN

_PARTS = ("squeeze", "expand1x1", "expand3x3")


def prepare(images: Tensor) -> Tensor:
    """Pictures ``[B, 3, H, W]``, RGB, 0..1, to what Caffe's networks read."""
    return images.flip(1) * 255 - images.new_tensor(BGR_MEAN).view(1, 3, 1, 1)


def load_squeezenet(folder: Path) -> nn.Module:
    """torchvision's SqueezeNet 1.1 with these weights.

    Args:
        folder: ``models/squeezenet``.

    Raises:
        FileNotFoundError: it holds no such weights.
        ValueError: a file has another size than its layer.
    """
    weights = folder / "weights"
    if not weights.is_dir():
        raise FileNotFoundError(f"{folder} holds no weights: give models/squeezenet of caffejs' branch gh-pages.")
    network = squeezenet1_1(weights=None)
    layers = {"conv1": network.features[0], "conv10": network.classifier[1]}
    fires = [module for module in network.features if isinstance(module, Fire)]
    for number, fire in enumerate(fires, 2):
        names = ("squeeze1x1", *_PARTS[1:])
        layers |= {f"fire{number}/{name}": getattr(fire, part) for name, part in zip(names, _PARTS, strict=True)}
    with torch.no_grad():
        for name, layer in layers.items():
            for end, parameter in (("filter", layer.weight), ("bias", layer.bias)):
                path = weights / f"{name}_{end}.bin"
                values = np.fromfile(path, np.float32)
                if len(values) != parameter.numel():
                    raise ValueError(f"{path} holds {len(values)} numbers, expected {parameter.numel()}.")
                stored = torch.from_numpy(values)
                if end == "filter":  # [out, h, w, in]
                    inputs, *sides = parameter.shape[1:]
                    stored = stored.view(-1, *sides, inputs).permute(0, 3, 1, 2)
                parameter.copy_(stored)
    return network
