"""Models under the host's memory management."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import comfy.model_management as mm
import comfy.model_patcher
import comfy.ops
import torch

from .. import artnet_core
from ..artnet_core.checkpoint import DEFAULT_MODEL, build_model, metadata_of, shipped_models
from ..artnet_core.finish import finish_memory
from ..artnet_core.runtime import Tiles, fastest_dtype, is_out_of_memory, memory_used


class ManagedModel:
    """An ArtNet whose weights the host brings to the device and takes away again.

    Its layers are the host's, which fetch weights that did not fit onto the device when they run.

    Args:
        model: on the offload device, its layers from ``comfy.ops``.
    """

    def __init__(self, model: artnet_core.ArtNet) -> None:
        # Hosts that page weights in and out have a patcher of their own for it.
        patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
        if _works_in_bfloat16():
            model.dtype = torch.bfloat16
        self._patcher = patcher(model, load_device=mm.get_torch_device(), offload_device=mm.unet_offload_device())

    @classmethod
    def open(cls, path: Path) -> ManagedModel:
        """Loads a model file.

        Raises:
            FileNotFoundError: there is no such file.
            CheckpointError: the file is not a usable model.
        """
        device, dtype = mm.unet_offload_device(), _weight_dtype()
        return cls(artnet_core.load(path, device, dtype, operations=_operations()))

    @classmethod
    def or_shipped(cls, model: ManagedModel | None, name: str = DEFAULT_MODEL) -> ManagedModel:
        """The model of a node's input, or the shipped one of this name where nothing is wired.

        That one is read anew each time, some 30 ms, so that nothing outlives the node's run.
        """
        return cls.open(shipped_models()[name]) if model is None else model

    @classmethod
    def adopt(cls, model: artnet_core.ArtNet) -> ManagedModel:
        """Takes over a model made by other means; its weights are copied."""
        return cls(_rebuild(model, mm.unet_offload_device(), _weight_dtype()))

    @property
    def model(self) -> artnet_core.ArtNet:
        """The model, wherever its weights are at the moment."""
        return self._patcher.model

    def ready(self, height: int, width: int, finished: tuple[int, int] | None = None) -> artnet_core.ArtNet:
        """The model, with its weights where the work is done and room for a frame of this size beside them.

        ``finished`` is height and width of a painting that the finish works on.
        """
        model = self.model
        required = memory_used(model, height, width)
        if finished is not None:
            required = max(required, finish_memory(model.encoder, *finished))
        mm.load_models_gpu([self._patcher], memory_required=required)
        model.device = self._patcher.load_device
        return model

    def ready_for(self, sides: Sequence[tuple[int, int]], finished: bool) -> artnet_core.ArtNet:
        """The same for several pictures by their sides, the first the one that is painted, and perhaps ``finished``."""
        height, width = (max(of_each) for of_each in zip(*sides, strict=True))
        return self.ready(height, width, sides[0] if finished else None)

    def whole_copy(self, height: int, width: int) -> artnet_core.ArtNet:
        """An unmanaged float32 copy on the device, and room for a frame of this size beside it.

        Work on the weights themselves needs all of them in one place.
        """
        device = self._patcher.load_device
        # Weights and frame may be half as large in the managed model.
        mm.free_memory(2 * (mm.module_size(self.model) + memory_used(self.model, height, width)), device)
        return _rebuild(self.model, device, torch.float32)


def tiles() -> Tiles:
    """How many rows to work on at once, fewer each time that the host's device runs out of memory."""
    return Tiles(_is_out_of_memory, mm.soft_empty_cache)


def _weight_dtype() -> torch.dtype:
    return torch.float16 if mm.should_use_fp16(mm.get_torch_device()) else torch.float32


def _works_in_bfloat16() -> bool:
    # The host leaves CPUs at float32, since some only imitate bfloat16.
    return not mm.FORCE_FP32 and fastest_dtype(mm.get_torch_device()) == torch.bfloat16


def _operations() -> type:
    """Layers of the host; where work is done in bfloat16 those that cast, since weights that are saved stay whole."""
    return comfy.ops.manual_cast if _works_in_bfloat16() else comfy.ops.disable_weight_init


def _rebuild(model: artnet_core.ArtNet, device: torch.device, dtype: torch.dtype) -> artnet_core.ArtNet:
    """The same weights in layers of the host, which also stop when the user cancels."""
    copy = build_model(Path(model.name or "model"), model.state_dict(), metadata_of(model), operations=_operations())
    return copy.to(device, dtype).to(memory_format=torch.channels_last)


def _is_out_of_memory(error: Exception) -> bool:
    if hasattr(mm, "is_oom") and mm.is_oom(error):
        return True
    return isinstance(error, mm.OOM_EXCEPTION) or is_out_of_memory(error)
