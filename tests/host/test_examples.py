"""Every example workflow, posted as the page would, against what the core makes of the same pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import artnet_core as artnet
from artnet_core.transfer.mask import mask_images
from artnet_core.transfer.mix import mix_styles

from .host import Host
from .pictures import example, pixels, saved, upload_examples

REPOSITORY = Path(__file__).parents[2]
PROMPTS = Path(__file__).parent / "prompts" / "examples"


def loaded(name: str) -> Tensor:
    """What LoadImage makes of an example, ``[1, 3, H, W]``."""
    with Image.open(example(name)) as image:
        return torch.from_numpy(np.array(image.convert("RGB")).astype(np.float32) / 255).permute(2, 0, 1)[None]


def scaled(picture: Tensor, width: int) -> Tensor:
    """What ImageScale with "lanczos" makes of it; the host does that on 8 bits, cut off and not rounded."""
    image = Image.fromarray(np.clip(255.0 * picture[0].permute(1, 2, 0).numpy(), 0, 255).astype(np.uint8))
    size = (width, max(1, round(image.height * width / image.width)))
    values = np.array(image.resize(size, Image.Resampling.LANCZOS)).astype(np.float32) / 255
    return torch.from_numpy(values).permute(2, 0, 1)[None]


def inputs(*names: str) -> list[Tensor]:
    return [scaled(loaded(f"{name}.jpg"), 512) for name in names]


def basic(model: artnet.ArtNet) -> dict[str, Tensor]:
    return {"11": model.stylize(*inputs("chelsea", "village_street_in_auvers"))}


def one_box(model: artnet.ArtNet) -> dict[str, Tensor]:
    return {"6": model.stylize(loaded("chelsea.jpg"), *inputs("village_street_in_auvers"), detail=0.2)}


def texture_and_color(model: artnet.ArtNet) -> dict[str, Tensor]:
    content, texture, color = inputs("chelsea", "great_wave", "village_street_in_auvers")
    painted, plain = model.stylize(content, texture, color, detail=0.25), model.stylize(content, texture, detail=0.25)
    return {"11": painted, "12": plain}


def prune_and_compare(model: artnet.ArtNet) -> dict[str, Tensor]:
    painted = model.stylize(*inputs("astronaut", "summertime"))
    return {"10": painted, "11": painted}


def mask(model: artnet.ArtNet) -> dict[str, Tensor]:
    content, style = inputs("coffee", "composition_viii")
    weight = torch.zeros(1, 341, 512)
    weight[..., 256:] = 1
    return {"11": mask_images(content, model.stylize(content, style), weight)}


def video_frames(model: artnet.ArtNet) -> dict[str, Tensor]:
    video, style = inputs("rocket", "benzaiten_shrine_in_snow")
    frames = torch.cat([video[..., 16 : 16 + 288, x : x + 384] for x in (0, 32, 64)])
    return {"14": model.stylize(frames, style, steady=True)}


def chained(model: artnet.ArtNet) -> dict[str, Tensor]:
    content, style = inputs("astronaut", "bal_du_moulin_de_la_galette")
    return {"10": scaled(torch.lerp(content, model.stylize(content, style), 0.7), 768)}


def style_mix(model: artnet.ArtNet) -> dict[str, Tensor]:
    content, *styles = (
        model.encode(picture) for picture in inputs("chelsea", "great_wave", "village_street_in_auvers")
    )
    return {"15": model.decode(artnet.sandwich_swap(content, mix_styles(styles, (1.0, 1.0))))}


EXPECTED: dict[str, Callable[[artnet.ArtNet], dict[str, Tensor]]] = {
    function.__name__: function
    for function in (one_box, basic, texture_and_color, prune_and_compare, mask, video_frames, chained, style_mix)
}


def test_all_examples_are_here() -> None:
    names = {path.stem for path in (REPOSITORY / "example_workflows").glob("*.json")}
    assert names == EXPECTED.keys() == {path.stem for path in PROMPTS.glob("*.json")}


@pytest.mark.parametrize("name", EXPECTED)
def test_example_equals_the_core(host: Host, name: str) -> None:
    prompt = json.loads((PROMPTS / f"{name}.json").read_text())
    upload_examples(host, prompt)
    images = host.images(host.run(prompt))
    for node, expected in EXPECTED[name](artnet.load()).items():
        difference = (pixels(images[node]) - saved(expected)).abs().float()
        # Where two patches score the same to rounding, another version of torch may copy the other one.
        assert difference.mean() < 1
        assert (difference <= 3).float().mean() > 0.98
