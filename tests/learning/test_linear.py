"""Training LinearWCT's networks: what they begin with, what a short run learns, what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from artnet_core.checkpoint import load
from artnet_core.model import ArtNet
from artnet_core.transfer.linear import LinearTransform, linear_transfer, load_linear
from training.__main__ import main
from training.data import draw, load_pictures, stored_side
from training.linear import initialize

from .conftest import CPU, curve


@pytest.fixture(scope="module")
def model() -> ArtNet:
    return load()


def test_they_begin_with_the_deviations_of_the_strongest_channels(model: ArtNet, data: Path) -> None:
    """So a picture in its own style loses little, and one in another style takes on its deviations."""
    pictures = load_pictures([data], stored_side(64), CPU)
    generator = torch.Generator().manual_seed(0)
    images = torch.cat([draw(kind, 8, 64, generator) for kind in (pictures.photo, pictures.art)])
    transform = LinearTransform(model.layers)
    initialize(transform, model, images)
    with torch.no_grad():
        features = model.encode(images[:8])
        drawn, carried = model.decode(features), model.decode(linear_transfer(transform, features, features))
        photo, art = (
            transform.centred(features_of.data[0])
            for features_of in (model.encode(images[:1]), model.encode(images[8:9]))
        )
        compress = transform.compress.weight
        of_photo, of_art = ((compress @ centred[0].flatten(1)).std(1)[-32:] for centred, _ in (photo, art))
        matrix = transform.of_style(art[0], None) @ transform.of_content(photo[0], None)
    assert (carried - drawn).abs().mean() < 0.25 * (drawn - drawn.mean((2, 3), keepdim=True)).abs().mean()
    assert torch.equal(matrix, torch.diag(matrix.diagonal()))
    torch.testing.assert_close(matrix.diagonal()[-32:] * of_photo, of_art, rtol=0.5, atol=0)
    torch.testing.assert_close(matrix.diagonal()[:-32], torch.ones(32))


def test_a_short_run_comes_nearer_to_covariances(data: Path, tmp_path: Path) -> None:
    out, given = tmp_path / "linear.safetensors", ["--data", str(data), "--size", "64", "--log-every", "10"]
    alone = [option for name in ("style", "content", "pixels") for option in ("--weight", f"{name}=0")]
    assert main(["linear", *given, *alone, "--steps", "40", "--batch", "4", "--rate", "1e-3", "--out", str(out)]) == 0
    rows = curve(out)
    assert list(rows[0]) == ["step", "seconds", "covariance", "structure", "loss"]
    assert rows[-1]["covariance"] < 0.95 * rows[0]["covariance"]
    with safe_open(out, "pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == "artnet-linear" and json.loads(metadata["provenance"])["settings"]

    before = load_linear(out, CPU)
    painted = tmp_path / "painted.safetensors"
    assert main(["linear", *given, "--steps", "10", "--batch", "1", "--start", str(out), "--out", str(painted)]) == 0
    (row,) = curve(painted)
    assert row["covariance"] < rows[0]["covariance"]  # it goes on from there
    assert all(row[name] > 0 for name in ("style", "content", "pixels"))
    assert not torch.equal(load_file(painted)["expand.weight"].float(), before.expand.weight)
