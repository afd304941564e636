"""ArtNet: real-time universal style transfer by zero-channel pruning and the sandwich swap transform."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .checkpoint import CheckpointError, load, save
    from .features import Features
    from .model import ArtNet
    from .pipeline import Pictures, Region
    from .pruning.zero_channels import PruningReport, prune_zero_channels
    from .transfer.adain import adain
    from .transfer.sandwich import sandwich_swap
    from .transfer.swap import swap

__version__ = "0.2.0"

__all__ = [
    "ArtNet",
    "CheckpointError",
    "Features",
    "Pictures",
    "PruningReport",
    "Region",
    "adain",
    "load",
    "prune_zero_channels",
    "sandwich_swap",
    "save",
    "swap",
]

_HOMES = {
    "ArtNet": "model",
    "CheckpointError": "checkpoint",
    "Features": "features",
    "Pictures": "pipeline",
    "PruningReport": "pruning.zero_channels",
    "Region": "pipeline",
    "adain": "transfer.adain",
    "load": "checkpoint",
    "prune_zero_channels": "pruning.zero_channels",
    "sandwich_swap": "transfer.sandwich",
    "save": "checkpoint",
    "swap": "transfer.swap",
}


def __getattr__(name: str) -> object:
    """Imports what is asked for, and torch with it, when it is asked for: ``artnet --help`` does without."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
