from __future__ import annotations

from comfy_api.v0_0_2 import io

from ..artnet_core.checkpoint import DEFAULT_MODEL
from .folder import model_names, model_path
from .kinds import CATEGORY, Model, supported
from .managed import ManagedModel


class Loader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_Loader",
            display_name="ArtNet Loader",
            category=CATEGORY,
            description="Loads an ArtNet model: encoder and decoder in one file.",
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=model_names(),
                    default=DEFAULT_MODEL,
                    tooltip="The models that come with ArtNet, then the files in models/artnet. artnet.safetensors has "
                    "the boldest strokes; artnet_fast.safetensors takes a quarter to a half of the time and keeps more "
                    "of the picture; artnet_unpruned.safetensors is the first one before pruning.",
                ),
            ],
            outputs=[Model.Output(display_name="model", tooltip="For the other ArtNet nodes.")],
            **supported(search_aliases=["style transfer model", "load artnet", "neural style"]),
        )

    @classmethod
    def fingerprint_inputs(cls, model_name: str | None) -> int:
        # A file that was saved anew under the same name is to be read anew. A name from a wire is not known yet.
        return 0 if model_name is None else model_path(model_name).stat().st_mtime_ns

    @classmethod
    def execute(cls, model_name: str) -> io.NodeOutput:
        return io.NodeOutput(ManagedModel.open(model_path(model_name)))
