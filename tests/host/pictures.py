"""The example pictures as the host's own nodes load and scale them, and as it saves what nodes make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

import artnet_core as artnet
from artnet_core.pipeline import Pictures, Settings, paint

from .host import Host

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> Path:
    """An example picture's file."""
    (path,) = EXAMPLES.glob(f"*/{name}")
    return path


def scaled(name: str, width: int, height: int) -> Tensor:
    """What LoadImage and ImageScale with "area" make of an example, as ``[1, 3, H, W]``."""
    with Image.open(example(name)) as image:
        values = torch.from_numpy(np.array(image.convert("RGB")).astype(np.float32) / 255)
    return F.interpolate(values.permute(2, 0, 1)[None], (height, width), mode="area")


def painted(
    model: artnet.ArtNet, content: Tensor, texture: Tensor, color: Tensor | None = None, **settings: float
) -> Tensor:
    """What the core makes of pictures ``[B, 3, H, W]`` with its settings."""
    pictures = Pictures.of(content, "content")
    of_color = None if color is None else pictures if color is content else Pictures.of(color, "color style")
    return torch.cat(list(paint(model, pictures, Pictures.of(texture, "style"), of_color, Settings(**settings))))


def saved(pictures: Tensor) -> Tensor:
    """``[B, 3, H, W]`` in 0..1 as SaveImage writes it: ``[B, H, W, 3]``, int32, 0..255, cut off and not rounded."""
    return pictures.movedim(1, -1).mul(255).clamp(0, 255).int()


def pixels(images: list[Image.Image]) -> Tensor:
    """Pictures of one size as ``[B, H, W, C]``, int32, 0..255."""
    return torch.stack([torch.from_numpy(np.array(image)).int() for image in images])


def upload(host: Host, name: str) -> str:
    """Puts an example into the server's input folder, as PNG: hosts decode JPEG differently. Returns its name there."""
    path = (host.base / "input" / name).with_suffix(".png")
    with Image.open(example(name)) as image:
        image.save(path)
    return path.name


def upload_examples(host: Host, prompt: dict[str, Any]) -> None:
    """Puts all examples that a prompt loads into the server's input folder, and names them in the prompt as there."""
    for node in prompt.values():
        if node["class_type"] == "LoadImage":
            node["inputs"]["image"] = upload(host, node["inputs"]["image"])
