"""The curve of a run: mean losses every few steps, as CSV, as a plot, and thinned for a file's metadata."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from .plot import line_plot

_METADATA_ROWS = 60


class DivergedError(RuntimeError):
    """A loss or a weight is not finite any more; the message says since when and how to go on."""


class Log:
    """Means of losses over every ``every`` steps.

    Sums stay on the device until a row is due, so that logging does not make the device wait.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.rows: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._diverged = torch.tensor(0)

    def add(self, step: int, seconds: float, losses: Mapping[str, Tensor]) -> None:
        """Takes in the losses of one step; there is no row of steps of which one is not finite."""
        finite = torch.stack([loss.detach().float() for loss in losses.values()]).isfinite().all()
        before = self._diverged.to(finite.device)
        self._diverged = torch.where(~finite & (before == 0), step, before)
        for name, loss in losses.items():
            loss = loss.detach().float()
            self._sums[name] = self._sums[name].to(loss) + loss if name in self._sums else loss
        self._count += 1
        if self._count < self.every:
            return
        row = {"step": float(step), "seconds": round(seconds, 2)}
        row.update({name: total.item() / self._count for name, total in self._sums.items()})
        self._sums, self._count = {}, 0
        if all(math.isfinite(value) for value in row.values()):
            self.rows.append(row)

    @property
    def row_is_due(self) -> bool:
        """Whether the last step completed a row."""
        return self._count == 0

    @property
    def diverged_at(self) -> int:
        """The first step with a loss that is not finite; 0 for none. To ask makes the device wait."""
        return int(self._diverged)

    def state_dict(self) -> dict[str, object]:
        return {"rows": self.rows, "sums": self._sums, "count": self._count}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        rows, sums, count = state["rows"], state["sums"], state["count"]
        if not (isinstance(rows, list) and isinstance(sums, dict) and isinstance(count, int)):
            raise TypeError("rows, sums and count of a curve are a list, a dictionary and a number")
        self.rows, self._sums, self._count = rows, sums, count

    def write(self, out: Path) -> None:
        """Writes ``OUT.csv`` and ``OUT.png`` next to the file that is trained."""
        if not self.rows:
            return
        with out.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)
        names = [name for name in self.rows[0] if name not in ("step", "seconds")]
        lines = {name: [(row["step"], row[name]) for row in self.rows] for name in names}
        line_plot(lines, out.stem, "step", "loss", log_y=True).save(out.with_suffix(".png"))

    def as_metadata(self) -> str:
        """At most 60 rows, evenly spread, as JSON; the last one is among them."""
        stride = max(1, -(-len(self.rows) // _METADATA_ROWS))
        rows = self.rows[::-stride][::-1]
        columns = {name: [float(f"{row[name]:.4g}") for row in rows] for name in (rows[0] if rows else ())}
        return json.dumps(columns)
