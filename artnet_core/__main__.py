"""``python -m artnet_core``: the command line, as ``artnet``."""

from .cli import main

raise SystemExit(main())
