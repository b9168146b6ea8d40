"""W7 as numba loops, called once per example: each rule in one pass over the active features."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.common.numba_layers import closed_over, njit
from benchmarks.common.protocol import Competitor, Skipped
from benchmarks.w7.workload import DISCOUNT, OF_REWARDS, TAU, TRACE_DECAY, workload_of

VARIANTS = ("arguments", "closed_over")
ZERO, ONE, HALF = np.float32(0), np.float32(1), np.float32(0.5)
K = np.float32(DISCOUNT * TRACE_DECAY)
GAMMA, LONG = np.float32(DISCOUNT), np.float32(TAU)


@njit
def sgd(j: Any, x: Any, y: Any, theta: Any, w: Any, a: Any, h: Any, v: Any, step: Any) -> Any:
    z = ZERO
    for i in range(j.size):
        z += w[j[i]] * x[i]
    delta = z - y
    for i in range(j.size):
        w[j[i]] -= step * delta * x[i]
    return HALF * delta * delta


@njit
def idbd(j: Any, x: Any, y: Any, theta: Any, w: Any, a: Any, h: Any, v: Any, step: Any) -> Any:
    z = ZERO
    for i in range(j.size):
        z += w[j[i]] * x[i]
    delta = z - y
    for i in range(j.size):
        k, g = j[i], delta * x[i]
        step = a[k] * math.exp(-theta * g * h[k])
        a[k] = step
        w[k] -= step * g
        h[k] = h[k] * max(ZERO, ONE - step * x[i] * x[i]) - step * g
    return HALF * delta * delta


@njit
def autostep(j: Any, x: Any, y: Any, theta: Any, w: Any, a: Any, h: Any, v: Any, step: Any) -> Any:
    z = ZERO
    for i in range(j.size):
        z += w[j[i]] * x[i]
    delta, total = z - y, ZERO
    for i in range(j.size):
        k, d = j[i], x[i] * x[i]
        gh = delta * x[i] * h[k]
        m = abs(gh)
        v[k] = max(m, v[k] + a[k] * d * (m - v[k]) / LONG)
        if v[k] != ZERO:
            a[k] *= math.exp(-theta * gh / v[k])
        total += a[k] * d
    share = ONE / max(ONE, total)
    if share != ONE:
        for k in range(a.size):
            a[k] *= share
    for i in range(j.size):
        k, g = j[i], delta * x[i]
        w[k] -= a[k] * g
        h[k] = h[k] * (ONE - a[k] * x[i] * x[i]) - a[k] * g
    return HALF * delta * delta


def dense(rule: Any) -> Any:
    """The same rule on all features: the loops run over the arrays themselves."""
    return {sgd: sgd_dense, idbd: idbd_dense, autostep: autostep_dense}[rule]


@njit
def sgd_dense(x: Any, y: Any, theta: Any, w: Any, a: Any, h: Any, v: Any, step: Any) -> Any:
    z = ZERO
    for k in range(x.size):
        z += w[k] * x[k]
    delta = z - y
    for k in range(x.size):
        w[k] -= step * delta * x[k]
    return HALF * delta * delta


@njit
def idbd_dense(x: Any, y: Any, theta: Any, w: Any, a: Any, h: Any, v: Any, step: Any) -> Any:
    z = ZERO
    for k in range(x.size):
        z += w[k] * x[k]
    delta = z - y
    for k in range(x.size):
        g = delta * x[k]
        s = a[k] * math.exp(-theta * g * h[k])
        a[k] = s
        w[k] -= s * g
        h[k] = h[k] * max(ZERO, ONE - s * x[k] * x[k]) - s * g
    return HALF * delta * delta


@njit
def autostep_dense(x: Any, y: Any, theta: Any, w: Any, a: Any, h: Any, v: Any, step: Any) -> Any:
    z = ZERO
    for k in range(x.size):
        z += w[k] * x[k]
    delta, total = z - y, ZERO
    for k in range(x.size):
        d = x[k] * x[k]
        gh = delta * x[k] * h[k]
        m = abs(gh)
        v[k] = max(m, v[k] + a[k] * d * (m - v[k]) / LONG)
        if v[k] != ZERO:
            a[k] *= math.exp(-theta * gh / v[k])
        total += a[k] * d
    share = ONE / max(ONE, total)
    for k in range(x.size):
        a[k] *= share
        g = delta * x[k]
        w[k] -= a[k] * g
        h[k] = h[k] * (ONE - a[k] * x[k] * x[k]) - a[k] * g
    return HALF * delta * delta


# fmt: off
@njit
def tidbd(
    j: Any, x: Any, reward: Any, theta: Any, w: Any, a: Any, h: Any, z: Any, old_j: Any,
    old_x: Any, eligible: Any, counts: Any,
) -> Any:
    """`eligible` lists the features with a trace, which are positive; `counts` holds how many, and how many of x."""
    v = old = ZERO
    for i in range(j.size):
        v += w[j[i]] * x[i]
    for i in range(counts[1]):
        old += w[old_j[i]] * old_x[i]
    delta, n = reward + GAMMA * v - old, counts[0]
    for i in range(counts[1]):
        k = old_j[i]
        if z[k] == ZERO:
            eligible[n] = k
            n += 1
        e = K * z[k] + old_x[i]
        a[k] *= math.exp(theta * delta * old_x[i] * h[k])
        change = a[k] * delta * e
        w[k] += change
        h[k] = h[k] * max(ZERO, ONE - a[k] * old_x[i] * e) + change
        z[k] = -e  # done
    i = 0
    while i < n:
        k = eligible[i]
        if z[k] < ZERO:
            z[k] = -z[k]
        else:
            z[k] *= K
            change = a[k] * delta * z[k]
            w[k] += change
            h[k] += change
        if z[k] == ZERO:
            n -= 1
            eligible[i] = eligible[n]
        else:
            i += 1
    counts[0], counts[1] = n, j.size
    for i in range(j.size):
        old_j[i], old_x[i] = j[i], x[i]
    return v
# fmt: on


def build(variant: str, name: str) -> Competitor:
    work = workload_of(name)
    if work.rule in OF_REWARDS and not (work.rule == "tidbd" and work.sparse):
        raise Skipped("not written")
    n = work.weights
    w, h, v = (np.zeros(n, np.float32) for _ in range(3))
    a, theta = np.full(n, work.step_size, np.float32), np.float32(work.meta_step_size)
    indices, values = work.inputs_and_one
    targets = list(work.targets)
    inputs: list[Any] = (
        list(zip(indices, values, strict=True)) if work.sparse else [(x,) for x in values]
    )
    arguments: list[tuple[Any, Any]] = list(zip(inputs, targets, strict=True))
    state: list[Any]
    if work.rule == "tidbd":
        size = indices.shape[1]
        state = [w, a, h, v, np.zeros(size, np.int64), np.zeros(size, np.float32)]
        state += [np.zeros(n, np.int64), np.zeros(2, np.int64)]
        learn: Any = tidbd
    else:
        state = [w, a, h, v]
        learn = {"sgd": sgd, "idbd": idbd, "autostep": autostep}[work.rule]
        learn = learn if work.sparse else dense(learn)
    last = () if work.rule == "tidbd" else (np.float32(work.step_size),)

    if variant == "arguments":

        def call(x: Any, y: Any) -> Any:
            return learn(*x, y, theta, *state, *last)

        return Competitor(call, arguments, rule=None, expected=work.expected)

    step_size = np.float32(work.step_size)
    v0, v1, v2, v3 = (closed_over(array) for array in state[:4])
    closed: Any
    if work.rule == "tidbd":
        v4, v5, v6, v7 = (closed_over(array) for array in state[4:])

        @njit
        def closed_tidbd(x: Any, y: Any) -> Any:
            return learn(x[0], x[1], y, theta, v0(), v1(), v2(), v3(), v4(), v5(), v6(), v7())

        closed = closed_tidbd
    elif work.sparse:

        @njit
        def closed_sparse(x: Any, y: Any) -> Any:
            return learn(x[0], x[1], y, theta, v0(), v1(), v2(), v3(), step_size)

        closed = closed_sparse
    else:

        @njit
        def closed_dense(x: Any, y: Any) -> Any:
            return learn(x, y, theta, v0(), v1(), v2(), v3(), step_size)

        closed = closed_dense
        arguments = list(zip(values, targets, strict=True))

    # `finish` keeps the arrays alive: the compiled code knows only their addresses.
    return Competitor(
        closed, arguments, rule=None, expected=work.expected, finish=lambda kept=state: None
    )
