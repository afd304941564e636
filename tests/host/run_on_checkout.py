#!/usr/bin/env python3
"""Runs the tests of nodes and page on a ComfyUI of your own, of any version from 0.3.75 on.

    python -m tests.host.run_on_checkout COMFYUI PYTHON [pytest's arguments ...]

COMFYUI is a checkout, PYTHON an interpreter that has its requirements. Neither is changed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comfyui", type=Path, metavar="COMFYUI")
    parser.add_argument("python", type=Path, metavar="PYTHON")
    arguments, further = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="checkout-") as folder:
        install = Path(folder)
        (install / "ComfyUI").symlink_to(arguments.comfyui.resolve(), target_is_directory=True)
        python = install / "venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        # A link would hide the virtual environment that the interpreter belongs to.
        python.write_text(f'#!/bin/sh\nexec "{arguments.python.absolute()}" "$@"\n')
        python.chmod(0o755)
        # Marks it as nothing to install into.
        (install / "installed.json").write_text(json.dumps({"checkout": str(arguments.comfyui)}))
        tests = further or ["tests/host", "tests/browser"]
        command = [sys.executable, "-m", "pytest", *tests]
        return subprocess.run(command, cwd=REPOSITORY, env=os.environ | {"ARTNET_HOST": folder}).returncode


if __name__ == "__main__":
    sys.exit(main())
