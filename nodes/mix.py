from __future__ import annotations

from typing import Any

from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core import Features
from ..artnet_core.pipeline import Mix, Pictures
from ..artnet_core.transfer.mix import mix_styles
from .encode import encode
from .frames import pictures_of
from .kinds import CATEGORY, FeatureMaps, Style, advanced, model_input, supported
from .managed import ManagedModel

_FIXED = 4
_MOST = 16


def _style(name: str, number: str, optional: bool) -> io.Input:
    return io.MultiType.Input(
        name,
        [io.Image, FeatureMaps],
        optional=optional,
        tooltip=f"{number}: a picture, or features from ArtNet Encoder.",
    )


class StyleMix(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs: list[io.Input] = []
        for number in range(1, _FIXED + 1):
            optional = number > 2
            weight = io.Float.Input(
                f"weight_{number}",
                optional=optional,
                default=1.0,
                min=0.0,
                max=10.0,
                step=0.05,
                tooltip=f"How much style {number} counts beside the others; 0 leaves it out.",
            )
            inputs += [_style(f"style_{number}", f"Style {number}", optional), weight]
        inputs.append(model_input("Pictures are encoded with it; without it with the model that comes with ArtNet."))
        if hasattr(io, "Autogrow"):
            names = [f"style_{number}" for number in range(_FIXED + 1, _MOST + 1)]
            template = io.Autogrow.TemplateNames(_style("style", "A further style", True), names, min=0)
            inputs.append(
                io.Autogrow.Input(
                    "more",
                    template,
                    optional=True,
                    tooltip="Further styles; another input appears with each.",
                )
            )
            inputs.append(
                advanced(
                    io.String.Input(
                        "more_weights",
                        default="",
                        optional=True,
                        tooltip="Weights of the styles from the fifth on, in their order, such as 1, 0.5. Those that "
                        "are not named count 1.",
                    )
                )
            )
        return io.Schema(
            node_id="ArtNet_StyleMix",
            display_name="ArtNet Style Mix",
            category=CATEGORY,
            description="Mixes several styles into one: strokes from all of them, the more the heavier, and one "
            "palette between theirs.",
            inputs=inputs,
            outputs=[
                FeatureMaps.Output(display_name="features", tooltip="A texture or color style for S² Transfer."),
                Style.Output(display_name="style", tooltip="For ArtNet Stylize and ArtNet Finish."),
            ],
            **supported(search_aliases=["blend styles", "style interpolation", "combine styles"]),
        )

    @classmethod
    def execute(
        cls,
        model: ManagedModel | None = None,
        more: dict[str, Tensor | Features | None] | None = None,
        more_weights: str = "",
        **numbered: Any,
    ) -> io.NodeOutput:
        styles = {f"style_{number}": numbered.get(f"style_{number}") for number in range(1, _FIXED + 1)} | (more or {})
        weights = {f"weight_{number}": numbered.get(f"weight_{number}", 1.0) for number in range(1, _FIXED + 1)}
        of_more = dict(zip(more or {}, further_weights(more_weights), strict=False))
        given: list[Pictures | Features] = []
        encoded: list[Features] = []
        of_given: list[float] = []
        for name, style in styles.items():
            if style is None:
                continue
            if isinstance(style, Tensor):
                model = ManagedModel.or_shipped(model)
                given.append(pictures_of(style, name.replace("_", " ")))
                encoded.append(encode(model, style, name.replace("_", " ")))
            else:
                given.append(style)
                encoded.append(style)
            of_given.append(weights.get(name.replace("style", "weight"), of_more.get(name, 1.0)))
        return io.NodeOutput(mix_styles(encoded, of_given), Mix("style", given, of_given))


def further_weights(text: str) -> list[float]:
    """The numbers of a text such as ``1, 0.5``.

    Raises:
        ValueError: something in it is no number.
    """
    try:
        return [float(part) for part in text.replace(";", ",").split(",") if part.strip()]
    except ValueError as error:
        raise ValueError(f"more weights: expected numbers such as 1, 0.5, got {text!r}.") from error
