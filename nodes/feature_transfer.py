from __future__ import annotations

from comfy_api.v0_0_2 import io

from ..artnet_core import Features
from ..artnet_core.features import picture_count
from ..artnet_core.transfer.methods import ALL_METHODS
from .frames import collect_features, features_on_device
from .kinds import CATEGORY, FeatureMaps, supported
from .settings import strength_input

METHOD_NAMES = {
    "artnet": "ArtNet",
    "s2": "S² (An 2020)",
    "style_swap": "StyleSwap (Chen 2016)",
    "adain": "AdaIN (Huang 2017)",
    "wct": "WCT (Li 2017)",
    "linear_wct": "LinearWCT (Li 2019)",
    "optimal_wct": "OptimalWCT (Lu 2019)",
    "avatar": "Avatar-Net (Sheng 2018)",
    "s2_without_first_adain": "S² without its first AdaIN",
    "s2_without_last_adain": "S² without its last AdaIN",
    "s2_without_aggregation": "S², each block by itself",
    "s2_compared_by_conv1": "S², compared by conv1",
}
"""What artists read for each of the core's methods. Workflows of version 0.1.0 hold the core's own names."""


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
                    options=list(METHOD_NAMES.values()),
                    default=METHOD_NAMES["wct"],
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
    def validate_inputs(cls, method: str | None) -> bool | str:
        # In place of the host's own look at the list, which lacks the old names. A wired method is not known yet.
        if method is None or method in METHOD_NAMES or method in METHOD_NAMES.values():
            return True
        return f"There is no method {method!r}: choose one of {', '.join(METHOD_NAMES.values())}."

    @classmethod
    def execute(cls, content: Features, style: Features, method: str, strength: float) -> io.NodeOutput:
        transfer_features = ALL_METHODS[next(key for key, name in METHOD_NAMES.items() if method in (key, name))]
        count = picture_count({"content": len(content.data), "style": len(style.data)})
        content_at, style_at = features_on_device(content), features_on_device(style)

        def transfer(index: int) -> Features:
            return transfer_features(content_at(index), style_at(index), strength=strength)

        return io.NodeOutput(collect_features(count, content, style, transfer, float32=True))
