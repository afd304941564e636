"""Draws the README's sheets from the shipped examples with the shipped model: ``python -m benchmarks.sheets``."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

import artnet_core as artnet
from artnet_core.picture import Picture, read_picture, to_image

ROOT = Path(__file__).parents[1]
SHEETS = ROOT / "docs" / "sheets"
SIDE, GAP = 300, 8


def example(kind: str, name: str) -> Tensor:
    """An example picture, ``[1, 3, H, W]``."""
    return read_picture(ROOT / "examples" / kind / f"{name}.jpg").rgb


def grid(rows: list[list[Tensor | None]], labels: list[str] | None = None) -> Image.Image:
    """Pictures in rows, each cropped to a square around its middle; None leaves a gap."""
    header = 30 if labels else 0
    columns = max(len(row) for row in rows)
    size = (columns * (SIDE + GAP) - GAP, len(rows) * (SIDE + GAP) - GAP + header)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for column, label in enumerate(labels or []):
        draw.text((column * (SIDE + GAP) + 4, 4), label, "black", font)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            if picture is not None:
                square = ImageOps.fit(to_image(Picture(picture)), (SIDE, SIDE), Image.Resampling.LANCZOS)
                sheet.paste(square, (x * (SIDE + GAP), y * (SIDE + GAP) + header))
    return sheet


@torch.inference_mode()
def main() -> None:
    """Writes results.jpg (content x style), texture_and_color.jpg and detail.jpg."""
    model = artnet.load()
    SHEETS.mkdir(parents=True, exist_ok=True)

    styles = [
        example("style", name) for name in ("village_street_in_auvers", "great_wave", "composition_viii", "summertime")
    ]
    rows: list[list[Tensor | None]] = [[None, *styles]]
    for name in ("chelsea", "astronaut", "coffee"):
        content = example("content", name)
        rows.append([content, *(model.stylize(content, style) for style in styles)])
    grid(rows).save(SHEETS / "results.jpg", quality=88)

    content = example("content", "chelsea")
    texture = example("style", "great_wave")
    colors = [example("style", name) for name in ("great_wave", "poppies", "village_street_in_auvers", "spring")]
    painted = [model.stylize(content, texture, color, detail=0.2) for color in colors]
    grid([[content, *colors], [texture, *painted]]).save(SHEETS / "texture_and_color.jpg", quality=88)

    content, style = example("content", "astronaut"), example("style", "village_street_in_auvers")
    dial = (0.0, 0.25, 0.5, 0.75, 1.0)
    labels = ["content", *(f"detail {value}" for value in dial)]
    row: list[Tensor | None] = [content, *(model.stylize(content, style, detail=value) for value in dial)]
    grid([row], labels).save(SHEETS / "detail.jpg", quality=88)


if __name__ == "__main__":
    main()
