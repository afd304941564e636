"""Convolutions fitted in closed form: the weights and biases that come nearest to wanted outputs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_RIDGE = 1e-4


def fit_convolution(inputs: Tensor, kernel: int, outputs: Tensor, faint: float = 0.0) -> tuple[Tensor, Tensor]:
    """Weights and bias of the convolution without padding that comes nearest to the outputs.

    Args:
        inputs: ``[N, C, h + kernel - 1, w + kernel - 1]``.
        kernel: its side.
        outputs: ``[N, out, h, w]``.
        faint: share of the inputs' mean energy under which an input has the less weight the less there is of it. Where
            outputs are beyond reach, an input that fires once would otherwise have a weight to make up for all that is
            missing there, thousands of times the others.

    Returns:
        ``[out, C, kernel, kernel]`` and ``[out]``.
    """
    size = inputs.shape[1] * kernel**2 + 1
    gram = torch.zeros(size, size, dtype=torch.float64, device=inputs.device)
    product = torch.zeros(size, outputs.shape[1], dtype=torch.float64, device=inputs.device)
    for x, y in zip(inputs, outputs, strict=True):
        patches = F.unfold(x[None], kernel)[0]  # [C * kernel ** 2, h * w]
        patches = torch.cat([patches, torch.ones_like(patches[:1])])
        gram += patches @ patches.T
        product += patches @ y.flatten(1).T
    # In proportion to each input, since channels differ by orders of magnitude; and not zero where one never fires.
    energies = gram.diagonal()
    energies += _RIDGE * energies.clamp(min=faint * energies.mean().item())
    energies.clamp_(min=_RIDGE)
    solution = torch.linalg.solve(gram, product).to(inputs.dtype)
    weight = solution[:-1].T.reshape(outputs.shape[1], inputs.shape[1], kernel, kernel)
    return weight, solution[-1]


def fit_when_called(conv: nn.Module, outputs: Tensor, faint: float = 0.0) -> None:
    """Lets a convolution with zero padding be fitted to these outputs, ``[N, out, h, w]``, when it is called next.

    So the convolutions of a network are fitted one after the other in a single pass, each from what those before it
    give by then (He et al. 2017, on channel pruning). Without a bias it leaves out the fitted one. ``faint`` as in
    :func:`fit_convolution`.
    """

    def hook(conv: nn.Module, inputs: tuple[Tensor]) -> None:
        weight = conv.get_parameter("weight")
        kernel = weight.shape[-1]
        border = kernel // 2
        fitted, bias = fit_convolution(F.pad(inputs[0], [border] * 4), kernel, outputs, faint)
        weight.copy_(fitted)
        if isinstance(conv.bias, Tensor):
            conv.bias.copy_(bias)
        handle.remove()

    handle = conv.register_forward_pre_hook(hook)
