"""ctypes: argument types declared; the array as an address, or through NumPy's ndpointer."""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.call_overhead.arguments import pairs
from benchmarks.common.compiled import shared_library
from benchmarks.common.protocol import Competitor

VARIANTS = ("from_buffer", "data_as", "ndpointer")


def build(variant: str, workload: Any) -> Competitor:
    source = Path(__file__).with_name("ctypes_call.cpp")
    step = ctypes.CDLL(str(shared_library("ctypes_call", [source]))).step
    step.restype = ctypes.c_double
    pointer = ctypes.POINTER(ctypes.c_float)
    if variant == "ndpointer":
        pointer = np.ctypeslib.ndpointer(np.float32, ndim=1, flags="C_CONTIGUOUS")
    step.argtypes = [pointer, ctypes.c_long, ctypes.c_double]
    vector = ctypes.c_float * 20

    def call(x: Any, y: float) -> Any:
        if variant == "ndpointer":
            return step(x, 20, y)
        if variant == "data_as":
            return step(x.ctypes.data_as(pointer), x.size, y)
        return step(vector.from_buffer(x), 20, y)

    return Competitor(call, pairs(), rule=None)
