"""The whole pipeline."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import artnet_core as artnet
from artnet_core.images import pictures_in, read_picture
from artnet_core.progress import Progress
from artnet_core.transfer.sandwich import DEFAULT_DETAIL
from training.losses import fixed_pattern, seam

from .conftest import EXAMPLES

GOLDEN = Path(__file__).parent / "golden"


def test_golden_picture(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    expected = read_picture(GOLDEN / "astronaut_great_wave.png").rgb
    # Other processors sum in another order, and a patch of equal score may then be another one.
    assert (model.stylize(photo, painting) - expected).abs().mean() < 0.01


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("painterly", {"detail": 0.0, "patch_size": 5}),
        ("half_colors", {"strength": 0.6}),
        ("faithful", {"detail": 0.6}),
    ],
)
def test_pictures_stay_as_they_were(
    name: str, settings: dict[str, float], model: artnet.ArtNet, photo: Tensor, painting: Tensor, palette: Tensor
) -> None:
    """As painted since styles are used evenly and lend their tones.

    Nearly all pixels, since a patch of equal score may change.
    """
    color = palette if name == "half_colors" else None
    painted = model.stylize(photo[..., 16:112, 64:192], painting, color, **settings)
    differences = (painted - read_picture(GOLDEN / f"{name}.png").rgb).abs().amax(1)
    assert (differences > 1.5 / 255).float().mean() < 0.02
    assert differences.mean() < 1 / 255


sides = st.integers(16, 150)


@settings(max_examples=25)
@given(sides, sides, sides, sides, st.sampled_from([1, 3, 5]))
def test_any_size(
    model: artnet.ArtNet, height: int, width: int, style_height: int, style_width: int, patch_size: int
) -> None:
    content, style = torch.rand(1, 3, height, width), torch.rand(1, 3, style_height, style_width)
    result = model.stylize(content, style, patch_size=patch_size)
    assert result.shape == content.shape
    assert torch.isfinite(result).all() and result.min() >= 0 and result.max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (1, 300), (2000, 20)])
def test_extreme_sizes(model: artnet.ArtNet, painting: Tensor, size: tuple[int, int]) -> None:
    assert model.stylize(torch.rand(1, 3, *size), painting).shape == (1, 3, *size)
    assert model.stylize(painting, torch.rand(1, 3, *size)).shape == painting.shape


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_pictures(model: artnet.ArtNet, photo: Tensor, value: float) -> None:
    flat = torch.full((1, 3, 64, 64), value)
    for content, style in ((photo, flat), (flat, photo), (flat, flat)):
        assert torch.isfinite(model.stylize(content, style)).all()


@pytest.mark.parametrize("name", ["artnet", "artnet_fast"])
def test_the_decoder_inverts_the_encoder(name: str, photo: Tensor) -> None:
    model = artnet.load(name)
    error = model.decode(model.encode(photo)) - photo
    assert -10 * error.square().mean().log10() > 20  # PSNR in dB


def test_colours_move_to_the_colour_style(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    red = torch.cat([painting[:, :1], painting[:, 1:] * 0.2], 1)
    result = model.stylize(photo, painting, red)
    own = model.stylize(photo, painting)

    def redness(x: Tensor) -> float:
        return float((x[:, 0] - x[:, 1:].mean(1)).mean())

    assert redness(result) > redness(own) + 0.5 * (redness(red) - redness(painting))


def test_strength_zero_is_the_content(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    assert torch.equal(model.stylize(photo, painting, strength=0.0), photo)


def test_strength_moves_steadily(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    steps = [model.stylize(photo, painting, strength=s) for s in (0.0, 0.01, 0.5, 0.99, 1.0)]
    distance = [float((step - photo).abs().mean()) for step in steps]
    assert distance == sorted(distance)
    assert distance[1] < 0.02
    assert (steps[3] - steps[4]).abs().mean() < 0.02


def test_batches_equal_single_pictures(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    contents = torch.cat([photo, photo.flip(-1)])
    styles = torch.cat([painting, painting.flip(1)])
    one_style = model.stylize(contents, painting)
    own_styles = model.stylize(contents, styles, styles.flip(0))
    for i in range(2):
        torch.testing.assert_close(one_style[i : i + 1], model.stylize(contents[i : i + 1], painting))
        single = model.stylize(contents[i : i + 1], styles[i : i + 1], styles.flip(0)[i : i + 1])
        assert (own_styles[i : i + 1] - single).abs().mean() < 1e-3


@pytest.mark.parametrize("name", ["artnet", "artnet_fast"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("detail", [DEFAULT_DETAIL, 1.0])
def test_a_blank_picture_in_half_precision(name: str, dtype: torch.dtype, detail: float, painting: Tensor) -> None:
    """All of its channels are constant."""
    blank = torch.full((1, 3, 256, 400), 0.7)
    half, whole = (
        artnet.load(name, dtype=of).stylize(blank, painting, detail=detail, stroke_size=0)
        for of in (dtype, torch.float32)
    )
    assert (half - whole).abs().mean() < 0.01


def test_one_picture_is_painted_once_in_each_style(model: artnet.ArtNet, photo: Tensor, painting: Tensor) -> None:
    styles, colors = torch.cat([painting, painting.flip(1)]), torch.cat([painting.flip(1), painting])
    twice = photo.repeat(2, 1, 1, 1)
    assert torch.equal(model.stylize(photo, styles), model.stylize(twice, styles))
    assert torch.equal(model.stylize(photo, painting, colors), model.stylize(twice, painting, colors))


def test_every_picture_is_encoded_once(
    model: artnet.ArtNet, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, encode, encoded = photo[..., :64, :64], model.encode, []

    def counted(images: Tensor, tile: int | None = None, *, progress: Progress) -> artnet.Features:
        encoded.append(images)
        return encode(images, tile, progress=progress)

    # Above a detail of 0 the content's own fine colours are known to be right, and those of a copy are not.
    expected = model.stylize(small, painting, small.clone(), detail=0.0)
    monkeypatch.setattr(model, "encode", counted)
    assert torch.equal(model.stylize(small, painting, small, detail=0.0), expected)
    assert len(encoded) == 2
    model.stylize(small, painting.repeat(3, 1, 1, 1))
    assert len(encoded) == 2 + 1 + 3


@pytest.mark.parametrize(
    ("content", "style", "message"),
    [
        (torch.rand(3, 8, 8), torch.rand(1, 3, 8, 8), r"\[B, 3, H, W\] of RGB pictures, got \[3, 8, 8\]"),
        (torch.rand(1, 4, 8, 8), torch.rand(1, 3, 8, 8), r"got \[1, 4, 8, 8\]"),
        (torch.rand(1, 3, 0, 8), torch.rand(1, 3, 8, 8), "picture is empty"),
        (torch.full((1, 3, 8, 8), float("nan")), torch.rand(1, 3, 8, 8), "not finite"),
        (torch.rand(2, 3, 8, 8), torch.rand(3, 3, 8, 8), r"content 2, style 3\): give 1 or 3 of each"),
    ],
)
def test_wrong_pictures(model: artnet.ArtNet, content: Tensor, style: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.stylize(content, style)


@pytest.mark.parametrize("settings", [{}, {"strength": 0.0}, {"detail": 1.0}])
def test_patches_of_an_even_size(model: artnet.ArtNet, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="patch_size must be an odd number"):
        model.stylize(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32), patch_size=4, **settings)


def test_features_of_another_model_are_not_decoded(
    model: artnet.ArtNet, unpruned: artnet.ArtNet, photo: Tensor
) -> None:
    with pytest.raises(ValueError, match="encoded with artnet_unpruned, but are to be decoded with artnet"):
        model.decode(unpruned.encode(photo))


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="asks Linux for the process's memory")
def test_memory_is_bounded() -> None:
    """2048x2048 content with a 1024x1024 style stays under 4 GB of process memory."""
    code = (
        "import torch, artnet_core as artnet\n"
        "model = artnet.load()\n"
        "with torch.inference_mode():\n"
        "    features = model.encode(torch.rand(1, 3, 2048, 2048))\n"
        "    style = model.encode(torch.rand(1, 3, 1024, 1024))\n"
        "    assert model.decode(artnet.sandwich_swap(features, style)).shape == (1, 3, 2048, 2048)\n"
        "print(open('/proc/self/status').read())\n"
    )
    status = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout
    (highest,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    assert 500_000 < int(highest) < 4_000_000  # KiB


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["artnet", "artnet_fast"])
def test_half_precision_keeps_the_picture(photo: Tensor, painting: Tensor, name: str, dtype: torch.dtype) -> None:
    model, half = artnet.load(name), artnet.load(name, dtype=dtype)
    for detail in (0.0, DEFAULT_DETAIL, 1.0):
        difference = half.stylize(photo, painting, detail=detail) - model.stylize(photo, painting, detail=detail)
        assert difference.abs().mean() < 1e-2


def test_a_flat_sky_in_bfloat16(model: artnet.ArtNet) -> None:
    """Many patches fit a flat area almost equally well."""
    content, style = (read_picture(EXAMPLES / name).rgb for name in ("content/rocket.jpg", "style/great_wave.jpg"))
    half = artnet.load(dtype=torch.bfloat16)
    for detail in (0.0, DEFAULT_DETAIL):
        one, other = (of.stylize(content, style, detail=detail, stroke_size=0) for of in (half, model))
        assert (one - other).abs().mean() < 1e-2


def test_brighter_than_white_is_white(photo: Tensor) -> None:
    half = artnet.load(dtype=torch.float16)
    assert torch.equal(half.encode(photo * 10).data, half.encode((photo * 10).clamp(0, 1)).data)


@pytest.mark.parametrize("name", ["artnet", "artnet_fast"])
def test_no_grid(name: str) -> None:
    """Neighbours differ about as much at every place of a square of 8 x 8 pixels as in photographs; nothing repeats."""
    model = artnet.load(name)
    photos = torch.cat([read_picture(path, 256).rgb[..., :160, :160] for path in pictures_in(EXAMPLES / "content")])
    styles = [read_picture(path, 256).rgb for path in pictures_in(EXAMPLES / "style")]
    for pictures in (model.decode(model.encode(photos)), torch.cat([model.stylize(photos, style) for style in styles])):
        assert seam(pictures) < 2.5 * seam(photos)
        assert fixed_pattern(pictures) < fixed_pattern(photos)


def roughness(images: Tensor) -> Tensor:
    """Energy of second differences in units of the first's: 0 for ramps, 2 for steps and for noise 3."""
    first, second = (images.diff(n, 2).square().mean() + images.diff(n, 3).square().mean() for n in (1, 2))
    return second / first


@pytest.mark.parametrize("name", ["artnet", "artnet_fast"])
def test_no_grain_on_soft_pictures(name: str) -> None:
    """Where neither photograph nor style has detail of single pixels, the painting has little."""
    model = artnet.load(name)
    content, *styles = (
        F.interpolate(read_picture(EXAMPLES / path, 256).rgb, scale_factor=2, mode="bicubic").clamp(0, 1)
        for path in ("content/coffee.jpg", "style/great_wave.jpg", "style/poppies.jpg", "style/spring.jpg")
    )
    assert roughness(model.decode(model.encode(content))) < 1.35 * roughness(content)
    for style in styles:
        assert roughness(model.stylize(content, style)) < 1.5 * roughness(style)


@pytest.mark.parametrize("name", ["artnet", "artnet_fast"])
def test_no_checkerboard(name: str, photo: Tensor, painting: Tensor) -> None:
    model = artnet.load(name)
    painted = model.stylize(photo, painting).clamp(0.02, 0.98)
    blocks = F.pixel_unshuffle(painted, 2).view(3, 4, 128, 128)  # colour, place in 2 x 2 pixels
    diagonals = (blocks[:, 0] - blocks[:, 1] - blocks[:, 2] + blocks[:, 3]).mean() / 4
    assert diagonals.abs() < 0.5 / 255
