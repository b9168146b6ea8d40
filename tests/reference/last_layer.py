"""A linear temporal-difference learner (head) above a network whose outputs are its features (body).

phi' = body(x'); v = w.phi'. The head learns from (phi', reward) by its rule. The body descends -delta v(x), x the
observation before, delta the head's TD error and w the head's weights, both from before its update: the gradient at
its output k is -delta w_k and the curvature w_k^2. It is taken at the body's weights as they are by then.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.learner import Learner
from reference.linear_td import LinearPredictor
from reference.losses import Loss

Array = NDArray[np.float64]


class LastLayer:
    """`body` gets a loss whose target is delta; `learns` says whether it learns at all."""

    def __init__(self, body: Learner, head: LinearPredictor, learns: bool = True) -> None:
        self.body, self.head, self.learns = body, head, learns
        self.x: Array | None = None  # the observation before
        body.loss = self._loss

    def _loss(self, output: Array, delta: ArrayLike) -> Loss:
        return Loss(0.0, -float(np.asarray(delta)) * self.head.weight, self.head.weight**2)

    def predict(self, x: ArrayLike) -> float:
        return self.head.predict(self.body.predict(x))

    def step(self, x: ArrayLike, reward: float) -> float:
        phi = self.body.predict(x).copy()
        self._descend(self.head.td_error(phi, reward))
        self.x = np.array(x, dtype=np.float64)
        return self.head.step(phi, reward)

    def end(self, reward: float) -> None:
        self._descend(self.head.td_error(None, reward))
        self.x = None
        self.head.end(reward)

    def _descend(self, delta: float) -> None:
        if self.learns and self.x is not None:
            self.body.step(self.x, delta)
