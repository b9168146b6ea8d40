"""The losses of one example: value, delta = dL/d(output), and the curvature c of each output."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Loss(NamedTuple):
    value: float
    delta: Array  # (outputs,) dL / d output_k
    curvature: Array  # (outputs,) c_k: second derivative with respect to output k alone


def _vector(y: ArrayLike) -> Array:
    return np.asarray(y, dtype=np.float64).reshape(-1)


def squared_error(output: Array, y: ArrayLike) -> Loss:
    """1/2 sum (output - y)^2."""
    error = output - _vector(y)
    return Loss(float(0.5 * np.sum(error**2)), error, np.ones_like(output))


def cross_entropy(output: Array, y: ArrayLike) -> Loss:
    """-log softmax(output)[y] for a class index y."""
    index = int(np.asarray(y))
    log_p = output - output.max()
    log_p = log_p - np.log(np.sum(np.exp(log_p)))
    p = np.exp(log_p)
    return Loss(float(-log_p[index]), p - np.eye(len(p))[index], p * (1.0 - p))


def binary_cross_entropy(output: Array, y: ArrayLike) -> Loss:
    """Sum over outputs of -y log p - (1 - y) log(1 - p), p the logistic of the output."""
    target = _vector(y)
    log_p, log_q = -np.logaddexp(0.0, -output), -np.logaddexp(0.0, output)
    p, q = np.exp(log_p), np.exp(log_q)
    return Loss(float(-np.sum(target * log_p + (1.0 - target) * log_q)), p - target, p * q)


def huber(output: Array, y: ArrayLike) -> Loss:
    """Sum over outputs of error^2 / 2 within 1, |error| - 1/2 beyond."""
    error = output - _vector(y)
    size = np.abs(error)
    value = np.sum(np.where(size <= 1.0, 0.5 * error**2, size - 0.5))
    return Loss(float(value), np.clip(error, -1.0, 1.0), np.where(size <= 1.0, 1.0, 0.0))


LOSSES: dict[str, Callable[[Array, ArrayLike], Loss]] = {
    "squared_error": squared_error,
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "huber": huber,
}
