"""The encoder of torchvision's own GoogLeNet."""

from __future__ import annotations

from pathlib import Path

from artnet_core.checkpoint import CheckpointError
from artnet_core.network.encoder import LAST_BLOCK, Encoder, fold_batch_norm, trunk_up_to, widths_of

from .weights import read_weights


def load_torchvision_encoder(
    path: str | Path,
    *,
    mean: tuple[float, ...] = (0.5, 0.5, 0.5),
    std: tuple[float, ...] = (0.5, 0.5, 0.5),
    last_block: str = LAST_BLOCK,
) -> Encoder:
    """Reads the trunk of torchvision's own GoogLeNet, batch norms folded.

    Args:
        path: its state dict, a .safetensors file, or a .pth file (read with ``weights_only=True``).
        mean: of the input normalisation. The default is what torchvision's ImageNet weights see after
            ``transform_input``; weights trained without it take the usual ImageNet mean and standard deviation.
        std: likewise.
        last_block: where the trunk ends; what follows is not read.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file cannot be read or is not a GoogLeNet with batch norms.
    """
    path = Path(path)
    state = read_weights(path)
    units = trunk_up_to(last_block)
    if missing := [name for name in units if f"{name}.conv.weight" not in state]:
        raise CheckpointError(f"{path} is not torchvision's GoogLeNet: {missing[0]}.conv.weight is missing.")
    try:
        folded = fold_batch_norm(state, units)
        encoder = Encoder(widths_of(folded, units), mean=mean, std=std)
        encoder.load_state_dict(folded)
    except (IndexError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path} is not a GoogLeNet with batch norms ({error}).") from error
    return encoder.eval().requires_grad_(False)
