from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core.pipeline import Pictures, Settings, frame_count, paint
from ..artnet_core.pipeline import Region as CoreRegion
from ..artnet_core.transfer.mask import mask_count
from .frames import Watch, collect, intermediate_dtype, masked, pictures_of, sides_of, with_alpha
from .kinds import CATEGORY, Region, model_input, supported
from .managed import ManagedModel, tiles
from .region import StyledRegion
from .settings import (
    AUTOMATIC,
    colors_from_input,
    detail_input,
    finish_input,
    map_inputs,
    mask_input,
    patch_size_input,
    steady_input,
    strength_input,
    stroke_size_input,
    style_size_input,
)
from .stylize import color_picture
from .text import said

_FIXED = 4
_MOST = 100
_NAMES = [f"region_{number}" for number in range(1, _FIXED + 1)]


class Regions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs: list[io.Input] = [
            io.Image.Input("image", tooltip="The picture to paint, or the frames of a video."),
            Region.Input(_NAMES[0], tooltip="From ArtNet Region: a part of the picture and its style."),
            detail_input(),
            strength_input(),
            *(
                Region.Input(
                    f"region_{number}", optional=True, tooltip="Another part and its style. Order does not matter."
                )
                for number in range(2, _FIXED + 1)
            ),
            io.Image.Input(
                "texture_style",
                display_name="style of the rest",
                optional=True,
                tooltip="What no region covers is painted in the style of this picture; without it that stays as it "
                "is.",
            ),
            io.Image.Input(
                "color_style",
                optional=True,
                tooltip="The picture whose colors are taken, but for regions with a color style of their own; without "
                "it each texture style's.",
            ),
            mask_input("mask", "Where to paint at all: white is painted, black stays untouched."),
            model_input(),
            stroke_size_input(),
            style_size_input(),
            colors_from_input(),
            finish_input(),
            steady_input(),
            patch_size_input(),
            *map_inputs(),
        ]
        if hasattr(io, "Autogrow"):
            names = [f"region_{number}" for number in range(_FIXED + 1, _MOST + 1)]
            template = io.Autogrow.TemplateNames(
                Region.Input("region", optional=True, tooltip="A further part and its style."), names, min=0
            )
            inputs.append(
                io.Autogrow.Input(
                    "more", template, optional=True, tooltip="Further regions; another input appears with each."
                )
            )
        return io.Schema(
            node_id="ArtNet_Regions",
            display_name="ArtNet Regions",
            category=CATEGORY,
            description="Paints parts of a picture in styles of their own: each part takes strokes and colors of its "
            "style alone. Borders are as soft as the masks; where masks overlap each part has its share.",
            inputs=inputs,
            outputs=[io.Image.Output(display_name="image", tooltip="The painted pictures, of the size of the image.")],
            **supported(
                search_aliases=[
                    "several styles",
                    "regional style transfer",
                    "style mask",
                    "multi style",
                    "masked styles",
                ],
                has_intermediate_output=True,
            ),
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        detail: float,
        strength: float,
        texture_style: Tensor | None = None,
        color_style: Tensor | None = None,
        mask: Tensor | None = None,
        model: ManagedModel | None = None,
        stroke_size: float = 0.0,  # of prompts that are older than this input
        style_size: int = 0,
        colors_from: str = AUTOMATIC,
        finish: int = 0,
        steady: bool = False,
        patch_size: int = 3,
        detail_map: Tensor | None = None,
        strength_map: Tensor | None = None,
        stroke_map: Tensor | None = None,
        more: Mapping[str, StyledRegion | None] | None = None,
        **numbered: StyledRegion | None,
    ) -> io.NodeOutput:
        wired = {name: numbered.get(name) for name in _NAMES} | dict(more or {})
        given = {name.replace("_", " "): region for name, region in wired.items() if region is not None}
        settings = Settings(strength, detail, patch_size, steady, stroke_size, style_size, finish)
        color_style = color_picture(colors_from, image, color_style)
        known: dict[int, Pictures] = {}  # what is wired to several inputs is encoded once

        def pictures(images: Tensor, name: str) -> Pictures:
            if id(images) not in known:
                known[id(images)] = pictures_of(images, name)
            return known[id(images)]

        def region(name: str, styled: StyledRegion) -> CoreRegion:
            own = color
            if styled.color_style is not None:
                own = masked(pictures(styled.color_style, f"color style of {name}"), styled.color_mask)
            texture = pictures(styled.texture_style, f"texture style of {name}")
            chosen = None if styled.settings is None else replace(styled.settings, patch_size=patch_size)
            return CoreRegion(styled.mask, texture, own, styled.style_mask, chosen, name)

        content = pictures(image, "image")
        texture = None if texture_style is None else pictures(texture_style, "style of the rest")
        color = None if color_style is None else pictures(color_style, "color style")
        regions = [region(name, styled) for name, styled in given.items()]
        maps = {"detail_map": detail_map, "strength_map": strength_map, "stroke_map": stroke_map}
        count = frame_count(content, texture, color, None if mask is None else mask_count(mask), regions, **maps)

        sides = [sides_of(content)]
        for each in regions:
            sides.append(sides_of(each.texture, (each.settings or settings).style_size))
            sides += [] if each.color is None else [sides_of(each.color)]
        sides += [] if texture is None else [sides_of(texture, style_size)]
        sides += [] if color is None else [sides_of(color)]
        artnet = ManagedModel.or_shipped(model).ready_for(sides, finish > 0)
        watch = Watch(count)
        painted = paint(
            artnet,
            content,
            texture,
            color,
            settings,
            mask,
            tiles(),
            progress=watch.within,
            shown=watch.shown,
            regions=regions,
            **maps,
        )
        result = collect(count, with_alpha(painted, image, watch), intermediate_dtype(), watch)
        empty = [name for name, region in given.items() if not (region.mask > 0).any()]
        return io.NodeOutput(result, ui=said(warning=_said_of_empty(empty)))


def _said_of_empty(names: list[str]) -> str:
    if not names:
        return ""
    masks = f"The mask of {names[0]} is" if len(names) == 1 else f"The masks of {', '.join(names)} are"
    return f"{masks} empty: nothing is painted there."
