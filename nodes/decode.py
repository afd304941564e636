from __future__ import annotations

from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core import Features
from .frames import Watch, collect, intermediate_dtype
from .kinds import CATEGORY, FeatureMaps, model_input, supported
from .managed import ManagedModel, tiles


class Decoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_Decoder",
            display_name="ArtNet Decoder",
            category=CATEGORY,
            description="Turns features back into pictures of the size that was encoded.",
            inputs=[
                FeatureMaps.Input("features", tooltip="Features of the content, usually after S² Transfer."),
                model_input(
                    "Without it the model that comes with ArtNet is used; take what the features were encoded with."
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="One picture for each that was encoded.")],
            **supported(search_aliases=["style transfer decoder", "decode style"]),
        )

    @classmethod
    def execute(cls, features: Features, model: ManagedModel | None = None) -> io.NodeOutput:
        height, width = features.size
        artnet, rows, count = ManagedModel.or_shipped(model).ready(height, width), tiles(), len(features.data)
        watch = Watch(count)

        def decoded(index: int) -> Tensor:
            frame = features.pick(index)
            picture = rows.run(height, lambda tile: artnet.decode(frame, tile, watch.within))
            watch.painted(picture)
            return picture.movedim(1, -1)

        return io.NodeOutput(collect(count, map(decoded, range(count)), intermediate_dtype(), watch))
