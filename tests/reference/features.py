"""Layers of units beyond activations: pairs of features, learned slopes, norms that follow a stream."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reference.network import ACTIVATIONS, Layer, Shape, one_axis

Array = NDArray[np.float64]


class Pairs(Layer):
    """(f(a), g(a)): two features of every unit, the first of all units before the second."""

    f: Callable[[Array], Array]
    g: Callable[[Array], Array]
    f_slope: Callable[[Array], Array]
    g_slope: Callable[[Array], Array]

    def build(self, shape: Shape) -> Shape:
        self.parameters = {}
        return (2 * one_axis(self, shape),)

    def forward(self, x: Array) -> Array:
        self.a = x
        return np.concatenate([self.f(x), self.g(x)])

    def jacobian(self) -> Array:
        return np.hstack([np.diag(self.f_slope(self.a)), np.diag(self.g_slope(self.a))])


class CReLU(Pairs):
    """(max(a, 0), max(-a, 0)). Shang et al., 2016."""

    f = staticmethod(lambda a: np.maximum(a, 0.0))
    g = staticmethod(lambda a: np.maximum(-a, 0.0))
    f_slope = staticmethod(lambda a: np.where(a > 0, 1.0, 0.0))
    g_slope = staticmethod(lambda a: np.where(a < 0, -1.0, 0.0))


class Fourier(Pairs):
    """(sin a, cos a). Lewandowski et al., 2024."""

    f = staticmethod(np.sin)
    g = staticmethod(np.cos)
    f_slope = staticmethod(np.cos)
    g_slope = staticmethod(lambda a: -np.sin(a))


class PReLU(Layer):
    """max(a, 0) + weight min(a, 0), one weight per unit. He et al., 2015."""

    def __init__(self, start: float = 0.25) -> None:
        self.start = start

    def build(self, shape: Shape) -> Shape:
        self.parameters = {"weight": np.full(one_axis(self, shape), self.start)}
        return shape

    def forward(self, x: Array) -> Array:
        self.a = x
        return np.maximum(x, 0.0) + self.parameters["weight"] * np.minimum(x, 0.0)

    def jacobian(self) -> Array:
        return np.diag(np.where(self.a > 0, 1.0, self.parameters["weight"]))

    def gradients(self, delta: Array) -> dict[str, Array]:
        return {"weight": delta * np.minimum(self.a, 0.0)}

    def sensitivities(self, s: Array) -> dict[str, Array]:
        return {"weight": s * np.minimum(self.a, 0.0) ** 2}


class AdaLin(Layer):
    """h(a) + weight a cos(pi/2 |h'(a)| / max |h'|), one weight per unit. Rohani et al., 2025."""

    STEEPEST = {"gelu": 1.128904145185155, "silu": 1.0998393201288668, "sigmoid": 0.25}

    def __init__(self, activation: str = "tanh", start: float = 0.0) -> None:
        self.activation, self.start = activation, start

    def build(self, shape: Shape) -> Shape:
        self.parameters = {"weight": np.full(one_axis(self, shape), self.start)}
        return shape

    def forward(self, x: Array) -> Array:
        value, slope = ACTIVATIONS[self.activation]
        self.slope = slope(x)
        share = np.abs(self.slope) / self.STEEPEST.get(self.activation, 1.0)
        self.gate = np.cos(0.5 * np.pi * np.minimum(share, 1.0))
        self.a = x
        return np.asarray(value(x) + self.parameters["weight"] * x * self.gate)

    def jacobian(self) -> Array:
        return np.diag(self.slope + self.parameters["weight"] * self.gate)

    def gradients(self, delta: Array) -> dict[str, Array]:
        return {"weight": delta * self.a * self.gate}

    def sensitivities(self, s: Array) -> dict[str, Array]:
        return {"weight": s * (self.a * self.gate) ** 2}


class InputNorm(Layer):
    """y = (x - mean) / sqrt(variance + epsilon), x among the examples: with t of them, r =
    max(1 - decay, 1 / t); variance = (1 - r)(variance + r (x - mean)^2), mean += r (x - mean).
    The first layer: nothing learns below."""

    def __init__(self, decay: float = 0.999, epsilon: float = 1e-8) -> None:
        self.decay, self.epsilon, self.t = decay, epsilon, 0

    def build(self, shape: Shape) -> Shape:
        self.mean, self.variance = np.zeros((2, math.prod(shape)))
        self.parameters = {}
        return shape

    def forward(self, x: Array) -> Array:
        r = max(1.0 - self.decay, 1.0 / (self.t + 1))
        distance = x - self.mean
        self.after = self.mean + r * distance, (1.0 - r) * (self.variance + r * distance**2)
        mean, variance = self.after
        return np.asarray((x - mean) / np.sqrt(variance + self.epsilon))

    def jacobian(self) -> Array:
        return np.zeros((self.mean.size, self.mean.size))

    def learned(self) -> None:
        """After the update: the example counts."""
        self.mean, self.variance = self.after
        self.t += 1


class OnlineNorm(Layer):
    """y = (x - mean) / sqrt(variance + 1e-5) with the mean and variance of the examples before:
    variance = decay variance + decay (1 - decay) (x - mean)^2, then mean = decay mean +
    (1 - decay) x. With affine, weight y + bias goes out. Chiley et al., 2019.

    The gradient is steered so that it stays, over time, orthogonal to y and of mean 0: with q the
    gradient at y, p = q - (1 - control_decay) v y; the gradient at x is g = p / sqrt(variance +
    1e-5) - (1 - control_decay) u; then v += p y and u += g. Sensitivities are not steered.
    """

    epsilon = 1e-5

    def __init__(
        self, affine: bool = True, decay: float = 0.999, control_decay: float = 0.99
    ) -> None:
        self.affine, self.decay, self.control_decay = affine, decay, control_decay

    def build(self, shape: Shape) -> Shape:
        n = one_axis(self, shape)
        self.mean, self.variance = np.zeros(n), np.ones(n)
        self.u, self.v = np.zeros(n), np.zeros(n)
        self.parameters = {"weight": np.ones(n), "bias": np.zeros(n)} if self.affine else {}
        return shape

    def forward(self, x: Array) -> Array:
        self.x, self.scale = x, 1.0 / np.sqrt(self.variance + self.epsilon)
        self.y = (x - self.mean) * self.scale
        return np.asarray(
            self.parameters.get("weight", 1.0) * self.y + self.parameters.get("bias", 0.0)
        )

    def jacobian(self) -> Array:
        return np.diag(self.scale * self.parameters.get("weight", np.ones(1)))

    def back(self, delta: Array) -> Array:
        """The steered gradient at x."""
        rest = 1.0 - self.control_decay
        self.p = self.parameters.get("weight", 1.0) * delta - rest * self.v * self.y
        self.g = self.p * self.scale - rest * self.u
        return self.g

    def gradients(self, delta: Array) -> dict[str, Array]:
        return {"weight": self.y * delta, "bias": delta.copy()} if self.affine else {}

    def sensitivities(self, s: Array) -> dict[str, Array]:
        return {"weight": self.y**2 * s, "bias": s.copy()} if self.affine else {}

    def learned(self) -> None:
        """After the update: statistics and control take this example in."""
        distance = self.x - self.mean
        self.variance += (self.decay - 1.0) * self.variance + self.decay * (
            1.0 - self.decay
        ) * distance**2
        self.mean += (1.0 - self.decay) * distance
        self.v += self.p * self.y
        self.u += self.g
