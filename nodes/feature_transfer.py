from __future__ import annotations

from comfy_api.v0_0_2 import io

from ..artnet_core import Features
from ..artnet_core.features import picture_count
from ..artnet_core.transfer.methods import ALL_METHODS
from .frames import collect_features, features_on_device
from .kinds import CATEGORY, FeatureMaps, supported
from .settings import strength_input


class FeatureTransfer(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_FeatureTransfer",
            display_name="ArtNet Feature Transfer",
            category=CATEGORY,
            description="Other methods of the literature on the same encoder and decoder: to compare, or for their "
            "own look.",
            inputs=[
                FeatureMaps.Input("content", tooltip="Features of the pictures to paint."),
                FeatureMaps.Input(
                    "style",
                    tooltip="Features of the picture whose look is taken: one, or one for each content. Several paint "
                    "a single content once in each.",
                ),
                io.Combo.Input(
                    "method",
                    options=list(ALL_METHODS),
                    default="wct",
                    tooltip="How the style is brought to the content; the help page says what each method does to the "
                    "picture.",
                ),
                strength_input(of_features=True),
            ],
            outputs=[FeatureMaps.Output(display_name="features", tooltip="For ArtNet Decoder.")],
            **supported(
                search_aliases=["WCT", "AdaIN", "Avatar-Net", "StyleSwap", "optimal transport", "feature transfer"]
            ),
        )

    @classmethod
    def execute(cls, content: Features, style: Features, method: str, strength: float) -> io.NodeOutput:
        count = picture_count({"content": len(content.data), "style": len(style.data)})
        content_at, style_at = features_on_device(content), features_on_device(style)

        def transfer(index: int) -> Features:
            return ALL_METHODS[method](content_at(index), style_at(index), strength=strength)

        return io.NodeOutput(collect_features(count, content, style, transfer, float32=True))
