"""Update rules. Each has its own fields for every weight, with one start value per field.

Here are the common form and the rules that treat every weight by itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Arrays = dict[str, Array]  # one array per parameter, by its full name


class Optimizer:
    """The fields, the decays and the reset that all rules share.

    `update_all` sees all weights of the network, their gradients g and their sensitivities d (zeros
    where the rule names no `sensitivity`); it changes the weights and the fields in place. A rule
    that looks at one parameter at a time gives `update` instead.
    """

    sensitivity: str | None = None  # what d is: "diagonal", "exact", or MAS's "squared_output"

    def __init__(
        self,
        starts: dict[str, float],
        step_size: float,
        weight_decay: float = 0.0,
        decoupled_weight_decay: float = 0.0,
    ) -> None:
        self.starts = starts  # field -> value at birth
        self.step_size = step_size
        self.weight_decay, self.decoupled_weight_decay = weight_decay, decoupled_weight_decay
        self.fields: dict[str, Arrays] = {}  # parameter -> field -> array

    def start(self, parameters: Arrays) -> None:
        """Give every weight its fields, and the network what its weights share."""
        self.fields = {
            name: {field: np.full(w.shape, value) for field, value in self.starts.items()}
            for name, w in parameters.items()
        }

    def reset(self, name: str, where: Any) -> None:
        """Return the fields of the weights `where` of a parameter to their values at birth.

        What the network or a layer shares runs on.
        """
        for field, value in self.starts.items():
            self.fields[name][field][where] = value

    def step_sizes(self, name: str, w: Array) -> Array:
        """The present step size of each weight of a parameter."""
        return np.full(w.shape, self.step_size)

    def update_all(self, parameters: Arrays, g: Arrays, d: Arrays) -> None:
        for name, w in parameters.items():
            self.update(name, w, g[name], d[name])

    def update(self, name: str, w: Array, g: Array, d: Array) -> None:
        raise NotImplementedError

    def decayed(self, parameters: Arrays, g: Arrays) -> Arrays:
        """g + weight_decay w of every parameter."""
        return {name: g[name] + self.weight_decay * w for name, w in parameters.items()}


class SGD(Optimizer):
    """b = momentum b + g; w -= a b, nesterov: w -= a (g + momentum b)."""

    def __init__(
        self, step_size: float, momentum: float = 0.0, nesterov: bool = False, **decays: float
    ) -> None:
        super().__init__({"b": 0.0}, step_size, **decays)
        self.momentum, self.nesterov = momentum, nesterov

    def update(self, name: str, w: Array, g: Array, d: Array) -> None:
        a, b = self.step_size, self.fields[name]["b"]
        g = g + self.weight_decay * w
        b[...] = self.momentum * b + g
        w *= 1.0 - a * self.decoupled_weight_decay
        w -= a * (g + self.momentum * b if self.nesterov else b)


class Adam(Optimizer):
    """m, v: decaying means of g and g^2, corrected by each weight's own count t."""

    def __init__(
        self,
        step_size: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        **decays: float,
    ) -> None:
        super().__init__({"m": 0.0, "v": 0.0, "t": 0.0}, step_size, **decays)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def update(self, name: str, w: Array, g: Array, d: Array) -> None:
        a, fields = self.step_size, self.fields[name]
        m, v, t = fields["m"], fields["v"], fields["t"]
        g = g + self.weight_decay * w
        t += 1.0
        m[...] = self.beta1 * m + (1.0 - self.beta1) * g
        v[...] = self.beta2 * v + (1.0 - self.beta2) * g**2
        m_hat, v_hat = m / (1.0 - self.beta1**t), v / (1.0 - self.beta2**t)
        w *= 1.0 - a * self.decoupled_weight_decay
        w -= a * m_hat / (np.sqrt(v_hat) + self.epsilon)


class AdamW(Adam):
    """Adam after w *= 1 - a decoupled_weight_decay."""

    def __init__(self, *args: float, decoupled_weight_decay: float = 1e-2, **others: float) -> None:
        super().__init__(*args, decoupled_weight_decay=decoupled_weight_decay, **others)


class RMSprop(Optimizer):
    """v = decay v + (1 - decay) g^2; w -= a g / (sqrt(v) + epsilon)."""

    def __init__(
        self, step_size: float = 1e-2, decay: float = 0.99, epsilon: float = 1e-8, **decays: float
    ) -> None:
        super().__init__({"v": 0.0}, step_size, **decays)
        self.decay, self.epsilon = decay, epsilon

    def update(self, name: str, w: Array, g: Array, d: Array) -> None:
        a, v = self.step_size, self.fields[name]["v"]
        g = g + self.weight_decay * w
        v[...] = self.decay * v + (1.0 - self.decay) * g**2
        w *= 1.0 - a * self.decoupled_weight_decay
        w -= a * g / (np.sqrt(v) + self.epsilon)


class IDBD(Optimizer):
    """beta -= theta g h; a = exp(beta); w -= a g; h = h max(0, 1 - a d) - a g."""

    def __init__(
        self,
        step_size: float,
        meta_step_size: float,
        sensitivity: str = "diagonal",
        **decays: float,
    ) -> None:
        super().__init__({"beta": math.log(step_size), "h": 0.0}, step_size, **decays)
        self.meta_step_size, self.sensitivity = meta_step_size, sensitivity

    def step_sizes(self, name: str, w: Array) -> Array:
        return np.exp(self.fields[name]["beta"])

    def update(self, name: str, w: Array, g: Array, d: Array) -> None:
        beta, h = self.fields[name]["beta"], self.fields[name]["h"]
        g = g + self.weight_decay * w
        beta -= self.meta_step_size * g * h
        a = np.exp(beta)
        w *= 1.0 - a * self.decoupled_weight_decay
        w -= a * g
        h[...] = h * np.maximum(0.0, 1.0 - a * d) - a * g


class NIDBD(Optimizer):
    """normalize="meta_gradient": n = rho n + (1 - rho) (g h)^2; beta -= theta g h / (sqrt(n) +
    epsilon); then as IDBD. "gradient": m = rho m + (1 - rho) g; n = rho n + (1 - rho) (g - m)^2;
    q = (g - m) / (sqrt(n) + epsilon); beta -= theta q h; as IDBD, with q for g in h alone.
    "deviation": the same with q = g / (sqrt(n) + epsilon), and where a > 1 then a = 0.98 and h = 0,
    before w moves. n starts at 1."""

    def __init__(
        self,
        step_size: float,
        meta_step_size: float,
        normalizer_decay: float = 0.9995,
        epsilon: float = 1e-4,
        normalize: str = "meta_gradient",
        sensitivity: str = "diagonal",
        **decays: float,
    ) -> None:
        starts = {"beta": math.log(step_size), "h": 0.0, "n": 1.0, "m": 0.0}
        super().__init__(starts, step_size, **decays)
        self.meta_step_size, self.sensitivity = meta_step_size, sensitivity
        self.rho, self.epsilon, self.normalize = normalizer_decay, epsilon, normalize

    def step_sizes(self, name: str, w: Array) -> Array:
        return np.exp(self.fields[name]["beta"])

    def update(self, name: str, w: Array, g: Array, d: Array) -> None:
        beta, h, n, m = (self.fields[name][field] for field in ("beta", "h", "n", "m"))
        rho = self.rho
        g = g + self.weight_decay * w
        if self.normalize != "meta_gradient":
            m[...] = rho * m + (1.0 - rho) * g
            n[...] = rho * n + (1.0 - rho) * (g - m) ** 2
            q = (g if self.normalize == "deviation" else g - m) / (np.sqrt(n) + self.epsilon)
            beta -= self.meta_step_size * q * h
        else:
            n[...] = rho * n + (1.0 - rho) * (g * h) ** 2
            q = g
            beta -= self.meta_step_size * g * h / (np.sqrt(n) + self.epsilon)
        if self.normalize == "deviation":
            over = beta > 0.0
            beta[over], h[over] = math.log(0.98), 0.0
        a = np.exp(beta)
        w *= 1.0 - a * self.decoupled_weight_decay
        w -= a * g
        h[...] = h * np.maximum(0.0, 1.0 - a * d) - a * q
