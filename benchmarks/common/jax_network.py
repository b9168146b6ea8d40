"""A dense ReLU network in JAX: one compiled step, donated parameters; or a scan over many."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload

Parameters = list[tuple[jax.Array, jax.Array]]


def parameters(workload: Workload) -> Parameters:
    pairs = zip(workload.weights, workload.biases, strict=True)
    return [(jnp.array(w), jnp.array(b)) for w, b in pairs]


def apply(params: Parameters, x: jax.Array) -> jax.Array:
    for w, b in params[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = params[-1]
    return x @ w + b


def make_step(workload: Workload) -> Any:
    """(params, x, y) -> (params, loss) for one example, or the mean over a minibatch."""

    def loss_of(params: Parameters, x: jax.Array, y: jax.Array) -> jax.Array:
        output = apply(params, x)
        if workload.classification:
            logs = jax.nn.log_softmax(output)
            if output.ndim == 1:
                return -logs[y]
            return -jnp.mean(jnp.take_along_axis(logs, y[:, None], axis=1))
        return 0.5 * jnp.sum((output - y) ** 2) / (1 if output.ndim == 1 else len(output))

    def step(params: Parameters, x: jax.Array, y: jax.Array) -> tuple[Parameters, jax.Array]:
        loss, gradients = jax.value_and_grad(loss_of)(params, x, y)
        learned = jax.tree.map(lambda p, g: p - workload.step_size * g, params, gradients)
        return learned, loss

    return step


class Learner:
    """Holds the donated parameters between calls."""

    def __init__(self, step: Any, workload: Workload):
        self.step = jax.jit(step, donate_argnums=0)
        self.params = parameters(workload)

    def __call__(self, x: Any, y: Any) -> Any:
        self.params, loss = self.step(self.params, x, y)
        return loss

    def finish(self) -> None:
        jax.block_until_ready(self.params)


def jit(workload: Workload) -> Competitor:
    """One compiled call per example; examples lie on the device before the clock starts."""
    learner = Learner(make_step(workload), workload)
    xs, ys = workload.examples
    arguments = [(jnp.array(x), jnp.array(y)) for x, y in zip(xs, ys, strict=True)]
    return Competitor(learner, arguments, finish=learner.finish)


def scan(workload: Workload) -> Competitor:
    """`workload.block` steps in one compiled call, in order, one update each."""
    step = make_step(workload)

    def many(params: Parameters, xs: jax.Array, ys: jax.Array) -> Any:
        return jax.lax.scan(lambda carry, example: step(carry, *example), params, (xs, ys))

    learner = Learner(many, workload)
    return Competitor(learner, blocks(workload, workload.block), workload.block, learner.finish)


def minibatch(workload: Workload, size: int) -> Competitor:
    """One update from the mean gradient of `size` examples."""
    learner = Learner(make_step(workload), workload)
    return Competitor(learner, blocks(workload, size), size, learner.finish)


def blocks(workload: Workload, size: int) -> list[tuple[jax.Array, jax.Array]]:
    xs, ys = workload.examples
    starts = range(0, workload.count - size + 1, size)
    return [(jnp.array(xs[i : i + size]), jnp.array(ys[i : i + size])) for i in starts]
