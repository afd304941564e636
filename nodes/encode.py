from __future__ import annotations

from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core import Features
from .frames import collect, pictures_of, within_frame
from .kinds import CATEGORY, FeatureMaps, model_input, supported
from .managed import ManagedModel, tiles


class Encoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_Encoder",
            display_name="ArtNet Encoder",
            category=CATEGORY,
            description="Turns pictures into the features that S² Transfer works on. Content and styles go through the "
            "same encoder. Transparency is ignored.",
            inputs=[
                io.Image.Input(
                    "image", tooltip="One picture or a batch, of any size: content, texture or color style."
                ),
                model_input(
                    "Without it the model that comes with ArtNet is used; take one for content, styles and decoder."
                ),
            ],
            outputs=[FeatureMaps.Output(display_name="features", tooltip="For S² Transfer or ArtNet Style Mix.")],
            **supported(search_aliases=["style transfer encoder", "encode style", "googlenet features"]),
        )

    @classmethod
    def execute(cls, image: Tensor, model: ManagedModel | None = None) -> io.NodeOutput:
        return io.NodeOutput(encode(ManagedModel.or_shipped(model), image, "image"))


def encode(model: ManagedModel, image: Tensor, name: str) -> Features:
    """The features of an IMAGE, on the host's intermediate device; ``name`` is what errors call it."""
    pictures = pictures_of(image, name)
    height, width = image.shape[1:3]
    artnet, rows, watch = model.ready(height, width), tiles(), within_frame(len(image))

    def encoded(index: int) -> Tensor:
        picture = pictures.at(index)
        return rows.run(height, lambda tile: artnet.encode(picture, tile, progress=watch)).data

    data = collect(len(image), map(encoded, range(len(image))))
    return Features(data, artnet.layers, artnet.stride, (height, width), artnet.id)
