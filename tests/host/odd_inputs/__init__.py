"""A node pack for the tests: inputs that no core node makes, and exact comparison of what runs over the wires."""

from __future__ import annotations

import sys
import time
from types import ModuleType

import torch
from comfy_api.v0_0_2 import ComfyExtension, io, ui


class OddImage(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Odd_Image",
            category="tests",
            inputs=[io.Image.Input("image"), io.Combo.Input("kind", options=["nan", "empty", "half", "copy"])],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: torch.Tensor, kind: str) -> io.NodeOutput:
        if kind == "nan":
            return io.NodeOutput(torch.where(image > image.median(), torch.nan, image))
        return io.NodeOutput({"empty": image[:0], "half": image.half(), "copy": image.clone()}[kind])


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


def of_pack(name: str) -> ModuleType:
    """A module of ArtNet as this server has loaded it."""
    (found,) = (module for key, module in sys.modules.items() if key.endswith(f".{name}"))
    return found


encoded_sides: list[int] = []


class OddEncodings(io.ComfyNode):
    """Says how often a picture has been encoded since it was last asked, and how many features are kept."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Odd_Encodings",
            category="tests",
            inputs=[io.AnyType.Input("after")],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_inputs: object) -> float:
        return time.monotonic()

    @classmethod
    def execute(cls, after: object) -> io.NodeOutput:
        model, before = of_pack("artnet_core.model").ArtNet, len(encoded_sides)
        if not hasattr(model, "encode_uncounted"):
            model.encode_uncounted = model.encode

            def encode(self: object, images: torch.Tensor, *arguments: object, **named: object) -> object:
                encoded_sides.append(max(images.shape[-2:]))
                return model.encode_uncounted(self, images, *arguments, **named)

            model.encode = encode
        encoded_sides.clear()
        return io.NodeOutput(ui=ui.PreviewText(f"{before} encoded, {len(of_pack('nodes.kept')._features)} kept"))


class OddExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [OddImage, OddAny, OddEqual, OddEncodings]


async def comfy_entrypoint() -> ComfyExtension:
    return OddExtension()
