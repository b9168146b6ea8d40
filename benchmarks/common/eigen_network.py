"""Compiles eigen_network.cpp for a workload and calls it for a block of examples at a time."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.compiled import shared_library
from benchmarks.common.protocol import Competitor, Skipped
from benchmarks.common.workloads import Workload

VARIANTS = ("dense", "skip_zeros")
HEADERS = ("/usr/include/eigen3", "/usr/local/include/eigen3", "/opt/homebrew/include/eigen3")
SOURCE = Path(__file__).with_suffix(".cpp")


def build(variant: str, workload: Workload) -> Competitor:
    headers = next((folder for folder in HEADERS if Path(folder, "Eigen").is_dir()), None)
    if headers is None:
        raise Skipped("no Eigen headers")
    flags = [
        f"-I{headers}",
        "-DNDEBUG",
        "-DSIZES=" + ",".join(map(str, workload.sizes)),
        f"-DCROSS_ENTROPY={int(workload.classification)}",
        f"-DSKIP_ZEROS={int(variant == 'skip_zeros')}",
        "-ffast-math",
    ]
    library = ctypes.CDLL(str(shared_library("eigen_network", [SOURCE], flags)))
    library.create.restype = ctypes.c_void_p
    pointers = ctypes.c_void_p * len(workload.weights)
    network = ctypes.c_void_p(
        library.create(
            pointers(*(w.ctypes.data for w in workload.weights)),
            pointers(*(b.ctypes.data for b in workload.biases)),
        )
    )
    block = workload.block
    losses = np.zeros(block, np.float32)
    step_size = ctypes.c_float(workload.step_size)

    def call(x: Any, y: Any) -> Any:
        reals = None if workload.classification else ctypes.c_void_p(y.ctypes.data)
        labels = ctypes.c_void_p(y.ctypes.data) if workload.classification else None
        count = ctypes.c_long(block)
        address, out = ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(losses.ctypes.data)
        library.learn(network, address, reals, labels, count, step_size, out)
        return losses.copy()

    xs, ys = workload.examples
    starts = range(0, workload.count - block + 1, block)
    blocks = [(xs[i : i + block], ys[i : i + block]) for i in starts]
    return Competitor(call, blocks, block)
