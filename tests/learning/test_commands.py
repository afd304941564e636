"""What the commands say to numbers, files and machines that do not suit them: one sentence, no traceback."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch

from artnet_core.checkpoint import UNPRUNED_MODEL, shipped_models
from training import __main__ as commands
from training.__main__ import main

FILES = ["--data", "x", "--teacher", "x", "--out", "x"]
DECODER = ["decoder", "--encoder", "x", *FILES]


@pytest.mark.parametrize(
    "arguments",
    [
        ["narrow", "--data", "x", "--model", "x", "--out", "x", "--pictures", "1"],
        ["narrow", "--data", "x", "--model", "x", "--out", "x", "--share", "nan"],
        ["narrow", "--data", "x", "--model", "x", "--out", "x", "--share", "0"],
        [*DECODER, "--batch", "0"],
        [*DECODER, "--size", "60000"],
        [*DECODER, "--size", "40"],
        [*DECODER, "--rate", "nan"],
        [*DECODER, "--rate", "fast"],
        [*DECODER, "--minutes", "0"],
        [*DECODER, "--seed", "-1"],
        [*DECODER, "--weight", "style=-1"],
        [*DECODER, "--weight", "stile=1"],
        ["encoder", *FILES, "--kill-every", "0"],
        ["linear", "--data", "x", "--out", "x", "--weight", "perceptual=1"],
        ["encoder", *FILES, "--log-every", "1e3"],
        ["evaluate", "--data", "x", "--out", "x", "--pairs", "0"],
    ],
)
def test_numbers_out_of_range_are_refused_before_any_work(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {arguments[-2]}: " in message
    assert "invalid" not in message


def test_the_guides_commands_are_understood() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", guide, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    given = [shlex.split(line)[3:] for line in lines if line.startswith("python -m training ")]
    given = [arguments for arguments in given if arguments != ["--help"]]
    assert {arguments[0] for arguments in given} == {"encoder", "decoder", "linear", "narrow", "average", "evaluate"}
    for arguments in given:
        assert commands._parser().parse_args(arguments).out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*DECODER, "--device", "cuda"]) == 1
    assert (
        capsys.readouterr().err == "There is no CUDA GPU that torch can use: leave --device out, or say --device cpu.\n"
    )


def test_ctrl_c_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_given: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "load_pictures", interrupted)
    assert main(["encoder", *FILES]) == 130
    assert "goes on from its last state with --resume" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="folders are files to open on POSIX only")
def test_a_result_that_cannot_be_written_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    arguments = ["narrow", "--data", data, "--model", shipped_models()[UNPRUNED_MODEL], "--size", 32, "--pictures", 2]
    arguments += ["--out", tmp_path / "file" / "encoder.safetensors"]
    assert main([str(argument) for argument in arguments]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and str(tmp_path / "file") in message


def test_without_matplotlib_a_run_is_refused_before_it_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(DECODER) == 1
    assert capsys.readouterr().err == 'Curves need matplotlib: pip install "artnet-style-transfer[plots]".\n'
