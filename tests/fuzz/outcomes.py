"""What a case may come to."""

from __future__ import annotations

import random
import resource
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

LONGEST_MESSAGE = 300
LONGEST_TIME = 60.0  # seconds of this process's work, as the machine may be busy
LONGEST_WAIT = 600.0  # seconds
MOST_MEMORY = 4500  # MB beside what earlier cases took: some frames of as many pixels as Pillow takes without a word

# What the library's docstrings say is raised. Each message must be a sentence, which those of Python and torch are not.
DOCUMENTED = (ValueError, TypeError, FileNotFoundError, MemoryError)

Run = Callable[[], None]
"""Does what a case is about and looks at the result."""

Kind = Callable[[random.Random, Path], Run]
"""Makes a case from random numbers, with an empty folder of its own."""


class Outcome(Enum):
    """All that may happen, and the one thing that may not."""

    RESULT = "verified result"
    ERROR = "documented error"
    USAGE = "usage"
    FAULT = "fault"


@dataclass(frozen=True)
class Verdict:
    """How a case ended.

    Attributes:
        outcome: which of the four.
        why: the message of the error, or what is wrong.
    """

    outcome: Outcome
    why: str = ""


class CommandError(ValueError):
    """The one line that a command printed before it ended with 1."""


def verdict(kind: Kind, name: str, folder: Path) -> Verdict:
    """Makes the case of this name and runs it; the name decides everything about it."""
    started, began, memory = time.monotonic(), time.process_time(), _peak()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run = kind(random.Random(name), folder)
        except Exception:
            return Verdict(Outcome.FAULT, f"the case itself could not be made\n{traceback.format_exc()}")
        try:
            run()
        except SystemExit as leaving:
            outcome = Outcome.USAGE if leaving.code == 2 else Outcome.FAULT
            found = Verdict(outcome, f"left with {leaving.code}")
        except DOCUMENTED as error:
            found = _judged(error, folder)
        except Exception:
            found = Verdict(Outcome.FAULT, traceback.format_exc())
        else:
            found = Verdict(Outcome.RESULT)
    waited, seconds, memory = time.monotonic() - started, time.process_time() - began, _peak() - memory
    if found.outcome is not Outcome.FAULT and (seconds > LONGEST_TIME or waited > LONGEST_WAIT):
        return Verdict(Outcome.FAULT, f"took {waited:.0f} seconds, {seconds:.0f} of them at work")
    if found.outcome is not Outcome.FAULT and memory > MOST_MEMORY:
        return Verdict(Outcome.FAULT, f"took {memory:.0f} MB")
    return found


def _peak() -> float:
    """The most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _judged(error: BaseException, folder: Path) -> Verdict:
    message = str(error).replace(f"{folder}/", "")
    wrong = what_is_wrong(message)
    if isinstance(error, MemoryError) or "enough memory" in message:
        wrong = "all the memory was asked for, and no case is large"
    if wrong:
        return Verdict(Outcome.FAULT, f"{wrong}\n{''.join(traceback.format_exception(error))}")
    return Verdict(Outcome.ERROR, message)


def what_is_wrong(message: str) -> str:
    """Why a message is no sentence for people; empty where it is one."""
    if not message.isprintable():
        return f"the message has characters that cannot be printed: {message[:1000]!r}"
    if len(message) > LONGEST_MESSAGE:
        return f"the message has {len(message)} characters: {message[:1000]}"
    if not message.endswith("."):
        return f"the message is no sentence: {message!r}"
    return ""
