"""Features as objects, and the models that they know."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.features import ModelId
from artnet_core.network.decoder import Decoder
from artnet_core.network.encoder import IMAGENET_MEAN, IMAGENET_STD, Encoder

NARROW = {"conv1": 4, "conv2": 4, "conv3": 6}
STAGES = {8: [8], 4: [8], 2: [8]}


def built(
    stride: int = 8, name: str = "", seed: int = 0, **range_of_images: tuple[float, float, float]
) -> artnet.ArtNet:
    """A small model that was never in a file."""
    torch.manual_seed(seed)
    encoder = Encoder(NARROW, **range_of_images)
    return artnet.ArtNet(encoder, Decoder(4 + 6 + 40, STAGES), stride, name=name).eval()


def test_features_are_equal_to_themselves_alone(model: artnet.ArtNet, photo: Tensor) -> None:
    one, same = model.encode(photo[..., :32, :32]), model.encode(photo[..., :32, :32])
    assert one == one and one != same
    assert one in [same, one] and one not in [same]
    assert len({one, same, one}) == 2
    assert {one: "kept"}[one] == "kept"


@pytest.mark.parametrize("weights", [0, 1, 3])
def test_one_of_a_batch(model: artnet.ArtNet, photo: Tensor, weights: int) -> None:
    """With its own weight, or with the one that stands for all, or with none."""
    pictures = torch.cat([photo[..., i : i + 32, :32] for i in range(3)])
    weight = torch.rand(weights, 32, 32) if weights else None
    batch = model.encode(pictures, weight=weight)
    for index in range(3):
        alone = None if weight is None else weight[min(index, weights - 1)]
        picked, expected = batch.pick(index), model.encode(pictures[index : index + 1], weight=alone)
        torch.testing.assert_close(picked.data, expected.data, rtol=1e-2, atol=1e-2)
        for found, wanted in zip(picked.statistics, expected.statistics, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-2, atol=1e-2)
        assert artnet.sandwich_swap(picked, picked).data.isfinite().all()


def test_features_are_shown_in_a_line(model: artnet.ArtNet, photo: Tensor) -> None:
    shown = repr(model.encode(photo[..., :30, :40]))
    assert shown == (
        f"Features(1 x {sum(model.layers.values())} channels at 4 x 6 positions of stride 8, "
        "of pictures of 30 x 40 pixels, torch.float32, cpu, model artnet)"
    )


def test_a_model_without_a_name_is_shown_by_its_fingerprint(photo: Tensor) -> None:
    unnamed = built()
    assert f"model {unnamed.fingerprint})" in repr(unnamed.encode(photo[..., :32, :32]))


@pytest.mark.parametrize(
    "changed",
    [
        {"mean": (0.5, *IMAGENET_MEAN[1:])},
        {"std": (*IMAGENET_STD[:2], 0.25)},
        {"stride": 16},
        {"seed": 1},
    ],
    ids=str,
)
def test_whatever_decides_features_tells_models_apart(changed: dict[str, object], photo: Tensor) -> None:
    """Also of models that were built and not loaded. Their weights are the same but for the seed."""
    one, again, other = built(), built(), built(**changed)
    assert one.fingerprint == again.fingerprint != other.fingerprint
    small = photo[..., :32, :32]
    ours, theirs = one.encode(small), other.encode(small)
    with pytest.raises(ValueError, match="encode and decode with the same model"):
        one.decode(theirs)
    with pytest.raises(ValueError, match="encode both with the same model"):
        artnet.sandwich_swap(ours, theirs)
    assert again.decode(ours).shape == small.shape


def test_weights_that_change_change_the_fingerprint() -> None:
    """Until they are frozen it is taken anew."""
    model = built()
    before = model.fingerprint
    model.encoder.conv2.conv.bias.data += 1
    assert model.fingerprint != before
    assert model.freeze().fingerprint == model.fingerprint != before


def test_the_fingerprint_is_that_of_the_weights_in_half_precision() -> None:
    """A model is the same in whatever dtype it works."""
    assert built().fingerprint == built().to(torch.float16).fingerprint


def test_two_models_of_one_name_are_told_apart() -> None:
    one, other = ModelId("0123456789ab", "mine"), ModelId("ba9876543210", "mine")
    assert one != other and one == replace(one, name="copied") and hash(one) == hash(replace(one, name="copied"))
    assert one.told_from(other) == "mine (0123456789ab)"
    assert one.told_from(replace(other, name="yours")) == "mine"


def test_errors_about_foreign_features_name_models(photo: Tensor) -> None:
    first, second, unnamed = built(name="first"), built(name="second", seed=1), built(seed=2)
    features = second.encode(photo[..., :32, :32])
    with pytest.raises(ValueError, match="encoded with second, but are to be decoded with first: encode and decode"):
        first.decode(features)
    with pytest.raises(ValueError, match="encoded with second, but are to be decoded with a model without a name"):
        unnamed.decode(features)
    with pytest.raises(ValueError, match="color style was encoded with second, the content with first"):
        own = first.encode(photo[..., :32, :32])
        artnet.sandwich_swap(own, own, features)
