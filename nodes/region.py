from __future__ import annotations

from dataclasses import dataclass

from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core.pipeline import DEFAULTS, Settings
from .frames import check_image
from .kinds import CATEGORY, Region, supported
from .settings import (
    detail_input,
    strength_input,
    stroke_size_input,
    style_mask_inputs,
    style_size_input,
)


@dataclass(frozen=True, eq=False)
class StyledRegion:
    """What runs from ArtNet Region to ArtNet Regions: MASKs and IMAGEs as they came.

    Attributes:
        settings: of this region alone; None takes those of ArtNet Regions.
    """

    mask: Tensor
    texture_style: Tensor
    style_mask: Tensor | None
    color_style: Tensor | None
    color_mask: Tensor | None
    settings: Settings | None


class StyleRegion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_Region",
            display_name="ArtNet Region",
            category=CATEGORY,
            description="A part of the picture and the style that it is painted in. Wire one for each part to ArtNet "
            "Regions.",
            inputs=[
                io.Mask.Input(
                    "mask",
                    tooltip="Where the region is: white. Grey shares the place with other regions. Of any size; one, "
                    "or one for each frame.",
                ),
                io.Image.Input(
                    "texture_style", tooltip="The picture whose strokes are copied: one, or one for each frame."
                ),
                io.Image.Input(
                    "color_style",
                    optional=True,
                    tooltip="The picture whose colors are taken; without it ArtNet Regions decides. Wire the image "
                    "itself to keep its own colors here.",
                ),
                *style_mask_inputs(),
                io.Boolean.Input(
                    "own_settings",
                    default=False,
                    optional=True,
                    tooltip="On: the settings below are for this region. Off: ArtNet Regions sets them for all.",
                ),
                detail_input(optional=True),
                strength_input(optional=True),
                stroke_size_input(),
                style_size_input(),
            ],
            outputs=[Region.Output(display_name="region", tooltip="For ArtNet Regions.")],
            **supported(search_aliases=["style mask", "regional style", "masked style", "attention mask"]),
        )

    @classmethod
    def execute(
        cls,
        mask: Tensor,
        texture_style: Tensor,
        color_style: Tensor | None = None,
        style_mask: Tensor | None = None,
        color_mask: Tensor | None = None,
        own_settings: bool = False,
        detail: float = DEFAULTS.detail,
        strength: float = 1.0,
        stroke_size: float = 0.0,  # of prompts that are older than this input
        style_size: int = 0,
    ) -> io.NodeOutput:
        check_image(texture_style, "texture style")
        if color_style is not None:
            check_image(color_style, "color style")
        settings = Settings(strength, detail, stroke_size=stroke_size, style_size=style_size) if own_settings else None
        return io.NodeOutput(StyledRegion(mask, texture_style, style_mask, color_style, color_mask, settings))
