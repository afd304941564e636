"""A node pack for the tests: inputs that no core node makes, and exact comparison of what runs over the wires."""

from __future__ import annotations

import torch
from comfy_api.v0_0_2 import ComfyExtension, io, ui


class OddImage(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Odd_Image",
            category="tests",
            inputs=[io.Image.Input("image"), io.Combo.Input("kind", options=["nan", "empty", "half"])],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: torch.Tensor, kind: str) -> io.NodeOutput:
        if kind == "nan":
            return io.NodeOutput(torch.where(image > image.median(), torch.nan, image))
        return io.NodeOutput(image[:0] if kind == "empty" else image.half())


class OddAny(io.ComfyNode):
    """Lets anything into any socket."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Odd_Any",
            category="tests",
            inputs=[io.AnyType.Input("value")],
            outputs=[io.AnyType.Output()],
        )

    @classmethod
    def execute(cls, value: object) -> io.NodeOutput:
        return io.NodeOutput(value)


class OddEqual(io.ComfyNode):
    """Says whether two images or two features are the same to the bit."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Odd_Equal",
            category="tests",
            inputs=[io.AnyType.Input("first"), io.AnyType.Input("second")],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, first: object, second: object) -> io.NodeOutput:
        equal = torch.equal(getattr(first, "data", first), getattr(second, "data", second))
        return io.NodeOutput(ui=ui.PreviewText(str(equal)))


class OddExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [OddImage, OddAny, OddEqual]


async def comfy_entrypoint() -> ComfyExtension:
    return OddExtension()
