"""Text that a node shows on itself."""

from __future__ import annotations

from comfy_api.v0_0_2 import ui
from server import PromptServer


def shown_text(text: str, node_id: str | None) -> ui.PreviewText:
    """Shows a text on a node, and keeps it as its output in the history.

    Pages draw such outputs for a few nodes of the host's own only; to all others the text is sent as progress.
    """
    if node_id:
        PromptServer.instance.send_progress_text(text, node_id)
    return ui.PreviewText(text)
