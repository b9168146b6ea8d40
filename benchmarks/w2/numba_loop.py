"""W2 as numba loops, called once per example."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.common.numba_layers import (
    backward,
    closed_over,
    forward,
    inline,
    njit,
    relu,
    softmax_cross_entropy,
    update,
)
from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload

VARIANTS = ("arguments", "closed_over")


# fmt: off
@inline
def learn(
    x: Any, y: Any, step_size: Any,
    w0: Any, b0: Any, w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any,
    h1: Any, d1: Any, h2: Any, d2: Any, h3: Any, d3: Any, z: Any, dz: Any,
) -> Any:
    forward(x, w0, b0, h1)
    relu(h1)
    forward(h1, w1, b1, h2)
    relu(h2)
    forward(h2, w2, b2, h3)
    relu(h3)
    forward(h3, w3, b3, z)
    loss = softmax_cross_entropy(z, y, dz)
    backward(h3, w3, b3, dz, d3, step_size)
    backward(h2, w2, b2, d3, d2, step_size)
    backward(h1, w1, b1, d2, d1, step_size)
    update(x, w0, b0, d1, step_size)
    return loss
# fmt: on


def build(variant: str, workload: Workload) -> Competitor:
    arrays = []
    for w, b in zip(workload.weights, workload.biases, strict=True):
        arrays += [w.copy(), b.copy()]
    for size in workload.sizes[1:]:  # an activation and a delta per layer
        arrays += [np.zeros(size, np.float32), np.zeros(size, np.float32)]
    step_size = np.float32(workload.step_size)
    xs, ys = workload.examples
    arguments = list(zip(xs, ys.tolist(), strict=True))

    if variant == "arguments":
        step = njit(learn.py_func)

        def call(x: Any, y: Any) -> Any:
            return step(x, y, step_size, *arrays)

        return Competitor(call, arguments)

    v0, v1, v2, v3, v4, v5, v6, v7, v8, v9 = (closed_over(array) for array in arrays[:10])
    v10, v11, v12, v13, v14, v15 = (closed_over(array) for array in arrays[10:])

    @njit
    def closed(x: Any, y: Any) -> Any:
        return learn(
            x, y, step_size,
            v0(), v1(), v2(), v3(), v4(), v5(), v6(), v7(),
            v8(), v9(), v10(), v11(), v12(), v13(), v14(), v15(),
        )  # fmt: skip

    # `finish` keeps the arrays alive: the compiled code knows only their addresses.
    return Competitor(closed, arguments, finish=lambda kept=arrays: None)
