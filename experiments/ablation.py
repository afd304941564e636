"""The paper's Fig. 8: S2 with one part left out each, on every pair of content and style.

``python -m experiments.ablation --out FOLDER``; all else is as in ``python -m experiments.methods``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from artnet_core.transfer.methods import ABLATIONS

from . import methods


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs, prints the table, and writes ablation.json and ablation.jpg."""
    return methods.main(arguments, tuple(ABLATIONS), "ablation", __doc__)


if __name__ == "__main__":
    sys.exit(main())
