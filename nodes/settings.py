"""The settings that S² Transfer and ArtNet Stylize share, each in one function.

Workflows save the values of a node by their order, so a new setting goes to the end of a node's inputs. What was saved
before the order of today is put right in ``web/artnet.js``.
"""

from __future__ import annotations

from comfy_api.v0_0_2 import io

from ..artnet_core.pipeline import DEFAULTS
from .kinds import advanced


def share_input(name: str, default: float, tooltip: str, *, optional: bool = False) -> io.Input:
    """A slider from 0 to 1."""
    return io.Float.Input(
        name,
        default=default,
        min=0.0,
        max=1.0,
        step=0.05,
        display_mode=io.NumberDisplay.slider,
        optional=optional,
        tooltip=tooltip,
    )


def detail_input(default: float = DEFAULTS.detail, *, optional: bool = False) -> io.Input:
    return share_input(
        "detail",
        default,
        "0 is painterly: strokes everywhere, small things get lost. 1 copies no strokes and takes only colors and "
        "contrast.",
        optional=optional,
    )


def strength_input(*, of_features: bool = False, optional: bool = False) -> io.Input:
    unchanged = "0 leaves the content's features as they are" if of_features else "0 leaves the picture as it is"
    return share_input("strength", 1.0, f"{unchanged}, 1 paints it wholly in the style.", optional=optional)


def stroke_size_input() -> io.Input:
    return share_input(
        "stroke_size",
        DEFAULTS.stroke_size,
        "0 paints fine strokes in one pass. Above it broad strokes come first and finer ones over them; 1 begins with "
        "the broadest. Relative to the picture, so a large print looks like a small one.",
        optional=True,
    )


def finish_input() -> io.Input:
    return io.Int.Input(
        "finish",
        default=0,
        min=0,
        max=100,
        step=5,
        optional=True,
        tooltip="Steps that work over each painting once more: strokes get sharper, and lines of the picture come "
        "back. 10 to 25 are enough, and take several times as long as painting; 0 leaves it out.",
    )


def style_size_input() -> io.Input:
    return io.Int.Input(
        "style_size",
        default=0,
        min=0,
        max=8192,
        step=8,
        optional=True,
        tooltip="Pixels of the longer side that the texture style is resized to: fewer make strokes finer, more make "
        "them broader. 0 leaves it as it is.",
    )


AUTOMATIC, TEXTURE, COLOR, IMAGE = "automatic", "texture style", "color style", "image"


def colors_from_input() -> io.Input:
    return io.Combo.Input(
        "colors_from",
        options=[AUTOMATIC, TEXTURE, COLOR, IMAGE],
        default=AUTOMATIC,
        optional=True,
        tooltip="Whose colors the painting gets. Automatic takes the color style if one is wired, else the texture "
        "style. With image the picture keeps its own colors.",
    )


def steady_input(*, of_features: bool = False) -> io.Input:
    where = (
        "stay where they were in the frame before while they still fit (ArtNet Stylize also follows a camera that pans)"
        if of_features
        else "keep their places in the scene while they still fit, also where the camera pans"
    )
    steady = io.Boolean.Input(
        "steady",
        display_name="steady video",
        default=False,
        optional=True,
        tooltip=f"For the frames of a video: strokes {where}, so they flicker less. Leave it off for a batch of "
        "different pictures.",
    )
    return advanced(steady)


def patch_size_input() -> io.Input:
    patch_size = io.Int.Input(
        "patch_size",
        default=3,
        min=1,
        max=7,
        step=2,
        optional=True,
        tooltip="Size of the pieces that are copied from the style, odd. Larger ones keep longer strokes together.",
    )
    return advanced(patch_size)


def mask_input(name: str, tooltip: str) -> io.Input:
    """A mask that need not be wired."""
    return io.Mask.Input(name, optional=True, tooltip=f"{tooltip} Of any size; one, or one for each frame.")


def style_mask_inputs() -> list[io.Input]:
    """Which part of a texture style and of a color style counts."""
    return [
        mask_input("style_mask", "Which part of the texture style is copied: white is, black counts as if cut away."),
        mask_input("color_mask", "Likewise, which part of the color style the colors are taken from."),
    ]


def map_inputs() -> list[io.Input]:
    """Settings that vary over the picture."""
    return [
        mask_input(
            "detail_map",
            "Detail for each pixel, in place of the number: black is painterly, white keeps faces and print.",
        ),
        mask_input(
            "strength_map", "Strength for each pixel, in place of the number: black leaves the picture as it is."
        ),
        mask_input(
            "stroke_map",
            "Stroke size for each pixel, in place of the number: black is fine strokes, white the broadest.",
        ),
    ]
