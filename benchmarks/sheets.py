"""Draws the pictures of README and help pages: ``python -m benchmarks.sheets``, or some by name.

    python -m benchmarks.sheets strokes detail

All are made of the shipped examples with the shipped models. Those of the example workflows come from real runs:
``python -m tests.host.examples``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

import artnet_core as artnet
from artnet_core import figures
from artnet_core.checkpoint import UNPRUNED_MODEL, shipped_models
from artnet_core.compare import compare_methods
from artnet_core.figures import channel_chart
from artnet_core.images import Picture, read_picture, to_image
from artnet_core.transfer.methods import ALL_METHODS, LABELS, METHODS
from artnet_core.transfer.mix import mix_styles

from .flicker import Motion, video

ROOT = Path(__file__).parents[1]
SHEETS = ROOT / "docs" / "sheets"
HELP = ROOT / "web" / "docs" / "images"
SIDE, GAP = 300, 8


def example(kind: str, name: str) -> Tensor:
    """An example picture, ``[1, 3, H, W]``."""
    return read_picture(ROOT / "examples" / kind / f"{name}.jpg").rgb


def grid(rows: Sequence[Sequence[Tensor | None]], labels: Sequence[str] = ()) -> Image.Image:
    """:func:`artnet_core.figures.grid` of tensors."""
    images = [[None if picture is None else to_image(Picture(picture)) for picture in row] for row in rows]
    return figures.grid(images, labels, SIDE, GAP)


def results(model: artnet.ArtNet) -> None:
    """Three photographs, each in four styles."""
    styles = [
        example("style", name) for name in ("village_street_in_auvers", "great_wave", "composition_viii", "summertime")
    ]
    rows: list[list[Tensor | None]] = [[None, *styles]]
    for name in ("chelsea", "astronaut", "coffee"):
        content = example("content", name)
        rows.append([content, *(model.stylize(content, style) for style in styles)])
    grid(rows).save(SHEETS / "results.jpg", quality=88)


def texture_and_color(model: artnet.ArtNet) -> None:
    """One texture, and the colours of four pictures."""
    content, texture = example("content", "chelsea"), example("style", "great_wave")
    colors = [example("style", name) for name in ("great_wave", "poppies", "village_street_in_auvers")] + [content]
    painted = [model.stylize(content, texture, color, detail=0.4) for color in colors]
    grid([[content, *colors], [texture, *painted]]).save(SHEETS / "texture_and_color.jpg", quality=88)


def detail(model: artnet.ArtNet) -> None:
    """One pair at five settings of ``detail``."""
    content, style = example("content", "astronaut"), example("style", "village_street_in_auvers")
    dial = (0.0, 0.3, 0.5, 0.7, 1.0)
    labels = ["content", *(f"detail {value}" for value in dial)]
    row: list[Tensor | None] = [content, *(model.stylize(content, style, detail=value) for value in dial)]
    grid([row], labels).save(SHEETS / "detail.jpg", quality=88)


def regions(model: artnet.ArtNet) -> None:
    """One painting and three, in regions of a photograph; a face that keeps its detail."""
    chosen: dict[str, Any] = {"detail": 0.15, "stroke_size": 0.75}
    camera, portrait = part("camera.jpg"), example("content", "astronaut")
    masks, of_style = (part(f"{name}_sky_houses_lawn.png")[0] for name in ("camera", "auvers"))
    auvers, spring = example("style", "village_street_in_auvers"), example("style", "spring")
    street = artnet.Pictures.of(auvers, "street")
    alike = [artnet.Region(mask, street, texture_mask=of) for mask, of in zip(masks, of_style, strict=True)]
    styles = [example("style", name) for name in ("great_wave", "composition_viii", "summertime")]
    each = [artnet.Region(mask, artnet.Pictures.of(style, "style")) for mask, style in zip(masks, styles, strict=True)]
    face = part("astronaut_face.png")[:, 0]
    maps = {"detail_map": (face + 0.15).clamp(max=1), "stroke_map": 1 - face}
    whole, face_as_all = model.stylize(camera, auvers, **chosen), model.stylize(portrait, spring, **chosen)
    rows: list[list[Tensor | None]] = [
        [camera, auvers, whole, model.stylize(camera, regions=alike, **chosen)],
        [
            camera,
            strips(styles),
            model.stylize(camera, styles[0], **chosen),
            model.stylize(camera, regions=each, **chosen),
        ],
        [portrait, spring, face_as_all, model.stylize(portrait, spring, **maps)],
    ]
    grid(rows, ["photograph", "style", "as a whole", "with masks"]).save(SHEETS / "regions.jpg", quality=88)


def part(name: str) -> Tensor:
    """A picture of ``examples/regions``, ``[1, 3, H, W]``."""
    return read_picture(ROOT / "examples" / "regions" / name).rgb


def strips(pictures: Sequence[Tensor]) -> Tensor:
    """Pictures side by side in one square, ``[1, 3, H, W]``."""
    side = SIDE // len(pictures)
    cut = [ImageOps.fit(to_image(Picture(picture)), (side, SIDE)) for picture in pictures]
    return torch.cat([torch.from_numpy(np.array(image)).movedim(-1, 0)[None] / 255 for image in cut], -1)


def strokes(model: artnet.ArtNet) -> None:
    """Three pairs with finer and broader strokes, and with the finish."""
    settings: dict[str, dict[str, Any]] = {
        "stroke size 0, detail 0.3": {"stroke_size": 0.0, "detail": 0.3},
        "default": {},
        "stroke size 1": {"stroke_size": 1.0},
        "default, finish 30": {"finish": 30},
    }
    pairs = (("astronaut", "summertime"), ("chelsea", "village_street_in_auvers"), ("coffee", "composition_viii"))
    rows: list[list[Tensor | None]] = []
    for content_name, style_name in pairs:
        content, style = example("content", content_name), example("style", style_name)
        rows.append([content, style, *(model.stylize(content, style, **chosen) for chosen in settings.values())])
    grid(rows, ["photograph", "style", *settings]).save(SHEETS / "strokes.jpg", quality=88)


def style_size(model: artnet.ArtNet) -> None:
    """Two pairs, whose styles have three sizes."""
    sizes = (256, 512, 1024)
    rows: list[list[Tensor | None]] = []
    for content_name, style_name in (("chelsea", "village_street_in_auvers"), ("coffee", "summertime")):
        content, path = example("content", content_name), ROOT / "examples" / "style" / f"{style_name}.jpg"
        styles = [read_picture(path, size).rgb for size in sizes]
        rows.append([content, styles[0], *(model.stylize(content, style, detail=0.3) for style in styles)])
    labels = ["content", "style", *(f"style size {size}" for size in sizes)]
    grid(rows, labels).save(SHEETS / "style_size.jpg", quality=88)


def fast(model: artnet.ArtNet) -> None:
    """Two pairs by the default model and by the fast one."""
    smaller = artnet.load("artnet_fast")
    rows: list[list[Tensor | None]] = []
    for content_name, style_name in (("chelsea", "village_street_in_auvers"), ("astronaut", "great_wave")):
        content, style = example("content", content_name), example("style", style_name)
        painted = [smaller.stylize(content, style, detail=value) for value in (0.3, 0.5)]
        rows.append([content, style, model.stylize(content, style), *painted])
    labels = ["content", "style", "artnet, detail 0.5", "artnet_fast, detail 0.3", "artnet_fast, detail 0.5"]
    grid(rows, labels).save(SHEETS / "fast.jpg", quality=88)


def steady(model: artnet.ArtNet) -> None:
    """Frames of a pan, painted one by one and with ``steady``."""
    content, style = example("content", "astronaut"), example("style", "village_street_in_auvers")
    frames = video(content[..., 40:424, 60:484], Motion(right=5))
    videos = [model.stylize(frames, style, detail=0.3, steady=kept) for kept in (False, True)]
    chosen = (0, 3, 4, 5)
    labels = [f"frame {index + 1}" for index in chosen]
    rows: list[list[Tensor | None]] = [[painted[index : index + 1] for index in chosen] for painted in videos]
    grid(rows, labels).save(SHEETS / "steady.jpg", quality=88)


def methods(model: artnet.ArtNet) -> None:
    """One pair by every method, and by three ablations."""
    pair = [read_picture(ROOT / "examples" / name, 384).rgb for name in ("content/chelsea.jpg", "style/great_wave.jpg")]
    ablations = ("s2_compared_by_conv1", "s2_without_first_adain", "s2_without_last_adain")
    compare_methods(model, *pair, (*METHODS, *ablations)).save(SHEETS / "methods.jpg", quality=88)


def help_pages(model: artnet.ArtNet) -> None:
    """One picture for the help page of each node."""
    cat, wave, street = (
        example("content", "chelsea"),
        example("style", "great_wave"),
        example("style", "village_street_in_auvers"),
    )
    unpruned = artnet.load(shipped_models()[UNPRUNED_MODEL])
    content = model.encode(cat)

    def save(name: str, pictures: Sequence[Tensor], labels: list[str]) -> None:
        grid([list(pictures)], labels).save(HELP / f"{name}.jpg", quality=85)

    smaller = artnet.load("artnet_fast")
    painted_with = [model.stylize(cat, street), smaller.stylize(cat, street, detail=0.3), unpruned.stylize(cat, street)]
    labels = ["image", "artnet", "artnet_fast, detail 0.3", "artnet_unpruned"]
    save("loader", [cat, *painted_with], labels)
    save("encoder", [cat, *feature_pictures(content, (3, 40, 180, 460))], ["image", "four of its 746 feature maps"])
    chart = channel_chart(artnet.prune_zero_channels(unpruned)[1])
    chart.resize((chart.width * 2 // 3, chart.height * 2 // 3), Image.Resampling.LANCZOS).save(HELP / "prune.png")
    transferred = artnet.sandwich_swap(content, model.encode(street))
    save("transfer", [cat, street, model.decode(transferred)], ["content", "texture style", "decoded"])
    save("decoder", [cat, model.decode(content)], ["image", "encoded and decoded"])
    painted = model.stylize(cat, wave, street)
    save("stylize", [cat, wave, street, painted], ["image", "texture style", "color style", "painted"])
    pair = [model.encode(wave), model.encode(street)]
    mixed = [artnet.sandwich_swap(content, mix_styles(pair, weights)) for weights in ((1, 0), (1, 1), (0, 1))]
    save("mix", [model.decode(features) for features in mixed], ["weights 1, 0", "weights 1, 1", "weights 0, 1"])
    chosen = ("wct", "optimal_wct", "avatar", "style_swap")
    painted_by = [model.decode(ALL_METHODS[method](content, pair[0])) for method in chosen]
    save("feature_transfer", painted_by, [LABELS[method] for method in chosen])
    camera, masks, of_style = part("camera.jpg"), part("camera_sky_houses_lawn.png"), part("auvers_sky_houses_lawn.png")
    pictures = artnet.Pictures.of(street, "street")
    parts = [artnet.Region(mask, pictures, texture_mask=of) for mask, of in zip(masks[0], of_style[0], strict=True)]
    painted = model.stylize(camera, regions=parts, detail=0.15, stroke_size=0.75)
    save("regions", [camera, masks, street, of_style, painted], ["image", "masks", "style", "style masks", "painted"])
    rough = model.stylize(cat, street, detail=0.4)
    finished = model.stylize(cat, street, detail=0.4, finish=20)
    save("finish", [cat, street, rough, finished], ["content", "texture style", "image", "20 steps"])
    pruned = artnet.prune_zero_channels(unpruned)[0]
    save("save_model", [unpruned.stylize(cat, wave), pruned.stylize(cat, wave)], ["before pruning", "after pruning"])


def feature_pictures(features: artnet.Features, channels: Sequence[int]) -> list[Tensor]:
    """Single channels as grey pictures, each scaled to 0..1: ``[1, 3, h, w]``."""
    pictures = []
    for channel in channels:
        plane = features.data[:, channel : channel + 1]
        pictures.append((plane / plane.max().clamp(min=1e-6)).expand(-1, 3, -1, -1))
    return pictures


def banner(model: artnet.ArtNet) -> None:
    """assets/banner.png, 21:9: one photograph, painted in strips by five styles, beside the pack's name."""
    content = example("content", "astronaut")
    sheet = Image.new("RGB", (1260, 540), (28, 39, 51))
    names = ("great_wave", "village_street_in_auvers", "composition_viii", "summertime", "spring")
    for index, name in enumerate(names):
        painted = ImageOps.fit(to_image(Picture(model.stylize(content, example("style", name)))), (540, 540))
        strip = painted.crop((index * 108, 0, index * 108 + 108, 540))
        sheet.paste(strip, (720 + index * 108, 0))
    draw = ImageDraw.Draw(sheet)
    draw.text((70, 170), "ArtNet", (250, 249, 246), ImageFont.load_default(120))
    draw.text((76, 320), "texture from one picture,\ncolour from another", (242, 177, 52), ImageFont.load_default(38))
    sheet.save(ROOT / "assets" / "banner.png", optimize=True)


SHEETS_BY_NAME = {
    draw.__name__: draw
    for draw in (
        results,
        texture_and_color,
        detail,
        regions,
        strokes,
        style_size,
        fast,
        steady,
        methods,
        help_pages,
        banner,
    )
}


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description="Draws pictures of README and help pages.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(SHEETS_BY_NAME)} (default: all)")
    names = parser.parse_args().names
    for name in names:
        if name not in SHEETS_BY_NAME:
            parser.error(f"there is no sheet {name!r}: there are {', '.join(SHEETS_BY_NAME)}.")
    model = artnet.load()
    for folder in (SHEETS, HELP, ROOT / "assets"):
        folder.mkdir(parents=True, exist_ok=True)
    for name in names or SHEETS_BY_NAME:
        SHEETS_BY_NAME[name](model)


if __name__ == "__main__":
    main()
