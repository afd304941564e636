"""What single layers of a network give."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


def outputs_of(network: nn.Module, layers: Collection[str], inputs: Tensor) -> dict[str, Tensor]:
    """Runs a network and returns the outputs of these layers by name, as they are before what follows in place."""
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> RemovableHandle:
        def hook(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
            outputs[name] = output.clone()

        return network.get_submodule(name).register_forward_hook(hook)

    handles = [keep(name) for name in layers]
    network(inputs)
    for handle in handles:
        handle.remove()
    return outputs
