from __future__ import annotations

from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core import Features
from .frames import collect, pictures_of
from .kinds import CATEGORY, FeatureMaps, Model, supported
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
                Model.Input("model", tooltip="The model; use the same one for content, styles and decoder."),
                io.Image.Input(
                    "image", tooltip="One picture or a batch, of any size: content, texture or colour style."
                ),
            ],
            outputs=[FeatureMaps.Output(display_name="features", tooltip="For S² Transfer or ArtNet Style Mix.")],
            **supported(search_aliases=["style transfer encoder", "encode style", "googlenet features"]),
        )

    @classmethod
    def execute(cls, model: ManagedModel, image: Tensor) -> io.NodeOutput:
        pictures = pictures_of(image, "image")
        height, width = image.shape[1:3]
        artnet, rows = model.ready(height, width), tiles()

        def encoded(index: int) -> Tensor:
            picture = pictures.at(index)
            return rows.run(height, lambda tile: artnet.encode(picture, tile)).data

        data = collect(len(image), map(encoded, range(len(image))))
        return io.NodeOutput(Features(data, artnet.layers, artnet.stride, (height, width), artnet.id))
