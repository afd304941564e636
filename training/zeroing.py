"""Zero channels that arise in training: which channels of the encoder die, and when.

The batch norm of a dead channel has gamma = beta = 0 for good, so the channel is relu(0) on every input and zero
channel pruning removes it without a change. Channels go while the network still learns, so the others take over.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from artnet_core.network.encoder import BLOCK_STRIDES, FULL_WIDTHS, TRUNK, block_outputs

START, END = 0.08, 0.58
"""Shares of the run between which channels die."""

# Expensive channels go first, but not on price alone.
_COST_EXPONENT = 0.3

_PATCH_FLOOR, _LAYER_FLOOR = 0.25, 0.4


def default_floors() -> dict[str, int]:
    """Channels that every unit keeps at the least.

    Left to the scores alone the deepest layer starves: all of its channels look small to a loss that sees them last.
    Units whose output the decoder reads keep 40%, the others 25%; conv1 keeps all, since patches are compared by it,
    edges come from it, and it costs next to nothing.
    """
    read = {unit for block in BLOCK_STRIDES for unit in block_outputs(block)}
    share = {name: _LAYER_FLOOR if name in read else _PATCH_FLOOR for name in TRUNK} | {"conv1": 1.0}
    return {name: round(width * share[name]) for name, width in FULL_WIDTHS.items()}


def trunk_parameters(widths: Mapping[str, int]) -> int:
    """Parameters of a trunk with these widths, batch norms folded."""
    total = 0
    for name, unit in TRUNK.items():
        inputs = sum(widths[source] for source in unit.inputs) if unit.inputs else 3
        total += widths[name] * (inputs * unit.kernel**2 + 1)
    return total


def channel_costs() -> dict[str, float]:
    """Parameters that one channel of each unit takes: its filter, and the weights that read it."""
    costs = {}
    for name, unit in TRUNK.items():
        inputs = sum(FULL_WIDTHS[source] for source in unit.inputs) if unit.inputs else 3
        readers = [reader for reader in TRUNK.values() if name in reader.inputs]
        costs[name] = float(inputs * unit.kernel**2 + sum(r.width * r.kernel**2 for r in readers))
    return costs


def allowed_parameters(progress: float, start: int, target: int) -> float:
    """Largest number of parameters at a share of the run: a straight line from those at its start to the target."""
    done = min(max((progress - START) / (END - START), 0.0), 1.0)
    return start + (target - start) * done


def kill_channels(
    alive: Mapping[str, Tensor], scores: Mapping[str, Tensor], floors: Mapping[str, int], allowed: float
) -> dict[str, Tensor]:
    """Lets the least important channels die until the trunk is small enough.

    Args:
        alive: per unit bool ``[channels]`` on the CPU.
        scores: per unit float ``[channels]`` on the CPU: how much the loss would notice, not negative.
        floors: channels that each unit keeps at the least.
        allowed: parameters that may be left, batch norms folded.

    Returns:
        The channels that are left. Where the floors forbid it, the trunk stays larger than allowed.
    """
    alive = {name: mask.clone() for name, mask in alive.items()}
    widths = {name: int(mask.sum()) for name, mask in alive.items()}
    costs = channel_costs()
    names = list(alive)
    flat = torch.cat([scores[name] / costs[name] ** _COST_EXPONENT for name in names])
    owner = torch.cat([torch.full((len(alive[name]),), index) for index, name in enumerate(names)]).tolist()
    channel = torch.cat([torch.arange(len(alive[name])) for name in names]).tolist()
    parameters = trunk_parameters(widths)
    order = flat.argsort(stable=True)
    living = torch.cat([alive[name] for name in names])
    for candidate in order[living[order]].tolist():
        if parameters <= allowed:
            break
        name, index = names[owner[candidate]], channel[candidate]
        if widths[name] > floors[name]:
            alive[name][index] = False
            widths[name] -= 1
            parameters = trunk_parameters(widths)
    return alive
