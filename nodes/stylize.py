from __future__ import annotations

import torch
from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core.features import picture_count
from ..artnet_core.mask import check_mask, mask_count, mask_images
from ..artnet_core.steadiness import FrameBefore
from .frames import check_batch, collect, frame_of, image_dtype, sides_of, style_frames
from .kinds import CATEGORY, Model, supported
from .managed import ManagedModel, strips
from .settings import detail_input, patch_size_input, steady_input, strength_input


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
        check_batch(image)
        count = picture_count(
            {
                "image": len(image),
                "texture style": len(texture_style),
                "color style": None if color_style is None else len(color_style),
                "mask": None if mask is None else mask_count(mask),
            }
        )
        masks = None if mask is None else check_mask(mask, count)

        sides = [sides_of(image), sides_of(texture_style, style_size)]
        if color_style is not None:
            sides.append(sides_of(color_style))
        artnet = model.ready(max(height for height, _ in sides), max(width for _, width in sides))
        texture_at = style_frames(artnet, texture_style, style_size)
        color_at = None if color_style is None else style_frames(artnet, color_style)
        rows = strips(image.shape[1])
        before = FrameBefore() if steady else None

        def stylize(index: int) -> Tensor:
            content, texture = frame_of(image, index), texture_at(index)
            color = None if color_at is None else color_at(index)
            result = rows.run(
                lambda strip: artnet.stylize_frame(content, texture, color, strength, detail, patch_size, strip, before)
            )
            if masks is not None:
                result = mask_images(content, result, masks[min(index, len(masks) - 1)])
            alpha = image[min(index, len(image) - 1)][None, ..., 3:].to(result)
            return torch.cat([result.movedim(1, -1), alpha], -1)

        return io.NodeOutput(collect(count, stylize, image_dtype()))
