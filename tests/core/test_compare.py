"""The scores of a method on a pair of pictures: each against the picture that it is about."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.compare import run_method
from artnet_core.scores import RandomTextureNetwork, color_distance, edge_ssim, style_distance


def test_edges_are_the_contents_texture_and_colours_the_styles(
    model: artnet.ArtNet, photo: Tensor, painting: Tensor
) -> None:
    content, style, judge = photo[..., :96, :96], painting[..., :80, :120], RandomTextureNetwork()
    features = model.encode(content), model.encode(style)
    result, transferred, score = run_method(model, "adain", content, style, features, judge)
    assert torch.equal(model.decode(transferred), result)
    assert score.edges == pytest.approx(edge_ssim(content, result).item())
    assert score.style == pytest.approx(style_distance(style, result, judge).item())
    assert score.color == pytest.approx(color_distance(style, result).item())
    assert score.color < 0.7 * color_distance(content, result).item()
    assert score.seconds > 0


def test_a_method_that_changes_nothing_has_the_contents_colours(
    model: artnet.ArtNet, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, style = photo[..., :64, :64], painting[..., :64, :64]
    features = model.encode(content), model.encode(style)
    monkeypatch.setattr("artnet_core.compare.ALL_METHODS", {"none": lambda content, style: content})
    _, _, score = run_method(model, "none", content, style, features, RandomTextureNetwork())
    assert score.color > 0.5 * color_distance(content, style).item()
    assert score.edges > 0.8
