"""The mean of decoders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import artnet_core as artnet
from artnet_core.checkpoint import DEFAULT_MODEL, FAST_MODEL, UNPRUNED_MODEL, shipped_models
from artnet_core.images import read_picture
from artnet_core.network.decoder import Decoder
from artnet_core.pruning.zero_channels import prune_zero_channels
from training.__main__ import main

from .conftest import EXAMPLES


def arguments(out: Path, *models: Path, encoder: Path | None = None) -> list[str]:
    given = ["average", "--encoder", str(encoder or shipped_models()[UNPRUNED_MODEL]), "--out", str(out)]
    for model in models:
        given += ["--model", str(model)]
    return given


@torch.no_grad()
def test_the_mean_of_two_models_lies_halfway(tmp_path: Path) -> None:
    default, other, out = (
        shipped_models()[DEFAULT_MODEL],
        tmp_path / "brighter.safetensors",
        tmp_path / "mean.safetensors",
    )
    model, brighter = artnet.load(), artnet.load()
    brighter.decoder.head.get_parameter("bias").add_(0.25)
    artnet.save(brighter, other)
    assert main(arguments(out, default, other)) == 0

    mean = artnet.load(out)
    assert json.loads(mean.provenance["decoder_averaged"]) == [model.fingerprint, artnet.load(other).fingerprint]
    features = model.encode(read_picture(EXAMPLES / "content" / "astronaut.jpg", 64).rgb).data
    torch.testing.assert_close(mean.decoder(features), model.decoder(features) + 0.125, rtol=0, atol=2e-3)
    unpruned = artnet.load(tmp_path / "mean_unpruned.safetensors")
    for name, tensor in prune_zero_channels(unpruned)[0].decoder.state_dict().items():
        torch.testing.assert_close(tensor, mean.decoder.state_dict()[name], rtol=0, atol=0)


def test_decoders_of_other_encoders_or_shapes_have_no_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    default, fast = shipped_models()[DEFAULT_MODEL], shipped_models()[FAST_MODEL]
    assert main(arguments(tmp_path / "mean.safetensors", default, fast)) == 1
    assert "trained for that of --encoder" in capsys.readouterr().err
    assert main(arguments(tmp_path / "mean.safetensors", default, encoder=fast)) == 1
    assert "trained for that of --encoder" in capsys.readouterr().err
    model = artnet.load()
    brighter = artnet.load(shipped_models()[UNPRUNED_MODEL])
    brighter.encoder.get_submodule("conv1.conv").get_parameter("bias").mul_(1.1)
    artnet.save(brighter, tmp_path / "encoder.safetensors")
    assert main(arguments(tmp_path / "mean.safetensors", default, encoder=tmp_path / "encoder.safetensors")) == 1
    assert "trained for that of --encoder" in capsys.readouterr().err
    stages = {**model.decoder.stages, 2: [16]}
    other = artnet.ArtNet(model.encoder, Decoder(sum(model.layers.values()), stages), model.stride)
    artnet.save(other, tmp_path / "other.safetensors")
    assert main(arguments(tmp_path / "mean.safetensors", default, tmp_path / "other.safetensors")) == 1
    assert "decoders of one shape" in capsys.readouterr().err
