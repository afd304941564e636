"""BVLC GoogLeNet (Szegedy et al. 2015): the encoder's teacher, and the network behind the decoder's losses.

It has no batch norm, so none of its channels is zero; it normalises locally across channels instead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from artnet_core.checkpoint import CheckpointError
from artnet_core.network.encoder import LAST_BLOCK, TRUNK

from .weights import read_weights

# Caffe's order of the colours, and the mean it takes off, on a scale of 0..255.
BGR_MEAN = (104.0, 117.0, 123.0)

_INCEPTIONS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
_POOLED_AFTER = ("3b", "4e")
_ENDS = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
_BEHIND_TRUNK = (*(f"inception{block}.{end}" for block in ("5a", "5b") for end in _ENDS), "fc")

_LRN_SIZE, _LRN_ALPHA = 5, 1e-4

Observer = Callable[[str, Tensor], None]
"""Is told the name of a unit and its values before the ReLU."""


class Teacher:
    """The network as a function of pictures; its weights never change.

    Args:
        state: per unit ``NAME.weight`` and ``NAME.bias``, names as in :data:`artnet_core.network.encoder.TRUNK` and on
            to ``inception5b``, and ``fc``. Other than torchvision's, the 5x5 branches are 5x5.

    Raises:
        KeyError: a tensor of the trunk is missing.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.state = {name: tensor.float() for name, tensor in state.items()}
        _check_units(state, TRUNK)

    def to(self, device: torch.device) -> Teacher:
        """The same network with its weights on a device."""
        return Teacher(
            {
                name: t.to(device, memory_format=torch.channels_last) if t.ndim == 4 else t.to(device)
                for name, t in self.state.items()
            }
        )

    def blocks(self, images: Tensor, observer: Observer | None = None) -> Iterator[tuple[str, Tensor]]:
        """Yields ``(name, features)`` for conv1, conv3 and every inception block as soon as it is known.

        Args:
            images: ``[B, 3, H, W]``, RGB, 0..1; H and W at least 32.
            observer: is told what every unit gives before its ReLU.
        """
        mean = images.new_tensor(BGR_MEAN).view(1, 3, 1, 1)
        x = self._unit("conv1", images.flip(1) * 255 - mean, observer, stride=2)  # [B, 64, H/2, W/2]
        yield "conv1", x
        x = _normalize_locally(F.max_pool2d(x, 3, 2, ceil_mode=True))  # [B, 64, H/4, W/4]
        x = self._unit("conv3", self._unit("conv2", x, observer), observer)  # [B, 192, H/4, W/4]
        yield "conv3", x
        x = F.max_pool2d(_normalize_locally(x), 3, 2, ceil_mode=True)  # [B, 192, H/8, W/8]
        for block in _INCEPTIONS:
            name = f"inception{block}"
            x = self._inception(name, x, observer)
            yield name, x
            if block in _POOLED_AFTER:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)

    def features(self, images: Tensor, layers: Collection[str], observer: Observer | None = None) -> dict[str, Tensor]:
        """The features of these blocks by name; nothing behind the last of them is computed."""
        found: dict[str, Tensor] = {}
        for name, block in self.blocks(images, observer):
            if name in layers:
                found[name] = block
            if len(found) == len(layers):
                break
        return found

    def logits(self, inception4e: Tensor) -> Tensor:
        """The last layers alone: features of inception4e, the teacher's own or a student's, to ``[B, classes]``."""
        x = F.max_pool2d(inception4e, 3, 2, ceil_mode=True)
        x = self._inception("inception5b", self._inception("inception5a", x, None), None)
        return F.linear(x.mean(dim=(2, 3)), self.state["fc.weight"], self.state["fc.bias"])

    def _inception(self, name: str, x: Tensor, observer: Observer | None) -> Tensor:
        ends = [
            self._unit(f"{name}.branch1", x, observer),
            self._unit(f"{name}.branch2.1", self._unit(f"{name}.branch2.0", x, observer), observer),
            self._unit(f"{name}.branch3.1", self._unit(f"{name}.branch3.0", x, observer), observer),
            self._unit(f"{name}.branch4.1", F.max_pool2d(x, 3, 1, padding=1), observer),
        ]
        return torch.cat(ends, 1)

    def _unit(self, name: str, x: Tensor, observer: Observer | None, stride: int = 1) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        x = F.conv2d(x, weight, bias, stride, weight.shape[-1] // 2)
        if observer is not None:
            observer(name, x)
        return F.relu(x)


def _check_units(state: Mapping[str, Tensor], names: Iterable[str]) -> None:
    """Raises KeyError unless each of these units has its weight and bias."""
    for name in names:
        for end in ("weight", "bias"):
            if f"{name}.{end}" not in state:
                raise KeyError(f"{name}.{end}")


def _normalize_locally(x: Tensor) -> Tensor:
    """Local response normalisation (Krizhevsky et al. 2012) over 5 channels.

    The sum over neighbouring channels is a 1x1 convolution with a band of equal weights: under autocast it takes half
    the time of ``F.local_response_norm``, which averages with a three-dimensional pool.
    """
    channel = torch.arange(x.shape[1], device=x.device)
    band = (channel[:, None] - channel).abs().le(_LRN_SIZE // 2) * (_LRN_ALPHA / _LRN_SIZE)  # [C, C]
    # bfloat16 has float32's range, so that squares of values in the hundreds fit.
    root = F.conv2d(x * x, band[..., None, None].to(x.dtype), x.new_ones(len(band))).rsqrt()
    return x * (root * root.sqrt()).to(x.dtype)


def load_teacher(path: Path, device: torch.device) -> Teacher:
    """Reads the network from a .safetensors file, or from a state dict that ``torch.save`` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file cannot be read, a tensor is missing, or one has another shape.
    """
    state = read_weights(path)
    try:
        _check_units(state, _BEHIND_TRUNK)
        teacher = Teacher(state)
    except KeyError as error:
        raise CheckpointError(f"{path} is not BVLC GoogLeNet: the tensor {error} is missing.") from error
    for name in (*TRUNK, *_BEHIND_TRUNK):
        if state[f"{name}.bias"].shape != state[f"{name}.weight"].shape[:1]:
            raise CheckpointError(f"{path} is not BVLC GoogLeNet: {name}.bias is not one number for each filter.")
    for name, unit in TRUNK.items():
        shape = state[f"{name}.weight"].shape
        if len(shape) != 4 or shape[0] != unit.width:
            raise CheckpointError(
                f"{path} is not BVLC GoogLeNet: {name}.weight has the shape {list(shape)}, not {unit.width} filters."
            )
    try:
        # On the meta device shapes are worked out, and nothing else.
        shapes = teacher.to(torch.device("meta"))
        shapes.logits(shapes.features(torch.empty(1, 3, 64, 64, device="meta"), (LAST_BLOCK,))[LAST_BLOCK])
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not BVLC GoogLeNet: its tensors do not fit one another.") from error
    return teacher.to(device)
