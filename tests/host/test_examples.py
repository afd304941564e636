"""Every example workflow, posted as the page would, against what the core makes of the same pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from torch import Tensor

import artnet_core as artnet
from artnet_core.pipeline import Mix, Pictures, Region, Settings, paint
from artnet_core.transfer.methods import ALL_METHODS

from .examples import EXAMPLES, PICTURES, PROMPTS, WORKFLOWS, node_id
from .host import Host
from .pictures import painted, pixels, saved

RUNNING = [name for name, example in EXAMPLES.items() if example.runs]


def example(name: str) -> Tensor:
    """What ArtNet Example Picture gives, ``[B, 3, H, W]``."""
    with Image.open(PICTURES / name) as file:
        frames = np.stack([np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(file)])
    return torch.from_numpy(frames.astype(np.float32) / 255).movedim(-1, 1)


def resized(picture: Tensor, width: int, height: int) -> Tensor:
    """What the host makes of it with "lanczos", on 8 bits, cut off and not rounded."""
    image = Image.fromarray(np.clip(255.0 * picture[0].permute(1, 2, 0).numpy(), 0, 255).astype(np.uint8))
    values = np.array(image.resize((width, height), Image.Resampling.LANCZOS)).astype(np.float32) / 255
    return torch.from_numpy(values).permute(2, 0, 1)[None]


def style(name: str) -> Tensor:
    return example(f"style/{name}.jpg")


def paint_a_picture(model: artnet.ArtNet) -> dict[str, Tensor]:
    return {
        "save": painted(
            model, example("content/chelsea.jpg"), style("village_street_in_auvers"), detail=0.4, style_size=512
        )
    }


def app(model: artnet.ArtNet) -> dict[str, Tensor]:
    return {"save": painted(model, example("content/astronaut.jpg"), style("summertime"), detail=0.4, style_size=512)}


def texture_and_color(model: artnet.ArtNet) -> dict[str, Tensor]:
    content, texture, color = (
        example("content/chelsea.jpg"),
        style("great_wave"),
        example("style/village_street_in_auvers.jpg"),
    )
    return {
        "save": painted(model, content, texture, color, detail=0.4, style_size=512),
        "save_own": painted(model, content, texture, content, detail=0.4, style_size=512),
    }


def part(model: artnet.ArtNet) -> dict[str, Tensor]:
    content = example("content/coffee.jpg")
    mask = content[:, 0, ..., None].movedim(-1, 1)
    return {
        "save": torch.lerp(
            content, painted(model, content, style("composition_viii"), detail=0.3, style_size=512), mask
        )
    }


BOLD = Settings(detail=0.15, stroke_size=0.75, style_size=512)


def parts_of(name: str) -> Tensor:
    """Masks of sky, houses and lawn, ``[3, H, W]``."""
    return example(f"regions/{name}_sky_houses_lawn.png")[0]


def in_regions(model: artnet.ArtNet, styles: tuple[str, str, str], style_masks: Sequence[Tensor | None]) -> Tensor:
    pictures = {name: Pictures.of(style(name), name) for name in styles}
    regions = [
        Region(mask, pictures[name], texture_mask=style_mask)
        for mask, name, style_mask in zip(parts_of("camera"), styles, style_masks, strict=True)
    ]
    content = Pictures.of(example("regions/camera.jpg"), "content")
    return torch.cat(list(paint(model, content, None, None, BOLD, regions=regions)))


def three_styles(model: artnet.ArtNet) -> dict[str, Tensor]:
    return {"save": in_regions(model, ("great_wave", "composition_viii", "summertime"), (None, None, None))}


def sky_takes_sky(model: artnet.ArtNet) -> dict[str, Tensor]:
    return {"save": in_regions(model, ("village_street_in_auvers",) * 3, list(parts_of("auvers")))}


def face(model: artnet.ArtNet) -> dict[str, Tensor]:
    mask = example("regions/astronaut_face.png")[:, 0]
    maps = {"detail_map": (0.15 + mask).clamp(max=1), "stroke_map": 1 - mask}
    content, texture = (Pictures.of(x, "x") for x in (example("content/astronaut.jpg"), style("spring")))
    return {"save": next(paint(model, content, texture, None, Settings(style_size=512), **maps))}


def corner(model: artnet.ArtNet) -> dict[str, Tensor]:
    mask = torch.zeros(1, 462, 594)
    mask[:, :130, 304:] = 1
    content = Pictures.of(example("content/chelsea.jpg"), "content")
    texture = Pictures.of(style("village_street_in_auvers"), "style", mask)
    return {"save": next(paint(model, content, texture, None, Settings(detail=0.4, style_size=512)))}


def mix(model: artnet.ArtNet) -> dict[str, Tensor]:
    styles = [Pictures.of(style(name), name) for name in ("great_wave", "spring")]
    content = Pictures.of(example("content/astronaut.jpg"), "photograph")
    settings = Settings(detail=0.5, style_size=512)
    return {"save": next(paint(model, content, Mix("styles", styles, (1.0, 1.0)), settings=settings))}


def finish(model: artnet.ArtNet) -> dict[str, Tensor]:
    content, village = example("content/coffee.jpg"), style("village_street_in_auvers")
    return {
        "save": painted(model, content, village, detail=0.4, style_size=512),
        "save_finished": painted(model, content, village, detail=0.4, style_size=512, finish=12),
    }


def parts(model: artnet.ArtNet) -> dict[str, Tensor]:
    content, poppies = (model.encode(example(name)) for name in ("content/chelsea.jpg", "style/poppies.jpg"))
    return {
        "save": model.decode(artnet.sandwich_swap(content, poppies)),
        "save_wct": model.decode(ALL_METHODS["wct"](content, poppies)),
    }


def big_print(model: artnet.ArtNet) -> dict[str, Tensor]:
    content = resized(example("content/coffee.jpg"), 1500, 1000)
    return {"save": painted(model, content, style("bal_du_moulin_de_la_galette"), detail=0.4, style_size=1024)}


def video(model: artnet.ArtNet) -> dict[str, Tensor]:
    return {
        "shown": painted(
            model, example("video/launch.webp"), style("benzaiten_shrine_in_snow"), steady=True, style_size=512
        )
    }


def prune(model: artnet.ArtNet) -> dict[str, Tensor]:
    picture = painted(model, example("content/astronaut.jpg"), style("great_wave"), style_size=512)
    return {"show_before": picture, "show_after": picture}


EXPECTED: dict[str, Callable[[artnet.ArtNet], dict[str, Tensor]]] = {
    "Paint a picture": paint_a_picture,
    "Paint a picture (app)": app,
    "Strokes from one picture, colors from another": texture_and_color,
    "Paint only a part": part,
    "Three styles on sky, houses and lawn": three_styles,
    "Sky takes sky": sky_takes_sky,
    "A face keeps its detail": face,
    "A corner of a style": corner,
    "Mix styles": mix,
    "Finish a painting": finish,
    "Encoder, transfer, decoder": parts,
    "Big print": big_print,
    "Paint a video": video,
    "Prune a model": prune,
}


def read_prompt(name: str) -> dict[str, Any]:
    prompt: dict[str, Any] = json.loads((PROMPTS / f"{name}.json").read_text())
    return prompt


def test_all_examples_are_here() -> None:
    assert {path.stem for path in WORKFLOWS.glob("*.json")} == EXAMPLES.keys()
    assert {path.stem for path in PROMPTS.glob("*.json")} == EXAMPLES.keys()
    assert EXPECTED.keys() == set(RUNNING)


@pytest.mark.parametrize("name", EXPECTED)
def test_example_runs_on_a_fresh_host_and_equals_the_core(host: Host, name: str) -> None:
    prompt = read_prompt(name)
    if "video" in name:
        del prompt[node_id(name, "save")]
        prompt["shown"] = {"class_type": "PreviewImage", "inputs": {"images": [node_id(name, "paint"), 0]}}
    images = host.images(host.run(prompt))
    with torch.inference_mode():
        expected = EXPECTED[name](artnet.load())
    for key, pictures in expected.items():
        found = images[key if key == "shown" else node_id(name, key)]
        difference = (pixels(found) - saved(pictures)).abs().float()
        # Where two patches score the same to rounding, another version of torch may copy the other one.
        assert difference.mean() < 1
        assert (difference <= 3).float().mean() > 0.98


def test_a_video_file_keeps_its_rate_and_sound(host: Host) -> None:
    made = {
        "frames": {"class_type": "ArtNet_ExamplePicture", "inputs": {"picture": "video/launch.webp"}},
        "small": {
            "class_type": "ImageScale",
            "inputs": {"image": ["frames", 0], "upscale_method": "area", "width": 96, "height": 64, "crop": "disabled"},
        },
        "sound": {"class_type": "EmptyAudio", "inputs": {"duration": 2.0, "sample_rate": 44100, "channels": 2}},
        "video": {"class_type": "CreateVideo", "inputs": {"images": ["small", 0], "fps": 8.0, "audio": ["sound", 0]}},
        "save": {
            "class_type": "SaveVideo",
            "inputs": {"video": ["video", 0], "filename_prefix": "made", "format": "mp4", "codec": "h264"},
        },
    }
    host.run(made)
    (file,) = (host.base / "output").glob("made*.mp4")
    shutil.copy(file, host.base / "input" / "clip.mp4")
    prompt = read_prompt("Paint a video file")
    prompt[node_id("Paint a video file", "file")]["inputs"]["file"] = "clip.mp4"
    host.run(prompt)
    result = max((host.base / "output" / "video").glob("ArtNet*.mp4"))
    shutil.copy(result, host.base / "input" / "painted.mp4")
    read = {
        "file": {"class_type": "LoadVideo", "inputs": {"file": "painted.mp4"}},
        "parts": {"class_type": "GetVideoComponents", "inputs": {"video": ["file", 0]}},
        "rate": {"class_type": "PreviewAny", "inputs": {"source": ["parts", 2]}},
        "sound": {"class_type": "PreviewAny", "inputs": {"source": ["parts", 1]}},
        "frames": {"class_type": "PreviewImage", "inputs": {"images": ["parts", 0]}},
    }
    entry = host.run(read)
    assert entry["outputs"]["rate"]["text"] == ["8.0"]
    assert "waveform" in entry["outputs"]["sound"]["text"][0]
    assert len(entry["outputs"]["frames"]["images"]) == 16


def test_the_halves_around_a_diffusion_model_paint(host: Host) -> None:
    """With a blend in the sampler's place, for which there is no checkpoint here."""
    name = "With a diffusion model (needs a checkpoint)"
    prompt = read_prompt(name)
    ids = {key: node_id(name, key) for key in ("content", "style", "style_again", "paint", "again")}
    kept = {node: prompt[node] for node in ids.values()}
    kept["sampled"] = {
        "class_type": "ImageBlend",
        "inputs": {
            "image1": [ids["paint"], 0],
            "image2": [ids["content"], 0],
            "blend_factor": 0.5,
            "blend_mode": "normal",
        },
    }
    kept[ids["again"]]["inputs"]["image"] = ["sampled", 0]
    kept["shown"] = {"class_type": "PreviewImage", "inputs": {"images": [ids["again"], 0]}}
    assert host.images(host.run(kept))["shown"][0].size == Image.open(PICTURES / "content/astronaut.jpg").size
