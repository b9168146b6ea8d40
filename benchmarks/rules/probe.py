"""What a rule's traffic alone takes: its passes, over as much memory, with the rows that its network has active."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from benchmarks.common.compiled import shared_library
from benchmarks.common.protocol import Competitor
from benchmarks.common.streamdl_learner import learner
from benchmarks.common.workloads import Workload
from benchmarks.rules.traffic import TRAFFIC, Rows, Traffic, offer

VARIANTS = tuple(TRAFFIC)
LEARNED = (
    300  # examples before the active rows are looked at: about half of the units are silent by then
)
EXAMPLES = 20  # whose active rows one call goes through
LANES = 16  # rows are padded to as many floats

# Workload -> rule -> share of the weights whose inputs are active.
_shares: dict[str, dict[str, float]] = {}

Indices = npt.NDArray[np.int32]


class _Layer(ctypes.Structure):
    _fields_ = [
        ("rows", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
        ("padded", ctypes.c_size_t),
        ("arrays", ctypes.c_size_t),
        ("stride", ctypes.c_size_t),
    ]


class _Pass(ctypes.Structure):
    _fields_ = [
        ("rows", ctypes.c_int),
        ("reads", ctypes.c_uint),
        ("changes", ctypes.c_uint),
    ]


def active_rows(workload: Workload, rule: str) -> list[list[Indices]]:
    """Which inputs of every layer are not 0, of EXAMPLES examples after LEARNED."""
    xs, ys = workload.examples
    taught = learner(workload, rule)
    taught.step_many(xs[:LEARNED], ys[:LEARNED])
    inputs = xs[LEARNED : LEARNED + EXAMPLES]
    values = [inputs, *taught.activations(inputs)]
    return [[np.flatnonzero(v[i]).astype(np.int32) for v in values] for i in range(EXAMPLES)]


def active_share(sizes: tuple[int, ...], examples: list[list[Indices]]) -> float:
    """Weights with an active input over all weights, on average."""
    active = [
        len(part) * n for example in examples for part, n in zip(example, sizes[1:], strict=True)
    ]
    return sum(active) / len(examples) / sum(m * n for m, n in zip(sizes, sizes[1:], strict=False))


def layers(sizes: tuple[int, ...], arrays: int) -> tuple[list[_Layer], int]:
    """The layers laid out as a learner lays them out, and the floats that they take."""
    found, at = [], 0
    for inputs, outputs in zip(sizes, sizes[1:], strict=False):
        padded = -(-outputs // LANES) * LANES
        stride = padded * arrays
        if stride * 4 % 2048 == 0:
            stride += LANES  # rows at powers of two would share their cache lines' places
        if outputs < LANES:  # lies transposed, without padding: one row of it per LANES sources
            padded, stride, inputs = LANES * outputs, LANES * outputs * arrays, -(-inputs // LANES)
        found.append(_Layer(at * 4, inputs, padded, arrays, stride))
        at += inputs * stride
    return found, at


def silent_rows(rows: list[_Layer], active: list[Indices]) -> list[Indices]:
    """Of each layer, all rows that are not active."""
    return [
        np.setdiff1d(np.arange(layer.count, dtype=np.int32), some, assume_unique=True)
        for layer, some in zip(rows, active, strict=True)
    ]


def listed(examples: list[list[Indices]]) -> tuple[Indices, Indices]:
    """Rows layer after layer, example after example; and how many there are of each."""
    counts = np.array([[len(part) for part in example] for example in examples], np.int32)
    return np.concatenate([part for example in examples for part in example]), counts


def _passes(traffic: Traffic) -> Any:
    def bits(letters: str) -> int:
        return sum(1 << traffic.arrays.index(letter) for letter in letters)

    kinds = get_args(Rows)
    rows = [_Pass(kinds.index(p.rows), bits(p.reads), bits(p.changes)) for p in traffic.all_passes]
    return (_Pass * len(rows))(*rows)


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(shared_library("sweep", [Path(__file__).with_name("sweep.cpp")])))
    library.create.restype = ctypes.c_void_p
    library.create.argtypes = [ctypes.c_size_t]
    pointer = ctypes.c_void_p
    library.sweep.argtypes = [
        ctypes.POINTER(_Layer), ctypes.c_int, ctypes.POINTER(_Pass), ctypes.c_int, pointer, pointer,
        pointer, ctypes.c_int,
    ]  # fmt: skip
    library.sweep.restype = None
    return library


def build(variant: str, workload: Workload) -> Competitor:
    traffic, library = offer(variant, workload.name), _library()
    rows, floats = layers(workload.sizes, len(traffic.arrays))
    start = library.create(4 * floats)
    if start is None:
        raise MemoryError(f"{4 * floats} bytes for a sweep")
    for layer in rows:
        layer.rows = start + (layer.rows or 0)
    found = active_rows(workload, variant)
    _shares.setdefault(workload.name, {})[variant] = active_share(workload.sizes, found)
    # Of a layer that lies transposed every row is gone through.
    whole = [outputs < LANES for outputs in workload.sizes[1:]]
    examples = [
        [
            np.arange(layer.count, dtype=np.int32) if is_whole else active
            for layer, is_whole, active in zip(rows, whole, example, strict=True)
        ]
        for example in found
    ]
    active, counts = listed(examples)
    silent, _ = listed([silent_rows(rows, example) for example in examples])
    c_rows, c_passes = (_Layer * len(rows))(*rows), _passes(traffic)

    def call(active: Indices, silent: Indices, counts: Indices) -> None:
        library.sweep(
            c_rows, len(c_rows), c_passes, len(c_passes), active.ctypes.data, silent.ctypes.data,
            counts.ctypes.data, EXAMPLES,
        )  # fmt: skip

    return Competitor(call, [(active, silent, counts)], EXAMPLES, rule=None)


def describe() -> dict[str, Any]:
    return {"active_share": _shares}
