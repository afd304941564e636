"""Text that a node shows on itself."""

from __future__ import annotations

from server import PromptServer


def show_text(text: str, node_id: str | None) -> None:
    """Shows a line or two on a node while the page is open.

    Pages draw the texts that nodes give as output for a few of the host's own nodes only; what is sent as progress they
    draw on any.
    """
    if node_id:
        PromptServer.instance.send_progress_text(text, node_id)
