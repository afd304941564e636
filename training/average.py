"""The mean of decoders of which one was trained on from another (Izmailov et al. 2018, Wortsman et al. 2022).

Such weights lie in one valley of the loss, and their mean is often better than each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch

from artnet_core.model import ArtNet
from artnet_core.network.decoder import Decoder
from artnet_core.network.encoder import Encoder

from .export import PrunedEncoder


@torch.no_grad()
def average(models: Sequence[ArtNet], source: PrunedEncoder) -> ArtNet:
    """A model whose decoder has the mean weights of these models' decoders.

    Args:
        models: at least one, with the encoder of ``source`` and decoders of one shape. A model that is given twice
            counts twice.
        source: their encoder, without its zero channels.

    Returns:
        A model with that encoder. Its provenance is that of the last model, and ``decoder_averaged`` lists the
        fingerprints of all.

    Raises:
        ValueError: the encoder of a model is not that of ``source``, or the shapes of the decoders differ.
    """
    first, *others = models
    if any(not _equal(source.encoder, model.encoder) for model in models):
        raise ValueError("Only decoders of one encoder have a mean: give models trained for that of --encoder.")
    if any(model.decoder.stages != first.decoder.stages for model in others):
        raise ValueError("Only decoders of one shape have a mean: give models trained on from one another.")
    states = [model.decoder.state_dict() for model in models]
    decoder = Decoder(sum(first.layers.values()), first.decoder.stages)
    decoder.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    provenance = {**models[-1].provenance, "decoder_averaged": json.dumps([model.fingerprint for model in models])}
    return ArtNet(source.encoder, decoder, first.stride, provenance)


def _equal(encoder: Encoder, other: Encoder) -> bool:
    """Whether both are the same in files, which hold half precision."""
    state, of_other = encoder.state_dict(), other.state_dict()
    return encoder.widths == other.widths and all(
        torch.equal(state[name].half(), of_other[name].half()) for name in state
    )
