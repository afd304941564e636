"""Model files: damaged, and put together to deceive."""

from __future__ import annotations

import functools
import json
import random
from pathlib import Path
from typing import Any

import torch

import artnet_core as artnet
from artnet_core.checkpoint import FAST_MODEL, UNPRUNED_MODEL, shipped_models

from .damage import ODD_TEXTS, damaged, odd
from .outcomes import Run
from .tensors import check_painting, noise

_DTYPES = ("F64", "F32", "F16", "BF16", "I8", "U8", "BOOL", "I64", "F8_E4M3", "F4", "C64", "f32", "", 7)


@functools.cache
def shipped(name: str) -> bytes:
    """The bytes of a model file."""
    return shipped_models()[name].read_bytes()


def model_file(source: random.Random, folder: Path) -> Run:
    """A file that is loaded, and painted with where that succeeds."""
    name = UNPRUNED_MODEL if source.random() < 0.1 else FAST_MODEL
    make = source.choice((_damaged, _lying_header, _lying_header, _odd_metadata, _odd_values, _odd_values, _anything))
    path = folder / "model.safetensors"
    path.write_bytes(make(shipped(name), source))
    seed = source.getrandbits(32)
    prunes = source.random() < 0.1

    def run() -> None:
        state = torch.random.get_rng_state()
        model = artnet.load(path)
        assert torch.equal(torch.random.get_rng_state(), state), "random numbers were drawn"
        content, style = noise(seed, 24, 40), noise(seed + 1, 32, 17)
        check_painting(model.stylize(content, style), content)
        if prunes:
            pruned, _ = artnet.prune_zero_channels(model, content)
            check_painting(pruned.stylize(content, style), content)

    return run


def parts_of(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def whole(header: object, data: bytes) -> bytes:
    """The file of a header and data."""
    text = json.dumps(header).encode(errors="surrogatepass")
    return len(text).to_bytes(8, "little") + text + data


def _damaged(content: bytes, source: random.Random) -> bytes:
    return damaged(content, source)


def _lying_header(content: bytes, source: random.Random) -> bytes:
    header, data = parts_of(content)
    for _ in range(source.choice((1, 1, 2, 4))):
        name = source.choice(list(header))
        entry = header[name]
        match source.randrange(9):
            case 0:
                del header[name]
            case 1:
                header[source.choice((*ODD_TEXTS[:8], "decoder.stride0.0.weight", "encoder.conv2"))] = header.pop(name)
            case 2:
                header[name] = odd(source)
            case 3 if isinstance(entry, dict) and "dtype" in entry:
                entry["dtype"] = source.choice(_DTYPES)
            case 4 if isinstance(entry, dict) and isinstance(entry.get("shape"), list) and entry["shape"]:
                entry["shape"] = source.choice((odd(source), entry["shape"][::-1], [*entry["shape"], 1], []))
            case 5 if isinstance(entry, dict) and isinstance(entry.get("shape"), list) and entry["shape"]:
                entry["shape"][source.randrange(len(entry["shape"]))] = odd(source)
            case 6 if isinstance(entry, dict) and isinstance(entry.get("data_offsets"), list):
                entry["data_offsets"][source.randrange(len(entry["data_offsets"]))] = odd(source)
            case 7:
                other = source.choice(list(header))
                header[name], header[other] = header[other], header[name]
            case _:
                data += source.randbytes(source.choice((1, 4, 1000)))
    return whole(header, data)


def _odd_metadata(content: bytes, source: random.Random) -> bytes:
    header, data = parts_of(content)
    metadata = header["__metadata__"]
    for _ in range(source.choice((1, 1, 2))):
        key = source.choice(list(metadata) or ["format"])
        match source.randrange(4):
            case 0:
                metadata.pop(key, None)
            case 1:
                metadata[key] = odd(source)
            case 2:
                metadata[key] = json.dumps(odd(source))
            case 3:
                metadata[key] = source.choice(ODD_TEXTS)
    return whole(header, data)


def _odd_values(content: bytes, source: random.Random) -> bytes:
    """Weights that are no numbers, far too large, below zero, or all of one value."""
    header, data = parts_of(content)
    changed = bytearray(data)
    for _ in range(source.choice((1, 1, 3, 30))):
        entry = header[source.choice([name for name in header if name != "__metadata__"])]
        first, last = entry["data_offsets"]
        size = 2 if entry["dtype"] == "F16" else 4
        dtype = torch.float16 if size == 2 else torch.float32
        value = source.choice((float("nan"), float("inf"), 6e4, -6e4, 1e-7, 0.0, -0.0, 1.0, -1.0, 3e38, -3e38))
        count = source.choice((1, 1, 10, (last - first) // size))
        where = (
            first + size * source.randrange((last - first) // size - count + 1)
            if count * size <= last - first
            else first
        )
        count = min(count, (last - where) // size)
        changed[where : where + size * count] = torch.full((count,), value).to(dtype).numpy().tobytes()
    return whole(header, bytes(changed))


def _anything(content: bytes, source: random.Random) -> bytes:
    """What is no model at all."""
    text = source.choice(ODD_TEXTS).encode(errors="surrogatepass")
    return source.choice(
        (
            b"",
            source.randbytes(source.randrange(200)),
            len(text).to_bytes(8, "little") + text,
            whole(odd(source), b""),
            whole({"__metadata__": {"format": "artnet", "format_version": "3"}}, b""),
            b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00exit\x85R.",
            content[: source.randrange(20)],
        )
    )
