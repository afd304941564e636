"""What the command line says, on a terminal or into a pipe."""

from __future__ import annotations

import sys
from typing import TextIO


class StoppedError(Exception):
    """Work that Ctrl-C has ended; says what was done."""


def unusable(error: OSError) -> str:
    """In a sentence that a file cannot be used, and why; an error of our own says so itself."""
    return str(error) if error.strerror is None else f"{error.filename} cannot be used ({error.strerror})."


def say(text: str, stream: TextIO | None = None) -> None:
    """Prints text of which parts may come from files or their names: no control characters, whatever the terminal."""
    stream = sys.stdout if stream is None else stream
    encoding = stream.encoding or "utf-8"
    plain = "".join(letter if letter.isprintable() or letter == "\n" else _escaped(letter) for letter in text)
    print(plain.encode(encoding, "backslashreplace").decode(encoding), file=stream)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "backslashreplace").decode()
