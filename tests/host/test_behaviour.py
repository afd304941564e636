"""What the nodes promise beside pictures: exact identities, errors in a sentence, cancel, files."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import artnet_core as artnet
from artnet_core.checkpoint import DEFAULT_MODEL, FAST_MODEL, UNPRUNED_MODEL, shipped_models
from artnet_core.painting.mixed import Mix
from artnet_core.pipeline import DEFAULTS, Pictures, paint
from artnet_core.transfer.histograms import Tones, histograms, match_histograms
from artnet_core.transfer.mask import mask_images
from artnet_core.transfer.methods import ALL_METHODS
from artnet_core.transfer.sandwich import sandwich_swap

from .conftest import ELSEWHERE_MODEL, REPOSITORY
from .host import Host, Interrupted, NodeFailed, Refused, raise_if_failed
from .pictures import painted, pixels, saved, scaled, upload

WIDTH, HEIGHT = 120, 90

Graph = dict[str, dict[str, Any]]


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """A node of a prompt; an input that is the name of a node with a slot, ("name", 0), is a wire."""
    return {
        "class_type": class_type,
        "inputs": {name: list(value) if isinstance(value, tuple) else value for name, value in inputs.items()},
    }


def graph(host: Host, model: str = DEFAULT_MODEL, **nodes: dict[str, Any]) -> Graph:
    """A prompt with a model and two small pictures, ``content`` and ``style``, beside the nodes given."""
    return {
        "model": node("ArtNet_Loader", model_name=model),
        "photo": node("LoadImage", image=upload(host, "coffee.jpg")),
        "painting": node("LoadImage", image=upload(host, "great_wave.jpg")),
        "content": scale("photo"),
        "style": scale("painting"),
        **nodes,
    }


def scale(image: str, width: int = WIDTH, height: int = HEIGHT) -> dict[str, Any]:
    return node("ImageScale", image=(image, 0), upscale_method="area", width=width, height=height, crop="disabled")


def stylize(image: str = "content", style: str = "style", model: str = "model", **inputs: Any) -> dict[str, Any]:
    of_painting = {"detail": DEFAULTS.detail, "strength": 1.0, "stroke_size": DEFAULTS.stroke_size, "patch_size": 3}
    settings = {"texture_style": (style, 0), **of_painting, **inputs}
    return node("ArtNet_Stylize", model=(model, 0), image=(image, 0), **settings)


def finish(image: str = "painted", **inputs: Any) -> dict[str, Any]:
    settings = {"texture_style": ("style", 0), "steps": 2, **inputs}
    return node("ArtNet_Finish", image=(image, 0), content=("content", 0), **settings)


def encode(image: str, model: str = "model") -> dict[str, Any]:
    return node("ArtNet_Encoder", model=(model, 0), image=(image, 0))


def transfer(content: str = "content_features", style: str = "style_features", **inputs: Any) -> dict[str, Any]:
    settings = {"strength": 1.0, "detail": 0.3, "patch_size": 3, **inputs}
    return node("ArtNet_S2Transfer", content=(content, 0), texture_style=(style, 0), **settings)


def feature_transfer(method: str = "wct", strength: float = 1.0) -> dict[str, Any]:
    return node(
        "ArtNet_FeatureTransfer",
        content=("content_features", 0),
        style=("style_features", 0),
        method=method,
        strength=strength,
    )


def decode(features: str, model: str = "model") -> dict[str, Any]:
    return node("ArtNet_Decoder", model=(model, 0), features=(features, 0))


def without_model(spec: dict[str, Any]) -> dict[str, Any]:
    return spec | {"inputs": {name: value for name, value in spec["inputs"].items() if name != "model"}}


def mix(first: str, second: str, weight: float = 0.5) -> dict[str, Any]:
    return node("ArtNet_StyleMix", style_1=(first, 0), weight_1=1.0, style_2=(second, 0), weight_2=weight)


def preview(image: str) -> dict[str, Any]:
    return node("PreviewImage", images=(image, 0))


def solid_mask(value: float) -> dict[str, Any]:
    return node("SolidMask", value=value, width=37, height=23)


def repeat(image: str, amount: int) -> dict[str, Any]:
    return node("RepeatImageBatch", image=(image, 0), amount=amount)


def odd(image: str, kind: str) -> dict[str, Any]:
    return node("Odd_Image", image=(image, 0), kind=kind)


def equal(first: str, second: str) -> dict[str, Any]:
    return node("Odd_Equal", first=(first, 0), second=(second, 0))


def text(entry: dict[str, Any], name: str) -> str:
    (value,) = entry["outputs"][name]["text"]
    return value


FEATURES = {"content_features": encode("content"), "style_features": encode("style")}

IDENTITIES: dict[str, tuple[dict[str, dict[str, Any]], str, str]] = {
    "stylize, mask of zeros": ({"mask": solid_mask(0.0), "a": stylize(mask=("mask", 0))}, "a", "content"),
    "stylize, mask of ones": ({"mask": solid_mask(1.0), "a": stylize(mask=("mask", 0)), "b": stylize()}, "a", "b"),
    "stylize, strength 0": ({"a": stylize(strength=0.0)}, "a", "content"),
    "stylize, the shipped model": ({"a": without_model(stylize()), "b": stylize()}, "a", "b"),
    "stylize, colors from the image": (
        {"a": stylize(colors_from="image"), "b": stylize(color_style=("content", 0))},
        "a",
        "b",
    ),
    "stylize, colors from the texture style": (
        {"a": stylize(colors_from="texture style", color_style=("content", 0)), "b": stylize()},
        "a",
        "b",
    ),
    "stylize, colors from the color style": (
        {
            "a": stylize(colors_from="color style", color_style=("content", 0)),
            "b": stylize(color_style=("content", 0)),
        },
        "a",
        "b",
    ),
    "encoder and decoder, the shipped model": (
        {
            "f": without_model(encode("content")),
            "a": without_model(decode("f")),
            "g": encode("content"),
            "b": decode("g"),
        },
        "a",
        "b",
    ),
    "finish, of a painting": (
        {"painted": stylize(), "a": finish(model=("model", 0)), "b": stylize(finish=2)},
        "a",
        "b",
    ),
    "finish, in other colors and of another size": (
        {
            "painted": stylize(style_size=64, color_style=("content", 0)),
            "a": finish(style_size=64, color_style=("content", 0)),
            "b": stylize(finish=2, style_size=64, colors_from="image"),
        },
        "a",
        "b",
    ),
    "finish, mask of zeros": (
        {"mask": solid_mask(0.0), "painted": stylize(), "a": finish(mask=("mask", 0))},
        "a",
        "painted",
    ),
    "finish, mask of ones": (
        {"mask": solid_mask(1.0), "painted": stylize(), "a": finish(mask=("mask", 0)), "b": finish()},
        "a",
        "b",
    ),
    "stylize, a mix of one style is the style": (
        {
            "mix": mix("style", "content", 0.0),
            "a": stylize(texture_style=("mix", 1), stroke_size=1.0, finish=2),
            "b": stylize(stroke_size=1.0, finish=2),
        },
        "a",
        "b",
    ),
    "feature transfer, a method's new and old name": (
        {**FEATURES, "a": feature_transfer("AdaIN (Huang 2017)"), "b": feature_transfer("adain")},
        "a",
        "b",
    ),
    "a mix of pictures is that of their features": (
        {
            **FEATURES,
            "a": mix("content", "style_features"),
            "b": mix("content_features", "style_features"),
        },
        "a",
        "b",
    ),
    "stylize, style as colour style": ({"a": stylize(color_style=("style", 0)), "b": stylize()}, "a", "b"),
    "S2, mask of zeros": (
        {**FEATURES, "mask": solid_mask(0.0), "a": transfer(mask=("mask", 0))},
        "a",
        "content_features",
    ),
    "S2, mask of ones": (
        {**FEATURES, "mask": solid_mask(1.0), "a": transfer(mask=("mask", 0)), "b": transfer()},
        "a",
        "b",
    ),
    "S2, strength 0": ({**FEATURES, "a": transfer(strength=0.0)}, "a", "content_features"),
    "feature transfer, strength 0": ({**FEATURES, "a": feature_transfer(strength=0.0)}, "a", "content_features"),
    "a mix of one style is the style": (
        {
            **FEATURES,
            "a": node(
                "ArtNet_StyleMix",
                style_1=("content_features", 0),
                weight_1=0.0,
                style_2=("style_features", 0),
                weight_2=0.5,
            ),
        },
        "a",
        "style_features",
    ),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_hold_to_the_bit(odd_host: Host, name: str) -> None:
    nodes, first, second = IDENTITIES[name]
    entry = odd_host.run(graph(odd_host, **nodes, equal=equal(first, second)))
    assert text(entry, "equal") == "True"


def chain_and_box(host: Host, steady: bool, detail: float) -> tuple[Tensor, Tensor]:
    """Two frames as three nodes paint them, and as one."""
    nodes = {
        **FEATURES,
        "frames": node("ImageBatch", image1=("content", 0), image2=("style", 0)),
        "content_features": encode("frames"),
        "s2": transfer(steady=steady, detail=detail),
        "a": decode("s2"),
        "b": stylize("frames", steady=steady, detail=detail),
        "out_a": preview("a"),
        "out_b": preview("b"),
    }
    images = host.images(host.run(graph(host, **nodes)))
    return pixels(images["out_a"]), pixels(images["out_b"])


def test_the_chain_is_the_one_box_node_in_steady_video(odd_host: Host) -> None:
    chain, box = chain_and_box(odd_host, True, 0.0)
    assert (chain - box).abs().max() <= 1


@pytest.mark.parametrize("detail", [0.3, 0.0])
def test_the_chain_is_s2_and_the_box_gives_it_the_tones_of_the_style(odd_host: Host, detail: float) -> None:
    chain, box = chain_and_box(odd_host, False, detail)
    content, style = (scaled(name, WIDTH, HEIGHT) for name in ("coffee.jpg", "great_wave.jpg"))
    with torch.inference_mode():
        model = artnet.load()
        for index, frame in enumerate((content, style)):
            transferred = model.decode(sandwich_swap(model.encode(frame), model.encode(style), detail=detail))
            toned = match_histograms(transferred, [Tones(histograms(style))])
            assert (chain[index : index + 1] - saved(transferred)).abs().max() <= 2
            assert (box[index : index + 1] - saved(toned)).abs().max() <= 2


def test_a_mix_is_painted_with_on_the_one_box_too(odd_host: Host) -> None:
    nodes = {
        **FEATURES,
        "pictures": mix("style", "content"),
        "features": mix("style_features", "content_features"),
        "a": stylize(style="pictures", texture_style=("pictures", 1)),
        "b": stylize(texture_style=("features", 1), color_style=("features", 1)),
        "plain": stylize(),
        **{f"out_{name}": preview(name) for name in ("a", "b", "plain")},
    }
    images = {name: pixels(found) for name, found in odd_host.images(odd_host.run(graph(odd_host, **nodes))).items()}
    content, style = (scaled(name, WIDTH, HEIGHT) for name in ("coffee.jpg", "great_wave.jpg"))
    with torch.inference_mode():
        model = artnet.load()
        photo, painting = (Pictures.of(picture, "picture") for picture in (content, style))
        of_pictures = Mix("styles", [painting, photo], [1, 0.5])
        of_features = Mix("styles", [model.encode(style), model.encode(content)], [1, 0.5])
        (a,), (b,) = paint(model, photo, of_pictures), paint(model, photo, of_features, of_features)
    for name, expected in (("out_a", a), ("out_b", b)):
        assert (images[name] - saved(expected)).abs().max() <= 2
        assert (images[name] - images["out_plain"]).abs().max() > 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"style_size": 64}, "A style is features of 120 pixels, and is needed with 64: give its picture"),
        ({"finish": 2}, "The finish needs the pictures of all styles, and one is features: give its picture."),
    ],
)
def test_a_mix_of_features_has_one_size(odd_host: Host, settings: dict[str, float], message: str) -> None:
    nodes = {
        **FEATURES,
        "features": mix("style_features", "content"),
        "a": stylize(texture_style=("features", 1), **settings),
        "out": preview("a"),
    }
    with pytest.raises(NodeFailed, match=message):
        odd_host.run(graph(odd_host, **nodes))


def test_one_picture_is_painted_once_under_each_mask(odd_host: Host) -> None:
    nodes = {
        **FEATURES,
        "both": node("ImageBatch", image1=("style", 0), image2=("content", 0)),
        "black": node("EmptyImage", width=WIDTH, height=HEIGHT, batch_size=1, color=0),
        "three": node("ImageBatch", image1=("both", 0), image2=("black", 0)),
        "masks": node("ImageToMask", image=("three", 0), channel="red"),
        "stylized": stylize(mask=("masks", 0)),
        "transferred": transfer(mask=("masks", 0)),
        "s2": decode("transferred"),
        "out_stylized": preview("stylized"),
        "out_s2": preview("s2"),
    }
    images = odd_host.images(odd_host.run(graph(odd_host, **nodes)))
    content, style = scaled("coffee.jpg", WIDTH, HEIGHT), scaled("great_wave.jpg", WIDTH, HEIGHT)
    with torch.inference_mode():
        thrice, masks = content.repeat(3, 1, 1, 1), torch.cat([style, content, torch.zeros_like(content)])[:, 0]
        expected = mask_images(thrice, artnet.load().stylize(thrice, style), masks)
    assert (pixels(images["out_stylized"]) - saved(expected)).abs().max() <= 2
    assert torch.equal(pixels(images["out_stylized"])[2:], saved(content))
    assert len(images["out_s2"]) == 3


def test_one_picture_is_painted_once_in_each_style(odd_host: Host) -> None:
    styles = {"styles": node("ImageBatch", image1=("style", 0), image2=("content", 0))}
    nodes = {
        **FEATURES,
        **styles,
        "style_features": encode("styles"),
        "masks": node("ImageToMask", image=("styles", 0), channel="red"),
        "stylized": stylize(style="styles", mask=("masks", 0)),
        "transferred": transfer(),
        "s2": decode("transferred"),
        "wct_features": feature_transfer(),
        "wct": decode("wct_features"),
        **{f"out_{name}": preview(name) for name in ("stylized", "s2", "wct")},
    }
    images = odd_host.images(odd_host.run(graph(odd_host, **nodes)))
    content, style = scaled("coffee.jpg", WIDTH, HEIGHT), scaled("great_wave.jpg", WIDTH, HEIGHT)
    styles_in_turn = torch.cat([style, content])
    with torch.inference_mode():
        model = artnet.load()
        painted = model.stylize(content, styles_in_turn)
        both, features = content.repeat(2, 1, 1, 1), model.encode(styles_in_turn)
        expected = {
            "out_stylized": mask_images(both, painted, styles_in_turn[:, 0]),
            "out_s2": model.decode(sandwich_swap(model.encode(both), features)),
            "out_wct": model.decode(ALL_METHODS["wct"](model.encode(both), features)),
        }
    for name, pictures in expected.items():
        assert (pixels(images[name]) - saved(pictures)).abs().max() <= 2


def test_a_broken_picture_among_styles_is_named_at_another_size_too(odd_host: Host) -> None:
    nodes = {
        "broken": odd("style", "nan"),
        "styles": node("ImageBatch", image1=("style", 0), image2=("broken", 0)),
        "out": preview("painted"),
        "painted": stylize(style="styles", style_size=64),
    }
    with pytest.raises(NodeFailed, match=r"texture style, picture 2: .* not finite"):
        odd_host.run(graph(odd_host, **nodes))


def test_broad_strokes_and_finish_are_the_cores(odd_host: Host) -> None:
    nodes = {"a": stylize(stroke_size=1.0, style_size=64, finish=2), "out": preview("a")}
    images = odd_host.images(odd_host.run(graph(odd_host, **nodes)))["out"]
    content, style = scaled("coffee.jpg", WIDTH, HEIGHT), scaled("great_wave.jpg", WIDTH, HEIGHT)
    expected = painted(artnet.load(), content, style, stroke_size=1.0, style_size=64, finish=2)
    assert (pixels(images) - saved(expected)).abs().float().mean() < 2


def test_styles_beyond_the_fourth(odd_host: Host) -> None:
    if "more" not in odd_host.object_info("ArtNet_StyleMix")["input"]["optional"]:
        pytest.skip("inputs do not grow on this host")
    grown = mix("content_features", "style_features")
    grown["inputs"] |= {"more.style_5": ["plain", 0], "more.style_6": ["style", 0], "more_weights": "0.25"}
    three = mix("content_features", "style_features")
    three["inputs"] |= {"style_3": ["plain", 0], "weight_3": 0.25, "style_4": ["style", 0], "weight_4": 1.0}
    nodes = {
        **FEATURES,
        "plain": node("EmptyImage", width=WIDTH, height=HEIGHT, batch_size=1, color=255),
        "a": grown,
        "b": three,
        "equal": equal("a", "b"),
    }
    assert text(odd_host.run(graph(odd_host, **nodes)), "equal") == "True"


def test_a_method_that_does_not_exist_is_refused(odd_host: Host) -> None:
    nodes = {**FEATURES, "a": feature_transfer("cezanne"), "b": decode("a"), "out": preview("b")}
    with pytest.raises(Refused, match=r"There is no method 'cezanne': choose one of ArtNet, S² \(An 2020\)"):
        odd_host.run(graph(odd_host, **nodes))


def test_without_a_model_the_unpruned_one_is_pruned(odd_host: Host) -> None:
    entry = odd_host.run(
        {
            "prune": node("ArtNet_ZeroChannelPrune", threshold=0.0),
            "out": node("PreviewImage", images=("prune", 2)),
        }
    )
    assert text(entry, "prune").startswith("2,504 of 4,992 channels kept\n")


@pytest.mark.parametrize(("value", "warnings"), [(0.0, 1), (0.5, 0)])
def test_an_empty_mask_is_warned_of(odd_host: Host, value: float, warnings: int) -> None:
    nodes = {"mask": solid_mask(value), "a": stylize(mask=("mask", 0), strength=0.99), "out": preview("a")}
    said = odd_host.run(graph(odd_host, **nodes))["outputs"]["a"]
    assert said["text"] == said["artnet_warning"] == ["The mask is empty: nothing is painted."] * warnings


@pytest.mark.parametrize("method", ["wct", "adain", "linear_wct"])
def test_feature_transfer_is_the_cores(odd_host: Host, method: str) -> None:
    nodes = {
        "frames": node("ImageBatch", image1=("content", 0), image2=("style", 0)),
        "styles": node("ImageBatch", image1=("style", 0), image2=("content", 0)),
        "content_features": encode("frames"),
        "style_features": encode("styles"),
        "transferred": feature_transfer(method, 0.8),
        "a": decode("transferred"),
        "out": preview("a"),
    }
    images = odd_host.images(odd_host.run(graph(odd_host, **nodes)))["out"]
    pictures = torch.cat([scaled(name, WIDTH, HEIGHT) for name in ("coffee.jpg", "great_wave.jpg")])
    with torch.inference_mode():
        model = artnet.load()
        features = ALL_METHODS[method](model.encode(pictures), model.encode(pictures.flip(0)), strength=0.8)
        expected = model.decode(features)
    assert (pixels(images) - saved(expected)).abs().max() <= 2


def test_comparison_sees_a_difference(odd_host: Host) -> None:
    entry = odd_host.run(graph(odd_host, a=stylize(strength=0.05), equal=equal("a", "content")))
    assert text(entry, "equal") == "False"


def test_half_precision_images_are_taken(odd_host: Host) -> None:
    nodes = {"half": odd("content", "half"), "a": stylize("half"), "out": preview("a")}
    (image,) = odd_host.images(odd_host.run(graph(odd_host, **nodes)))["out"]
    content = scaled("coffee.jpg", WIDTH, HEIGHT).half().float()
    with torch.inference_mode():
        expected = artnet.load().stylize(content, scaled("great_wave.jpg", WIDTH, HEIGHT))
    assert (pixels([image]) - saved(expected)).abs().max() <= 2


def test_alpha_is_kept(odd_host: Host) -> None:
    nodes = {
        "gray": node("ImageToMask", image=("style", 0), channel="red"),
        "rgba": node("JoinImageWithAlpha", image=("content", 0), alpha=("gray", 0)),
        "a": stylize("rgba"),
        "plain": stylize(),
        **FEATURES,
        "content_features": encode("rgba"),
        "transferred": transfer(),
        "chain": decode("transferred"),
        **{f"out_{name}": preview(name) for name in ("rgba", "a", "plain", "chain")},
    }
    entry = odd_host.run(graph(odd_host, **nodes))
    images = {name: pixels(pictures) for name, pictures in odd_host.images(entry).items()}
    assert images["out_a"].shape == (1, HEIGHT, WIDTH, 4)
    assert len(images["out_rgba"][..., 3].unique()) > 50
    assert torch.equal(images["out_a"][..., 3], images["out_rgba"][..., 3])
    # What is transparent counts the less as content, as in the core.
    assert not torch.equal(images["out_a"][..., :3], images["out_plain"])
    content, style = (scaled(name, WIDTH, HEIGHT) for name in ("coffee.jpg", "great_wave.jpg"))
    weights = 1 - style[:, 0]
    with torch.inference_mode():
        model = artnet.load()
        (expected,) = paint(model, Pictures.of(content, "content", weights), Pictures.of(style, "style"))
        chain = model.decode(sandwich_swap(model.encode(content).weighted(weights[:, None]), model.encode(style)))
    assert (images["out_a"][..., :3] - saved(expected)).abs().max() <= 2
    assert (images["out_chain"] - saved(chain)).abs().max() <= 2


def test_every_frame_can_have_its_own_style(odd_host: Host) -> None:
    nodes = {
        "frames": repeat("content", 2),
        "styles": node("ImageBatch", image1=("style", 0), image2=("content", 0)),
        "a": stylize("frames", "styles"),
        "own_first": stylize(),
        "own_second": stylize(style="content"),
        "b": node("ImageBatch", image1=("own_first", 0), image2=("own_second", 0)),
        "equal": equal("a", "b"),
    }
    assert text(odd_host.run(graph(odd_host, **nodes)), "equal") == "True"


def encodings(after: str) -> dict[str, Any]:
    return node("Odd_Encodings", after=(after, 0))


def test_a_moved_slider_encodes_nothing_and_nothing_stays(odd_host: Host) -> None:
    empty = {"black": node("EmptyImage", width=64, height=64, batch_size=1, color=0), "count": encodings("black")}
    odd_host.run(empty)

    def counted(**settings: float) -> str:
        entry = odd_host.run(graph(odd_host, a=stylize(**settings), count=encodings("a")))
        return text(entry, "count")

    assert counted(detail=0.21) == "2 encoded, 2 kept"
    assert counted(detail=0.22) == "0 encoded, 2 kept"
    assert counted(detail=0.22, patch_size=5) == "0 encoded, 2 kept"
    assert counted(detail=0.22, style_size=64) == "1 encoded, 3 kept"
    again = {
        "content_2": odd("content", "copy"),
        "style_2": odd("style", "copy"),
        "a": stylize(detail=0.23, strength=0.7, stroke_size=1.0),
        "b": stylize("content_2", "style_2", detail=0.23, strength=0.7, stroke_size=1.0),
        "equal": equal("a", "b"),
        "count": encodings("b"),
    }
    entry = odd_host.run(graph(odd_host, **again))
    assert text(entry, "equal") == "True"
    # Nothing for the pictures as they were, of which features are kept, and two for the copies.
    assert text(entry, "count") == "2 encoded, 5 kept"
    assert text(odd_host.run(empty), "count") == "0 encoded, 0 kept"


def test_kept_features_know_their_picture_model_and_transparency(odd_host: Host) -> None:
    nodes = {
        "other": node("ArtNet_Loader", model_name=FAST_MODEL),
        "gray": node("ImageToMask", image=("style", 0), channel="red"),
        "rgba": node("JoinImageWithAlpha", image=("content", 0), alpha=("gray", 0)),
        "frames": repeat("content", 2),
        "a": stylize(detail=0.24),
        "by_other": stylize(detail=0.24, model="other"),
        "seen": stylize("rgba", detail=0.24),
        "both": stylize("frames", detail=0.24),
        **{f"out_{name}": preview(name) for name in ("a", "by_other", "seen", "both")},
    }
    images = {name: pixels(found) for name, found in odd_host.images(odd_host.run(graph(odd_host, **nodes))).items()}
    assert (images["out_a"] - images["out_by_other"]).abs().max() > 5
    assert (images["out_a"] - images["out_seen"][..., :3]).abs().max() > 5
    assert torch.equal(images["out_both"], images["out_a"].expand(2, -1, -1, -1))


ERRORS: dict[str, tuple[dict[str, dict[str, Any]], str, str]] = {
    "decoder of another model": (
        {
            "other": node("ArtNet_Loader", model_name=UNPRUNED_MODEL),
            "f": encode("content", "other"),
            "out": decode("f"),
        },
        "ArtNet_Decoder",
        "These features were encoded with artnet_unpruned, but are to be decoded with artnet: encode and decode",
    ),
    "style of another model": (
        {
            "other": node("ArtNet_Loader", model_name=UNPRUNED_MODEL),
            **FEATURES,
            "style_features": encode("style", "other"),
            "out": transfer(),
        },
        "ArtNet_S2Transfer",
        "The texture style was encoded with artnet_unpruned, the content with artnet: encode both with the same model.",
    ),
    "S2 with too many styles": (
        {
            **FEATURES,
            "frames": repeat("content", 2),
            "content_features": encode("frames"),
            "styles": repeat("style", 3),
            "style_features": encode("styles"),
            "out": transfer(),
        },
        "ArtNet_S2Transfer",
        "The batches do not fit together (content 2, texture style 3): give 1 or 3 of each.",
    ),
    "feature transfer with too many styles": (
        {
            **FEATURES,
            "frames": repeat("content", 2),
            "content_features": encode("frames"),
            "styles": repeat("style", 3),
            "style_features": encode("styles"),
            "out": feature_transfer(),
        },
        "ArtNet_FeatureTransfer",
        "The batches do not fit together (content 2, style 3): give 1 or 3 of each.",
    ),
    "stylize with too many colour styles": (
        {
            "frames": repeat("content", 2),
            "styles": repeat("style", 3),
            "out": stylize("frames", color_style=("styles", 0)),
        },
        "ArtNet_Stylize",
        "The batches do not fit together (image 2, texture style 1, color style 3): give 1 or 3 of each.",
    ),
    "too many masks": (
        {
            "frames": repeat("content", 2),
            "others": repeat("content", 3),
            "masks": node("ImageToMask", image=("others", 0), channel="red"),
            "out": stylize("frames", mask=("masks", 0)),
        },
        "ArtNet_Stylize",
        "The batches do not fit together (image 2, texture style 1, mask 3): give 1 or 3 of each.",
    ),
    "empty image to the encoder": (
        {"empty": odd("content", "empty"), "out": encode("empty")},
        "ArtNet_Encoder",
        "image: there is no picture in this batch.",
    ),
    "empty image to stylize": (
        {"empty": odd("content", "empty"), "out": stylize("empty")},
        "ArtNet_Stylize",
        "image: there is no picture in this batch.",
    ),
    "empty style": (
        {"empty": odd("style", "empty"), "out": stylize(style="empty")},
        "ArtNet_Stylize",
        "texture style: there is no picture in this batch.",
    ),
    "a mask where a picture belongs": (
        {"mask": solid_mask(1.0), "any": node("Odd_Any", value=("mask", 0)), "out": stylize("any")},
        "ArtNet_Stylize",
        "image: expected pictures with red, green, blue and perhaps transparency, as Load Image gives them",
    ),
    "colors from a color style that is not there": (
        {"out": stylize(colors_from="color style")},
        "ArtNet_Stylize",
        "Colors from color style: no picture is wired to color style.",
    ),
    "NaN in the image": (
        {"nan": odd("content", "nan"), "out": stylize("nan")},
        "ArtNet_Stylize",
        "image, picture 1: The picture has values that are not finite",
    ),
    "NaN in a calibration picture": (
        {
            "nan": odd("content", "nan"),
            "out": node("ArtNet_ZeroChannelPrune", model=("model", 0), threshold=0.0, calibration=("nan", 0)),
        },
        "ArtNet_ZeroChannelPrune",
        "calibration, picture 1: The picture has values that are not finite",
    ),
    "threshold without calibration": (
        {"out": node("ArtNet_ZeroChannelPrune", model=("model", 0), threshold=0.5)},
        "ArtNet_ZeroChannelPrune",
        "A threshold above 0 needs calibration pictures",
    ),
    "even patch size": (
        {"out": stylize(patch_size=2)},
        "ArtNet_Stylize",
        "patch_size must be an odd number of positions",
    ),
    "weights of zero": (
        {
            **FEATURES,
            "out": node(
                "ArtNet_StyleMix",
                style_1=("content_features", 0),
                weight_1=0.0,
                style_2=("style_features", 0),
                weight_2=0.0,
            ),
        },
        "ArtNet_StyleMix",
        "All style weights are zero",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_wrong_wiring_says_so_and_the_server_goes_on(odd_host: Host, name: str) -> None:
    nodes, at, message = ERRORS[name]
    with pytest.raises(NodeFailed) as failed:
        odd_host.run(graph(odd_host, **nodes, run=equal("out", "out")))
    assert failed.value.node_type == at
    assert failed.value.message.startswith(message)
    # The host would not run a graph again whose result it still has.
    settings = {"strength": 0.5 + list(ERRORS).index(name) / 100}
    good = odd_host.run(graph(odd_host, a=stylize(**settings), out=preview("a")))
    assert len(odd_host.images(good)["out"]) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"not a model at all", "is not a readable .safetensors file"), (None, "is not an ArtNet model")],
)
def test_model_files_that_are_not_ours(odd_host: Host, content: bytes | None, message: str) -> None:
    path = models_folder(odd_host) / "foreign.safetensors"
    if content is None:
        save_file({"weight": torch.zeros(3)}, path)
    else:
        path.write_bytes(content)
    try:
        with pytest.raises(NodeFailed, match=message):
            odd_host.run(graph(odd_host, path.name, a=stylize(), out=preview("a")))
    finally:
        path.unlink()


CANCELLED = {
    "a batch of small frames": ("ArtNet_Stylize", {"frames": repeat("content", 2000), "a": stylize("frames")}, 2),
    "one large frame with broad strokes": (
        "ArtNet_Stylize",
        {
            "larger": scale("photo", 4500, 3000),
            "a": stylize("larger", stroke_size=1.0, detail=0.0, strength=0.9),
        },
        4,
    ),
    "steps of a finish": (
        "ArtNet_Finish",
        {"painted": scale("photo", 1500, 1000), "a": finish(steps=50)},
        4,
    ),
}


@pytest.mark.parametrize("name", CANCELLED)
def test_cancel_stops_within_a_frame(odd_host: Host, name: str) -> None:
    at, nodes, wait = CANCELLED[name]
    nodes = {**nodes, "out": preview("a")}
    prompt_id = odd_host.queue(graph(odd_host, **nodes))
    while prompt_id not in odd_host.running():
        time.sleep(0.05)
    time.sleep(wait)  # into the work, which takes a minute and more
    assert prompt_id in odd_host.running()
    started = time.monotonic()
    entry = odd_host.interrupt(prompt_id)
    assert time.monotonic() - started < 5  # a second on a machine that does nothing else
    with pytest.raises(Interrupted, match=at):
        raise_if_failed(entry)
    detail = 0.9 + list(CANCELLED).index(name) / 100  # the host would not paint the same again
    odd_host.run(graph(odd_host, a=stylize(detail=detail), out=preview("a")))


def models_folder(host: Host) -> Path:
    folder = host.base / "models" / "artnet"
    folder.mkdir(exist_ok=True)
    return folder


def listed_models(host: Host) -> list[str]:
    return host.object_info("ArtNet_Loader")["input"]["required"]["model_name"][1]["options"]


def test_a_saved_model_can_be_loaded(odd_host: Host) -> None:
    prune = {
        "prune": node("ArtNet_ZeroChannelPrune", model=("model", 0), threshold=0.0, calibration=("content", 0)),
        "save": node("ArtNet_SaveModel", model=("prune", 0), name="my pruned"),
        "a": stylize(model="prune"),
        "out": preview("a"),
    }
    before = odd_host.run(graph(odd_host, UNPRUNED_MODEL, **prune))
    path = odd_host.base / "models" / "artnet" / "my pruned.safetensors"
    try:
        assert text(before, "save") == f"Saved {path}"
        umask = os.umask(0)
        os.umask(umask)
        assert path.stat().st_mode & 0o777 == 0o666 & ~umask
        assert path.stat().st_size < shipped_models()[UNPRUNED_MODEL].stat().st_size
        assert listed_models(odd_host)[:3] == [DEFAULT_MODEL, FAST_MODEL, UNPRUNED_MODEL]
        assert path.name in listed_models(odd_host)
        after = odd_host.run(graph(odd_host, path.name, a=stylize(), out=preview("a")))
        first, second = (pixels(odd_host.images(entry)["out"]) for entry in (before, after))
        assert (first - second).abs().max() <= 2  # the file is in half precision
    finally:
        path.unlink(missing_ok=True)


def test_a_file_saved_anew_is_read_anew(odd_host: Host) -> None:
    path = models_folder(odd_host) / "changing.safetensors"
    results = []
    try:
        for source in (DEFAULT_MODEL, UNPRUNED_MODEL):
            path.write_bytes(shipped_models()[source].read_bytes())
            entry = odd_host.run(graph(odd_host, path.name, a=stylize(), out=preview("a")))
            results.append(pixels(odd_host.images(entry)["out"]))
            time.sleep(0.01)  # a file system's clock may be coarse
    finally:
        path.unlink()
    with torch.inference_mode():
        model = artnet.load(shipped_models()[UNPRUNED_MODEL])
        expected = model.stylize(scaled("coffee.jpg", WIDTH, HEIGHT), scaled("great_wave.jpg", WIDTH, HEIGHT))
    assert (results[1] - saved(expected)).abs().max() <= 2
    assert not torch.equal(*results)


@pytest.mark.parametrize("name", ["", "  ", "..", "../escaped", "a/b", "a\\b", "C:x", ".hidden", "a\nb", "artnet"])
def test_models_are_saved_nowhere_else(odd_host: Host, name: str) -> None:
    before = sorted(odd_host.base.rglob("*.safetensors"))
    with pytest.raises(NodeFailed, match=r"cannot be the name of a model file|name of a model that comes with ArtNet"):
        odd_host.run(graph(odd_host, save=node("ArtNet_SaveModel", model=("model", 0), name=name)))
    assert sorted(odd_host.base.rglob("*.safetensors")) == before


def test_extra_model_paths_are_honoured(odd_host: Host) -> None:
    assert ELSEWHERE_MODEL in listed_models(odd_host)
    assert "notes.txt" not in listed_models(odd_host)
    nodes = {"other": node("ArtNet_Loader", model_name=ELSEWHERE_MODEL), "a": stylize(model="other"), "b": stylize()}
    entry = odd_host.run(graph(odd_host, **nodes, equal=equal("a", "b")))
    assert text(entry, "equal") == "True"


def test_what_is_saved_comes_before_files_of_its_name_elsewhere(odd_host: Host) -> None:
    path = models_folder(odd_host) / ELSEWHERE_MODEL
    path.write_bytes(shipped_models()[FAST_MODEL].read_bytes())
    try:
        nodes = {
            "other": node("ArtNet_Loader", model_name=ELSEWHERE_MODEL),
            "fast": node("ArtNet_Loader", model_name=FAST_MODEL),
            "a": stylize(model="other"),
            "b": stylize(model="fast"),
        }
        assert text(odd_host.run(graph(odd_host, **nodes, equal=equal("a", "b"))), "equal") == "True"
    finally:
        path.unlink()


def test_models_outside_of_the_folders_are_not_read(odd_host: Host) -> None:
    (odd_host.base / "secret.safetensors").write_bytes(b"")
    with pytest.raises((NodeFailed, Refused), match=r"'\.\./\.\./secret\.safetensors' not (found|in)"):
        odd_host.run(graph(odd_host, "../../secret.safetensors", a=stylize(), out=preview("a")))


def test_an_older_host_is_told_in_one_line() -> None:
    spec = importlib.util.spec_from_file_location("pack", REPOSITORY / "__init__.py")
    assert spec is not None and spec.loader is not None
    assert "comfy_api" not in sys.modules
    with pytest.raises(ImportError, match=r"^ArtNet needs ComfyUI 0\.3\.48 or newer$"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
