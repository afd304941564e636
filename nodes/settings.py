"""The settings that S² Transfer and ArtNet Stylize share."""

from __future__ import annotations

from comfy_api.v0_0_2 import io

from ..artnet_core.transfer.sandwich import DEFAULT_DETAIL


def strength_input(*, of_features: bool = False) -> io.Input:
    unchanged = "0 leaves the content's features as they are" if of_features else "0 leaves the picture as it is"
    return io.Float.Input(
        "strength",
        default=1.0,
        min=0.0,
        max=1.0,
        step=0.05,
        tooltip=f"{unchanged}, 1 paints it wholly in the style.",
    )


def detail_input() -> io.Input:
    return io.Float.Input(
        "detail",
        default=DEFAULT_DETAIL,
        min=0.0,
        max=1.0,
        step=0.05,
        tooltip="0 is painterly: strokes everywhere, small things get lost. 1 copies no strokes and takes "
        "only colours and contrast.",
    )


def steady_input(*, of_features: bool = False) -> io.Input:
    where = (
        "stay where they were in the frame before while they still fit (ArtNet Stylize also follows a camera that pans)"
        if of_features
        else "keep their places in the scene while they still fit, also where the camera pans"
    )
    return io.Boolean.Input(
        "steady",
        default=False,
        optional=True,
        tooltip=f"For the frames of a video: strokes {where}, so they flicker less. Leave it off for a batch of "
        "different pictures.",
    )


def patch_size_input() -> io.Input:
    return io.Int.Input(
        "patch_size",
        default=3,
        min=1,
        max=7,
        step=2,
        tooltip="Size of the pieces that are copied from the style, odd. Larger ones keep longer strokes together.",
    )
