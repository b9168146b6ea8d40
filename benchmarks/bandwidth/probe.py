"""Our own measure of the memory: a compiled read pass and read-modify-write pass."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common.compiled import shared_library
from benchmarks.common.protocol import Competitor

VARIANTS = ("passes",)
UNITS = {"KB": 1024, "MB": 1024 * 1024}


def working_set_bytes(workload: str) -> int:
    """The bytes of a workload's name, such as "38MB"."""
    return int(workload[:-2]) * UNITS[workload[-2:]]


def passes(bytes_: int) -> Callable[[Any, Any], None]:
    """A call that moves the traffic of one dense step over a buffer of so many bytes."""
    library = ctypes.CDLL(str(shared_library("passes", [Path(__file__).with_name("passes.cpp")])))
    library.create.restype = ctypes.c_void_p
    library.create.argtypes = [ctypes.c_size_t]
    library.step.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
    count = (bytes_ // 4 + 63) // 64 * 64
    buffer = library.create(4 * count)
    step = library.step

    def call(_x: Any, repeats: int) -> None:
        step(buffer, count, repeats)

    return call


def build(variant: str, workload: Any) -> Competitor:
    bytes_ = working_set_bytes(workload)
    repeats = max(1, 1_000_000 // bytes_)  # a call should take far longer than ctypes does
    return Competitor(passes(bytes_), [(None, repeats)], repeats, rule=None)
