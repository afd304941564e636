from __future__ import annotations

import numpy as np
import torch
from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core import prune_zero_channels
from ..artnet_core.checkpoint import UNPRUNED_MODEL
from ..artnet_core.figures import channel_chart
from .frames import pictures_of
from .kinds import CATEGORY, Model, advanced, model_input, supported
from .managed import ManagedModel
from .text import said


class ZeroChannelPrune(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_ZeroChannelPrune",
            display_name="Zero-Channel Prune",
            category=CATEGORY,
            description="Cuts channels that are always zero out of a model: smaller and faster. Without calibration "
            "pictures the paintings stay the same.",
            inputs=[
                advanced(
                    io.Float.Input(
                        "threshold",
                        default=0.0,
                        min=0.0,
                        max=100.0,
                        step=0.01,
                        tooltip="Largest activation that counts as zero. Above 0 more goes, and pictures change a "
                        "little; that needs calibration pictures.",
                    )
                ),
                io.Image.Input(
                    "calibration",
                    optional=True,
                    tooltip="Pictures to find zero channels with, the more varied the better. Without them only "
                    "channels go that are zero on every picture by the weights alone; with them also those that are "
                    "zero on all of these.",
                ),
                model_input(f"It stays as it is. Without it {UNPRUNED_MODEL} is pruned, which comes with ArtNet."),
            ],
            outputs=[
                Model.Output(display_name="model", tooltip="The pruned model; features of the other do not fit it."),
                io.String.Output(display_name="report", tooltip="Channels, parameters and differences, as a table."),
                io.Image.Output(
                    display_name="chart", tooltip="A chart of the channels that were kept, layer by layer."
                ),
            ],
            **supported(
                search_aliases=["prune model", "shrink model", "compress model", "zero channel pruning"],
                has_intermediate_output=True,
            ),
        )

    @classmethod
    def execute(
        cls, threshold: float, calibration: Tensor | None = None, model: ManagedModel | None = None
    ) -> io.NodeOutput:
        model = ManagedModel.or_shipped(model, UNPRUNED_MODEL)
        pictures: list[Tensor] = []
        height = width = 128  # of the picture that the core measures on when there are none
        if calibration is not None:
            of_calibration = pictures_of(calibration, "calibration")
            pictures = [of_calibration.at(index) for index in range(len(calibration))]
            height, width = calibration.shape[1:3]
        pruned, report = prune_zero_channels(model.whole_copy(height, width), pictures or None, threshold)
        chart = torch.from_numpy(np.array(channel_chart(report)))[None].float() / 255
        total, kept = report.channels
        before, after = (sum(parts) for parts in zip(report.encoder_parameters, report.decoder_parameters, strict=True))
        summary = f"{kept:,} of {total:,} channels kept\n{after:,} of {before:,} parameters"
        return io.NodeOutput(ManagedModel.adopt(pruned), str(report), chart, ui=said(summary))
