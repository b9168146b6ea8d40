"""Loops over one dense layer as a careful numba user writes them: rows of outgoing weights.

A zero input (a blank pixel, a silent ReLU unit) costs nothing, and going back, a row is read once:
its product with delta and its update share one loop.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.core import cgutils, types

njit = numba.njit(fastmath=True, error_model="numpy")
inline = numba.njit(fastmath=True, error_model="numpy", inline="always")


@numba.extending.intrinsic
def _pointer(context: Any, source: Any) -> Any:
    """An address as a pointer, for numba.carray."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.uintp), generate


def closed_over(array: Any) -> Any:
    """A compiled function that returns a view of `array`, known only by its address.

    numba freezes arrays that a function closes over; this is how its users close over arrays that
    change. It saves unpacking every array on every call. The caller keeps the array alive.
    """
    address, shape, dtype = array.ctypes.data, array.shape, array.dtype
    if array.ndim == 1:
        length = shape[0]

        @numba.njit(inline="always")
        def view() -> Any:
            return numba.carray(_pointer(np.uintp(address)), (length,), dtype)
    else:
        rows, columns = shape

        @numba.njit(inline="always")
        def view() -> Any:
            return numba.carray(_pointer(np.uintp(address)), (rows, columns), dtype)

    return view


@inline
def forward(x: Any, w: Any, b: Any, out: Any) -> None:
    """out = x w + b"""
    for k in range(out.size):
        out[k] = b[k]
    for j in range(x.size):
        xj = x[j]
        if xj != 0.0:
            for k in range(out.size):
                out[k] += xj * w[j, k]


@inline
def relu(h: Any) -> None:
    for k in range(h.size):
        h[k] = max(h[k], np.float32(0.0))


@inline
def backward(h: Any, w: Any, b: Any, delta: Any, below: Any, step_size: Any) -> None:
    """below = (w delta) where h > 0, and the update of w and b, in one pass over the rows."""
    for j in range(h.size):
        hj = h[j]
        if hj > 0.0:
            total = np.float32(0.0)
            scaled = step_size * hj
            for k in range(delta.size):
                total += w[j, k] * delta[k]
                w[j, k] -= scaled * delta[k]
            below[j] = total
        else:
            below[j] = 0.0
    for k in range(delta.size):
        b[k] -= step_size * delta[k]


@inline
def update(x: Any, w: Any, b: Any, delta: Any, step_size: Any) -> None:
    """The first layer's share of going back: nothing lies below it."""
    for j in range(x.size):
        if x[j] != 0.0:
            scaled = step_size * x[j]
            for k in range(delta.size):
                w[j, k] -= scaled * delta[k]
    for k in range(delta.size):
        b[k] -= step_size * delta[k]


@inline
def softmax_cross_entropy(z: Any, y: Any, delta: Any) -> Any:
    """The loss; delta = softmax(z) - onehot(y)"""
    top = z[0]
    for k in range(1, z.size):
        top = max(top, z[k])
    total = np.float32(0.0)
    for k in range(z.size):
        delta[k] = math.exp(z[k] - top)
        total += delta[k]
    for k in range(z.size):
        delta[k] /= total
    loss = math.log(total) - (z[y] - top)
    delta[y] -= np.float32(1.0)
    return loss


@inline
def squared_error(z: Any, y: Any, delta: Any) -> Any:
    """The loss 1/2 sum (z - y)^2; delta = z - y"""
    loss = np.float32(0.0)
    for k in range(z.size):
        delta[k] = z[k] - y[k]
        loss += np.float32(0.5) * delta[k] * delta[k]
    return loss
