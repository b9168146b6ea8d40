"""Rules that follow an error D along traces of q, the gradient of a quantity to be descended."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reference.optimizers import Arrays, Optimizer

Array = NDArray[np.float64]


class ErrorOptimizer(Optimizer):
    """Rules with e = discount trace_decay e + q, that move the weights along D e.

    In `Learner` (one output, squared_error): D = y - output, q = -d output / dw. Since q is not the
    gradient of a loss, weight_decay (and the plasticity method L2Init) are refused.
    """

    def __init__(
        self,
        starts: dict[str, float],
        step_size: float,
        discount: float,
        trace_decay: float,
        weight_decay: float = 0.0,
        decoupled_weight_decay: float = 0.0,
    ) -> None:
        if weight_decay != 0.0:
            raise ValueError(
                f"{type(self).__name__} takes no weight_decay: its q is not the gradient of a loss"
            )
        super().__init__(
            {"e": 0.0} | starts, step_size, decoupled_weight_decay=decoupled_weight_decay
        )
        self.discount, self.trace_decay = discount, trace_decay

    def start(self, parameters: Arrays) -> None:
        super().start(parameters)
        self.t = 0  # updates, shared by the network

    def update_by_error(self, parameters: Arrays, error: float, q: Arrays) -> None:
        raise NotImplementedError

    def update_all(self, parameters: Arrays, g: Arrays, d: Arrays) -> None:
        raise TypeError(f"{type(self).__name__} follows an error: call update_by_error")

    def _trace(self, parameters: Arrays, q: Arrays) -> Arrays:
        for name in parameters:
            e = self.fields[name]["e"]
            e[...] = self.discount * self.trace_decay * e + q[name]
        return {name: self.fields[name]["e"] for name in parameters}


def _sum(arrays: Arrays) -> float:
    """Over all weights of the network."""
    return sum(float(np.sum(a)) for a in arrays.values())


class ObGD(ErrorOptimizer):
    """S = sum of |e| over the network; bound = max(|D|, 1) S step_size kappa;
    a = step_size / bound if bound > 1 else step_size; w -= a D e. Elsayed et al., 2024.

    decoupled_weight_decay: w *= 1 - step_size decoupled_weight_decay first, with the step size
    before its bound. `step_sizes` is that step size, too.
    """

    def __init__(
        self,
        step_size: float = 1.0,
        discount: float = 0.99,
        trace_decay: float = 0.8,
        kappa: float = 2.0,
        **decays: float,
    ) -> None:
        super().__init__({}, step_size, discount, trace_decay, **decays)
        self.kappa = kappa

    def update_by_error(self, parameters: Arrays, error: float, q: Arrays) -> None:
        self.t += 1
        e = self._trace(parameters, q)
        direction = {name: e[name] / self._scale(name, error * e[name]) for name in parameters}
        size = _sum({name: np.abs(x) for name, x in direction.items()})  # S
        bound = max(abs(error), 1.0) * size * self.step_size * self.kappa
        a = self.step_size / bound if bound > 1.0 else self.step_size
        for name, w in parameters.items():
            w *= 1.0 - self.step_size * self.decoupled_weight_decay
            w -= a * error * direction[name]

    def _scale(self, name: str, change: Array) -> Array:
        return np.ones_like(change)


class AdaptiveObGD(ObGD):
    """v = beta2 v + (1 - beta2) (D e)^2; r = sqrt(v / (1 - beta2^t) + epsilon), epsilon inside the
    root; then ObGD with e / r in the place of e.
    """

    def __init__(self, *args: float, beta2: float = 0.999, epsilon: float = 1e-8, **others: float):
        super().__init__(*args, **others)
        self.starts["v"] = 0.0
        self.beta2, self.epsilon = beta2, epsilon

    def _scale(self, name: str, change: Array) -> Array:
        v = self.fields[name]["v"]
        v[...] = self.beta2 * v + (1.0 - self.beta2) * change**2
        return np.sqrt(v / (1.0 - self.beta2**self.t) + self.epsilon)


class Intentional(ErrorOptimizer):
    """k = discount trace_decay; v = beta2 v + (1 - beta2) q^2; r = sqrt(v / (1 - beta2^t)) + 1e-8;
    e = k e + q; N = sum of q^2 / r, Z = sum of e^2 / r over the network; s += (1 - k) (N - s);
    a = fraction / max(sqrt(s / (1 - k^t) Z), 1e-8); w -= a D e / r. Sharifnassab et al., 2026.

    D before it is used: E = clip_decay E + (1 - clip_decay) D^2 from 1 on, and |D| is cut to
    clip sqrt(E / (1 - clip_decay^t)); then, where normalize_td_error, A = norm_decay A +
    (1 - norm_decay) |D| and D /= max(A / (1 - norm_decay^t), 1e-12).

    There is no step_size, so decoupled_weight_decay is refused; `step_sizes` is the last a.
    """

    def __init__(
        self,
        fraction: float = 0.5,
        discount: float = 0.99,
        trace_decay: float = 0.8,
        beta2: float = 0.999,
        clip: float = 20.0,
        clip_decay: float = 0.9998,
        norm_decay: float = 0.9998,
        normalize_td_error: bool = False,
        **decays: float,
    ) -> None:
        super().__init__({"v": 0.0}, 0.0, discount, trace_decay, **decays)
        if self.decoupled_weight_decay != 0.0:
            raise ValueError("Intentional takes no decoupled_weight_decay: it has no step_size")
        self.fraction, self.beta2 = fraction, beta2
        self.clip, self.clip_decay = clip, clip_decay
        self.norm_decay, self.normalize_td_error = norm_decay, normalize_td_error

    def start(self, parameters: Arrays) -> None:
        super().start(parameters)
        self.s, self.E, self.A = 0.0, 1.0, 0.0
        self.a = 0.0  # of the last update

    def step_sizes(self, name: str, w: Array) -> Array:
        return np.full(w.shape, self.a)

    def update_by_error(self, parameters: Arrays, error: float, q: Arrays) -> None:
        self.t += 1
        k = self.discount * self.trace_decay
        r = {name: self._scale(name, q[name]) for name in parameters}
        e = self._trace(parameters, q)
        N = _sum({name: q[name] ** 2 / r[name] for name in parameters})
        Z = _sum({name: e[name] ** 2 / r[name] for name in parameters})
        self.s += (1.0 - k) * (N - self.s)
        self.a = self.fraction / max(math.sqrt(self.s / (1.0 - k**self.t) * Z), 1e-8)
        error = self._tamed(error)
        for name, w in parameters.items():
            w -= self.a * error * e[name] / r[name]

    def _scale(self, name: str, q: Array) -> Array:
        v = self.fields[name]["v"]
        v[...] = self.beta2 * v + (1.0 - self.beta2) * q**2
        return np.sqrt(v / (1.0 - self.beta2**self.t)) + 1e-8

    def _tamed(self, error: float) -> float:
        """D, cut and where asked normalised."""
        self.E = self.clip_decay * self.E + (1.0 - self.clip_decay) * error**2
        most = self.clip * math.sqrt(self.E / (1.0 - self.clip_decay**self.t))
        error = min(max(error, -most), most)
        if self.normalize_td_error:
            self.A = self.norm_decay * self.A + (1.0 - self.norm_decay) * abs(error)
            error /= max(self.A / (1.0 - self.norm_decay**self.t), 1e-12)
        return error
