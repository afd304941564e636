"""Cases that go where none went before: ``python -m tests.fuzz.coverage picture -max_total_time=600``.

Needs the package atheris. What follows the kind goes to libFuzzer, such as a folder that interesting cases are kept in.
A fault ends it, and the file that made it is written as ``crash-...``; that file's name after the kind runs it again.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["PIL", "artnet_core"]):
    import artnet_core as artnet
    from artnet_core.checkpoint import FAST_MODEL
    from artnet_core.images import read_frames

from .models import parts_of, shipped, whole
from .outcomes import Outcome, Run, verdict
from .pictures import check_picture, every_picture, with_checksums

_PNG = b"\x89PNG"
_MOST_FRAMES = 4
_LIMITS = ("-rss_limit_mb=3000", "-timeout=60", "-max_len=40000")


def _picture(content: bytes, folder: Path) -> Run:
    path = folder / "picture.png"
    path.write_bytes(with_checksums(content) if content.startswith(_PNG) else content)

    def run() -> None:
        for picture in islice(read_frames(path), _MOST_FRAMES):
            check_picture(picture)

    return run


def _model(content: bytes, folder: Path) -> Run:
    """A header, changed in places or made of bytes, before as many zeros as the shipped model has bytes."""
    header, data = parts_of(shipped(FAST_MODEL))
    given = atheris.FuzzedDataProvider(content)
    if given.ConsumeBool():
        for _ in range(given.ConsumeIntInRange(1, 4)):
            _change(header, given)
        start = whole(header, b"")
    else:
        text = given.ConsumeBytes(given.remaining_bytes())
        start = len(text).to_bytes(8, "little") + text
    path = folder / "model.safetensors"
    with path.open("wb") as file:
        file.write(start)
        file.truncate(file.tell() + len(data))
    return lambda: (artnet.load(path), None)[1]


def _change(place: Any, given: atheris.FuzzedDataProvider) -> None:
    """Puts something else somewhere into a header."""
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = given.PickValueInList(keys)
        if isinstance(place[key], (dict, list)) and given.ConsumeBool():
            place = place[key]
            continue
        match given.ConsumeIntInRange(0, 6):
            case 0:
                place[key] = given.ConsumeInt(9)
            case 1:
                place[key] = given.ConsumeUnicode(20)
            case 2:
                place[key] = given.ConsumeFloat()
            case 3:
                place[key] = given.PickValueInList(
                    [None, True, [], {}, "F16", "F32", "I8", "[0, 1, 2]", "[1e400]", "8"]
                )
            case 4:
                del place[key]
            case 5:
                place[key] = [given.ConsumeIntInRange(0, 20_000) for _ in range(given.ConsumeIntInRange(0, 5))]
            case _ if isinstance(place, dict):
                place[given.ConsumeUnicode(20)] = place.pop(key)
        return


def _headers() -> list[bytes]:
    """Bytes that a raw header is made of, and some to choose by."""
    header, _ = parts_of(shipped(FAST_MODEL))
    first = dict(islice(header.items(), 4))
    return [whole(each, b"")[8:] + b"\0" for each in (header, first)] + [bytes(range(1, 200, 2))]


KINDS: dict[str, tuple[Callable[[bytes, Path], Run], Callable[[], list[bytes]]]] = {
    "picture": (_picture, every_picture),
    "model": (_model, _headers),
}
"""What runs a case, and the cases that others are made from."""


def main() -> None:
    """Runs cases of the kind that is named first until a fault or until libFuzzer's options end it."""
    if len(sys.argv) < 2 or sys.argv[1] not in KINDS:
        sys.exit(f"Say which kind: {' or '.join(KINDS)}.")
    kind, *options = sys.argv[1:]
    make, originals = KINDS[kind]
    folder = Path(tempfile.mkdtemp(prefix="f"))
    seeds, place = folder / "seeds", folder / "case"
    for each in (seeds, place):
        each.mkdir()
    for index, original in enumerate(originals()):
        (seeds / str(index)).write_bytes(original)

    def test(content: bytes) -> None:
        found = verdict(lambda _source, within: make(content, within), kind, place)
        if found.outcome is Outcome.FAULT:
            raise AssertionError(found.why)

    places = [] if any(Path(option).is_file() for option in options) else [str(seeds)]
    atheris.Setup([sys.argv[0], *_LIMITS, *options, *places], test)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
