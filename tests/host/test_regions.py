"""Regions, masks of pictures, and maps of settings on the real host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.pipeline import DEFAULTS, Pictures, Region, Settings, paint
from artnet_core.transfer.methods import ALL_METHODS
from artnet_core.transfer.mix import mix_styles

from .host import Host, NodeFailed
from .pictures import pixels, saved, scaled
from .test_behaviour import (
    HEIGHT,
    WIDTH,
    decode,
    encode,
    equal,
    feature_transfer,
    graph,
    mix,
    node,
    preview,
    repeat,
    solid_mask,
    stylize,
    text,
    transfer,
)

Graph = dict[str, dict[str, Any]]


def regions(*given: str, image: str = "content", **inputs: Any) -> dict[str, Any]:
    """ArtNet Regions with the nodes of these names as its regions; further ones by ``more.region_5``."""
    wired = {f"region_{number}": (name, 0) for number, name in enumerate(given, 1)}
    of_painting = {"detail": DEFAULTS.detail, "strength": 1.0, "stroke_size": DEFAULTS.stroke_size}
    return node("ArtNet_Regions", image=(image, 0), **{**of_painting, **wired, **inputs})


def region(mask: str, style: str, **inputs: Any) -> dict[str, Any]:
    return node("ArtNet_Region", mask=(mask, 0), texture_style=(style, 0), **inputs)


def encode_part(image: str, mask: str) -> dict[str, Any]:
    return node("ArtNet_Encoder", model=("model", 0), image=(image, 0), mask=(mask, 0))


def masks(of: str) -> dict[str, Any]:
    return node("ImageToMask", image=(of, 0), channel="red")


def inverted(mask: str) -> dict[str, Any]:
    return node("InvertMask", mask=(mask, 0))


def box(mask: str, x: int, y: int) -> dict[str, Any]:
    """A white rectangle of 37 x 23 on black of the size of pictures."""
    return node("MaskComposite", destination=("black", 0), source=(mask, 0), x=x, y=y, operation="add")


PLACES: Graph = {
    "one": solid_mask(1.0),
    "zero": solid_mask(0.0),
    "black": node("SolidMask", value=0.0, width=WIDTH, height=HEIGHT),
    "corner": box("one", 10, 20),
    "rest": inverted("corner"),
}


def corner() -> Tensor:
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, 20:43, 10:47] = 1
    return mask


@pytest.fixture(scope="module")
def model() -> artnet.ArtNet:
    return artnet.load()


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


CONTENT, STYLE = "coffee.jpg", "great_wave.jpg"


def picture(name: str) -> Tensor:
    return scaled(name, WIDTH, HEIGHT)


IDENTITIES: dict[str, tuple[Graph, str, str]] = {
    "regions of nothing": ({"r": region("zero", "style"), "a": regions("r")}, "a", "content"),
    "what no region covers is stylize": (
        {"r": region("zero", "style"), "a": regions("r", texture_style=("style", 0)), "b": stylize()},
        "a",
        "b",
    ),
    "one style in two regions, whatever their order": (
        {
            "r": region("corner", "style"),
            "s": region("rest", "content"),
            "a": regions("r", "s"),
            "b": regions("s", "r"),
        },
        "a",
        "b",
    ),
    "a mask of zeros over regions": (
        {"r": region("one", "style"), "a": regions("r", mask=("zero", 0))},
        "a",
        "content",
    ),
    "own settings that are those of all": (
        {
            "r": region("corner", "style"),
            "s": region("corner", "style", own_settings=True, detail=0.1, strength=0.9, style_size=64),
            "a": regions("r", detail=0.1, strength=0.9, style_size=64),
            "b": regions("s", detail=0.7),
        },
        "a",
        "b",
    ),
    "own settings that are switched off": (
        {
            "r": region("corner", "style"),
            "s": region("corner", "style", own_settings=False, detail=0.9, strength=0.1),
            "a": regions("r"),
            "b": regions("s"),
        },
        "a",
        "b",
    ),
    "colors from the image, and the image as color style": (
        {
            "r": region("corner", "style"),
            "s": region("corner", "style", color_style=("content", 0)),
            "a": regions("r", colors_from="image"),
            "b": regions("s"),
        },
        "a",
        "b",
    ),
    "stylize, styles masked by ones": (
        {
            "a": stylize(color_style=("content", 0), style_mask=("one", 0), color_mask=("one", 0)),
            "b": stylize(color_style=("content", 0)),
        },
        "a",
        "b",
    ),
    "stylize, a strength map of zeros": ({"a": stylize(strength_map=("zero", 0))}, "a", "content"),
    "stylize, a stroke map of zeros": ({"a": stylize(stroke_map=("zero", 0)), "b": stylize()}, "a", "b"),
    "encoder, a mask of ones": ({"a": encode_part("content", "one"), "b": encode("content")}, "a", "b"),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_hold_to_the_bit(odd_host: Host, name: str) -> None:
    nodes, first, second = IDENTITIES[name]
    entry = odd_host.run(graph(odd_host, **PLACES, **nodes, equal=equal(first, second)))
    assert text(entry, "equal") == "True"


def assert_alike(found: Tensor, expected: Tensor) -> None:
    """Pictures of the host and of the core, whose versions of torch may choose another of two equal patches."""
    difference = (found - saved(expected)).abs().float()
    assert difference.mean() < 0.5
    assert (difference <= 2).float().mean() > 0.98


def test_regions_are_the_cores(odd_host: Host, model: artnet.ArtNet) -> None:
    """Two regions, one with a part of its style and settings of its own, and a style for the rest."""
    nodes = {
        **PLACES,
        "shade": masks("content"),
        "third": box("one", 60, 50),
        "first": region("shade", "style", style_mask=("corner", 0), own_settings=True, detail=0.1, style_size=100),
        "second": region("third", "content", color_style=("style", 0), color_mask=("corner", 0)),
        "a": regions(
            "first", "second", texture_style=("style", 0), mask=("rest", 0), detail=0.2, strength=0.9, stroke_size=0.5
        ),
        "out": preview("a"),
    }
    images = odd_host.images(odd_host.run(graph(odd_host, **nodes)))["out"]
    content, style = Pictures.of(picture(CONTENT), "content"), Pictures.of(picture(STYLE), "style")
    third = torch.zeros(1, HEIGHT, WIDTH)
    third[:, 50:73, 60:97] = 1
    wanted = paint(
        model,
        content,
        style,
        None,
        Settings(0.9, 0.2, stroke_size=0.5),
        1 - corner(),
        regions=[
            Region(
                picture(CONTENT)[:, 0],
                style.weighted(corner()),
                settings=Settings(1.0, 0.1, stroke_size=0.0, style_size=100),
            ),
            Region(third, content, style.weighted(corner())),
        ],
    )
    assert_alike(pixels(images), next(wanted))
    assert torch.equal(pixels(images)[:, 20:43, 10:47], saved(picture(CONTENT))[:, 20:43, 10:47])


@pytest.mark.parametrize("steady", [False, True])
def test_each_frame_has_its_own_mask(odd_host: Host, model: artnet.ArtNet, steady: bool) -> None:
    """Masks of a region, of a style and of a map, one for each of three frames."""
    nodes = {
        **PLACES,
        "frames": repeat("content", 3),
        "two": node("ImageBatch", image1=("content", 0), image2=("style", 0)),
        "three": node("ImageBatch", image1=("two", 0), image2=("content", 0)),
        "masks": masks("three"),
        "others": inverted("masks"),
        "first": region("masks", "style", style_mask=("corner", 0)),
        "second": region("corner", "content", style_mask=("others", 0)),
        "a": regions("first", "second", image="frames", steady=steady, strength_map=("others", 0)),
        "out": preview("a"),
    }
    images = odd_host.images(odd_host.run(graph(odd_host, **nodes)))["out"]
    content, style = Pictures.of(picture(CONTENT), "content"), Pictures.of(picture(STYLE), "style")
    shades = torch.cat([picture(name)[:, 0] for name in (CONTENT, STYLE, CONTENT)])
    of_regions = [Region(shades, style.weighted(corner())), Region(corner(), content.weighted(1 - shades))]
    frames = Pictures.of(picture(CONTENT).repeat(3, 1, 1, 1), "frames")
    wanted = list(
        paint(model, frames, None, None, Settings(steady=steady), regions=of_regions, strength_map=1 - shades)
    )
    assert len(images) == 3
    assert_alike(pixels(images), torch.cat(wanted))
    assert (pixels(images)[0] - pixels(images)[1]).abs().float().mean() > 2


def test_maps_and_masks_of_stylize_are_the_cores(odd_host: Host, model: artnet.ArtNet) -> None:
    nodes = {
        **PLACES,
        "large": node("ImageScale", image=("photo", 0), upscale_method="area", width=320, height=240, crop="disabled"),
        "shade": masks("style"),
        "a": stylize(
            "large",
            color_style=("content", 0),
            style_mask=("corner", 0),
            color_mask=("rest", 0),
            detail_map=("shade", 0),
            strength_map=("shade", 0),
            stroke_map=("shade", 0),
        ),
        "out": preview("a"),
    }
    images = odd_host.images(odd_host.run(graph(odd_host, **nodes)))["out"]
    shade = picture(STYLE)[:, 0]
    wanted = paint(
        model,
        Pictures.of(scaled(CONTENT, 320, 240), "content"),
        Pictures.of(picture(STYLE), "style", corner()),
        Pictures.of(picture(CONTENT), "color style", 1 - corner()),
        detail_map=shade,
        strength_map=shade,
        stroke_map=shade,
    )
    assert_alike(pixels(images), next(wanted))


def test_masked_features_go_through_every_node(odd_host: Host, model: artnet.ArtNet) -> None:
    """What ArtNet Encoder's masks leave out of content and style counts in no transfer and in no mix."""
    nodes = {
        **PLACES,
        "content_features": encode_part("content", "rest"),
        "style_features": encode_part("style", "corner"),
        "plain": encode("content"),
        "s2": transfer(),
        "wct": feature_transfer("wct"),
        "mixed": mix("style_features", "plain"),
        "of_mix": transfer(style="mixed"),
        **{f"decoded_{name}": decode(name) for name in ("s2", "wct", "of_mix")},
        **{f"out_{name}": preview(f"decoded_{name}") for name in ("s2", "wct", "of_mix")},
    }
    images = odd_host.images(odd_host.run(graph(odd_host, **nodes)))
    content = model.encode(picture(CONTENT), None, 1 - corner())
    style = model.encode(picture(STYLE), None, corner())
    mixed = mix_styles([style, model.encode(picture(CONTENT))], (1.0, 0.5))
    expected = {
        "s2": artnet.sandwich_swap(content, style),
        "wct": ALL_METHODS["wct"](content, style),
        "of_mix": artnet.sandwich_swap(content, mixed),
    }
    for name, features in expected.items():
        assert_alike(pixels(images[f"out_{name}"]), model.decode(features))
        assert (saved(model.decode(features)) - saved(picture(STYLE))).abs().float().mean() > 2


def test_a_batch_of_masks_for_one_picture_is_a_batch_of_features(odd_host: Host, model: artnet.ArtNet) -> None:
    nodes = {
        **PLACES,
        "two": node("ImageBatch", image1=("content", 0), image2=("style", 0)),
        "masks": masks("two"),
        "content_features": encode("content"),
        "style_features": encode_part("style", "masks"),
        "s2": transfer(),
        "a": decode("s2"),
        "out": preview("a"),
    }
    images = odd_host.images(odd_host.run(graph(odd_host, **nodes)))["out"]
    shades = torch.cat([picture(name)[:, 0] for name in (CONTENT, STYLE)])
    style = model.encode(picture(STYLE).repeat(2, 1, 1, 1), None, shades)
    content = model.encode(picture(CONTENT).repeat(2, 1, 1, 1))
    assert_alike(pixels(images), model.decode(artnet.sandwich_swap(content, style)))


def test_regions_beyond_the_fourth(odd_host: Host) -> None:
    if "more" not in odd_host.object_info("ArtNet_Regions")["input"]["optional"]:
        pytest.skip("inputs do not grow on this host")
    grown = regions("r", "t")
    grown["inputs"] |= {"more.region_5": ["s", 0], "more.region_6": ["t", 0]}
    nodes = {
        **PLACES,
        "r": region("corner", "style"),
        "s": region("rest", "content"),
        "t": region("zero", "style"),
        "a": grown,
        "b": regions("r", "s"),
    }
    assert text(odd_host.run(graph(odd_host, **nodes, equal=equal("a", "b"))), "equal") == "True"


def test_empty_masks_are_warned_of(odd_host: Host) -> None:
    nodes = {**PLACES, "r": region("zero", "style"), "s": region("corner", "style")}
    for given, warning in (
        (("r", "s"), ["The mask of region 1 is empty: nothing is painted there."]),
        (("r", "s", "r"), ["The masks of region 1, region 3 are empty: nothing is painted there."]),
        (("s",), []),
    ):
        entry = odd_host.run(graph(odd_host, **nodes, a=regions(*given, strength=0.97), out=preview("a")))
        assert entry["outputs"]["a"]["artnet_warning"] == warning


ERRORS: dict[str, tuple[Graph, str, str]] = {
    "masks that do not fit the frames": (
        {
            "frames": repeat("content", 2),
            "three": repeat("content", 3),
            "masks": masks("three"),
            "r": region("masks", "style"),
            "out": regions("r", image="frames"),
        },
        "ArtNet_Regions",
        "The batches do not fit together (image 2, mask of region 1 3, style of region 1 1): give 1 or 3 of each.",
    ),
    "a style of which nothing is left": (
        {
            "r": region("one", "style"),
            "s": region("corner", "style", style_mask=("zero", 0)),
            "out": regions("r", "s"),
        },
        "ArtNet_Regions",
        "Nothing of the texture style of region 2 is seen",
    ),
    "masks that do not fit the styles": (
        {
            "three": repeat("content", 3),
            "masks": masks("three"),
            "styles": repeat("style", 2),
            "out": stylize(style="styles", style_mask=("masks", 0)),
        },
        "ArtNet_Stylize",
        "Mask of the texture style: There are 3 masks for 2 pictures: give 1 mask or 2.",
    ),
    "an empty style of a region": (
        {"empty": node("Odd_Image", image=("style", 0), kind="empty"), "out": region("one", "empty")},
        "ArtNet_Region",
        "texture style: there is no picture in this batch.",
    ),
    "colors from a color style that is not there": (
        {"r": region("one", "style"), "out": regions("r", colors_from="color style")},
        "ArtNet_Regions",
        "Colors from color style: no picture is wired to color style.",
    ),
    "a mask of the encoder that does not fit": (
        {
            "frames": repeat("content", 2),
            "three": repeat("content", 3),
            "masks": masks("three"),
            "out": encode_part("frames", "masks"),
        },
        "ArtNet_Encoder",
        "Mask of the image: There are 3 masks for 2 pictures: give 1 mask or 2.",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_wrong_wiring_says_so(odd_host: Host, name: str) -> None:
    nodes, at, message = ERRORS[name]
    with pytest.raises(NodeFailed) as failed:
        odd_host.run(graph(odd_host, **PLACES, **nodes, run=equal("out", "out")))
    assert failed.value.node_type == at
    assert failed.value.message.startswith(message)
