"""Linear readouts over threshold units that are made from surprising inputs, beside plain NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import streamdl as sdl
from numpy.typing import NDArray

Array = NDArray[np.float64]
STEPS = 150


@dataclass
class Readout:
    """Threshold units h = [a > 0], a = W^T x + b, under a linear output that SGD learns. After the
    update: e = |y - output| above surprise times its decaying mean, and more than half of the units
    older than maturity: the one of least |outgoing weight| takes the input as its pattern."""

    W: Array
    b: Array
    v: Array
    c: float
    step_size: float
    imprint: dict[str, float]

    def __post_init__(self) -> None:
        self.mean, self.age, self.imprinted = 0.0, np.zeros(len(self.b), int), 0

    def step(self, x: Array, y: float) -> float:
        p = self.imprint
        h = (self.W.T @ x + self.b > 0).astype(float)
        error = y - (h @ self.v + self.c)
        self.v += self.step_size * error * h
        self.c += self.step_size * error
        self.age += 1
        surprised = abs(error) > p["surprise"] * self.mean
        self.mean = p["decay"] * self.mean + (1 - p["decay"]) * abs(error)
        mature = np.flatnonzero(self.age > p["maturity"])
        if surprised and 2 * len(mature) > len(self.b):
            unit = mature[np.argmin(np.abs(self.v[mature]))]
            self.W[:, unit] = np.where(x > 0, 1.0, -1.0)
            self.b[unit] = -p["fraction"] * np.sum(x > 0)
            self.v[unit] = p["step_size"] * error
            self.age[unit] = 0
            self.imprinted += 1
        return 0.5 * error**2


def network(inputs: int, units: int) -> sdl.Network:
    layers = [sdl.nn.Linear(units, init="signs"), sdl.nn.LTU(), sdl.nn.Linear(1)]
    return sdl.Network(layers, inputs)


def copy_of(learner: sdl.Learner, step_size: float, imprint: dict[str, float]) -> Readout:
    w = {name: np.array(array) for name, array in learner.parameters.items()}
    return Readout(
        w["0.weight"], w["0.bias"], w["1.weight"][:, 0], w["1.bias"][0], step_size, imprint
    )


@pytest.mark.parametrize("seed", range(100))
def test_agrees_with_numpy(seed: int) -> None:
    random = np.random.default_rng(seed)
    inputs, units = (int(n) for n in random.integers(3, 40, size=2))
    imprint = {
        "step_size": float(random.uniform(0, 1)), "surprise": float(random.uniform(0.5, 2)),
        "decay": float(random.choice([0.0, 0.9, 0.99])), "maturity": int(random.integers(0, 10)),
        "fraction": float(random.uniform(0.3, 1.1)),
    }  # fmt: skip
    method = sdl.plasticity.Imprinting(probability=1.0, join=1.0, **imprint)
    learner = sdl.Learner(
        network(inputs, units), "squared_error", sdl.optim.SGD(0.05), method, seed, "float64"
    )
    truth = copy_of(learner, 0.05, imprint)
    for _ in range(STEPS):
        x = (random.uniform(size=inputs) < 0.4).astype(float)
        y = float(random.normal())
        assert learner.step(x, y) == pytest.approx(truth.step(x, y), rel=1e-9, abs=1e-12)
    assert learner.replacements[0] == truth.imprinted
    assert np.array_equal(learner.parameters["0.weight"], truth.W)
    assert np.allclose(learner.parameters["0.bias"], truth.b, rtol=1e-12)
    assert np.allclose(learner.parameters["1.weight"][:, 0], truth.v, rtol=1e-9, atol=1e-12)
    assert np.array_equal(learner.ages[0], truth.age)


def test_signs_make_units_that_fire_from_a_share_on() -> None:
    learner = sdl.Learner(network(200, 50), "squared_error", sdl.optim.SGD(0.1), seed=3)
    w, b = learner.parameters["0.weight"], learner.parameters["0.bias"]
    assert set(np.unique(w)) == {-1.0, 1.0} and 0.45 < np.mean(w > 0) < 0.55
    assert np.allclose(b, (w < 0).sum(axis=0) - 0.6 * 200)
    for unit in range(50):
        agreeing = (w[:, unit] > 0).astype(float)
        agreeing[:79] = 1 - agreeing[:79]  # 121 of 200 are as the signs say, then 119
        assert w[:, unit] @ agreeing + b[unit] > 0
        agreeing[79:81] = 1 - agreeing[79:81]
        assert w[:, unit] @ agreeing + b[unit] < 0
    learner.regenerate(0, 7)
    assert set(np.unique(w[:, 7])) == {-1.0, 1.0}
    assert b[7] == pytest.approx((w[:, 7] < 0).sum() - 120)


def patterns(seed: int, steps: int) -> tuple[Array, Array]:
    """30 patterns of 300 bits, 10 of them 1, with targets of U(-10, 10); two of the ones and two of
    the zeros are flipped at random, and now and then a pattern gives way to another."""
    random = np.random.default_rng(seed)

    def pattern() -> tuple[Array, float]:
        bits = np.zeros(300)
        bits[random.choice(300, 10, replace=False)] = 1
        return bits, float(random.uniform(-10, 10))

    known, xs, ys = [pattern() for _ in range(30)], [], []
    for _ in range(steps):
        for i in np.flatnonzero(random.uniform(size=30) < 0.001):
            known[i] = pattern()
        bits, y = known[random.integers(30)]
        x = bits.copy()
        flipped = [
            random.choice(np.flatnonzero(bits == value), 2, replace=False) for value in (0, 1)
        ]
        x[np.concatenate(flipped)] = 1 - x[np.concatenate(flipped)]
        xs.append(x)
        ys.append(y)
    return np.array(xs), np.array(ys)


def test_imprinted_units_predict_patterns_better_than_random_ones() -> None:
    xs, ys = patterns(seed=1, steps=20_000)
    errors: dict[str, float] = {}
    for pattern in ("input", "random"):
        method = sdl.plasticity.Imprinting(
            step_size=0.5, surprise=1.0, join=0.3, fraction=0.5, maturity=500, pattern=pattern
        )
        learner = sdl.Learner(network(300, 400), "squared_error", sdl.optim.SGD(0.05), method)
        losses: Any = learner.step_many(xs, ys[:, None])
        assert learner.replacements[0] > 300
        errors[pattern] = float(np.mean(losses[-5000:]))
    assert errors["input"] < 0.5 * errors["random"], errors


def test_minibatches_are_refused() -> None:
    learner = sdl.Learner(
        network(3, 4), "squared_error", sdl.optim.SGD(0.1), sdl.plasticity.Imprinting()
    )
    with pytest.raises(ValueError, match="step_minibatch.*Imprinting"):
        learner.step_minibatch(np.zeros((2, 3)), np.zeros((2, 1)))
