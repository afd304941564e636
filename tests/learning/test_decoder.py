"""The decoder command: its losses, its files, every kind of encoder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import artnet_core as artnet
from artnet_core.checkpoint import CheckpointError
from artnet_core.images import Picture, pictures_in, read_picture, write_picture
from artnet_core.network.decoder import Decoder
from artnet_core.network.encoder import Encoder
from artnet_core.pruning.zero_channels import parameters
from training.__main__ import main
from training.data import load_pictures
from training.decoder import (
    DEFAULT_WEIGHTS,
    DecoderSettings,
    DecoderTask,
    initialize,
    parse_stages,
    random_details,
    stages_text,
)
from training.export import load_pruned_encoder
from training.teacher import load_teacher

from .conftest import CPU, EXAMPLES, curve


def test_the_loss_falls(decoder_run: Path) -> None:
    rows = curve(decoder_run)
    assert rows[-1]["loss"] < 0.9 * rows[0]["loss"]
    assert rows[-1]["pixels"] < rows[0]["pixels"]


def test_the_model_loads_and_stylizes(decoder_run: Path, data: Path) -> None:
    pictures = load_pictures([data], 64, CPU)
    model = artnet.load(decoder_run)
    content, style = pictures.photo[:1].float() / 255, pictures.art[:1].float() / 255
    faithful, painterly = (model.stylize(content, style, detail=detail) for detail in (1.0, 0.0))
    assert faithful.shape == content.shape
    assert faithful.std() > 0
    assert not torch.equal(faithful, painterly)
    decoder = json.loads(model.provenance["decoder_settings"])
    assert decoder["stages"] == "8:32,32 4:16 2:16"
    assert json.loads(model.provenance["encoder_settings"])["batch"] == 4


def test_the_unpruned_model_paints_the_same(decoder_run: Path, data: Path) -> None:
    unpruned = artnet.load(decoder_run.with_name("model_unpruned.safetensors"))
    pruned = artnet.load(decoder_run)
    again, _ = artnet.prune_zero_channels(unpruned)
    assert parameters(again.encoder) == parameters(pruned.encoder) < parameters(unpruned.encoder)
    pictures = load_pictures([data], 64, CPU)
    content, style = pictures.photo[:1].float() / 255, pictures.art[:1].float() / 255
    # At detail 1 nothing is matched, so the pruned file's rounding to fp16 cannot tip a match.
    difference = unpruned.stylize(content, style, detail=1) - pruned.stylize(content, style, detail=1)
    assert difference.abs().max() < 5e-3
    assert (unpruned.stylize(content, style) - again.stylize(content, style)).abs().max() < 1e-3


def test_whole_models_serve_as_encoders(decoder_run: Path, encoder_run: Path, data: Path) -> None:
    calibration = load_pictures([data], 64, CPU).photo[:2]
    widths = load_pruned_encoder(encoder_run, calibration).encoder.widths
    for name in ("model.safetensors", "model_unpruned.safetensors"):
        assert load_pruned_encoder(decoder_run.with_name(name), calibration).encoder.widths == widths


def test_torchvisions_weights_lose_the_channels_that_no_picture_drives(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trunk = Encoder(norm=True)
    bn = trunk.conv3.bn
    assert bn is not None
    with torch.no_grad():
        bn.bias[:7] = -1e4
    torch.save(trunk.state_dict(), tmp_path / "googlenet.pth")
    calibration = load_pictures([data], 64, CPU).photo[:4]
    source = load_pruned_encoder(tmp_path / "googlenet.pth", calibration)
    assert source.encoder.widths["conv3"] <= 192 - 7
    assert json.loads(source.provenance["encoder"])["pictures"] == 4
    with pytest.raises(CheckpointError, match="GoogLeNet"):
        torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
        load_pruned_encoder(tmp_path / "other.pth", calibration)


def test_shapes_of_decoders_are_read() -> None:
    assert parse_stages("8:256,128 4:64 2:32") == {8: [256, 128], 4: [64], 2: [32]}
    assert stages_text(parse_stages("8:256,128 4:64 2:32")) == "8:256,128 4:64 2:32"
    for text in ("", "8:256", "8:a 4:1 2:1", "8:1 4:1 2:0", "16:1 8:1 4:1 2:1"):
        with pytest.raises(ValueError, match="decoder shape"):
            parse_stages(text)


def test_the_dial_is_trained_from_end_to_end() -> None:
    details = random_details(2000, torch.Generator().manual_seed(0))
    assert min(details) == 0 and max(details) == 1
    assert 0.05 < sum(detail == 0 for detail in details) / 2000 < 0.12
    assert 0.45 < sum(details) / 2000 < 0.55


@pytest.fixture
def go_on(decoder_run: Path, data: Path, teacher_file: Path, tmp_path: Path) -> Callable[..., Path]:
    """Trains the decoder of the short run on, for an encoder, with further options: the result's path."""

    def run(encoder: Path, *options: object) -> Path:
        out = tmp_path / "trained_on.safetensors"
        arguments = ["decoder", "--encoder", encoder, "--data", data, "--teacher", teacher_file, "--out", out]
        arguments += ["--batch", 2, "--size", 64, "--device", "cpu", "--start", decoder_run]
        assert main([str(argument) for argument in (*arguments, *options)]) == 0
        return out

    return run


def test_a_run_begins_with_another_models_decoder(
    decoder_run: Path, encoder_run: Path, data: Path, go_on: Callable[..., Path]
) -> None:
    """Two steps at a rate of next to nothing change next to nothing, whatever scale the features have."""
    out = go_on(encoder_run, "--steps", 2, "--log-every", 1, "--rate", 1e-9)
    start, tuned = artnet.load(decoder_run), artnet.load(out)
    assert json.loads(tuned.provenance["decoder_settings"])["start"] == start.fingerprint
    picture = load_pictures([data], 64, CPU).photo[:1].float() / 255
    assert (tuned.decode(tuned.encode(picture)) - start.decode(start.encode(picture))).abs().max() < 5e-3


def test_the_losses_see_what_the_model_to_start_from_paints(
    decoder_run: Path, encoder_run: Path, data: Path, teacher_file: Path
) -> None:
    start, pictures = artnet.load(decoder_run), load_pictures([data], 64, CPU)
    settings = DecoderSettings(batch=2, size=64, stages=stages_text(start.decoder.stages))
    source = load_pruned_encoder(encoder_run, pictures.photo[:1])
    task = DecoderTask(settings, pictures, load_teacher(teacher_file, CPU), source, start)
    features = start.encode(pictures.photo[:2].float() / 255).data
    assert (task.model.decoder(features * task.scale) - start.decoder(features)).abs().max() < 5e-3


def test_strokes_count_where_they_are_asked_for(
    decoder_run: Path, encoder_run: Path, data: Path, go_on: Callable[..., Path]
) -> None:
    """By default they do not: a decoder that begins with random weights would draw next to nothing."""
    out = go_on(encoder_run, "--steps", 16, "--log-every", 4, "--rate", 1e-3, "--weight", "strokes=20")
    found = [row["strokes"] for row in curve(out)]
    assert found[-1] < 0.9 * found[0]
    assert "strokes" not in curve(decoder_run)[0]
    picture = load_pictures([data], 64, CPU).photo[:1].float() / 255
    model = artnet.load(decoder_run)
    assert model.decode(model.encode(picture)).std() > 0.5 * picture.std()


@pytest.fixture(scope="module")
def sharp_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures large enough for styles at a quarter of their size: 144 x 144, 12 of each kind."""
    folder = tmp_path_factory.mktemp("sharp")
    for kind, source in (("photo", "content"), ("art", "style")):
        pictures = [read_picture(path, 288).rgb for path in pictures_in(EXAMPLES / source)]
        for index in range(12):
            picture = pictures[index % len(pictures)]
            write_picture(folder / kind / f"{index:03}.png", Picture(picture[..., :144, :144]))
    return folder


@pytest.mark.parametrize("loss", ["faithful", "style_half", "style_quarter"])
def test_further_losses_fall_where_they_are_asked_for(
    loss: str, decoder_run: Path, encoder_run: Path, sharp_data: Path, teacher_file: Path
) -> None:
    """And are not computed by default."""
    start, pictures = artnet.load(decoder_run), load_pictures([sharp_data], 144, CPU)
    source, teacher = load_pruned_encoder(encoder_run, pictures.photo[:1]), load_teacher(teacher_file, CPU)
    nothing = dict.fromkeys(DEFAULT_WEIGHTS, 0.0)
    settings = DecoderSettings(
        batch=1, size=128, rate=2e-3, stages=stages_text(start.decoder.stages), weights={**nothing, loss: 1.0}
    )
    task = DecoderTask(settings, pictures, teacher, source, start)
    found = []
    for _ in range(12):
        # The same pictures, dials and directions each time.
        task.generator.manual_seed(5)
        found.append(task.step(0.5)[loss].item())
    assert 0 < found[-1] < 0.9 * found[0]
    assert not {"faithful", "style_half", "style_quarter"} & curve(decoder_run)[0].keys()


def test_faithful_asks_nothing_of_the_painterly_end(
    decoder_run: Path, encoder_run: Path, sharp_data: Path, teacher_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, pictures = artnet.load(decoder_run), load_pictures([sharp_data], 144, CPU)
    source, teacher = load_pruned_encoder(encoder_run, pictures.photo[:1]), load_teacher(teacher_file, CPU)
    weights = {**dict.fromkeys(DEFAULT_WEIGHTS, 0.0), "faithful": 1.0}
    settings = DecoderSettings(batch=1, size=64, rate=0.0, stages=stages_text(start.decoder.stages), weights=weights)
    task = DecoderTask(settings, pictures, teacher, source, start)

    def found(detail: float) -> float:
        monkeypatch.setattr("training.decoder.random_details", lambda count, _generator: [detail] * count)
        task.generator.manual_seed(5)
        return task.step(0.5)["faithful"].item()

    assert found(0.0) == 0
    assert 0 < found(0.3) < 0.2 * found(1.0)


def test_styles_of_small_pictures_are_not_reduced_further(
    decoder_run: Path, data: Path, teacher_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["decoder", "--encoder", decoder_run, "--data", data, "--teacher", teacher_file, "--size", 64]
    arguments += ["--weight", "style_quarter=1", "--out", tmp_path / "a.safetensors", "--device", "cpu"]
    assert main([str(argument) for argument in arguments]) == 1
    assert "needs pictures of 128 pixels or more, not 64: raise --size" in capsys.readouterr().err


def test_the_average_forgets_the_start_and_then_follows_slowly(
    encoder_run: Path, data: Path, teacher_file: Path
) -> None:
    pictures = load_pictures([data], 64, CPU)
    source = load_pruned_encoder(encoder_run, pictures.photo[:1])
    task = DecoderTask(
        DecoderSettings(size=64, stages="8:8 4:8 2:8"), pictures, load_teacher(teacher_file, CPU), source
    )

    def follow(value: float, updates: int) -> float:
        with torch.no_grad():
            task.model.decoder.head.get_parameter("bias").fill_(value)
        for _ in range(updates):
            task.ema.update_parameters(task.model.decoder)
        return task.ema.module.head.get_parameter("bias")[0].item()

    assert follow(0.0, 1) == 0
    assert follow(1.0, 30) > 0.99
    follow(1.0, 9000)
    assert follow(0.0, 1) == pytest.approx(0.998, abs=1e-4)


def test_a_decoder_is_carried_over_to_an_encoder_of_other_channels(
    decoder_run: Path, deeper_run: Path, data: Path, go_on: Callable[..., Path]
) -> None:
    out = go_on(deeper_run, "--steps", 1, "--rate", 1e-9)
    start, carried = artnet.load(decoder_run), artnet.load(out)
    assert carried.layers != start.layers
    picture = load_pictures([data], 64, CPU).photo[:1].float() / 255
    drawn = start.decode(start.encode(picture))
    assert (carried.decode(carried.encode(picture)) - drawn).abs().mean() < 0.3 * drawn.std()


def test_a_run_goes_on_with_its_own_encoder_only(
    decoder_run: Path, data: Path, teacher_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["decoder", "--encoder", decoder_run, "--data", data, "--teacher", teacher_file, "--out", decoder_run]
    arguments += ["--steps", 30, "--batch", 2, "--size", 64, "--device", "cpu", "--rate", 2e-3, "--resume"]
    arguments += ["--stages", "8:32,32 4:16 2:16"]
    assert main([str(argument) for argument in arguments]) == 1
    assert "was started with encoder" in capsys.readouterr().err


def test_a_decoder_of_another_shape_is_no_start(
    decoder_run: Path, data: Path, teacher_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "decoder",
        "--encoder",
        decoder_run,
        "--start",
        decoder_run,
        "--stages",
        "8:32 4:16 2:16",
        "--steps",
        1,
    ]
    arguments += ["--data", data, "--teacher", teacher_file, "--out", tmp_path / "a.safetensors", "--size", 64]
    assert main([str(argument) for argument in arguments]) == 1
    message = capsys.readouterr().err
    assert '"8:32,32 4:16 2:16", this run "8:32 4:16 2:16"' in message
    assert "--stages" in message


def test_a_fresh_decoder_carries_the_signal_and_upsamples_without_checkerboard() -> None:
    decoder = Decoder(40, {8: [32], 4: [16], 2: [16]})
    torch.manual_seed(0)
    initialize(decoder)
    flat = torch.rand(1, 40, 1, 1).expand(-1, -1, 6, 6)
    picture = decoder(flat)
    blocks = picture[0].unflatten(1, (-1, 2)).unflatten(3, (-1, 2))  # [3, H / 2, 2, W / 2, 2]
    # Behind the transposed convolutions flat features stay flat; only the untrained head tells pixels apart.
    assert (blocks - blocks[:, :1, :, :1]).abs().max() < 1e-5
    assert (picture - 0.5).abs().max() > 1e-3


def test_exported_decoders_draw_no_checkerboard(decoder_run: Path) -> None:
    decoder = artnet.load(decoder_run).decoder
    features = torch.rand(1, decoder.get_submodule("stride8.0").get_parameter("weight").shape[1], 6, 6) * 10
    blocks = torch.nn.functional.pixel_unshuffle(decoder(features), 2).view(3, 4, -1)
    diagonals = blocks[:, 0] - blocks[:, 1] - blocks[:, 2] + blocks[:, 3]
    # What is stored is rounded to half precision, which sets all diagonals of a colour apart by one small number: four
    # biases by half a step each, and the weights behind features of the same mean by about as much.
    constant = diagonals.mean(1, keepdim=True)
    step = torch.finfo(torch.float16).eps * decoder.head.get_parameter("bias").abs().max()
    assert constant.abs().max() < 2 * 4 * step / 2
    assert (diagonals - constant).abs().max() < 1e-2 * blocks.std()
