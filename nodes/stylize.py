from __future__ import annotations

from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core.pipeline import Mix, Settings, frame_count, paint
from ..artnet_core.transfer.mask import mask_count
from .frames import Watch, collect, intermediate_dtype, masked, pictures_of, sides_of, style_of, with_alpha
from .kinds import CATEGORY, model_input, style_input, supported
from .managed import ManagedModel, tiles
from .settings import (
    AUTOMATIC,
    COLOR,
    IMAGE,
    TEXTURE,
    colors_from_input,
    detail_input,
    finish_input,
    map_inputs,
    patch_size_input,
    steady_input,
    strength_input,
    stroke_size_input,
    style_mask_inputs,
    style_size_input,
)
from .text import said


class Stylize(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_Stylize",
            display_name="ArtNet Stylize",
            category=CATEGORY,
            description="Style transfer in one box: paints pictures with the strokes of one picture and the colors of "
            "the same or another one. Batches go frame by frame, so GPU memory does not grow with a video's length; "
            "transparency is kept.",
            inputs=[
                io.Image.Input("image", tooltip="The picture to paint, or the frames of a video."),
                style_input(
                    "texture_style",
                    "The picture whose strokes are copied: one, or one for each frame. Several paint a single picture "
                    "once in each. ArtNet Style Mix mixes several into one.",
                ),
                detail_input(),
                strength_input(),
                style_input(
                    "color_style",
                    "The picture whose colors are taken, or a mix of several; the texture style's without it.",
                    optional=True,
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to paint: white is painted, black stays untouched. Of any size; one, or one for "
                    "each frame.",
                ),
                model_input(),
                stroke_size_input(),
                style_size_input(),
                colors_from_input(),
                finish_input(),
                steady_input(),
                patch_size_input(),
                *style_mask_inputs(),
                *map_inputs(),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The painted pictures, of the size of the image.")],
            **supported(
                search_aliases=[
                    *("style transfer", "neural style", "stylize", "paint like", "paint", "painting", "oil painting"),
                    *("artistic", "impressionist", "art style", "painterly", "video style", "S2"),
                ],
                essentials_category="Image Tools",
                has_intermediate_output=True,
            ),
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        texture_style: Tensor | Mix,
        detail: float,
        strength: float,
        color_style: Tensor | Mix | None = None,
        mask: Tensor | None = None,
        model: ManagedModel | None = None,
        stroke_size: float = 0.0,  # of prompts that are older than this input
        style_size: int = 0,
        colors_from: str = AUTOMATIC,
        finish: int = 0,
        steady: bool = False,
        patch_size: int = 3,
        style_mask: Tensor | None = None,
        color_mask: Tensor | None = None,
        detail_map: Tensor | None = None,
        strength_map: Tensor | None = None,
        stroke_map: Tensor | None = None,
    ) -> io.NodeOutput:
        pictures = pictures_of(image, "image")
        texture = masked(style_of(texture_style, "texture style"), style_mask)
        color_style, color = color_picture(colors_from, image, color_style), None
        if color_style is not None:
            color = masked(pictures if color_style is image else style_of(color_style, "color style"), color_mask)
        maps = {"detail_map": detail_map, "strength_map": strength_map, "stroke_map": stroke_map}
        count = frame_count(pictures, texture, color, None if mask is None else mask_count(mask), **maps)
        empty = mask is not None and not (mask > 0).any()

        sides = [sides_of(pictures), sides_of(texture, style_size)]
        if color is not None:
            sides.append(sides_of(color))
        artnet = ManagedModel.or_shipped(model).ready_for(sides, finish > 0)
        settings = Settings(strength, detail, patch_size, steady, stroke_size, style_size, finish)
        watch = Watch(count)

        painted = paint(
            artnet,
            pictures,
            texture,
            color,
            settings,
            mask,
            tiles(),
            progress=watch.within,
            shown=watch.shown,
            **maps,
        )
        result = collect(count, with_alpha(painted, image, watch), intermediate_dtype(), watch)
        return io.NodeOutput(result, ui=said(warning="The mask is empty: nothing is painted." if empty else ""))


def color_picture(colors_from: str, image: Tensor, color_style: Tensor | Mix | None) -> Tensor | Mix | None:
    """The IMAGE whose colors are taken; None stands for the texture style's.

    Raises:
        ValueError: the colors are to come from a color style, and none is wired.
    """
    if colors_from == COLOR and color_style is None:
        raise ValueError("Colors from color style: no picture is wired to color style. Wire one, or choose automatic.")
    return {AUTOMATIC: color_style, TEXTURE: None, COLOR: color_style, IMAGE: image}[colors_from]
