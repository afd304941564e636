"""ArtNet: real-time universal style transfer by zero-channel pruning and the sandwich swap transform."""

from .checkpoint import CheckpointError, load, save
from .features import Features
from .model import ArtNet
from .pruning.zero_channels import PruningReport, prune_zero_channels
from .transfer.adain import adain
from .transfer.sandwich import sandwich_swap
from .transfer.swap import swap

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
