"""ArtNet: real-time universal style transfer by zero-channel pruning and the sandwich swap transform."""

from .adain import adain
from .checkpoint import CheckpointError, load, save
from .features import Features
from .model import ArtNet
from .pruning import PruningReport, prune_zero_channels
from .sandwich import sandwich_swap
from .swap import swap

__all__ = [
    "ArtNet",
    "CheckpointError",
    "Features",
    "PruningReport",
    "adain",
    "load",
    "prune_zero_channels",
    "sandwich_swap",
    "save",
    "swap",
]
