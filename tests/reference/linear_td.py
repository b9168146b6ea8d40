"""Linear predictors of a discounted sum of rewards: v = w.x, no bias, weights start at 0.

`v = step(x, reward)`: `reward` arrived together with `x`; v is the prediction for x before the update.
With x' the new and x the previous input, both predictions from the current weights:
D = reward + discount v(x') - v(x). `end(reward)` learns from the last reward of an episode.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class LinearPredictor:
    """The common order of events: the first call of an episode only stores x."""

    def __init__(
        self, features: int, step_size: float, discount: float, trace_decay: float
    ) -> None:
        self.step_size, self.discount = step_size, discount
        self.k = discount * trace_decay
        self.weight = np.zeros(features)
        self.x: Array | None = None  # the previous input
        self.clear_traces()

    @property
    def step_sizes(self) -> Array:
        """The present step size of each weight."""
        return np.full(len(self.weight), self.step_size)

    def predict(self, x: ArrayLike) -> float:
        return float(self.weight @ np.asarray(x, dtype=np.float64))

    def step(self, x: ArrayLike, reward: float) -> float:
        new = np.array(x, dtype=np.float64)
        v = self.predict(new)
        if self.x is not None:
            self.update(self.td_error(new, reward), self.x, new)
        self.x = new
        return v

    def end(self, reward: float) -> None:
        """D = reward - v(x); then the traces are 0, and the next call counts as a first one."""
        if self.x is None:
            raise ValueError("an episode ends after its first step")
        self.update(self.td_error(None, reward), self.x, np.zeros_like(self.x))
        self.x = None
        self.clear_traces()

    def td_error(self, new: Array | None, reward: float) -> float:
        """D, with x' = `new`, or None where the episode has ended; 0 before there is an x."""
        if self.x is None:
            return 0.0
        v = 0.0 if new is None else self.predict(new)
        return reward + self.discount * v - self.value()

    def value(self) -> float:
        """What D compares with."""
        return 0.0 if self.x is None else self.predict(self.x)

    def clear_traces(self) -> None:
        self.e = np.zeros_like(self.weight)

    def update(self, D: float, x: Array, new: Array) -> None:
        """Learn from the step from x to x' = `new` (zeros where the episode has ended)."""
        raise NotImplementedError


class TD(LinearPredictor):
    """e = k e + x with k = discount trace_decay; w += step_size D e. Sutton, 1988."""

    def update(self, D: float, x: Array, new: Array) -> None:
        self.e = self.k * self.e + x
        self.weight += self.step_size * D * self.e


class TrueOnlineTD(LinearPredictor):
    """e = k e + a (1 - k e.x) x; w += (D + v(x) - o) e - a (v(x) - o) x; o = v(x') from before
    the update. van Seijen & Sutton, 2014.
    """

    def clear_traces(self) -> None:
        super().clear_traces()
        self.o = 0.0

    def update(self, D: float, x: Array, new: Array) -> None:
        a, k = self.step_size, self.k
        v, v_new = self.predict(x), self.predict(new)
        self.e = k * self.e + a * (1.0 - k * float(self.e @ x)) * x
        self.weight += (D + v - self.o) * self.e - a * (v - self.o) * x
        self.o = v_new


class TIDBD(LinearPredictor):
    """p = x ("semi", the paper's first form) or x - discount x' ("ordinary", the published
    program); e = k e + x; beta += theta D p h; a = exp(beta); w += a D e;
    h = h max(0, 1 - a p e) + a D e. Kearney et al., 2018.
    """

    def __init__(
        self,
        features: int,
        step_size: float,
        meta_step_size: float,
        discount: float,
        trace_decay: float,
        gradient: str = "semi",
    ) -> None:
        if gradient not in ("semi", "ordinary"):
            raise ValueError(f"gradient={gradient!r}: it is 'semi' or 'ordinary'")
        super().__init__(features, step_size, discount, trace_decay)
        self.meta_step_size, self.gradient = meta_step_size, gradient
        self.beta: Array = np.full(features, math.log(step_size))
        self.h = np.zeros(features)

    @property
    def step_sizes(self) -> Array:
        return np.exp(self.beta)

    def update(self, D: float, x: Array, new: Array) -> None:
        p = x - self.discount * new if self.gradient == "ordinary" else x
        self.e = self.k * self.e + x
        self._adapt(D, p)
        a = np.exp(self.beta)
        self.weight += a * D * self.e
        self.h = self.h * np.maximum(0.0, 1.0 - a * p * self.e) + a * D * self.e

    def _adapt(self, D: float, p: Array) -> None:
        self.beta += self.meta_step_size * D * p * self.h


class AutoTIDBD(TIDBD):
    """TIDBD with Autostep's normaliser and bound. m = |D p h|;
    eta = max(m, eta + a p e (m - eta) / tau); beta += theta D p h / eta where eta != 0;
    beta -= ln M with M = max(1, sum of a p e), a = exp(beta) as it is by then; then as TIDBD.
    """

    def __init__(
        self,
        features: int,
        step_size: float,
        meta_step_size: float,
        discount: float,
        trace_decay: float,
        tau: float = 1e4,
        gradient: str = "semi",
    ) -> None:
        super().__init__(features, step_size, meta_step_size, discount, trace_decay, gradient)
        self.tau = tau
        self.eta = np.zeros(features)

    def _adapt(self, D: float, p: Array) -> None:
        m = np.abs(D * p * self.h)
        rate = np.exp(self.beta) * p * self.e / self.tau
        self.eta = np.maximum(m, self.eta + rate * (m - self.eta))
        seen = self.eta != 0.0
        self.beta[seen] += self.meta_step_size * (D * p * self.h)[seen] / self.eta[seen]
        self.beta -= math.log(max(1.0, float(np.sum(np.exp(self.beta) * p * self.e))))


class SwiftTD(LinearPredictor):
    """The dense published form: Javed, Sharifnassab, Sutton, 2024. On every call, the first too:
    v = w.x'; D = reward + discount v - o.

    (1) dw = D z - zd vd; w += dw; beta += theta / exp(beta) (D - vd) p, clipped to
        [ln min_step_size, ln rate_bound]; ho = h; h = ht + D zb - zd vd; ht = h; zd = 0;
        z, p, zb *= k.
    (2) R = sum of exp(beta) x'^2; T = z.x'; vd = dw.x'.
    (3) zd = min(1, rate_bound / R) exp(beta) x'; z += zd (1 - T); p += ho x';
        zb += zd (1 - T - zb x'); ht = h - ho x' (z - zd) - h zd x';
        if R > rate_bound: ht = h = ho = zb = 0 and beta += ln(step_size_decay) x'^2.
    (4) o = v.

    At the end of an episode D = reward - o and (1) only; then z, zb, p, zd, o and vd are 0.
    """

    def __init__(
        self,
        features: int,
        step_size: float,
        meta_step_size: float,
        discount: float,
        trace_decay: float,
        rate_bound: float,
        step_size_decay: float,
        min_step_size: float = 1e-10,
    ) -> None:
        super().__init__(features, step_size, discount, trace_decay)
        self.meta_step_size, self.rate_bound = meta_step_size, rate_bound
        self.step_size_decay, self.min_step_size = step_size_decay, min_step_size
        self.beta: Array = np.full(features, math.log(step_size))
        self.h, self.ho, self.ht = np.zeros((3, features))

    @property
    def step_sizes(self) -> Array:
        return np.exp(self.beta)

    def value(self) -> float:
        return self.o

    def clear_traces(self) -> None:
        self.z, self.zd, self.zb, self.p = np.zeros((4, len(self.weight)))
        self.o, self.vd = 0.0, 0.0

    def step(self, x: ArrayLike, reward: float) -> float:
        new = np.array(x, dtype=np.float64)
        v = self.predict(new)
        dw = self._move(reward + self.discount * v - self.o)
        self._accumulate(new, dw)
        self.x, self.o = new, v
        return v

    def end(self, reward: float) -> None:
        if self.x is None:
            raise ValueError("an episode ends after its first step")
        self._move(reward - self.o)
        self.x = None
        self.clear_traces()

    def _move(self, D: float) -> Array:
        """(1): the change of the weights."""
        dw = D * self.z - self.zd * self.vd
        self.weight += dw
        self.beta += self.meta_step_size / np.exp(self.beta) * (D - self.vd) * self.p
        self.beta = np.clip(self.beta, math.log(self.min_step_size), math.log(self.rate_bound))
        self.ho = self.h
        self.h = self.ht + D * self.zb - self.zd * self.vd
        self.ht = self.h
        self.zd = np.zeros_like(self.zd)
        self.z, self.p, self.zb = self.k * self.z, self.k * self.p, self.k * self.zb
        return dw

    def _accumulate(self, x: Array, dw: Array) -> None:
        """(2) and (3)."""
        a = np.exp(self.beta)
        R, T = float(np.sum(a * x**2)), float(self.z @ x)
        self.vd = float(dw @ x)
        self.zd = (min(1.0, self.rate_bound / R) if R > 0.0 else 1.0) * a * x
        self.z = self.z + self.zd * (1.0 - T)
        self.p = self.p + self.ho * x
        self.zb = self.zb + self.zd * (1.0 - T - self.zb * x)
        self.ht = self.h - self.ho * x * (self.z - self.zd) - self.h * self.zd * x
        if R > self.rate_bound:
            self.h, self.ho, self.ht, self.zb = np.zeros((4, len(x)))
            self.beta = self.beta + math.log(self.step_size_decay) * x**2
