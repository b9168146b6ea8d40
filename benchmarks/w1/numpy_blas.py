"""W1 with NumPy and BLAS in place: as few calls as two layers and one output allow."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload

VARIANTS = ("in_place",)


def build(variant: str, workload: Workload) -> Competitor:
    w0 = np.array(workload.weights[0].T, order="C")  # (hidden, inputs)
    w1 = workload.weights[1][:, 0].copy()
    b0, b1 = workload.biases[0].copy(), 0.0
    z, h, d, t = (np.zeros_like(b0) for _ in range(4))
    active = np.zeros(b0.shape, np.bool_)
    change, column = np.zeros_like(w0), d[:, None]
    step_size = workload.step_size
    add, subtract, multiply, maximum = np.add, np.subtract, np.multiply, np.maximum
    greater, forward, output = np.greater, w0.dot, w1.dot

    def call(x: Any, y: float) -> float:
        nonlocal b1
        forward(x, z)
        add(z, b0, z)
        maximum(z, 0.0, h)
        delta = float(output(h)) + b1 - y
        scaled = step_size * delta
        multiply(w1, scaled, d)
        greater(z, 0.0, active)
        multiply(d, active, d)
        multiply(h, scaled, t)
        subtract(w1, t, w1)
        b1 -= scaled
        multiply(column, x, change)
        subtract(w0, change, w0)
        subtract(b0, d, b0)
        return 0.5 * delta * delta

    xs, ys = workload.examples
    return Competitor(call, list(zip(xs, ys[:, 0].tolist(), strict=True)))
