"""The command line: ``artnet stylize``, ``compare``, ``prune``, ``channels``, ``info``.

:mod:`artnet_core.options` is what can be said; :mod:`artnet_core.commands` does it, and is imported when work begins.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from .console import StoppedError, say, unusable
from .options import parse

_LONGEST_LINE = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status.

    0, 1 after an error in one line on stderr, 2 after a mistake in the options, 130 after Ctrl-C.
    """
    try:
        options = parse(sys.argv[1:] if arguments is None else list(arguments))
        with _ended_by_kill():
            if sys.stderr.isatty():
                print("starting ...", end="\r", file=sys.stderr, flush=True)
            from . import commands  # takes seconds on some machines

            return commands.run(options)
    except StoppedError as stopped:
        say(f"artnet: {stopped}", sys.stderr)
    except KeyboardInterrupt:
        say("artnet: stopped; nothing was written.", sys.stderr)
    except MemoryError as error:
        return _fail(str(error) or "there is not enough memory: make the picture smaller with --size.")
    except OSError as error:
        return _fail(unusable(error))
    except ValueError as error:
        return _fail(str(error) or type(error).__name__)
    return 130


def _fail(reason: str) -> int:
    line = " ".join(reason.split())
    if len(line) > _LONGEST_LINE:  # where it begins and how it ends says most
        line = f"{line[: _LONGEST_LINE // 2 - 5]} ... {line[-_LONGEST_LINE // 2 :]}"
    say(f"artnet: error: {line}", sys.stderr)
    return 1


@contextmanager
def _ended_by_kill() -> Iterator[None]:
    """A polite kill ends work as Ctrl-C does, so that no file is left half written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
