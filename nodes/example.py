from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from comfy_api.v0_0_2 import io, ui
from PIL import Image, ImageSequence

from .kinds import CATEGORY, supported

_EXAMPLES = Path(__file__).parents[1] / "examples"


def examples() -> dict[str, Path]:
    """The pictures that come with ArtNet, by folder and name; the moving ones last."""
    files = [
        path for kind in ("content", "style", "regions", "video") for path in sorted((_EXAMPLES / kind).glob("*.*"))
    ]
    return {f"{path.parent.name}/{path.name}": path for path in files}


class ExamplePicture(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_ExamplePicture",
            display_name="ArtNet Example Picture",
            category=CATEGORY,
            description="A picture that comes with ArtNet, to try things at once. Put Load Image in its place for "
            "your own.",
            inputs=[
                io.Combo.Input(
                    "picture",
                    options=list(examples()),
                    tooltip="Photographs to paint, then paintings to paint in the style of, then masks for regions, "
                    "then a short video as a batch of its frames.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="As Load Image gives it.")],
            **supported(
                search_aliases=["sample image", "demo picture", "test image", "example style"],
                has_intermediate_output=True,
            ),
        )

    @classmethod
    def execute(cls, picture: str) -> io.NodeOutput:
        with Image.open(examples()[picture]) as file:
            frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(file)]
        images = torch.from_numpy(np.stack(frames)).float() / 255
        return io.NodeOutput(images, ui=ui.PreviewImage(images[:1], cls=cls))
