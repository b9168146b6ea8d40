"""W1 as numba loops, called once per example; the output layer is a vector, as one would write."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.common.numba_layers import closed_over, forward, inline, njit, relu, update
from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload

VARIANTS = ("arguments", "closed_over")


@inline
def learn(x: Any, y: Any, w0: Any, b0: Any, w1: Any, b1: Any, h: Any, d: Any, step: Any) -> Any:
    forward(x, w0, b0, h)
    relu(h)
    z = b1[0]
    for j in range(h.size):
        z += h[j] * w1[j]
    delta = z - np.float32(y)
    scaled = step * delta
    for j in range(h.size):
        d[j] = delta * w1[j] if h[j] > 0.0 else np.float32(0.0)
        w1[j] -= scaled * h[j]
    b1[0] -= scaled
    update(x, w0, b0, d, step)
    return np.float32(0.5) * delta * delta


def build(variant: str, workload: Workload) -> Competitor:
    hidden = workload.sizes[1]
    w0, w1 = workload.weights[0].copy(), workload.weights[1][:, 0].copy()
    b0, b1 = (b.copy() for b in workload.biases)
    h, d = np.zeros(hidden, np.float32), np.zeros(hidden, np.float32)
    step_size = np.float32(workload.step_size)
    xs, ys = workload.examples
    arguments = list(zip(xs, ys[:, 0].tolist(), strict=True))

    if variant == "arguments":

        @njit
        def step(
            x: Any, y: Any, w0: Any, b0: Any, w1: Any, b1: Any, h: Any, d: Any, step_size: Any
        ) -> Any:
            return learn(x, y, w0, b0, w1, b1, h, d, step_size)

        def call(x: Any, y: Any) -> Any:
            return step(x, y, w0, b0, w1, b1, h, d, step_size)

        return Competitor(call, arguments)

    kept = (w0, b0, w1, b1, h, d)
    v0, v1, v2, v3, v4, v5 = (closed_over(array) for array in kept)

    @njit
    def closed(x: Any, y: Any) -> Any:
        return learn(x, y, v0(), v1(), v2(), v3(), v4(), v5(), step_size)

    # `finish` keeps the arrays alive: the compiled code knows only their addresses.
    return Competitor(closed, arguments, finish=lambda kept=kept: None)
