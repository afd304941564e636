"""What the files of all benchmarks share: when, where, with what, and the rows."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import torch


def environment(device: torch.device) -> dict[str, str]:
    """Date, machine and torch."""
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads"
    if device.type == "cuda":
        machine = torch.cuda.get_device_name(device)
    return {"date": date.today().isoformat(), "machine": machine, "torch": torch.__version__}


def write_report(path: Path, settings: Mapping[str, object], **rows: Sequence[Any]) -> None:
    """Writes the settings and lists of dataclasses, by name, as JSON; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lists = {name: [asdict(row) for row in of_name] for name, of_name in rows.items()}
    path.write_text(json.dumps({**settings, **lists}, indent=2) + "\n", encoding="utf-8")
