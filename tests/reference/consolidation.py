"""Rules that hold important weights near their recent mean. No recorded run covers them.

The published programs (Elsayed & Mahmood, 2024) are streaming forms of rules for tasks. Where they
depart from the papers the docstrings say which side was taken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference.optimizers import Optimizer

Array = NDArray[np.float64]


class Consolidation(Optimizer):
    """t += 1; m = average_decay m + (1 - average_decay) w; w-bar = m / (1 - average_decay^t);
    w *= 1 - step_size decoupled_weight_decay; w -= step_size (g + strength omega (w - w-bar)).

    w is the weight before this update throughout, and is part of its own mean. The importance omega
    is the subclass's, from the present g. change = w(before the last update) - w, 0 at t = 1 (the
    programs start from a weight of 0 instead). The count t is the weight's own: with it a
    regenerated weight forgets its mean and its importance.
    """

    def __init__(
        self,
        step_size: float,
        strength: float,
        average_decay: float = 0.999,
        importance_decay: float = 0.999,
        epsilon: float = 1e-3,
        **decays: float,
    ) -> None:
        fields = ("t", "m", "before", "first", "second")
        super().__init__(dict.fromkeys(fields, 0.0), step_size, **decays)
        self.strength, self.average_decay = strength, average_decay
        self.importance_decay, self.epsilon = importance_decay, epsilon

    def update(self, name: str, w: Array, g: Array, d: Array) -> None:
        t, m, before = (self.fields[name][field] for field in ("t", "m", "before"))
        g = g + self.weight_decay * w
        change = np.where(t == 0.0, 0.0, before - w)
        t += 1.0
        m[...] = self.average_decay * m + (1.0 - self.average_decay) * w
        omega = self.importance(name, g, d, change)
        pull = self.strength * omega * (w - m / (1.0 - self.average_decay**t))
        before[...] = w
        w *= 1.0 - self.step_size * self.decoupled_weight_decay
        w -= self.step_size * (g + pull)

    def importance(self, name: str, g: Array, d: Array, change: Array) -> Array:
        raise NotImplementedError

    def average(self, name: str, field: str, value: Array) -> Array:
        """The field's decaying mean of a value, corrected for its start at 0."""
        mean = self.fields[name][field]
        mean[...] = self.importance_decay * mean + (1.0 - self.importance_decay) * value
        return np.asarray(mean / (1.0 - self.importance_decay ** self.fields[name]["t"]))


class EWC(Consolidation):
    """omega = mean of g^2. Kirkpatrick et al., 2017."""

    def importance(self, name: str, g: Array, d: Array, change: Array) -> Array:
        return self.average(name, "first", g**2)


class MAS(Consolidation):
    """omega = mean of d = |d(sum of squared outputs) / dw| (the paper; the program takes |g|).
    Aljundi et al., 2018."""

    sensitivity = "squared_output"

    def importance(self, name: str, g: Array, d: Array, change: Array) -> Array:
        return self.average(name, "first", d)


class SI(Consolidation):
    """omega = mean of (g change) / ((mean of change)^2 + epsilon). Zenke et al., 2017."""

    def importance(self, name: str, g: Array, d: Array, change: Array) -> Array:
        gain = self.average(name, "first", g * change)
        return np.asarray(gain / (self.average(name, "second", change) ** 2 + self.epsilon))


class RWalk(Consolidation):
    """omega = F-hat + r. With F the mean of g^2 before this update and without correction:
    r = (r + max(0, g change / (F change^2 / 2 + epsilon))) / 2; then F-hat the corrected mean of g^2
    with this update's (the paper; the program squares the weights, and loses r from step to step).
    Chaudhry et al., 2018.
    """

    def importance(self, name: str, g: Array, d: Array, change: Array) -> Array:
        F, r = self.fields[name]["first"], self.fields[name]["second"]
        score = g * change / (0.5 * F * change**2 + self.epsilon)
        r[...] = 0.5 * (r + np.maximum(0.0, score))
        return self.average(name, "first", g**2) + r
