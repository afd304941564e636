from __future__ import annotations

from comfy_api.v0_0_2 import io

from ..artnet_core import Features
from ..artnet_core.transfer.mix import mix_styles
from .kinds import CATEGORY, FeatureMaps, supported


class StyleMix(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs: list[io.Input] = []
        for number in range(1, 5):
            optional = number > 2
            style = FeatureMaps.Input(
                f"style_{number}",
                optional=optional,
                tooltip=f"Style {number}, from an ArtNet Encoder of the same model.",
            )
            weight = io.Float.Input(
                f"weight_{number}",
                optional=optional,
                default=1.0,
                min=0.0,
                max=10.0,
                step=0.05,
                tooltip=f"How much style {number} counts beside the others; 0 leaves it out.",
            )
            inputs += [style, weight]
        return io.Schema(
            node_id="ArtNet_StyleMix",
            display_name="ArtNet Style Mix",
            category=CATEGORY,
            description="Mixes two to four styles into one: strokes from all of them, the more the heavier, and one "
            "palette between theirs.",
            inputs=inputs,
            outputs=[
                FeatureMaps.Output(display_name="features", tooltip="A texture or colour style for S² Transfer."),
            ],
            **supported(search_aliases=["blend styles", "style interpolation", "combine styles"]),
        )

    @classmethod
    def execute(
        cls,
        style_1: Features,
        weight_1: float,
        style_2: Features,
        weight_2: float,
        style_3: Features | None = None,
        weight_3: float = 1.0,
        style_4: Features | None = None,
        weight_4: float = 1.0,
    ) -> io.NodeOutput:
        pairs = [(style_1, weight_1), (style_2, weight_2), (style_3, weight_3), (style_4, weight_4)]
        given = [(style, weight) for style, weight in pairs if style is not None]
        return io.NodeOutput(mix_styles([style for style, _ in given], [weight for _, weight in given]))
