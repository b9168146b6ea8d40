"""How many instructions a call takes: counted one by one, so that no counter of the processor is needed."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.common.compiled import shared_library
from benchmarks.common.protocol import Skipped

HOW = "a trap after every instruction"

_CALL = ctypes.CFUNCTYPE(None)


def count(call: Callable[[], object]) -> int:
    """The instructions of one call in user mode, with those that Python takes around it.

    Raises:
        Skipped: not Linux on x86-64, or no compiler.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise Skipped("instructions are counted on Linux on x86-64 alone")
    # -mno-red-zone: pushing the flags must not write where a leaf function keeps its values.
    path = shared_library(
        "instructions", [Path(__file__).with_name("instructions.cpp")], ["-mno-red-zone"]
    )
    library = ctypes.PyDLL(str(path))  # keeps the interpreter's lock: `call` is Python
    library.count_instructions.restype = ctypes.c_long
    library.count_instructions.argtypes = [_CALL]

    def ignore_result() -> None:
        call()

    return int(library.count_instructions(_CALL(ignore_result)))


def of_one_example(learn: Callable[[int], object]) -> int:
    """Instructions of one example, where `learn(n)` learns the next n in one call."""
    learn(1)  # nothing is done for the first time
    return count(lambda: learn(1)) - count(lambda: learn(0))
