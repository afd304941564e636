"""Whole graphs on the real host, their pictures compared with what the core makes of the same inputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import artnet_core as artnet
from artnet_core.checkpoint import UNPRUNED_MODEL, shipped_models
from artnet_core.figures import channel_chart
from artnet_core.transfer.mask import mask_features, mask_images
from artnet_core.transfer.mix import mix_styles
from artnet_core.transfer.sandwich import sandwich_swap

from .host import Host
from .pictures import pixels, saved, scaled, upload_examples

PROMPTS = Path(__file__).parent / "prompts"

# The host runs another version of torch.
TOLERANCE = 2

# The prompts are older than stroke size, and are to be painted as they were.
AS_SAVED = {"detail": 0.3, "stroke_size": 0.0}


def read_prompt(name: str) -> dict[str, Any]:
    return json.loads((PROMPTS / f"{name}.json").read_text())


def basic(model: artnet.ArtNet) -> dict[str, Tensor]:
    content, style, _ = encoded_pictures(model)
    return {"save": model.decode(sandwich_swap(content, style))}


def texture_and_color(model: artnet.ArtNet) -> dict[str, Tensor]:
    content, texture, color = encoded_pictures(model)
    return {"save": model.decode(sandwich_swap(content, texture, color, strength=0.8, detail=0.2))}


def style_mix(model: artnet.ArtNet) -> dict[str, Tensor]:
    content, texture, color = encoded_pictures(model)
    return {"save": model.decode(sandwich_swap(content, mix_styles([texture, color], [2.0, 1.0])))}


def encoded_pictures(model: artnet.ArtNet) -> tuple[artnet.Features, artnet.Features, artnet.Features]:
    return (
        model.encode(scaled("astronaut.jpg", 192, 192)),
        model.encode(scaled("great_wave.jpg", 192, 128)),
        model.encode(scaled("village_street_in_auvers.jpg", 160, 128)),
    )


def prune_and_compare(_model: artnet.ArtNet) -> dict[str, Tensor]:
    content, style = scaled("astronaut.jpg", 192, 192), scaled("great_wave.jpg", 192, 128)
    model = artnet.load(shipped_models()[UNPRUNED_MODEL])
    pruned, report = artnet.prune_zero_channels(model, content)
    chart = pixels([channel_chart(report)]).movedim(-1, 1) / 255
    return {
        "save_before": model.stylize(content, style, **AS_SAVED),
        "save_after": pruned.stylize(content, style, **AS_SAVED),
        "save_chart": chart,
    }


def mask(model: artnet.ArtNet) -> dict[str, Tensor]:
    content, style = scaled("chelsea.jpg", 203, 150), scaled("great_wave.jpg", 192, 128)
    weights = scaled("coffee.jpg", 60, 40)[:, 0]
    features = model.encode(content)
    transferred = sandwich_swap(features, model.encode(style))
    return {
        "save_stylize": mask_images(content, model.stylize(content, style, **AS_SAVED), weights),
        "save_decoder": model.decode(mask_features(features, transferred, weights)),
    }


def video_frames(model: artnet.ArtNet) -> dict[str, Tensor]:
    frames = torch.cat([scaled("astronaut.jpg", 160, 120), scaled("coffee.jpg", 160, 120)])
    style, color = scaled("great_wave.jpg", 192, 128), scaled("village_street_in_auvers.jpg", 160, 128)
    return {"save": model.stylize(frames.repeat(2, 1, 1, 1), style, color, steady=True, **AS_SAVED)}


def chained(model: artnet.ArtNet) -> dict[str, Tensor]:
    content, style = scaled("rocket.jpg", 160, 107), scaled("lion.jpg", 128, 128)
    blend = torch.lerp(content, model.stylize(content, style, patch_size=5, **AS_SAVED), 0.75)
    return {"save": F.interpolate(blend, (214, 320), mode="area")}


EXPECTED: dict[str, Callable[[artnet.ArtNet], dict[str, Tensor]]] = {
    function.__name__: function
    for function in (basic, texture_and_color, style_mix, prune_and_compare, mask, video_frames, chained)
}


def test_every_prompt_is_checked() -> None:
    assert {path.stem for path in PROMPTS.glob("*.json")} == set(EXPECTED)


@cache
def expected_pictures(name: str) -> dict[str, Tensor]:
    """What the core makes in float32 of a prompt's inputs, by node."""
    with torch.inference_mode():
        return EXPECTED[name](artnet.load())


def differences(host: Host, name: str) -> dict[str, Tensor]:
    """Of each saved picture of a prompt's from what the core makes in float32, absolute, 0..255, by node."""
    prompt = read_prompt(name)
    upload_examples(host, prompt)
    found = host.images(host.run(prompt))
    expected = expected_pictures(name)
    assert set(found) == set(expected)
    return {node: (pixels(found[node]) - saved(pictures)).abs() for node, pictures in expected.items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_pictures_are_the_cores(host: Host, name: str) -> None:
    for node, difference in differences(host, name).items():
        assert difference.max() <= TOLERANCE, node


def test_what_was_pruned_is_said(host: Host) -> None:
    prompt = read_prompt("prune_and_compare")
    upload_examples(host, prompt)
    # The host shows nothing for a node whose result it still has.
    prompt["prune"]["inputs"]["threshold"] = 0.01
    prompt["show"] = {"class_type": "PreviewAny", "inputs": {"source": ["prune", 1]}}
    outputs = host.run(prompt)["outputs"]
    (summary,), (report,) = outputs["prune"]["text"], outputs["show"]["text"]
    model = artnet.load(shipped_models()[UNPRUNED_MODEL])
    with torch.inference_mode():
        _, expected = artnet.prune_zero_channels(model, scaled("astronaut.jpg", 192, 192), 0.01)
    total, kept = expected.channels
    assert summary.startswith(f"{kept:,} of {total:,} channels kept\n")
    assert report.splitlines()[:-1] == str(expected).splitlines()[:-1]
    assert report.splitlines()[-1].startswith("largest difference on 1 pictures: features ")
