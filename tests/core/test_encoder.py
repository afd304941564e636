"""The trunk against torchvision's GoogLeNet."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor
from torchvision.models import GoogLeNet

from artnet_core import ArtNet, CheckpointError, load
from artnet_core.checkpoint import UNPRUNED_MODEL, shipped_models
from artnet_core.network.encoder import (
    BLOCK_STRIDES,
    FULL_WIDTHS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    RECEPTIVE_RADIUS,
    TRUNK,
    Encoder,
    trunk_up_to,
)
from training.torchvision_weights import load_torchvision_encoder


def torchvision_blocks(net: GoogLeNet, images: Tensor) -> dict[str, Tensor]:
    """The outputs of torchvision's own modules under our names of blocks."""
    found: dict[str, Tensor] = {}
    for name in BLOCK_STRIDES:
        net.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: found.update({name: out.clone()}))
    net(images)
    return found


@pytest.fixture(scope="module")
def reference() -> GoogLeNet:
    """torchvision's GoogLeNet with the weights of our unpruned file, which has torchvision's names and shapes."""
    state = load_file(shipped_models()[UNPRUNED_MODEL])
    trunk = {key.removeprefix("encoder."): t.float() for key, t in state.items() if key.startswith("encoder.")}
    net = GoogLeNet(aux_logits=False, transform_input=False, init_weights=False)
    missing, unexpected = net.load_state_dict(trunk, strict=False)
    assert not unexpected
    assert {key.split(".")[0] for key in missing} == {"inception5a", "inception5b", "fc"}
    return net.eval()


@pytest.mark.parametrize("size", [(224, 224), (97, 131), (33, 250)])
def test_equals_torchvision(unpruned: ArtNet, reference: GoogLeNet, photo: Tensor, size: tuple[int, int]) -> None:
    images = torch.nn.functional.interpolate(photo, size, mode="bilinear")
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (IMAGENET_MEAN, IMAGENET_STD))
    expected = torchvision_blocks(reference, (images - mean) / std)
    blocks = unpruned.encoder(images)
    assert list(blocks) == list(BLOCK_STRIDES)
    for name, block in blocks.items():
        torch.testing.assert_close(block, expected[name], rtol=1e-4, atol=1e-4 * float(expected[name].max()))


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_loads_torchvision_file(reference: GoogLeNet, photo: Tensor, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"googlenet{ending}"
    state = reference.state_dict()
    save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    encoder = load_torchvision_encoder(path)
    expected = torchvision_blocks(reference, photo * 2 - 1)  # what torchvision's transform_input amounts to
    for name, block in encoder(photo).items():
        torch.testing.assert_close(block, expected[name], rtol=1e-4, atol=1e-4 * float(expected[name].max()))


def test_refuses_pickled_code(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"conv1.conv.weight": Path("a pickled object that is no tensor")}, path)
    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        load_torchvision_encoder(path)


def test_refuses_other_networks(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"conv1\.conv\.weight is missing"):
        load_torchvision_encoder(path)


def test_refuses_a_trunk_without_batch_norms(tmp_path: Path) -> None:
    path = tmp_path / "plain.safetensors"
    save_file({f"{name}.conv.weight": torch.zeros(1, 1, 1, 1) for name in TRUNK}, path)
    with pytest.raises(CheckpointError, match="not a GoogLeNet with batch norms"):
        load_torchvision_encoder(path)


@pytest.mark.parametrize("last", ["conv3", "inception3b", "inception4e"])
def test_a_trunk_may_end_early(model: ArtNet, photo: Tensor, last: str) -> None:
    whole = model.encoder(photo)
    shorter = Encoder({name: model.encoder.widths[name] for name in trunk_up_to(last)})
    shorter.load_state_dict({key: model.encoder.state_dict()[key] for key in shorter.state_dict()})
    shorter.to(memory_format=torch.channels_last)
    blocks = shorter(photo)
    assert list(blocks) == list(BLOCK_STRIDES)[: list(BLOCK_STRIDES).index(last) + 1]
    assert all(torch.equal(block, whole[name]) for name, block in blocks.items())


def test_trunk_has_the_papers_size() -> None:
    encoder = Encoder(FULL_WIDTHS, norm=True)
    assert sum(p.numel() for p in encoder.parameters()) == 3_273_920


def test_operations_are_injected() -> None:
    class Convolution(torch.nn.Conv2d):
        pass

    class Operations:
        Conv2d = Convolution

    convolutions = [m for m in Encoder(operations=Operations).modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == len(FULL_WIDTHS)
    assert all(isinstance(conv, Convolution) for conv in convolutions)


def test_conv1_is_float32_in_bfloat16(model: ArtNet) -> None:
    half = load(dtype=torch.bfloat16)
    images = torch.rand(1, 3, 200, 2048, generator=torch.Generator().manual_seed(0))
    assert half.image_dtype == torch.float32
    found = half.encoder(images, half.dtype)
    assert torch.equal(found["conv1"], model.encoder.conv1(model.encoder.normalize(images)).bfloat16())
    assert {block.dtype for block in found.values()} == {torch.bfloat16}


@pytest.mark.parametrize("stride", [8, 16])
def test_conv1_is_averaged_before_it_is_rounded(model: ArtNet, stride: int) -> None:
    half = load(dtype=torch.bfloat16)
    images = torch.rand(1, 3, 208, 2048, generator=torch.Generator().manual_seed(0))
    for encoder, dtype in ((model.encoder, model.dtype), (half.encoder, half.dtype)):
        first, *others = encoder.blocks(images, dtype, stride)
        expected = F.avg_pool2d(model.encoder.conv1(model.encoder.normalize(images)), stride // 2)
        torch.testing.assert_close(first[1], expected)
        assert all(torch.equal(block, encoder(images, dtype)[name]) for name, block in others)


def test_receptive_radius(model: ArtNet) -> None:
    image = torch.rand(1, 3, 480, 64, generator=torch.Generator().manual_seed(0))
    image.requires_grad_()
    with torch.enable_grad():
        model.encoder(image)["inception4e"][:, :, 15].sum().backward()
    assert image.grad is not None
    rows = image.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    # Cell 15 covers rows 240 to 255; bilinear upsampling adds a position on each side.
    assert rows.min() >= 240 - RECEPTIVE_RADIUS + 16
    assert rows.max() <= 255 + RECEPTIVE_RADIUS - 16
