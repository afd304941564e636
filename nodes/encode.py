from __future__ import annotations

from dataclasses import replace

import torch
from comfy_api.v0_0_2 import io
from torch import Tensor

from ..artnet_core import Features
from .frames import Watch, collect, masked, pictures_of
from .kinds import CATEGORY, FeatureMaps, model_input, supported
from .managed import ManagedModel, tiles
from .settings import mask_input


class Encoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ArtNet_Encoder",
            display_name="ArtNet Encoder",
            category=CATEGORY,
            description="Turns pictures into the features that S² Transfer works on. Content and styles go through the "
            "same encoder. What is transparent or masked away counts neither as content nor as style.",
            inputs=[
                io.Image.Input(
                    "image", tooltip="One picture or a batch, of any size: content, texture or color style."
                ),
                model_input(
                    "Without it the model that comes with ArtNet is used; take one for content, styles and decoder."
                ),
                mask_input("mask", "What of the picture counts: white does, black is as if cut away."),
            ],
            outputs=[FeatureMaps.Output(display_name="features", tooltip="For S² Transfer or ArtNet Style Mix.")],
            **supported(search_aliases=["style transfer encoder", "encode style", "googlenet features"]),
        )

    @classmethod
    def execute(cls, image: Tensor, model: ManagedModel | None = None, mask: Tensor | None = None) -> io.NodeOutput:
        return io.NodeOutput(encode(ManagedModel.or_shipped(model), image, "image", mask))


def encode(model: ManagedModel, image: Tensor, name: str, mask: Tensor | None = None) -> Features:
    """The features of an IMAGE, on the host's intermediate device, with the weights of its transparency and a MASK.

    ``name`` is what errors call the picture.
    """
    pictures = masked(pictures_of(image, name), mask)
    height, width = image.shape[1:3]
    artnet, rows, watch = model.ready(height, width), tiles(), Watch(pictures.count)
    weights: list[Tensor | None] = []

    def encoded(index: int) -> Tensor:
        picture = pictures.encoded(artnet, index, rows)
        features = picture.features(picture.side, watch.within)
        weights.append(features.weight)
        return features.data

    data = collect(pictures.count, map(encoded, range(pictures.count)), watch=watch)
    features = Features(data, artnet.layers, artnet.stride, (height, width), artnet.id)
    if all(weight is None for weight in weights):
        return features
    every = torch.ones_like(data[:1, :1], dtype=torch.float32)
    return replace(features, weight=torch.cat([every if weight is None else weight.to(every) for weight in weights]))
