"""Damage to bytes, and odd things to put in place of plain ones."""

from __future__ import annotations

import math
import random
from typing import Any

ODD_NUMBERS = (0, 1, -1, 2, 3, 0.5, -0.0, 1e-300, 1e300, 5e-324, 2**31, 2**63, -(2**63), 10**40, math.nan, math.inf)
ODD_TEXTS = (
    "",
    " ",
    "\0",
    "\x1b[2J\x1b]0;title\x07",
    "a\nb",
    "‮gnp.exe",
    "\udcff",
    "x" * 100_000,
    "[" * 20_000,
    '{"a":' * 5_000,
    "9" * 5_000,
    "NaN",
    "[NaN, 1, 1]",
    "[1e400, 1, 1]",
    "[1e-30, 1, 1]",
    "null",
    "../../etc/passwd",
    "%s%n{0}",
)


def odd(source: random.Random) -> Any:
    """A value of JSON that nobody expects."""
    return source.choice(
        [
            None,
            True,
            [],
            {},
            [[[]]],
            {"a": [1]},
            source.choice(ODD_NUMBERS),
            source.choice(ODD_TEXTS[:14]),
            source.randint(-5, 100),
        ]
    )


def damaged(content: bytes, source: random.Random) -> bytes:
    """The bytes with some flipped, cut out, put in, doubled, or with the end cut off."""
    changed = bytearray(content)
    for _ in range(source.choice((1, 1, 2, 5, 20))):
        if not changed:
            break
        where = source.randrange(len(changed))
        if source.random() < 0.5:
            where = min(where, source.randrange(1, 200))  # headers are small and decide most
        where = min(where, len(changed) - 1)
        match source.randrange(7):
            case 0 | 1:
                changed[where] ^= 1 << source.randrange(8)
            case 2:
                changed[where] = source.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 3:
                changed[where : where + 4] = source.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x01"))
            case 4:
                del changed[where : where + source.choice((1, 4, 64))]
            case 5:
                changed[where:where] = source.randbytes(source.choice((1, 4, 64)))
            case 6:
                del changed[where + source.randrange(1000) :]
    return bytes(changed)
