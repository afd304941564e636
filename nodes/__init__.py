"""The nodes that ComfyUI shows; what they compute is in ``artnet_core``."""

from __future__ import annotations

from comfy_api.v0_0_2 import ComfyExtension, io

from .decode import Decoder
from .encode import Encoder
from .example import ExamplePicture
from .feature_transfer import FeatureTransfer
from .finish import Finish
from .folder import register_model_folder
from .loader import Loader
from .mix import StyleMix
from .prune import ZeroChannelPrune
from .region import StyleRegion
from .regions import Regions
from .save import SaveModel
from .stylize import Stylize
from .transfer import S2Transfer


class ArtNetExtension(ComfyExtension):
    """All nodes of the pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            ExamplePicture,
            Loader,
            Encoder,
            ZeroChannelPrune,
            S2Transfer,
            FeatureTransfer,
            Decoder,
            Stylize,
            Regions,
            StyleRegion,
            Finish,
            StyleMix,
            SaveModel,
        ]


async def comfy_entrypoint() -> ComfyExtension:
    register_model_folder()
    return ArtNetExtension()
