from __future__ import annotations

from collections.abc import Iterator

import torch
from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core.pipeline import Settings, frame_count, paint
from ..artnet_core.transfer.mask import mask_count
from .frames import collect, intermediate_dtype, pictures_of, sides_of
from .kinds import CATEGORY, Model, supported
from .managed import ManagedModel, tiles
from .settings import detail_input, patch_size_input, steady_input, strength_input
from .text import show_text


class Stylize(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_Stylize",
            display_name="ArtNet Stylize",
            category=CATEGORY,
            description="Style transfer in one box: paints pictures with the strokes of one picture and the colours of "
            "the same or another one. Batches go frame by frame, so GPU memory does not grow with a video's length; "
            "transparency is kept.",
            inputs=[
                Model.Input("model", tooltip="The model, from ArtNet Loader."),
                io.Image.Input("image", tooltip="The picture to paint, or the frames of a video."),
                io.Image.Input(
                    "texture_style",
                    tooltip="The picture whose strokes are copied: one, or one for each frame. Several paint a single "
                    "picture once in each.",
                ),
                strength_input(),
                detail_input(),
                patch_size_input(),
                steady_input(),
                io.Int.Input(
                    "style_size",
                    default=0,
                    min=0,
                    max=8192,
                    step=8,
                    optional=True,
                    tooltip="Pixels of the longer side that the texture style is resized to: fewer make strokes finer, "
                    "more make them broader. 0 leaves it as it is.",
                ),
                io.Image.Input(
                    "color_style",
                    optional=True,
                    tooltip="The picture whose colours are taken; the texture style's without it.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to paint: white is painted, black stays untouched. Of any size; one, or one for "
                    "each frame.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The painted pictures, of the size of the image.")],
            hidden=[io.Hidden.unique_id],
            **supported(
                search_aliases=["style transfer", "neural style", "stylize", "paint like", "video style", "S2"]
            ),
        )

    @classmethod
    def execute(
        cls,
        model: ManagedModel,
        image: Tensor,
        texture_style: Tensor,
        strength: float,
        detail: float,
        patch_size: int,
        steady: bool = False,
        style_size: int = 0,
        color_style: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        pictures = pictures_of(image, "image")
        texture = pictures_of(texture_style, "texture style")
        color = None
        if color_style is not None:
            color = pictures if color_style is image else pictures_of(color_style, "color style")
        count = frame_count(pictures, texture, color, None if mask is None else mask_count(mask))
        if mask is not None:
            empty = "The mask is empty: nothing is painted."  # a text that is shown cannot be taken away again
            show_text("Painted where the mask is white." if (mask > 0).any() else empty, cls.hidden.unique_id)

        sides = [sides_of(image), sides_of(texture_style, style_size)]
        if color_style is not None:
            sides.append(sides_of(color_style))
        artnet = model.ready(max(height for height, _ in sides), max(width for _, width in sides))
        settings = Settings(strength, detail, patch_size, steady, style_size=style_size)

        def frames() -> Iterator[Tensor]:
            painted = paint(artnet, pictures, texture, color, settings, mask, tiles())
            for index, frame in enumerate(painted):
                alpha = image[min(index, len(image) - 1)][None, ..., 3:].to(frame)
                yield torch.cat([frame.movedim(1, -1), alpha], -1)

        return io.NodeOutput(collect(count, frames(), intermediate_dtype()))
