"""What a node says on itself and, if it is a warning, beside the graph; ``web/artnet.js`` shows both."""

from __future__ import annotations


def said(text: str = "", warning: str = "") -> dict[str, list[str]]:
    """The ``ui`` of a node that shows a text, or takes the last one away, and warns of something."""
    return {"text": [line for line in (text, warning) if line], "artnet_warning": [warning] if warning else []}
