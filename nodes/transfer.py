from __future__ import annotations

from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core import Features, sandwich_swap
from ..artnet_core.features import picture_count
from ..artnet_core.transfer.mask import check_mask, mask_count, mask_features
from ..artnet_core.transfer.sandwich import DEFAULT_DETAIL
from ..artnet_core.video.steadiness import TemporalState
from .frames import collect_features, features_on_device
from .kinds import CATEGORY, FeatureMaps, supported
from .settings import detail_input, patch_size_input, steady_input, strength_input


class S2Transfer(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_S2Transfer",
            display_name="S² Transfer",
            category=CATEGORY,
            description="The sandwich swap transform: gives the content the strokes of one picture and the colors of "
            "the same or another one.",
            inputs=[
                FeatureMaps.Input("content", tooltip="Features of the pictures to paint."),
                FeatureMaps.Input(
                    "texture_style",
                    tooltip="Features of the picture whose strokes are copied: one, or one for each content. "
                    "Several paint a single content once in each.",
                ),
                detail_input(DEFAULT_DETAIL),
                strength_input(of_features=True),
                FeatureMaps.Input(
                    "color_style",
                    optional=True,
                    tooltip="Features of the picture whose colors are taken; the texture style's without it.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to paint: white is painted, black stays. Of any size; one, or one for each content.",
                ),
                steady_input(of_features=True),
                patch_size_input(),
            ],
            outputs=[FeatureMaps.Output(display_name="features", tooltip="For ArtNet Decoder.")],
            **supported(
                search_aliases=[
                    "S2",
                    "art style",
                    "style transfer",
                    "neural style",
                    "style swap",
                    "adain",
                    "sandwich swap",
                ]
            ),
        )

    @classmethod
    def execute(
        cls,
        content: Features,
        texture_style: Features,
        detail: float,
        strength: float,
        color_style: Features | None = None,
        mask: Tensor | None = None,
        steady: bool = False,
        patch_size: int = 3,
    ) -> io.NodeOutput:
        pictures = {
            "content": len(content.data),
            "texture style": len(texture_style.data),
            "color style": None if color_style is None else len(color_style.data),
        }
        count = picture_count({**pictures, "mask": None if mask is None else mask_count(mask)})
        masks = None if mask is None else check_mask(mask, count)
        content_at, texture_at = features_on_device(content), features_on_device(texture_style)
        color_at = None if color_style is None else features_on_device(color_style)
        settle = TemporalState().steady if steady else None
        varies = picture_count(pictures) > 1
        transferred: Features | None = None  # the only one, for any number of masks

        def masked(index: int) -> Features:
            nonlocal transferred
            frame = content_at(index)
            if transferred is None or varies:
                of_color = None if color_at is None else color_at(index)
                transferred = sandwich_swap(
                    frame,
                    texture_at(index),
                    of_color,
                    strength,
                    detail,
                    patch_size,
                    settle,
                    colors_follow=color_style is not content,
                )
            return (
                transferred if masks is None else mask_features(frame, transferred, masks[min(index, len(masks) - 1)])
            )

        return io.NodeOutput(collect_features(count, content, texture_style, masked))
