"""Exponential moving average of weights (Polyak averaging): what the optimiser jitters around."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Ema:
    """A running mean of a module's parameters.

    Args:
        module: whose parameters are followed.
        decay: weight of the past at every update; less in the first updates, so that the start is forgotten.
    """

    def __init__(self, module: nn.Module, decay: float = 0.998) -> None:
        self.decay = decay
        self.updates = 0
        self.mean = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Takes in the module's present parameters."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, parameter in module.named_parameters():
            self.mean[name].lerp_(parameter, 1 - decay)

    def state_dict(self) -> dict[str, object]:
        return {"updates": self.updates, "mean": self.mean}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        updates, mean = state["updates"], state["mean"]
        assert isinstance(updates, int) and isinstance(mean, dict)
        self.updates = updates
        for name, tensor in self.mean.items():
            stored = mean[name]
            assert isinstance(stored, Tensor)
            tensor.copy_(stored)
