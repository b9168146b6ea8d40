"""W7: one output, linear in 10,000 features, of which 100 or all are active; and its float64 replay."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FEATURES, ACTIVE, BLOCK = 10_000, 100, 128
# Temporal differences: y is the reward that arrives with x.
OF_REWARDS = ("td", "true_online_td", "tidbd", "auto_tidbd", "swift_td")
RULES = ("sgd", "idbd", "autostep", *OF_REWARDS)
REPLAYED = ("sgd", "idbd", "autostep", "td", "tidbd")  # in float64
DISCOUNT, TRACE_DECAY, TAU = 0.99, 0.95, 1e4


@dataclass(frozen=True)
class Linear:
    """A rule on sparse or on dense inputs."""

    rule: str
    sparse: bool

    @property
    def step_size(self) -> float:
        return 1e-3 if self.sparse else 1e-5

    @property
    def meta_step_size(self) -> float:
        return 1e-3 if self.sparse else 1e-5

    @property
    def count(self) -> int:
        """Distinct examples; a competitor cycles through them."""
        return 2048 if self.sparse else 2 * BLOCK

    @cached_property
    def inputs(self) -> tuple[Array, Array]:
        """(count, active) ascending indices, and standard normal values (1 where traces add them up)."""
        rng = np.random.default_rng(0)
        if self.sparse:
            drawn = [rng.choice(FEATURES, ACTIVE, replace=False) for _ in range(self.count)]
            indices = np.sort(drawn).astype(np.int64)
        else:
            indices = np.tile(np.arange(FEATURES), (self.count, 1))
        values = rng.standard_normal(indices.shape).astype(np.float32)
        if self.rule in OF_REWARDS:
            values[...] = 1.0 if self.sparse else values / 100
        return indices, values

    @cached_property
    def targets(self) -> Array:
        """The tanh of a fixed random linear map; rewards are noise."""
        rng = np.random.default_rng(1)
        indices, values = self.inputs
        weights = rng.standard_normal(FEATURES) / np.sqrt(values.shape[1])
        if self.rule in OF_REWARDS:
            return rng.standard_normal(self.count).astype(np.float32)
        outputs: Array = np.tanh((weights[indices] * values).sum(axis=1))
        return outputs.astype(np.float32)

    @cached_property
    def inputs_and_one(self) -> tuple[Array, Array]:
        """The same with a last feature that is always 1: its weight is the bias. TD has none."""
        indices, values = self.inputs
        if self.rule in OF_REWARDS:
            return indices, values
        last = np.full((self.count, 1), FEATURES)
        return np.hstack([indices, last]), np.hstack([values, np.ones_like(values[:, :1])])

    @property
    def weights(self) -> int:
        """How many there are, with the bias."""
        return FEATURES + (self.rule not in OF_REWARDS)

    def expected(self, examples: int) -> Array:
        """The first losses (TD: predictions) in float64, plainly."""
        w, h, z = np.zeros((3, self.weights))
        v, a = np.zeros(self.weights), np.full(self.weights, self.step_size)
        previous = np.zeros(self.weights)
        indices, values = self.inputs_and_one
        found = []
        for i in range(examples):
            x = np.zeros(self.weights)
            x[indices[i]] = values[i]
            output, y = w @ x, float(self.targets[i])
            if self.rule in OF_REWARDS:
                found.append(output)
                if i:
                    delta = y + DISCOUNT * output - w @ previous
                    z = DISCOUNT * TRACE_DECAY * z + previous
                    if self.rule == "tidbd":
                        a *= np.exp(self.meta_step_size * delta * previous * h)
                    w += a * delta * z
                    h = h * np.maximum(0, 1 - a * previous * z) + a * delta * z
                previous = x
                continue
            found.append(0.5 * (output - y) ** 2)
            g = (output - y) * x
            if self.rule == "idbd":
                a *= np.exp(-self.meta_step_size * g * h)
            elif self.rule == "autostep":
                m = np.abs(g * h)
                v = np.maximum(m, v + a * x * x * (m - v) / TAU)
                a *= np.exp(-self.meta_step_size * g * h / np.where(v == 0, 1, v))
                a /= max(1.0, float(a @ (x * x)))
            shrink = 1 - a * x * x
            h = h * (np.maximum(0, shrink) if self.rule == "idbd" else shrink) - a * g
            w -= a * g
        return np.array(found)


def workload_of(name: str) -> Linear:
    """ "W7s" and "W7d" are IDBD on sparse and on dense inputs, "W7s-sgd" another rule."""
    kind, _, rule = name.partition("-")
    return Linear(rule or "idbd", kind == "W7s")
