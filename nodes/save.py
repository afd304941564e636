from __future__ import annotations

from comfy_api.v0_0_2 import io

from ..artnet_core import save
from .folder import target_path
from .kinds import CATEGORY, Model, supported
from .managed import ManagedModel
from .text import said


class SaveModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_SaveModel",
            display_name="ArtNet Save Model",
            category=CATEGORY,
            description="Writes a model to models/artnet, where ArtNet Loader finds it.",
            inputs=[
                Model.Input("model", tooltip="The model to save, usually after Zero-Channel Prune."),
                io.String.Input(
                    "name",
                    default="artnet_pruned",
                    tooltip="Name of the file, without folder and ending. A file of that name is replaced.",
                ),
            ],
            outputs=[],
            is_output_node=True,
            **supported(search_aliases=["save pruned model", "export artnet"]),
        )

    @classmethod
    def execute(cls, model: ManagedModel, name: str) -> io.NodeOutput:
        path = target_path(name)
        save(model.model, path)
        return io.NodeOutput(ui=said(f"Saved {path}"))
