from __future__ import annotations

import torch
from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core import Features
from ..artnet_core.features import one_for_all, picture_count
from ..artnet_core.mask import check_mask, mask_count, mask_images
from ..artnet_core.model import check_images
from ..artnet_core.steadiness import FrameBefore
from .frames import check_batch, collect, encoded_frames, frame_of, image_dtype, named, sides_of
from .kinds import CATEGORY, Model, supported
from .managed import ManagedModel, strips
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
        check_batch(image, "image")
        pictures = {
            "image": len(image),
            "texture style": len(texture_style),
            "color style": None if color_style is None else len(color_style),
        }
        count = picture_count({**pictures, "mask": None if mask is None else mask_count(mask)})
        masks = None if mask is None else check_mask(mask, count)
        if masks is not None:
            empty = "The mask is empty: nothing is painted."  # a text that is shown cannot be taken away again
            show_text("Painted where the mask is white." if _paints(masks) else empty, cls.hidden.unique_id)

        sides = [sides_of(image), sides_of(texture_style, style_size)]
        if color_style is not None:
            sides.append(sides_of(color_style))
        artnet = model.ready(max(height for height, _ in sides), max(width for _, width in sides))
        content_at = encoded_frames(artnet, image, "image")
        texture_at = encoded_frames(artnet, texture_style, "texture style", style_size)
        color_at = None if color_style is None else encoded_frames(artnet, color_style, "color style")
        rows = strips(image.shape[1])
        before = FrameBefore() if steady else None

        def checked(index: int) -> Tensor:
            content = frame_of(image, index)
            with named("image", index):
                check_images(content)
            return content

        def paint(index: int) -> Tensor:
            content, texture = checked(index) if steady else frame_of(image, index), texture_at(index)
            features = None if steady else content_at(index)
            if color_style is image and features is not None:
                color: Features | None = features
            else:
                color = None if color_at is None else color_at(index)
            return rows.run(
                lambda strip: artnet.stylize_frame(
                    content, texture, color, strength, detail, patch_size, strip, before, features
                )
            )

        painted_at = one_for_all(picture_count(pictures), paint)

        def stylize(index: int) -> Tensor:
            of_frame = None if masks is None else masks[min(index, len(masks) - 1)]
            if of_frame is not None and not steady and not _paints(of_frame):
                result = checked(index)
            else:
                result = painted_at(index)
                if of_frame is not None:
                    result = mask_images(frame_of(image, index), result, of_frame)
            alpha = image[min(index, len(image) - 1)][None, ..., 3:].to(result)
            return torch.cat([result.movedim(1, -1), alpha], -1)

        return io.NodeOutput(collect(count, stylize, image_dtype()))


def _paints(mask: Tensor) -> bool:
    """Whether anything is painted under a mask, such as that of a picture in which nobody has drawn one."""
    return bool((mask > 0).any())
