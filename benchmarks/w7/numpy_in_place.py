"""W7 with NumPy: arrays of all features, or what was taken of the active ones, every result written in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.common.protocol import Competitor, Skipped
from benchmarks.w7.workload import DISCOUNT, OF_REWARDS, TAU, TRACE_DECAY, workload_of

VARIANTS = ("in_place",)


def build(variant: str, name: str) -> Competitor:
    work = workload_of(name)
    if work.rule in OF_REWARDS and work.rule != "tidbd":
        raise Skipped("not written")
    rule, n, sparse = work.rule, work.weights, work.sparse
    indices, values = work.inputs_and_one
    size = indices.shape[1]
    w, h, v, z = (np.zeros(n, np.float32) for _ in range(4))
    a = np.full(n, work.step_size, np.float32)
    g, t, u = (np.zeros(size, np.float32) for _ in range(3))
    theta, step_size = work.meta_step_size, np.float32(work.step_size)
    dot, multiply, add, subtract, exp = np.dot, np.multiply, np.add, np.subtract, np.exp
    maximum, divide, absolute = np.maximum, np.divide, np.abs
    # Of the active features; where all are, the arrays themselves.
    parts = [np.zeros(size, np.float32) for _ in range(4)] if sparse else [w, a, h, v]
    mine = dict(zip("wahv", parts, strict=True))
    whole = {"w": w, "a": a, "h": h, "v": v}
    used = {"sgd": "w", "idbd": "wah", "autostep": "wahv"}.get(rule, "")

    def fetch(j: Any) -> None:
        if sparse:
            for key in used:
                whole[key].take(j, out=mine[key], mode="clip")

    def keep(j: Any) -> None:
        if sparse:
            for key in used:
                whole[key][j] = mine[key]

    def learn(j: Any, x: Any, y: float) -> float:
        fetch(j)
        w_, a_, h_, v_ = parts
        delta = float(dot(w_, x)) - y
        multiply(x, np.float32(delta), out=g)
        if rule == "sgd":
            multiply(g, step_size, out=g)
            subtract(w_, g, out=w_)
            keep(j)
            return 0.5 * delta * delta
        multiply(x, x, out=u)
        multiply(g, h_, out=t)
        if rule == "idbd":
            multiply(t, np.float32(-theta), out=t)
            exp(t, out=t)
            multiply(a_, t, out=a_)
        else:
            adapt(a_, v_)
            total = float(dot(a_, u))
            if total > 1:
                a_ /= np.float32(total)
                if sparse:
                    np.divide(a, np.float32(total), out=a)
        multiply(a_, u, out=u)
        subtract(1, u, out=u)
        if rule == "idbd":
            maximum(u, 0, out=u)
        multiply(h_, u, out=h_)
        multiply(a_, g, out=g)
        subtract(h_, g, out=h_)
        subtract(w_, g, out=w_)
        keep(j)
        return 0.5 * delta * delta

    m, s = (np.zeros(size, np.float32) for _ in range(2))

    def adapt(a_: Any, v_: Any) -> None:
        """t = g h and u = x^2 are there."""
        absolute(t, out=m)
        subtract(m, v_, out=s)
        multiply(s, u, out=s)
        multiply(s, a_, out=s)
        multiply(s, np.float32(1 / TAU), out=s)
        add(v_, s, out=v_)
        maximum(m, v_, out=v_)
        divide(t, v_, out=t, where=v_ != 0)
        multiply(t, np.float32(-theta), out=t)
        exp(t, out=t)
        multiply(a_, t, out=a_)

    all_g, all_t = (np.zeros(n, np.float32) for _ in range(2))
    previous: list[Any] = []

    def observe(j: Any, x: Any, reward: float) -> float:
        """Every feature has a trace sooner or later: all are visited."""
        value = float(dot(w.take(j), x) if sparse else dot(w, x))
        if previous:
            k, p = previous
            before = float(dot(w.take(k), p) if sparse else dot(w, p))
            delta = np.float32(reward + DISCOUNT * value - before)
            multiply(z, np.float32(DISCOUNT * TRACE_DECAY), out=z)
            if sparse:
                z[k] += p
                a[k] *= exp(np.float32(theta) * delta * p * h[k])
                h[k] *= maximum(0, 1 - a[k] * p * z[k])
            else:
                add(z, p, out=z)
                multiply(p, h, out=all_t)
                multiply(all_t, np.float32(theta) * delta, out=all_t)
                exp(all_t, out=all_t)
                multiply(a, all_t, out=a)
                multiply(a, p, out=all_t)
                multiply(all_t, z, out=all_t)
                subtract(1, all_t, out=all_t)
                maximum(all_t, 0, out=all_t)
                multiply(h, all_t, out=h)
            multiply(a, delta, out=all_g)
            multiply(all_g, z, out=all_g)
            add(w, all_g, out=w)
            add(h, all_g, out=h)
        previous[:] = j, x
        return value

    call = observe if rule == "tidbd" else learn
    targets = work.targets.tolist()
    if sparse:
        arguments: list[Any] = list(zip(zip(indices, values, strict=True), targets, strict=True))
        return Competitor(
            lambda x, y: call(x[0], x[1], y), arguments, rule=None, expected=work.expected
        )
    return Competitor(
        lambda x, y: call(None, x, y), list(zip(values, targets, strict=True)),
        rule=None, expected=work.expected,
    )  # fmt: skip
