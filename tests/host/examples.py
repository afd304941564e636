#!/usr/bin/env python3
"""Writes the example workflows, their API prompts, and title images from real runs.

    python -m tests.host.examples [NAME ...]

Each example is written down below as columns of nodes; sizes and places follow from that, and values that are not
named are the nodes' defaults.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from .host import Host
from .install_host import COMFYUI, install

REPOSITORY = Path(__file__).parents[2]
WORKFLOWS = REPOSITORY / "example_workflows"
PROMPTS = Path(__file__).parent / "prompts" / "examples"
PICTURES = REPOSITORY / "examples"

# Wires run in the gaps between columns, so none passes behind a node.
COLUMN_GAP, ROW_GAP = 90, 80
WIDTH, ROW = 320, 31
TITLE_SIDE, INSET_SIDE, INSET_MARGIN = 400, 124, 12

# Of nodes that the oldest host does not have: inputs, which widgets they are, outputs.
NEWER_NODES = {
    "ImageCompare": {
        "input": {
            "required": {"compare_view": ["IMAGECOMPARE", {}]},
            "optional": {"image_a": ["IMAGE", {}], "image_b": ["IMAGE", {}]},
        },
        "input_order": {"required": ["compare_view"], "optional": ["image_a", "image_b"]},
        "output": [],
        "output_name": [],
    }
}
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "IMAGECOMPARE", "COMFY_DYNAMICCOMBO_V3")

Wire = tuple[str, int]


@dataclass(frozen=True)
class Node:
    """A node of an example.

    Attributes:
        key: what wires call it.
        type: of the node.
        wires: input to the key and the output's number of the node that it comes from.
        values: of its widgets, where they are not the defaults.
        title: over the node; its own name by default.
        room: pixels for a picture or text in it.
        width: in pixels.
        top: its upper edge; below the node before it by default. Puts it where no wire passes behind it.
    """

    key: str
    type: str
    wires: Mapping[str, Wire] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    room: int = 0
    width: int = WIDTH
    top: int | None = None


@dataclass(frozen=True)
class Example:
    """An example workflow.

    Attributes:
        note: Markdown that stands above it.
        columns: its nodes from left to right and from top to bottom.
        result: the node that shows what the title image is made of.
        insets: example pictures that are shown in the corner of the title image.
        runs: whether it runs on the oldest host as it is.
        extra: of the workflow.
    """

    note: str
    columns: tuple[tuple[Node, ...], ...]
    result: str
    insets: tuple[str, ...]
    runs: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


def picture(key: str, name: str, title: str, top: int | None = None) -> Node:
    return Node(key, "ArtNet_ExamplePicture", values={"picture": name}, title=title, room=230, top=top)


def save(image: str = "paint", key: str = "save", title: str = "") -> Node:
    wires, values = {"images": (image, 0)}, {"filename_prefix": "ArtNet"}
    return Node(key, "SaveImage", wires, values, title, room=330, width=400)


def stylize(
    *,
    key: str = "paint",
    image: Wire = ("content", 0),
    style: Wire = ("style", 0),
    values: Mapping[str, Any],
    top: int | None = None,
    **wires: Wire,
) -> Node:
    return Node(key, "ArtNet_Stylize", {"image": image, "texture_style": style, **wires}, values, top=top)


def channel(key: str, of: str, color: str, title: str) -> Node:
    """A mask that is one of the three colors of a picture."""
    return Node(key, "ImageToMask", {"image": (of, 0)}, {"channel": color}, title)


def region(key: str, title: str, mask: str, style: str, **wires: Wire) -> Node:
    return Node(key, "ArtNet_Region", {"mask": (mask, 0), "texture_style": (style, 0), **wires}, title=title)


CHELSEA, COFFEE, ASTRONAUT, ROCKET = (f"content/{name}.jpg" for name in ("chelsea", "coffee", "astronaut", "rocket"))
CAMERA, CAMERA_PARTS, AUVERS_PARTS, FACE = (
    f"regions/{name}"
    for name in ("camera.jpg", "camera_sky_houses_lawn.png", "auvers_sky_houses_lawn.png", "astronaut_face.png")
)
PARTS = (("sky", "red"), ("houses", "green"), ("lawn", "blue"))
AUVERS, WAVE, KANDINSKY, RENOIR, CASSATT, SNOW, POPPIES, SPRING = (
    f"style/{name}.jpg"
    for name in (
        *("village_street_in_auvers", "great_wave", "composition_viii", "bal_du_moulin_de_la_galette"),
        *("summertime", "benzaiten_shrine_in_snow", "poppies", "spring"),
    )
)
OWN = "For your own pictures put *Load Image* in place of an *ArtNet Example Picture*."

EXAMPLES: dict[str, Example] = {
    "Paint a picture": Example(
        "## Paint a picture\nPress *Run*. With *detail* towards 0 strokes grow bolder and small things get "
        "lost. *Style "
        "size* resizes the style first: smaller makes strokes finer, larger makes them broader, 0 leaves it as it is. "
        f"The painting has the size of the photograph.\n\n{OWN}",
        (
            (picture("content", CHELSEA, "Photograph"), picture("style", AUVERS, "Style")),
            (stylize(values={"detail": 0.4, "style_size": 512}),),
            (save(),),
        ),
        "save",
        (CHELSEA, AUVERS),
    ),
    "Paint a picture (app)": Example(
        "## Paint a picture, as an app\nNewer versions of ComfyUI open this as an app: the settings on one side, the "
        f"painting on the other.\n\n{OWN}",
        (
            (picture("content", ASTRONAUT, "Photograph"), picture("style", CASSATT, "Style")),
            (stylize(values={"detail": 0.4, "style_size": 512}),),
            (save(),),
        ),
        "save",
        (ASTRONAUT, CASSATT),
        extra={
            "linearMode": True,
            "linearData": {
                "inputs": [
                    ["content", "picture"],
                    ["style", "picture"],
                    ["paint", "detail"],
                    ["paint", "strength"],
                    ["paint", "style_size"],
                    ["paint", "colors_from"],
                ],
                "outputs": ["save"],
            },
        },
    ),
    "Strokes from one picture, colors from another": Example(
        "## Strokes from one picture, colors from another\nThe texture style gives the strokes, the color style the "
        "palette. *Colors from* changes that at once: with *image* the photograph keeps its own colors.\n\n" + OWN,
        (
            (
                picture("content", CHELSEA, "Photograph"),
                picture("style", WAVE, "Texture style"),
                picture("color", AUVERS, "Color style"),
            ),
            (
                stylize(values={"detail": 0.4, "style_size": 512}, color_style=("color", 0)),
                stylize(key="own", values={"detail": 0.4, "style_size": 512, "colors_from": "image"}),
            ),
            (save(title="Colors of the color style"), save("own", "save_own", "Colors of the photograph")),
        ),
        "save",
        (WAVE, AUVERS),
    ),
    "Paint only a part": Example(
        "## Paint only a part\nWhite in the mask is painted, black stays as it is. Here the mask is the "
        "brightness of the "
        "photograph. To draw one, put *Load Image* in place of the photograph, right-click it, choose *Open in Mask "
        "Editor*, and wire its MASK instead.",
        (
            (picture("content", COFFEE, "Photograph"), picture("style", KANDINSKY, "Style")),
            (Node("mask", "ImageToMask", {"image": ("content", 0)}, {"channel": "red"}, "Mask", top=640),),
            (stylize(values={"detail": 0.3, "style_size": 512}, mask=("mask", 0)),),
            (save(),),
        ),
        "save",
        (COFFEE, KANDINSKY),
    ),
    "Three styles on sky, houses and lawn": Example(
        "## Three styles on sky, houses and lawn\nEach *ArtNet Region* is a mask and the style that is painted there; "
        "*ArtNet Regions* paints all of them at once. The photographer is in no mask, so he stays as he is: wire a "
        "*style of the rest* to paint him too. Switch *own settings* on for a region with a detail of its own. The "
        "masks are the three colors of one picture; draw your own in the *Mask Editor* of *Load Image*.",
        (
            (picture("parts", CAMERA_PARTS, "Masks: red, green, blue"),),
            tuple(
                node
                for (name, color), style in zip(PARTS, (WAVE, KANDINSKY, CASSATT), strict=True)
                for node in (
                    channel(name, "parts", color, f"Where the {name} {'are' if name == 'houses' else 'is'}"),
                    picture(f"style_{name}", style, f"Style of the {name}"),
                )
            ),
            (
                *(region(f"region_{name}", name.capitalize(), name, f"style_{name}") for name, _ in PARTS),
                picture("content", CAMERA, "Photograph"),
            ),
            (
                Node(
                    "paint",
                    "ArtNet_Regions",
                    {
                        "image": ("content", 0),
                        **{f"region_{number}": (f"region_{name}", 0) for number, (name, _) in enumerate(PARTS, 1)},
                    },
                    {"detail": 0.15, "stroke_size": 0.75, "style_size": 512},
                ),
            ),
            (save(),),
        ),
        "save",
        (WAVE, KANDINSKY, CASSATT),
    ),
    "Sky takes sky": Example(
        "## Sky takes sky\nOne painting, and masks on both sides: the sky is painted with the painting's sky, houses "
        "with its houses, the lawn with its grass. *Style mask* of *ArtNet Region* says which part of the style "
        "counts; all else is as if it were cut away.",
        (
            (
                picture("parts", CAMERA_PARTS, "Masks of the photograph"),
                picture("style_parts", AUVERS_PARTS, "Masks of the style"),
            ),
            (
                *(channel(name, "parts", color, f"Photograph: {name}") for name, color in PARTS),
                *(channel(f"style_{name}", "style_parts", color, f"Style: {name}") for name, color in PARTS),
                picture("style", AUVERS, "Style"),
            ),
            (
                *(
                    region(f"region_{name}", name.capitalize(), name, "style", style_mask=(f"style_{name}", 0))
                    for name, _ in PARTS
                ),
                picture("content", CAMERA, "Photograph"),
            ),
            (
                Node(
                    "paint",
                    "ArtNet_Regions",
                    {
                        "image": ("content", 0),
                        **{f"region_{number}": (f"region_{name}", 0) for number, (name, _) in enumerate(PARTS, 1)},
                    },
                    {"detail": 0.15, "stroke_size": 0.75, "style_size": 512},
                ),
            ),
            (save(),),
        ),
        "save",
        (CAMERA, AUVERS),
    ),
    "A face keeps its detail": Example(
        "## A face keeps its detail\n*Detail map* gives each pixel a detail of its own: the face has 1, all else 0.15. "
        "*Stroke map* does the same for the size of strokes: black, fine strokes, on the face, white, the broadest, "
        "around it. *Strength map* would leave parts of the photograph as they are.",
        (
            (picture("face", FACE, "Mask of the face"),),
            (
                Node("rest", "SolidMask", {}, {"value": 0.15}, "Detail of all else"),
                channel("mask", "face", "red", "Face"),
            ),
            (
                Node(
                    "detail",
                    "MaskComposite",
                    {"destination": ("rest", 0), "source": ("mask", 0)},
                    {"operation": "add"},
                    "Detail map",
                ),
                Node("strokes", "InvertMask", {"mask": ("mask", 0)}, {}, "Stroke map"),
                picture("content", ASTRONAUT, "Photograph"),
                picture("style", SPRING, "Style"),
            ),
            (stylize(values={"style_size": 512}, detail_map=("detail", 0), stroke_map=("strokes", 0)),),
            (save(),),
        ),
        "save",
        (ASTRONAUT, SPRING),
    ),
    "A corner of a style": Example(
        "## A corner of a style\nOnly what is white in *style mask* gives strokes and colors: here the upper right "
        "corner, a blue sky. Move it with *x* and *y* of *Corner*. In place of the three mask nodes you can draw a "
        "mask in the *Mask Editor* of *Load Image*.",
        (
            (
                Node(
                    "none", "SolidMask", {}, {"value": 0.0, "width": 594, "height": 462}, "Black, of the style's size"
                ),
                Node("some", "SolidMask", {}, {"value": 1.0, "width": 290, "height": 130}, "White, what is used of it"),
            ),
            (
                Node(
                    "corner",
                    "MaskComposite",
                    {"destination": ("none", 0), "source": ("some", 0)},
                    {"x": 304, "y": 0, "operation": "add"},
                    "Corner",
                ),
                picture("style", AUVERS, "Style"),
                picture("content", CHELSEA, "Photograph"),
            ),
            (stylize(values={"detail": 0.4, "style_size": 512}, style_mask=("corner", 0)),),
            (save(),),
        ),
        "save",
        (CHELSEA, AUVERS),
    ),
    "Mix styles": Example(
        "## Mix styles\nStrokes come from all styles, the more the higher the weight, and the palette lies between "
        f"theirs. The mix takes the place of a style in *ArtNet Stylize*.\n\n{OWN}",
        (
            (
                picture("first", WAVE, "First style"),
                picture("second", SPRING, "Second style"),
                picture("content", ASTRONAUT, "Photograph"),
            ),
            (
                Node(
                    "mix",
                    "ArtNet_StyleMix",
                    {"style_1": ("first", 0), "style_2": ("second", 0)},
                    {"weight_1": 1.0, "weight_2": 1.0},
                ),
            ),
            (stylize(style=("mix", 1), values={"detail": 0.5, "style_size": 512}, top=420),),
            (save(),),
        ),
        "save",
        (WAVE, SPRING),
    ),
    "Finish a painting": Example(
        "## Finish a painting\n*ArtNet Finish* works over the painting step by step, and shows it while it grows: "
        "strokes get sharper, and lines of the photograph come back. It takes a while; cancel works at any time.\n\n"
        + OWN,
        (
            (picture("content", COFFEE, "Photograph"), picture("style", AUVERS, "Style")),
            (stylize(values={"detail": 0.4, "style_size": 512}, top=660),),
            (
                Node(
                    "finish",
                    "ArtNet_Finish",
                    {"image": ("paint", 0), "content": ("content", 0), "texture_style": ("style", 0)},
                    {"steps": 12, "style_size": 512},
                    room=330,
                ),
                save(title="Before"),
            ),
            (save("finish", "save_finished", "Finished"),),
        ),
        "save_finished",
        (COFFEE, AUVERS),
    ),
    "Encoder, transfer, decoder": Example(
        "## What ArtNet Stylize does, in parts\nEncode both pictures, let *S² Transfer* give the content the "
        "strokes and "
        "colors of the style, decode. Features can be transferred again, mixed, or used several times. *ArtNet Feature "
        "Transfer* offers other methods of the literature in the same place.",
        (
            (picture("content", CHELSEA, "Photograph"), picture("style", POPPIES, "Style")),
            (
                Node("encode", "ArtNet_Encoder", {"image": ("content", 0)}, title="Encode the photograph"),
                Node("encode_style", "ArtNet_Encoder", {"image": ("style", 0)}, title="Encode the style"),
            ),
            (
                Node("transfer", "ArtNet_S2Transfer", {"content": ("encode", 0), "texture_style": ("encode_style", 0)}),
                Node(
                    "wct",
                    "ArtNet_FeatureTransfer",
                    {"content": ("encode", 0), "style": ("encode_style", 0)},
                    {"method": "WCT (Li 2017)"},
                ),
            ),
            (
                Node("decode", "ArtNet_Decoder", {"features": ("transfer", 0)}),
                Node("decode_wct", "ArtNet_Decoder", {"features": ("wct", 0)}),
            ),
            (save("decode"), save("decode_wct", "save_wct", "The same by WCT")),
        ),
        "save",
        (CHELSEA, POPPIES),
    ),
    "Big print": Example(
        "## Big print\nEnlarge the photograph first, then paint it: strokes are drawn at the full size and stay sharp. "
        "*Style size* sets how large they are. If memory runs out, ArtNet works in strips, with the same result.\n\n"
        + OWN,
        (
            (picture("style", RENOIR, "Style"), picture("content", COFFEE, "Photograph")),
            (
                Node(
                    "larger",
                    "ImageScaleBy",
                    {"image": ("content", 0)},
                    {"upscale_method": "lanczos", "scale_by": 2.5},
                    "Enlarge",
                    top=480,
                ),
            ),
            (stylize(image=("larger", 0), values={"detail": 0.4, "style_size": 1024}),),
            (save(),),
        ),
        "save",
        (COFFEE, RENOIR),
    ),
    "Paint a video": Example(
        "## Paint a video\n*Steady video* lets strokes keep their places in the scene, so they flicker less. "
        "Frames are "
        "painted one after the other; the node shows the one it is at.\n\nThe example gives the frames of a "
        "short clip. "
        "For your own video take the example *Paint a video file*.",
        (
            (picture("content", "video/launch.webp", "Frames"), picture("style", SNOW, "Style")),
            (stylize(values={"style_size": 512, "steady": True}),),
            (Node("video", "CreateVideo", {"images": ("paint", 0)}, {"fps": 12.0}),),
            (
                Node(
                    "save",
                    "SaveVideo",
                    {"video": ("video", 0)},
                    {"filename_prefix": "video/ArtNet", "format": "auto", "codec": "auto"},
                    room=300,
                    width=400,
                ),
            ),
        ),
        "paint",
        ("video/launch.webp", SNOW),
    ),
    "Paint a video file": Example(
        "## Paint a video file\nChoose a video in *Load Video*, then press *Run*. Sound and frame rate are kept. All "
        "frames lie in RAM, 50 MB each at 1920 x 1080: cut long videos into parts.",
        (
            (
                picture("style", AUVERS, "Style"),
                Node("file", "LoadVideo", values={"file": "your video.mp4"}, room=230),
            ),
            (Node("parts", "GetVideoComponents", {"video": ("file", 0)}, top=700),),
            (stylize(image=("parts", 0), values={"style_size": 512, "steady": True}),),
            (
                Node(
                    "video",
                    "CreateVideo",
                    {"images": ("paint", 0), "audio": ("parts", 1), "fps": ("parts", 2)},
                    top=700,
                ),
            ),
            (
                Node(
                    "save",
                    "SaveVideo",
                    {"video": ("video", 0)},
                    {"filename_prefix": "video/ArtNet", "format": "auto", "codec": "auto"},
                    room=300,
                    width=400,
                ),
            ),
        ),
        "paint",
        (ROCKET, AUVERS),
        runs=False,
    ),
    "Before and after (newer ComfyUI)": Example(
        "## Before and after\n*Compare Images* comes with ComfyUI from January 2026 on: move the pointer "
        "over the picture.",
        (
            (picture("content", CHELSEA, "Photograph"), picture("style", KANDINSKY, "Style")),
            (stylize(values={"detail": 0.4, "style_size": 512}, top=200),),
            (
                Node(
                    "compare",
                    "ImageCompare",
                    {"image_a": ("content", 0), "image_b": ("paint", 0)},
                    room=400,
                    width=460,
                ),
            ),
        ),
        "paint",
        (CHELSEA, KANDINSKY),
        runs=False,
    ),
    "With a diffusion model (needs a checkpoint)": Example(
        "## In front of and behind a diffusion model\nArtNet paints the photograph first, the sampler "
        "redraws the painting "
        "a little (*denoise*), and ArtNet gives the result its strokes back. Choose a checkpoint of Stable "
        "Diffusion 1.5 "
        "or SDXL.",
        (
            (picture("content", ASTRONAUT, "Photograph"), picture("style", SPRING, "Style")),
            (
                stylize(values={"detail": 0.5, "style_size": 512}),
                Node(
                    "checkpoint",
                    "CheckpointLoaderSimple",
                    values={"ckpt_name": "your checkpoint.safetensors"},
                    top=1000,
                ),
            ),
            (
                Node("encode", "VAEEncode", {"pixels": ("paint", 0), "vae": ("checkpoint", 2)}),
                Node(
                    "positive",
                    "CLIPTextEncode",
                    {"clip": ("checkpoint", 1)},
                    {"text": "portrait, oil painting, fruit and flowers"},
                    "What to see",
                    room=80,
                ),
                Node("negative", "CLIPTextEncode", {"clip": ("checkpoint", 1)}, {"text": ""}, "What not", room=80),
            ),
            (
                Node(
                    "sample",
                    "KSampler",
                    {
                        "model": ("checkpoint", 0),
                        "positive": ("positive", 0),
                        "negative": ("negative", 0),
                        "latent_image": ("encode", 0),
                    },
                    {"denoise": 0.45, "seed": 1, "steps": 20, "cfg": 6.0},
                    top=1220,
                ),
            ),
            (
                picture("style_again", SPRING, "Style", top=330),
                Node("decode", "VAEDecode", {"samples": ("sample", 0), "vae": ("checkpoint", 2)}, top=1000),
            ),
            (
                stylize(
                    key="again",
                    image=("decode", 0),
                    style=("style_again", 0),
                    values={"detail": 0.4, "style_size": 512},
                    top=1000,
                ),
            ),
            (Node("save", "SaveImage", {"images": ("again", 0)}, {"filename_prefix": "ArtNet"}, "", 330, 400, 1000),),
        ),
        "paint",
        (ASTRONAUT, SPRING),
        runs=False,
    ),
    "Prune a model": Example(
        "## Prune a model\nChannels that are always zero are cut out: the model gets smaller and faster, and "
        "its paintings "
        "stay the same. *ArtNet Save Model* keeps it for *ArtNet Loader*.",
        (
            (
                picture("content", ASTRONAUT, "Photograph"),
                picture("style", WAVE, "Style"),
                Node("unpruned", "ArtNet_Loader", values={"model_name": "artnet_unpruned.safetensors"}),
            ),
            (Node("prune", "ArtNet_ZeroChannelPrune", {"model": ("unpruned", 0)}, room=60, top=1140),),
            (
                stylize(key="before", values={"style_size": 512}, model=("unpruned", 0)),
                stylize(key="after", values={"style_size": 512}, model=("prune", 0)),
                Node("chart", "PreviewImage", {"images": ("prune", 2)}, {}, "What was kept", 300, 400, 1340),
            ),
            (
                Node("show_before", "PreviewImage", {"images": ("before", 0)}, title="Before", room=300, width=400),
                Node("show_after", "PreviewImage", {"images": ("after", 0)}, title="After", room=300, width=400),
            ),
        ),
        "show_after",
        (ASTRONAUT, WAVE),
    ),
}


def workflow(title: str, info: Mapping[str, Any]) -> dict[str, Any]:
    """The example in the page's format; ``info`` is what the host tells of its nodes."""
    example = EXAMPLES[title]
    ids = {node.key: 2 + index for index, node in enumerate(node for column in example.columns for node in column)}
    lines = sum(max(1, len(textwrap.wrap(line, 100))) for line in example.note.split("\n"))
    note_height = 64 + 19 * lines
    note = {
        "id": 1,
        "type": "MarkdownNote",
        "pos": [0, -note_height - 90],
        "size": [2 * WIDTH + COLUMN_GAP, note_height],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "title": "Note",
        "widgets_values": [example.note],
        "color": "#432",
        "bgcolor": "#653",
    }
    nodes, links, x = [note], [], 0
    outputs: dict[Wire, list[int]] = {}
    for column in example.columns:
        y = 0
        for node in column:
            y = y if node.top is None else node.top
            known = NEWER_NODES.get(node.type) or info[node.type]
            inputs, values = [], []
            for name, wire_type, options in _inputs(known):
                entry: dict[str, Any] = {"name": name, "type": wire_type, "link": None}
                if _is_widget(wire_type, options):
                    entry["widget"] = {"name": name}
                    if name == "picture":
                        entry["label"] = node.title.lower()  # in an app all settings stand in one list
                    values.append(node.values.get(name, _default(wire_type, options)))
                    if options.get("control_after_generate"):
                        values.append("fixed")
                inputs.append(entry)
            inputs.sort(key=lambda entry: "widget" in entry)  # as pages have them
            for index, entry in enumerate(inputs):
                if entry["name"] in node.wires:
                    entry["link"] = len(links) + 1
                    origin, slot = node.wires[entry["name"]]
                    kind = _output(origin, slot, example, info)
                    links.append([entry["link"], ids[origin], slot, ids[node.key], index, kind])
                    outputs.setdefault((origin, slot), []).append(entry["link"])
            assert set(node.wires) | set(node.values) <= {entry["name"] for entry in inputs}, node.key
            height = 20 + ROW * max(len(inputs), len(known["output"])) + node.room
            own = node.type.startswith("ArtNet_")
            properties = {"Node name for S&R": node.type, "cnr_id": "comfy-core", "ver": COMFYUI}
            if own:
                properties |= {
                    "cnr_id": "artnet-style-transfer",
                    "aux_id": "artnet-style-transfer/artnet",
                    "ver": "0.1.0",
                }
            drawn = {
                "id": ids[node.key],
                "type": node.type,
                "pos": [x, y],
                "size": [node.width, height],
                "flags": {},
                "order": ids[node.key] - 1,
                "mode": 0,
                "inputs": inputs,
                "outputs": [
                    {"name": name, "type": wire_type, "links": []}
                    for name, wire_type in zip(known["output_name"], known["output"], strict=True)
                ],
                "properties": properties,
                "widgets_values": values,
            }
            if node.title:
                drawn["title"] = node.title
            nodes.append(drawn)
            y += height + ROW_GAP
        x += max(node.width for node in column) + COLUMN_GAP
    by_id = {node["id"]: node for node in nodes}
    for (origin, slot), out in outputs.items():
        by_id[ids[origin]]["outputs"][slot]["links"] = out
    extra = json.loads(json.dumps(dict(example.extra)))
    if "linearData" in extra:
        data = extra["linearData"]
        data["inputs"] = [[ids[key], widget] for key, widget in data["inputs"]]
        data["outputs"] = [ids[key] for key in data["outputs"]]
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"artnet {title}")),
        "revision": 0,
        "last_node_id": len(nodes),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {"ds": {"scale": 0.6, "offset": [80, note_height + 140]}, **extra},
        "version": 0.4,
    }


def prompt(name: str, info: Mapping[str, Any]) -> dict[str, Any]:
    """The example as the page sends it to the host."""
    drawn = workflow(name, info)
    by_link = {link: [str(origin), slot] for link, origin, slot, *_ in drawn["links"]}
    sent = {}
    for node in drawn["nodes"][1:]:
        values = iter(node["widgets_values"])
        known = NEWER_NODES.get(node["type"]) or info[node["type"]]
        wired = {entry["name"]: by_link[entry["link"]] for entry in node["inputs"] if entry["link"] is not None}
        inputs = {}
        for widget, wire_type, options in _inputs(known):
            if _is_widget(wire_type, options):
                inputs[widget] = next(values)
                if options.get("control_after_generate"):
                    next(values)
        inputs |= wired
        sent[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return sent


def node_id(name: str, key: str) -> str:
    """The id of a node of an example."""
    keys = [node.key for column in EXAMPLES[name].columns for node in column]
    return str(2 + keys.index(key))


def _inputs(known: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for kind in ("required", "optional"):
        for name in known["input_order"].get(kind, []):
            wire_type, *options = known["input"][kind][name]
            settings = options[0] if options else {}
            # The oldest kind of a list of choices stands where others have their type.
            listed = isinstance(wire_type, list)
            found.append(
                (name, "COMBO" if listed else wire_type, settings | ({"options": wire_type} if listed else {}))
            )
    return found


def _is_widget(wire_type: str, options: Mapping[str, Any]) -> bool:
    return wire_type in WIDGETS and not options.get("forceInput")


def _default(wire_type: str, options: Mapping[str, Any]) -> Any:
    if "default" in options:
        return options["default"]
    return options["options"][0] if wire_type == "COMBO" and options.get("options") else ""


def _output(key: str, slot: int, example: Example, info: Mapping[str, Any]) -> str:
    (node,) = (node for column in example.columns for node in column if node.key == key)
    kind: str = info[node.type]["output"][slot]
    return kind


def title_image(result: Image.Image, insets: tuple[str, ...]) -> Image.Image:
    """What an example makes, with what it makes it of in the corner."""
    title = ImageOps.fit(result.convert("RGB"), (TITLE_SIDE, TITLE_SIDE), Image.Resampling.LANCZOS)
    side = min(INSET_SIDE, (TITLE_SIDE - INSET_MARGIN) // max(len(insets), 1) - INSET_MARGIN - 6)
    for index, name in enumerate(insets):
        with Image.open(PICTURES / name) as file:
            inset = ImageOps.fit(file.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
        framed = ImageOps.expand(inset, 3, "white")
        top = TITLE_SIDE - INSET_MARGIN - framed.height
        title.paste(framed, (INSET_MARGIN + index * (framed.width + INSET_MARGIN), top))
    return title


def shown(host: Host, name: str, info: Mapping[str, Any]) -> Image.Image:
    """The picture that stands for an example, from a run of all of it that leads there."""
    wanted = node_id(name, EXAMPLES[name].result)
    nodes = prompt(name, info)
    needed, todo = {}, [wanted]
    while todo:
        key = todo.pop()
        needed[key] = nodes[key]
        todo += [value[0] for value in nodes[key]["inputs"].values() if isinstance(value, list) and value]
    if needed[wanted]["class_type"] == "ArtNet_Stylize":
        for spec in needed.values():
            if spec["class_type"] == "GetVideoComponents":
                spec |= {"class_type": "ArtNet_ExamplePicture", "inputs": {"picture": "video/launch.webp"}}
        needed = {key: spec for key, spec in needed.items() if spec["class_type"] != "LoadVideo"}
        needed["shown"] = {"class_type": "PreviewImage", "inputs": {"images": [wanted, 0]}}
        wanted = "shown"
    return host.images(host.run(needed))[wanted][0]


def main() -> None:
    names = sys.argv[1:] or list(EXAMPLES)
    installed = Path(os.environ.get("ARTNET_HOST", REPOSITORY / ".cache" / "host"))
    install(installed)
    PROMPTS.mkdir(parents=True, exist_ok=True)
    with Host(installed, {"ArtNet": REPOSITORY}, arguments=["--force-fp32"]) as host:
        info = host.object_info()
        for name in names:
            (WORKFLOWS / f"{name}.json").write_text(
                json.dumps(workflow(name, info), indent=2, ensure_ascii=False) + "\n"
            )
            (PROMPTS / f"{name}.json").write_text(json.dumps(prompt(name, info), indent=2) + "\n")
            buffer = BytesIO()
            title_image(shown(host, name, info), EXAMPLES[name].insets).save(buffer, "JPEG", quality=88)
            (WORKFLOWS / f"{name}.jpg").write_bytes(buffer.getvalue())
            print(name)


if __name__ == "__main__":
    main()
