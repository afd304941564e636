from __future__ import annotations

from collections.abc import Iterator

import comfy.utils
from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core.features import picture_count
from ..artnet_core.pipeline import Mix, Settings, finish_frame
from ..artnet_core.transfer.mask import check_mask, mask_count, mask_images
from .frames import Watch, collect, intermediate_dtype, pictures_of, sides_of, style_of, with_alpha
from .kinds import CATEGORY, model_input, style_input, supported
from .managed import ManagedModel, tiles
from .settings import style_size_input


class Finish(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_Finish",
            display_name="ArtNet Finish",
            category=CATEGORY,
            description="Works over a painting step by step: strokes get sharper and nearer to the style, and lines of "
            "the photograph come back. The node shows the painting while it grows, and can be cancelled at any time.",
            inputs=[
                io.Image.Input(
                    "image", tooltip="The painting, from ArtNet Stylize, ArtNet Decoder, or any other node that paints."
                ),
                io.Image.Input(
                    "content",
                    tooltip="The photograph that was painted, whose lines are kept. One of another size is resized.",
                ),
                style_input(
                    "texture_style",
                    "The picture whose strokes are wanted, or a mix of several from ArtNet Style Mix; one, or one for "
                    "each painting.",
                ),
                io.Int.Input(
                    "steps",
                    default=20,
                    min=1,
                    max=100,
                    tooltip="10 to 25 are enough; each takes about half as long as painting the picture.",
                ),
                style_input(
                    "color_style",
                    "The picture whose colors are wanted; the texture style's without it. Wire the photograph to keep "
                    "its own.",
                    optional=True,
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to work: black stays as it is painted. Of any size; one, or one for each painting.",
                ),
                model_input(),
                style_size_input(),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The finished paintings, of the image's size.")],
            **supported(
                search_aliases=[
                    *("refine painting", "sharpen strokes", "neural style", "gatys", "optimize style", "enhance"),
                    *("more detail", "finishing touch"),
                ],
                has_intermediate_output=True,
            ),
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        content: Tensor,
        texture_style: Tensor | Mix,
        steps: int,
        color_style: Tensor | Mix | None = None,
        mask: Tensor | None = None,
        model: ManagedModel | None = None,
        style_size: int = 0,
    ) -> io.NodeOutput:
        paintings, photographs = pictures_of(image, "image"), pictures_of(content, "content")
        height, width = sides_of(paintings)
        if sides_of(photographs) != (height, width):
            photographs = pictures_of(_resized(content, height, width), "content")
        texture = style_of(texture_style, "texture style")
        color = None if color_style is None else style_of(color_style, "color style")
        batches = {pictures.name: pictures.count for pictures in (paintings, photographs, texture)}
        optional = {"color style": color and color.count, "mask": None if mask is None else mask_count(mask)}
        count = picture_count(batches | optional)
        masks = None if mask is None else check_mask(mask, count)
        artnet = ManagedModel.or_shipped(model).ready(height, width, (height, width))
        rows, watch = tiles(), Watch(count)
        settings = Settings(style_size=style_size, finish=steps)

        def frames() -> Iterator[Tensor]:
            for index in range(count):
                painting = paintings.at(index).to(artnet.device)
                of_texture = texture.encoded(artnet, index, rows)
                of_color = None if color is None else color.encoded(artnet, index, rows)
                photograph = photographs.encoded(artnet, index, rows)
                finished = finish_frame(
                    artnet, painting, photograph, of_texture, of_color, settings, watch.within, watch.shown
                )
                if masks is not None:
                    finished = mask_images(painting, finished, masks[min(index, len(masks) - 1)])
                yield finished

        return io.NodeOutput(collect(count, with_alpha(frames(), image, watch), intermediate_dtype(), watch))


def _resized(images: Tensor, height: int, width: int) -> Tensor:
    method = "area" if images.shape[1] > height else "bicubic"
    resized = comfy.utils.common_upscale(images.movedim(-1, 1), width, height, method, "disabled")
    return resized.movedim(1, -1).clamp(0, 1)
