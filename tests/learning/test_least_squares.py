"""Convolutions in closed form, and the decoders and encoders that are made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import artnet_core as artnet
from artnet_core.checkpoint import DEFAULT_MODEL, UNPRUNED_MODEL, shipped_models
from artnet_core.images import pictures_in, read_picture
from artnet_core.network import decoder as decoder_module
from artnet_core.network.cosines import CHANNELS
from artnet_core.network.decoder import Decoder
from artnet_core.network.encoder import LAST_BLOCK, TRUNK, block_outputs, trunk_up_to
from artnet_core.transfer.adain import adain
from artnet_core.transfer.sandwich import CONTINUITY, FALLOFF
from artnet_core.transfer.swap import Matching, swap
from training.__main__ import main
from training.decoder import decoder_inputs, initialize
from training.export import PrunedEncoder, load_pruned_encoder, save_encoder
from training.imitation import begin_like
from training.least_squares import fit_convolution
from training.narrow import narrow
from training.outputs import outputs_of

from .conftest import EXAMPLES, curve

STAGES = {8: [12, 10], 4: [8, 8], 2: [8, 6]}


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    """Pieces of the example photographs, ``[16, 3, 96, 96]``."""
    photos = [read_picture(path, 384).rgb[0] for path in pictures_in(EXAMPLES / "content")]
    places = [(0, 0), (0, 96), (96, 0), (96, 96)]
    return torch.stack([photo[:, y : y + 96, x : x + 96] for photo in photos for y, x in places])


@pytest.fixture(scope="module")
def source() -> PrunedEncoder:
    return load_pruned_encoder(shipped_models()[UNPRUNED_MODEL], torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_a_convolution_is_found_from_what_it_gives(kernel: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 5, 12, 14, generator=generator)
    weight, bias = torch.randn(4, 5, kernel, kernel, generator=generator), torch.randn(4, generator=generator)
    found = fit_convolution(x, kernel, F.conv2d(x, weight, bias))
    torch.testing.assert_close(found, (weight, bias), rtol=0, atol=1e-3)


def test_an_input_that_fires_once_and_faintly_does_not_make_up_for_what_is_missing_there() -> None:
    generator = torch.Generator().manual_seed(0)
    x = 100 * torch.rand(2, 4, 12, 14, generator=generator)
    x[:, 3] = 0
    x[0, 3, 5, 5] = 0.02
    outputs = x[:, :1] + torch.rand(2, 1, 12, 14, generator=generator)
    outputs[0, :, 5, 5] += 20
    exact, _ = fit_convolution(x, 1, outputs)
    calm, _ = fit_convolution(x, 1, outputs, faint=1e-2)
    torch.testing.assert_close(calm[:, :3], exact[:, :3], rtol=0, atol=1e-2)
    assert calm[0, 3].abs() < 1 < 100 < exact[0, 3].abs()


def fresh(stages: dict[int, list[int]], seed: int) -> Decoder:
    torch.manual_seed(seed)
    decoder = Decoder(CHANNELS + 6, stages)
    initialize(decoder)
    torch.nn.init.normal_(decoder.skip.weight, std=0.1)
    return decoder.requires_grad_(False)


@pytest.mark.parametrize("piece", [1, 2**20])
@pytest.mark.parametrize(("skip", "unexplained_share"), [(0.0, 1e-4), (1.0, 0.05)])
def test_a_decoder_of_the_same_shape_becomes_its_example(
    skip: float, unexplained_share: float, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to rounding, and where the skip connection adds to a stage, which is fitted before it, nearly.

    Also where maps are so large that decoders go over them in pieces.
    """
    monkeypatch.setattr(decoder_module, "last_stage_chunk", lambda device: piece)
    example, decoder = fresh(STAGES, 0), fresh(STAGES, 1)
    example.skip.weight.mul_(skip)
    features = torch.randn(4, CHANNELS + 6, 12, 12, generator=torch.Generator().manual_seed(2))
    begin_like(decoder, features, example, features)
    unseen = torch.randn(1, CHANNELS + 6, 7, 9, generator=torch.Generator().manual_seed(3))
    wanted = example(unseen)
    assert (decoder(unseen) - wanted).square().mean() < unexplained_share * wanted.var()


def test_outputs_of_a_layer_that_is_called_twice_are_refused() -> None:
    layer = torch.nn.Linear(1, 1)
    with pytest.raises(RuntimeError, match="more than once"):
        outputs_of(torch.nn.Sequential(layer), ["0"], lambda: layer(layer(torch.zeros(1))))


def test_a_smaller_decoder_begins_near_its_example() -> None:
    example, decoder = fresh(STAGES, 0), fresh({8: [8], 4: [8], 2: [6]}, 1)
    features = torch.randn(4, CHANNELS + 6, 12, 12, generator=torch.Generator().manual_seed(2))
    begin_like(decoder, features, example, features)
    unseen = torch.randn(1, CHANNELS + 6, 7, 9, generator=torch.Generator().manual_seed(3))
    wanted = example(unseen)
    assert (decoder(unseen) - wanted).square().mean() < 0.8 * wanted.var()


def narrowed_to(
    share: float, source: PrunedEncoder, pictures: Tensor, folder: Path, last_block: str = LAST_BLOCK
) -> PrunedEncoder:
    """The narrowed encoder as the decoder command reads it."""
    narrowed = narrow(source, artnet.load().decoder, share, pictures, last_block)
    save_encoder(narrowed, folder / "encoder.safetensors", {})
    return load_pruned_encoder(folder / "encoder.safetensors", torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def unexplained(found: PrunedEncoder, source: PrunedEncoder, pictures: Tensor) -> dict[str, float]:
    """Per block the squared error of the channels that are left, in units of their variance."""
    errors = {}
    before, after = source.encoder(pictures), found.encoder(pictures)
    for block in after:
        left = torch.cat([found.masks[unit][source.masks[unit]] for unit in block_outputs(block)])
        wanted = before[block][:, left]
        errors[block] = float((after[block] - wanted).square().mean() / wanted.var())
    return errors


def test_an_encoder_that_keeps_everything_stays_the_same(
    source: PrunedEncoder, pictures: Tensor, tmp_path: Path
) -> None:
    found = narrowed_to(1.0, source, pictures, tmp_path)
    assert all(torch.equal(found.masks[name], source.masks[name]) for name in TRUNK)
    assert max(unexplained(found, source, pictures[:2]).values()) < 1e-3


@pytest.mark.parametrize("last_block", ["inception3b", "inception4e"])
def test_a_narrowed_encoder_gives_nearly_the_same(
    source: PrunedEncoder, pictures: Tensor, tmp_path: Path, last_block: str
) -> None:
    found = narrowed_to(0.6, source, pictures, tmp_path, last_block)
    assert found.masks.keys() == trunk_up_to(last_block).keys()
    for name in found.masks:
        before = int(source.masks[name].sum())
        assert found.masks[name].sum() == (before if TRUNK[name].stride == 16 else round(0.6 * before))
        assert not (found.masks[name] & ~source.masks[name]).any()
    assert max(unexplained(found, source, pictures[:2]).values()) < 0.35


def test_a_run_imitates_a_model_with_another_encoder(data: Path, teacher_file: Path, tmp_path: Path) -> None:
    encoder, out = tmp_path / "encoder.safetensors", tmp_path / "model.safetensors"
    arguments = ["narrow", "--data", data, "--model", shipped_models()[UNPRUNED_MODEL], "--out", encoder]
    arguments += ["--share", 0.8, "--last-block", "inception3b", "--pictures", 32, "--size", 64]
    assert main([str(argument) for argument in arguments]) == 0
    arguments = ["decoder", "--encoder", encoder, "--data", data, "--teacher", teacher_file, "--out", out]
    arguments += ["--imitate", shipped_models()[DEFAULT_MODEL], "--stages", "8:48 4:24 2:16", "--batch", 2]
    arguments += ["--steps", 4, "--size", 96, "--log-every", 1, "--device", "cpu", "--rate", 1e-4]
    not_computed = {"perceptual", "style", "content", "consistency"}
    arguments += [text for name in not_computed for text in ("--weight", f"{name}=0")]
    assert main([str(argument) for argument in arguments]) == 0
    rows = curve(out)
    assert rows[0]["imitation"] < 0.12  # grey would be at 0.2
    assert not not_computed & rows[0].keys()
    made = artnet.load(out)
    assert json.loads(made.provenance["encoder_narrowed"])["share"] == 0.8
    assert json.loads(made.provenance["decoder_settings"])["imitated"] == artnet.load().fingerprint
    unpruned = artnet.load(out.with_name("model_unpruned.safetensors"))
    assert artnet.prune_zero_channels(unpruned)[0].layers == made.layers


def test_an_imitated_model_paints_with_the_patches_of_the_new_one(pictures: Tensor) -> None:
    new, example = artnet.load("artnet_fast"), artnet.load()
    photo, art = pictures[:1], pictures[5:6]
    features, of_example = decoder_inputs(new, example, photo, art, [0.0])
    assert of_example is not None
    of_new = new.encode(art)
    keys = new.layers["conv1"]
    compared = adain(new.encode(photo).data, of_new.data)[:, :keys]
    for found, style in ((features[2], of_new.data), (of_example[2], example.encode(art).data)):
        content = torch.cat([compared, style.new_zeros(1, style.shape[1], *compared.shape[2:])], 1)
        behind_keys = torch.cat([of_new.data[:, :keys], style], 1)
        copied = swap(content, behind_keys, Matching(3, keys, CONTINUITY, CONTINUITY, FALLOFF, even=True))[:, keys:]
        torch.testing.assert_close(found, adain(copied, style)[0], rtol=1e-4, atol=1e-4)


def test_what_cannot_be_narrowed(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["narrow", "--data", data, "--model", shipped_models()[DEFAULT_MODEL], "--size", 64]
    assert main([str(argument) for argument in [*arguments, "--out", tmp_path / "encoder.safetensors"]]) == 1
    assert "give an unpruned model" in capsys.readouterr().err
    shorter = tmp_path / "shorter.safetensors"
    arguments = ["narrow", "--data", data, "--model", shipped_models()[UNPRUNED_MODEL], "--size", 64, "--pictures", 4]
    assert main([str(argument) for argument in [*arguments, "--last-block", "conv3", "--out", shorter]]) == 0
    source = load_pruned_encoder(shorter, torch.empty(0))
    with pytest.raises(ValueError, match="ends before inception3b"):
        narrow(source, artnet.load().decoder, 0.5, torch.rand(2, 3, 64, 64), "inception3b")
    with pytest.raises(ValueError, match="share must lie above 0"):
        narrow(source, artnet.load().decoder, 0, torch.rand(2, 3, 64, 64), "conv3")


def test_an_imitation_needs_a_model_to_imitate(
    data: Path, teacher_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["decoder", "--data", data, "--teacher", teacher_file, "--encoder", shipped_models()[DEFAULT_MODEL]]
    arguments += ["--weight", "imitation=1", "--out", tmp_path / "model.safetensors"]
    assert main([str(argument) for argument in arguments]) == 1
    assert "give --imitate MODEL" in capsys.readouterr().err
