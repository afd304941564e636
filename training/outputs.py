"""What single layers of a network give."""

from __future__ import annotations

from collections.abc import Callable, Collection

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


def outputs_of(network: nn.Module, layers: Collection[str], run: Callable[[], object]) -> dict[str, Tensor]:
    """Runs a network and returns the outputs of these layers by name, as they are before what follows in place.

    Raises:
        RuntimeError: a layer is called again, as by a decoder that goes over large maps in pieces.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> RemovableHandle:
        def hook(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
            if name in outputs:
                raise RuntimeError(f"{name} is called more than once: let the network work on its maps as a whole.")
            outputs[name] = output.clone()

        return network.get_submodule(name).register_forward_hook(hook)

    handles = [keep(name) for name in layers]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return outputs
