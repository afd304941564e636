"""The encoder command: distillation, zero channels, its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from artnet_core.checkpoint import CheckpointError
from artnet_core.network.encoder import FULL_WIDTHS, TRUNK
from artnet_core.pruning.zero_channels import parameters
from training.__main__ import main
from training.data import load_pictures, stored_side
from training.encoder import EncoderSettings, EncoderTask, begin_behind, calibrate, student_of
from training.export import load_pruned_encoder
from training.losses import relative_error
from training.teacher import Teacher, load_teacher
from training.torchvision_weights import load_torchvision_encoder
from training.zeroing import default_floors, trunk_parameters

from .conftest import CPU, curve, teacher_state


def test_the_student_begins_as_its_teacher(teacher_file: Path) -> None:
    teacher = load_teacher(teacher_file, CPU)
    student = student_of(teacher)
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    calibrate(student, teacher, [images])
    student.eval()
    with torch.no_grad():
        own, wanted = student(images), teacher.features(images, ("conv1", "conv3"))
    # At the border they differ a little: the zeros that both pad with stand for two means that are not quite the same.
    inside = slice(2, -2)
    assert relative_error(own["conv1"][..., inside, inside], wanted["conv1"][..., inside, inside]) < 1e-4
    assert relative_error(own["conv3"], wanted["conv3"]) < 0.3


def test_the_teacher_stops_behind_the_last_layer_asked_for() -> None:
    state = teacher_state()
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    whole = Teacher(state).features(images, ("inception4e",))["inception4e"]
    assert whole.shape == (1, 832, 4, 4)
    assert Teacher(state).logits(whole).shape == (1, 10)
    without_tail = {name: tensor for name, tensor in state.items() if not name.startswith(("inception5", "fc"))}
    assert torch.equal(Teacher(without_tail).features(images, ("inception4e",))["inception4e"], whole)


def test_a_file_that_is_no_teacher_is_named(tmp_path: Path, encoder_run: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_teacher(tmp_path / "nowhere.safetensors", CPU)
    with pytest.raises(CheckpointError, match=r"inception5a\.branch1\.weight' is missing"):
        load_teacher(encoder_run, CPU)


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state | {"conv1.weight": torch.tensor(1.0)},
        lambda state: state | {"conv1.weight": torch.ones(64, 4, 7, 7)},
        lambda state: state | {"conv3.weight": state["conv3.weight"][:-1], "conv3.bias": state["conv3.bias"][:-1]},
        lambda state: state | {"inception5b.branch1.weight": torch.ones(384, 7, 1, 1)},
        lambda state: state | {"fc.bias": torch.tensor([[1.0]] * 7)},
        lambda state: state | {"conv2.bias": torch.full((64,), float("nan"))},
        lambda state: state | {"conv2.bias": torch.ones(64, dtype=torch.bool)},
        list,
        lambda state: state["conv1.weight"],
    ],
)
def test_a_teacher_of_odd_shapes_or_kinds_is_refused_in_a_sentence(
    damage: Callable[[dict[str, torch.Tensor]], object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "teacher.pth"
    torch.save(damage(teacher_state()), path)
    with pytest.raises(CheckpointError) as caught:
        load_teacher(path, CPU)
    assert str(path) in str(caught.value) and len(str(caught.value)) < 300
    torch.save(teacher_state(), path)
    assert load_teacher(path, CPU).state["fc.bias"].shape == (10,)


@pytest.mark.parametrize(
    ("name", "text"),
    [("mean", "[1]"), ("std", "[1, 0, 1]"), ("mean", "{"), ("provenance", "[1]"), ("last_block", "conv9"), ("std", "")],
)
def test_an_encoder_with_damaged_metadata_is_refused_in_a_sentence(
    name: str, text: str, encoder_run: Path, tmp_path: Path
) -> None:
    with safe_open(encoder_run, "pt") as file:
        metadata = file.metadata() | {name: text}
    save_file(load_file(encoder_run), tmp_path / "encoder.safetensors", metadata)
    with pytest.raises(CheckpointError, match="damaged metadata"):
        load_pruned_encoder(tmp_path / "encoder.safetensors", torch.empty(0, 3, 64, 64))


def test_a_student_that_knows_nothing_learns(data: Path, teacher_file: Path) -> None:
    settings = EncoderSettings(4, 64, rate=3e-3, parameters=trunk_parameters(FULL_WIDTHS))
    task = EncoderTask(settings, load_pictures([data], stored_side(64), CPU), load_teacher(teacher_file, CPU))
    torch.manual_seed(0)
    for parameter in task.student.parameters():
        if parameter.ndim > 1:
            torch.nn.init.kaiming_normal_(parameter)
    losses = [task.step(0.1)["loss"].item() for _ in range(20)]
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])


def test_the_curve_is_written(encoder_run: Path) -> None:
    assert [row["step"] for row in curve(encoder_run)] == [4, 8, 12, 16, 20, 24, 28, 32]
    assert encoder_run.with_suffix(".png").is_file()


def test_zero_channels_are_exactly_zero_and_pruning_them_changes_nothing(encoder_run: Path, data: Path) -> None:
    pictures = load_pictures([data], 64, CPU).photo
    with safe_open(encoder_run, "pt") as file:
        mean, std = (tuple(json.loads(file.metadata()[name])) for name in ("mean", "std"))
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
    whole = load_torchvision_encoder(encoder_run, mean=mean, std=std)
    pruned = load_pruned_encoder(encoder_run, pictures)
    assert parameters(pruned.encoder) <= EncoderSettings().parameters
    assert parameters(pruned.encoder) < 0.4 * parameters(whole)
    dead = {name: (state[f"{name}.bn.weight"] == 0) & (state[f"{name}.bn.bias"] == 0) for name in TRUNK}
    assert sum(int(mask.sum()) for mask in dead.values()) > 1000
    images = pictures[:2].float() / 255
    with torch.no_grad():
        before, after = whole(images), pruned.encoder(images)
    for name, features in before.items():
        kept = torch.cat([pruned.masks[unit] for unit in _units(name)])
        assert not features[:, ~kept].any()
        torch.testing.assert_close(after[name], features[:, kept], rtol=1e-4, atol=1e-4 * features.max().item())


def test_the_file_keeps_batch_norms_in_float32_and_tells_its_origin(encoder_run: Path) -> None:
    with safe_open(encoder_run, "pt") as file:
        provenance = json.loads(file.metadata()["provenance"])
        assert file.get_tensor("inception4e.branch1.bn.running_var").dtype == torch.float32
        assert file.get_tensor("inception4e.branch1.conv.weight").dtype == torch.float16
    settings, training, summary = (json.loads(provenance[name]) for name in ("settings", "training", "encoder"))
    assert settings["seed"] == 0 and settings["data"] == summary["data"]
    assert training["steps"] == 32 and len(training["curve"]["loss"]) == 8
    assert provenance["torch"] == torch.__version__
    assert summary["parameters"] <= settings["parameters"]


def test_a_target_below_the_floors_is_refused(data: Path, teacher_file: Path) -> None:
    pictures = load_pictures([data], 72, CPU)
    with pytest.raises(ValueError, match="floors"):
        EncoderTask(EncoderSettings(4, 64, parameters=100_000), pictures, load_teacher(teacher_file, CPU))


def test_what_follows_a_kept_trunk_begins_nearer_to_the_teacher_than_with_its_filters(
    encoder_run: Path, data: Path, teacher_file: Path
) -> None:
    pictures, teacher = load_pictures([data], 64, CPU).photo.float() / 255, load_teacher(teacher_file, CPU)
    units = [name for name in TRUNK if name.startswith("inception4")]
    student = student_of(teacher)
    filters = {f"{name}.conv.weight": student.state_dict()[f"{name}.conv.weight"].clone() for name in units}
    wanted = teacher.features(pictures, ("inception4e",))["inception4e"]

    def error() -> float:
        student.eval()
        with torch.no_grad():
            return relative_error(student(pictures)["inception4e"], wanted).item()

    begin_behind(load_pruned_encoder(encoder_run, pictures), student, teacher, [pictures], units)
    fitted = error()
    student.load_state_dict(student.state_dict() | filters)
    calibrate(student, teacher, [pictures], units)
    assert fitted < 0.5 * error()


def test_a_kept_trunk_stays_as_it_is_and_what_follows_is_pruned(encoder_run: Path, deeper_run: Path) -> None:
    before, after = (load_pruned_encoder(path, torch.empty(0, 3, 64, 64)) for path in (encoder_run, deeper_run))
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    features, features_after = before.encoder(images), after.encoder(images)
    for block in ("conv1", "conv3", "inception3b"):
        assert torch.equal(features_after[block], features[block])
    assert not torch.equal(
        before.trunk["inception4a.branch1.conv.weight"], after.trunk["inception4a.branch1.conv.weight"]
    )
    widths = {name: int(mask.sum()) for name, mask in after.masks.items()}
    assert trunk_parameters(widths) <= EncoderSettings().parameters
    assert all(widths[name] >= floor for name, floor in default_floors().items() if name.startswith("inception4"))
    assert "inception3b from:" in after.provenance["encoder_start"]


def test_only_an_encoder_with_batch_norms_is_gone_on_from(
    decoder_run: Path, data: Path, teacher_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["encoder", "--start", decoder_run, "--data", data, "--teacher", teacher_file, "--steps", 1]
    arguments += ["--batch", 4, "--size", 64, "--device", "cpu", "--out", tmp_path / "a.safetensors"]
    assert main([str(argument) for argument in arguments]) == 1
    assert "give an unpruned one" in capsys.readouterr().err


def _units(layer: str) -> list[str]:
    return [name for name in TRUNK if name == layer or (name.startswith(f"{layer}.") and not name.endswith(".0"))]
