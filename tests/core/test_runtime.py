"""Which dtype a device works in, and what is done about memory that ran out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from artnet_core.runtime import Tiles, empty_cache, fastest_dtype, is_out_of_memory, multiplies_bfloat16

CUDA = torch.device("cuda")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What torch says of a CUDA card that is not at hand: one of 2017 by default."""
    card = SimpleNamespace(name="Tesla V100-SXM2-16GB", capability=(7, 0), native_bfloat16=False)

    def is_bf16_supported(including_emulation: bool = True) -> bool:
        return including_emulation or card.native_bfloat16

    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: card.name)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: card.capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    monkeypatch.setattr(torch.cuda, "device", lambda device: _Nothing())
    return card


class _Nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *args: object) -> None: ...


@pytest.mark.parametrize(
    ("name", "capability", "expected"),
    [
        ("Tesla V100-SXM2-16GB", (7, 0), torch.float16),
        ("NVIDIA GeForce RTX 2080 Ti", (7, 5), torch.float16),
        ("NVIDIA T600 Laptop GPU", (7, 5), torch.float32),
        ("NVIDIA GeForce GTX 1650", (7, 5), torch.float32),
        ("NVIDIA GeForce GTX 1660 SUPER", (7, 5), torch.float32),
        ("NVIDIA GeForce MX450", (7, 5), torch.float32),
        ("NVIDIA GeForce GTX 1080 Ti", (6, 1), torch.float32),
        ("NVIDIA H200", (9, 0), torch.float16),
    ],
)
def test_float16_where_a_card_multiplies_it(
    card: SimpleNamespace, name: str, capability: tuple[int, int], expected: torch.dtype
) -> None:
    """GTX 16xx and its kin give NaN, older ones are slower."""
    card.name, card.capability = name, capability
    assert fastest_dtype(CUDA) == expected


def test_rocm_multiplies_float16(card: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    card.name, card.capability = "AMD Radeon RX 6600", (10, 3)
    monkeypatch.setattr(torch.version, "hip", "6.2")
    assert fastest_dtype(CUDA) == torch.float16


@pytest.mark.parametrize("native", [False, True])
def test_bfloat16_without_emulation(card: SimpleNamespace, native: bool) -> None:
    card.native_bfloat16 = native
    assert multiplies_bfloat16(CUDA) == native


@pytest.mark.parametrize("device", ["mps", "xpu", "meta"])
def test_float32_where_nobody_knows(device: str) -> None:
    assert fastest_dtype(torch.device(device)) == torch.float32
    assert not multiplies_bfloat16(torch.device(device))


@pytest.mark.parametrize("has", [None, "avx512_bf16", "amx_bf16", "bf16"])
def test_bfloat16_on_a_cpu_that_multiplies_it(has: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities = {"avx2": True, "avx512_bf16": False, "amx_bf16": False} | ({has: True} if has else {})
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert fastest_dtype(torch.device("cpu")) == (torch.bfloat16 if has else torch.float32)


@pytest.mark.parametrize("there", ["cuda", "xpu", "mps", None])
def test_cached_memory_is_given_back_to_the_device_at_hand(there: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    emptied = []
    for name in ("cuda", "xpu", "mps"):
        backend = SimpleNamespace(is_available=lambda name=name: name == there)
        backend.empty_cache = lambda name=name: emptied.append(name)
        monkeypatch.setattr(torch, name, backend)
    empty_cache()
    assert emptied == ([there] if there else [])


def test_memory_is_given_back_between_tries() -> None:
    """And after the failed try's tensors are gone."""
    order: list[str] = []

    class Tensors:
        def __del__(self) -> None:
            order.append("tensors gone")

    def work(tile: int | None) -> int | None:
        tensors = Tensors()
        order.append(f"tile {tile}")
        if tile is None or tile > 64:
            raise RuntimeError("out of memory")
        del tensors
        return tile

    assert Tiles(release=lambda: order.append("released")).run(200, work) == 64
    of_a_failure = ["tensors gone", "released"]
    assert order == ["tile None", *of_a_failure, "tile 112", *of_a_failure, "tile 64", "tensors gone"]


def test_the_devices_cache_is_what_tiles_release() -> None:
    assert Tiles()._release is empty_cache


@pytest.mark.parametrize(
    "words",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.",
        "could not create a primitive",
        "MPS backend out of memory (MPS allocated: 1 MB)",
    ],
)
def test_how_backends_say_that_memory_ran_out(words: str) -> None:
    assert is_out_of_memory(RuntimeError(words))
    assert not is_out_of_memory(ValueError(words))


def test_other_errors_are_no_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"))
