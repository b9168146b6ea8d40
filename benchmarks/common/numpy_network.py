"""A dense ReLU network learning in place with NumPy and BLAS, one example at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.common.protocol import Competitor, Skipped
from benchmarks.common.workloads import Workload

# How W -= step_size * h delta^T is written: NumPy's outer product into a buffer, or BLAS ger.
VARIANTS = ("outer", "ger")


def build(variant: str, workload: Workload) -> Competitor:
    """Weights lie as (outputs, inputs), so that both products are one gemv on rows in order."""
    weights = [np.array(w.T, order="C") for w in workload.weights]
    biases = [b.copy() for b in workload.biases]
    pre = [np.zeros(size, np.float32) for size in workload.sizes[1:]]
    acts = [np.zeros(size, np.float32) for size in workload.sizes[1:]]
    deltas = [np.zeros(size, np.float32) for size in workload.sizes[1:]]
    masks = [np.zeros(size, np.bool_) for size in workload.sizes[1:]]
    scaled = [np.zeros(size, np.float32) for size in workload.sizes[1:]]
    step_size = np.float32(workload.step_size)
    last = len(weights) - 1
    dot, add, maximum, multiply, subtract = np.dot, np.add, np.maximum, np.multiply, np.subtract

    if variant == "outer":
        buffers = [np.zeros_like(w) for w in weights]
        columns = [s[:, None] for s in scaled]  # views: refreshed by writing `scaled`

        def learn_weights(index: int, h: Any) -> None:
            multiply(columns[index], h, out=buffers[index])
            w = weights[index]
            subtract(w, buffers[index], out=w)
    else:
        try:
            from scipy.linalg.blas import sger
        except ImportError:
            raise Skipped("not installed (scipy)") from None
        transposed = [w.T for w in weights]  # Fortran order: ger writes in place

        def learn_weights(index: int, h: Any) -> None:
            sger(-1.0, h, scaled[index], a=transposed[index], overwrite_a=1)

    classification = workload.classification

    def call(x: Any, y: Any) -> float:
        h = x
        for index in range(last):
            z = pre[index]
            dot(weights[index], h, out=z)
            add(z, biases[index], out=z)
            h = maximum(z, 0.0, out=acts[index])
        z = pre[last]
        dot(weights[last], h, out=z)
        add(z, biases[last], out=z)
        delta = deltas[last]
        if classification:
            subtract(z, z.max(), out=z)
            np.exp(z, out=delta)
            total = float(delta.sum())
            loss = math.log(total) - float(z[y])
            multiply(delta, 1.0 / total, out=delta)
            delta[y] -= 1.0
        else:
            subtract(z, y, out=delta)
            loss = 0.5 * float(dot(delta, delta))
        for index in range(last, -1, -1):
            delta = deltas[index]
            step = multiply(delta, step_size, out=scaled[index])
            if index:
                below = deltas[index - 1]
                dot(delta, weights[index], out=below)
                np.greater(pre[index - 1], 0.0, out=masks[index - 1])
                multiply(below, masks[index - 1], out=below)
                learn_weights(index, acts[index - 1])
            else:
                learn_weights(0, x)
            b = biases[index]
            subtract(b, step, out=b)
        return loss

    xs, ys = workload.examples
    targets = ys.tolist() if classification else ys
    return Competitor(call, list(zip(xs, targets, strict=True)))
