"""Zero-channel pruning: what goes, and that nothing changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from artnet_core import ArtNet, prune_zero_channels
from artnet_core.checkpoint import DEFAULT_MODEL, UNPRUNED_MODEL, save, shipped_models
from artnet_core.figures import channel_chart
from artnet_core.network.encoder import TRUNK
from artnet_core.pruning.channels import measure_channels
from artnet_core.pruning.zero_channels import parameters, provable_masks


def zero_by_batch_norm() -> dict[str, Tensor]:
    """gamma = 0 and beta <= 0, read off the unpruned file's BN parameters."""
    state = load_file(shipped_models()[UNPRUNED_MODEL])
    return {name: (state[f"encoder.{name}.bn.weight"] == 0) & (state[f"encoder.{name}.bn.bias"] <= 0) for name in TRUNK}


def test_provable_zeros_are_the_batch_norms(unpruned: ArtNet) -> None:
    expected = zero_by_batch_norm()
    masks = provable_masks(unpruned.encoder)
    assert sum(int(zero.sum()) for zero in expected.values()) == 2488
    for name, mask in masks.items():
        assert torch.equal(mask, ~expected[name])


def test_pruned_equals_unpruned_on_real_pictures(unpruned: ArtNet, photo: Tensor, painting: Tensor) -> None:
    pruned, report = prune_zero_channels(unpruned)
    assert parameters(pruned.encoder) == report.encoder_parameters[1] <= 910_000
    for picture in (photo, painting):
        before, after = unpruned.encode(picture), pruned.encode(picture)
        kept = ~torch.cat(
            [
                zero
                for layer in before.layers
                for name, zero in zero_by_batch_norm().items()
                if (name == layer or name.startswith(f"{layer}.")) and not name.endswith((".branch2.0", ".branch3.0"))
            ]
            + [torch.zeros(before.layers["dct"], dtype=torch.bool)]
        )
        assert before.data[:, ~kept].abs().max() == 0
        assert after.data.shape[1] == int(kept.sum())
        torch.testing.assert_close(after.data, before.data[:, kept], rtol=1e-5, atol=1e-5 * float(before.data.max()))
        torch.testing.assert_close(pruned.decode(after), unpruned.decode(before), rtol=0, atol=1e-5)


def test_pruned_stylizes_like_the_unpruned(unpruned: ArtNet, model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    difference = unpruned.stylize(photo, painting) - model.stylize(photo, painting)
    assert difference.abs().mean() < 1e-3  # the shipped default holds the folded weights in half precision


def test_the_shipped_default_is_the_pruned_unpruned(unpruned: ArtNet, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("pruned") / "pruned.safetensors"
    save(prune_zero_channels(unpruned)[0], path)
    made, shipped = load_file(path), load_file(shipped_models()[DEFAULT_MODEL])
    assert made.keys() == shipped.keys()
    assert all(torch.equal(made[key], shipped[key]) for key in made)


def test_a_pruned_model_has_nothing_left_to_prune(model: ArtNet) -> None:
    again, report = prune_zero_channels(model)
    assert report.encoder_parameters[0] == report.encoder_parameters[1]
    assert again.layers == model.layers


Planting = Callable[[ArtNet], None]


def planted(model: ArtNet, plant: Planting) -> ArtNet:
    """A copy of a model that has no zero channels, with something planted in it."""
    copy, _ = prune_zero_channels(model)
    plant(copy)
    return copy.freeze()


def filters(model: ArtNet, unit: str, channel: int, weights: float | Tensor, bias: float) -> None:
    """Sets the weights and the bias of one channel."""
    conv = model.encoder.get_submodule(unit).conv
    conv.weight[channel] = weights
    conv.bias[channel] = bias


def _first_reads_what_is_dead(model: ArtNet) -> None:
    filters(model, "conv2", 7, 0.0, -0.5)
    below = -torch.ones(model.encoder.widths["conv2"], 3, 3)
    below[7] = 1.0
    filters(model, "conv3", 5, below, -0.1)


def _dead_in_one_branch(branch: str) -> Planting:
    """A channel of inception3a's branch, and one of inception3b that rises with it alone."""

    def plant(model: ArtNet) -> None:
        filters(model, f"inception3a.{branch}", 2, 0.0, -0.5)
        branches = [model.encoder.widths[f"inception3a.{name}"] for name in BRANCHES[: BRANCHES.index(branch)]]
        below = -torch.ones(model.encoder.inception3b.branch1.conv.in_channels)
        below[sum(branches) + 2] = 1.0
        filters(model, "inception3b.branch1", 4, below[:, None, None], 0.0)

    return plant


BRANCHES = ("branch1", "branch2.1", "branch3.1", "branch4.1")

# What is planted, and the channels that the weights then prove to be zero.
PROOFS: dict[str, tuple[Planting, set[tuple[str, int]]]] = {
    "negative weights and bias": (lambda m: filters(m, "conv3", 5, -1.0, -1.0), {("conv3", 5)}),
    "negative weights, no bias": (lambda m: filters(m, "conv3", 5, -1.0, 0.0), {("conv3", 5)}),
    "no weights, no bias": (lambda m: filters(m, "conv3", 5, 0.0, 0.0), {("conv3", 5)}),
    "a bias above zero alone fires": (lambda m: filters(m, "conv3", 5, 0.0, 0.5), set()),
    "a bias above zero fires where negative weights are silent": (lambda m: filters(m, "conv3", 5, -1e-3, 50.0), set()),
    "a single positive weight may win over the bias": (
        lambda m: filters(m, "conv3", 5, torch.eye(3)[None] * 1e-3 - 1e-4, -1e-6),
        set(),
    ),
    "positive weights for dead inputs only": (_first_reads_what_is_dead, {("conv2", 7), ("conv3", 5)}),
    "the picture's values have signs": (lambda m: filters(m, "conv1", 3, -0.1, -0.01), set()),
    "a first filter without weights": (lambda m: filters(m, "conv1", 3, 0.0, 0.0), {("conv1", 3)}),
    "a first filter of a bias alone": (lambda m: filters(m, "conv1", 3, 0.0, 0.3), set()),
    **{
        f"inputs in the order of the branches, {branch}": (
            _dead_in_one_branch(branch),
            {(f"inception3a.{branch}", 2), ("inception3b.branch1", 4)},
        )
        for branch in BRANCHES
    },
}


@pytest.mark.parametrize("case", PROOFS)
def test_each_condition_of_the_proof(case: str, model: ArtNet, photo: Tensor) -> None:
    """Cut are the channels that cannot rise, no others, and pictures do not change."""
    plant, dead = PROOFS[case]
    network = planted(model, plant)
    masks = provable_masks(network.encoder)
    assert {(name, int(index)) for name, mask in masks.items() for index in (~mask).nonzero()} == dead
    assert all(measure_channels(network, [photo])[name].maxima[0, index] == 0 for name, index in dead)
    pruned, report = prune_zero_channels(network)
    assert report.channels[0] - report.channels[1] == len(dead)
    expected = network.decode(network.encode(photo))
    torch.testing.assert_close(pruned.decode(pruned.encode(photo)), expected, rtol=0, atol=1e-5)


def test_the_pruned_model_shares_nothing_with_the_other(model: ArtNet, photo: Tensor) -> None:
    expected = model.decode(model.encode(photo))
    pruned, _ = prune_zero_channels(model)
    for parameter in pruned.parameters():
        parameter.zero_()
    assert torch.equal(model.decode(model.encode(photo)), expected)


def test_a_threshold_of_zero_cuts_what_no_picture_drives(model: ArtNet, photo: Tensor) -> None:
    pruned, report = prune_zero_channels(model, photo)
    units = measure_channels(model, [photo])
    assert [layer.kept for layer in report.layers] == [int((x.maxima > 0).sum()) or 1 for x in units.values()]
    assert report.largest_feature_difference < 1e-5 and report.largest_image_difference < 1e-5
    assert report.images == 1
    assert parameters(pruned) < parameters(model)


def test_a_higher_threshold_cuts_more_and_says_what_it_costs(model: ArtNet, photo: Tensor, painting: Tensor) -> None:
    pictures = [photo, painting]
    reports = [prune_zero_channels(model, pictures, threshold)[1] for threshold in (0.0, 20.0, 80.0)]
    kept = [sum(layer.kept for layer in report.layers) for report in reports]
    assert kept[0] > kept[1] > kept[2]
    differences = [report.largest_image_difference for report in reports]
    assert differences[0] < 1e-5 < differences[1] < differences[2]
    multiply_adds = [report.multiply_adds[1] for report in reports]
    assert multiply_adds == sorted(multiply_adds, reverse=True)


def test_every_layer_keeps_a_channel(model: ArtNet, photo: Tensor) -> None:
    pruned, report = prune_zero_channels(model, photo, threshold=1e6)
    assert {layer.kept for layer in report.layers} == {1}
    assert pruned.stylize(photo, photo).shape == photo.shape


def test_thresholds_that_make_no_sense(model: ArtNet, photo: Tensor) -> None:
    for threshold in (-1.0, float("nan"), float("inf"), -float("inf"), 10**400):
        with pytest.raises(ValueError, match=f"must be a finite number that is not negative, got {threshold}"):
            prune_zero_channels(model, photo, threshold)
    with pytest.raises(ValueError, match="needs calibration pictures"):
        prune_zero_channels(model, threshold=1.0)


@pytest.mark.parametrize("given", [0.5, np.array(0.5), ["photo.png"], "photo.png", [None]], ids=repr)
def test_calibration_without_pictures(given: object, model: ArtNet) -> None:
    with pytest.raises(TypeError, match=r"must be (pictures|a torch tensor)"):
        prune_zero_channels(model, given)  # type: ignore[arg-type]


def test_report_and_chart(unpruned: ArtNet) -> None:
    _, report = prune_zero_channels(unpruned)
    text = str(report)
    assert "inception4e.branch2.1" in text and "904,990" in text and "27.7%" in text
    chart = channel_chart(report)
    colors = {color for _, color in chart.getcolors(2**24)}
    assert {(38, 84, 124), (221, 214, 200)} <= colors  # kept and cut
