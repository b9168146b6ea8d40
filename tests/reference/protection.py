"""Rules that move useful weights less than useless ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference.optimizers import Arrays, Optimizer

Array = NDArray[np.float64]


def logistic(x: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)))


class UPGD(Optimizer):
    """u = utility_decay u + (1 - utility_decay) (-g w); u-hat = u / (1 - utility_decay^t);
    w *= 1 - step_size decoupled_weight_decay; w -= step_size g (1 - s). Elsayed & Mahmood, 2024.

    scope "global": s = logistic(u-hat / G), G the largest u-hat of the network (the paper), or with
    corrected_max=False the largest u (the authors' program). u-hat / G is 0 where u-hat is 0, also
    for G = 0. scope "local": s = logistic(u-hat / max(norm, 1e-12)), norm the Euclidean norm of
    u-hat over the unit's incoming weights; an array with one axis, such as a bias, has one norm.

    The count t is shared by the network. The reference knows the rule without noise only.
    """

    def __init__(
        self,
        step_size: float,
        utility_decay: float = 0.999,
        noise: float = 0.0,
        scope: str = "global",
        corrected_max: bool = True,
        **decays: float,
    ) -> None:
        assert noise == 0.0, "the noise of the compiled engine is its own"
        if scope not in ("global", "local"):
            raise ValueError(f"scope={scope!r}: it is 'global' or 'local'")
        super().__init__({"u": 0.0}, step_size, **decays)
        self.utility_decay, self.scope, self.corrected_max = utility_decay, scope, corrected_max

    def start(self, parameters: Arrays) -> None:
        super().start(parameters)
        self.t = 0

    def update_all(self, parameters: Arrays, g: Arrays, d: Arrays) -> None:
        self.t += 1
        g = self.decayed(parameters, g)
        correction = 1.0 - self.utility_decay**self.t
        u_hat: Arrays = {}
        for name, w in parameters.items():
            u = self.fields[name]["u"]
            u[...] = self.utility_decay * u + (1.0 - self.utility_decay) * (-g[name] * w)
            u_hat[name] = u / correction
        scaled = self._globally(u_hat) if self.scope == "global" else self._locally(u_hat)
        for name, w in parameters.items():
            s = logistic(scaled[name])
            w *= 1.0 - self.step_size * self.decoupled_weight_decay
            w -= self.step_size * g[name] * (1.0 - s)

    def _globally(self, u_hat: Arrays) -> Arrays:
        u = {name: fields["u"] for name, fields in self.fields.items()}
        largest = max(float(np.max(a)) for a in (u_hat if self.corrected_max else u).values())
        with np.errstate(divide="ignore"):
            return {
                name: np.divide(a, largest, out=np.zeros_like(a), where=a != 0.0)
                for name, a in u_hat.items()
            }

    def _locally(self, u_hat: Arrays) -> Arrays:
        norms = {
            name: np.sqrt(np.sum(a**2, axis=tuple(range(max(a.ndim - 1, 1)))))
            for name, a in u_hat.items()
        }
        return {name: a / np.maximum(norms[name], 1e-12) for name, a in u_hat.items()}
