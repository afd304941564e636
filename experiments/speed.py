"""The paper's Table 3: how long a frame takes, beside the methods that the paper compares, each on its own VGG19.

``python -m experiments.speed --sizes 512 --out FOLDER``; all else is as in ``python -m benchmarks.speed``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks import speed

from .vgg19 import PEERS


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs, prints the table, and writes speed.json and speed.png."""
    return speed.main(arguments, PEERS, "python -m experiments.speed", __doc__)


if __name__ == "__main__":
    sys.exit(main())
