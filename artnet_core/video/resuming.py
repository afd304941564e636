"""The strokes of a video that was interrupted, in a hidden file beside the last frame that was written.

With them the next frame is, to the bit, what it would have been without the interruption.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from ..files.saving import write_whole
from .steadiness import TemporalState

_LONGEST_NAME = 200
_LARGEST = 2**30  # bytes; a level of a picture of 8,192 pixels takes 8 MB


def strokes_file(frame: Path) -> Path:
    """Where the strokes of a frame's file are kept."""
    return frame.with_name(f".{frame.name[:_LONGEST_NAME]}.strokes")


def save_strokes(frame: Path, states: Sequence[TemporalState]) -> None:
    """Keeps what the frame after this one takes over.

    Raises:
        OSError: it cannot be written.
    """
    tensors = {f"{number}.{name}": part for number, state in enumerate(states) for name, part in state.saved().items()}
    write_whole(strokes_file(frame), save(tensors))


def load_strokes(frame: Path) -> list[TemporalState]:
    """What was kept; none where there is no file, or one that is damaged."""
    path = strokes_file(frame)
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return []
    try:
        parts = load(path.read_bytes())
        count = len({key.partition(".")[0] for key in parts})
        return [
            TemporalState.restored(
                {key.removeprefix(f"{number}."): part for key, part in parts.items() if key.startswith(f"{number}.")}
            )
            for number in range(count)
        ]
    except (SafetensorError, ValueError):
        return []
