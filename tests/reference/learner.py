"""The reference learner: forward, gradient, optimizer step, then the plasticity methods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.error_optimizers import ErrorOptimizer
from reference.losses import LOSSES
from reference.network import Network
from reference.optimizers import Arrays, Optimizer
from reference.plasticity import ContinualBackprop, Draw, L2Init, Plasticity, UnitMethod

Array = NDArray[np.float64]


def _refuse(layer: int, unit: int) -> Array:
    raise LookupError(f"unit {unit} of hidden layer {layer} is regenerated, and no draw is given")


def _check_error(
    network: Network, loss: str, optimizer: ErrorOptimizer, plasticity: Sequence[Plasticity]
) -> None:
    name = type(optimizer).__name__
    if (loss, network.outputs) != ("squared_error", 1):
        raise ValueError(f"{name} needs one output and squared_error")
    if any(isinstance(method, L2Init) for method in plasticity):
        raise ValueError(f"{name} refuses L2Init: its q is not the gradient of a loss")


class Learner:
    """One example, one update. Parameters start at 0: write the wished ones into `parameters`.

    `draw(layer, unit)` gives the incoming weights of a regenerated unit.
    """

    def __init__(
        self,
        network: Network,
        loss: str,
        optimizer: Optimizer,
        plasticity: Sequence[Plasticity] = (),
        draw: Draw = _refuse,
    ) -> None:
        if isinstance(optimizer, ErrorOptimizer):
            _check_error(network, loss, optimizer, plasticity)
        self.network, self.loss, self.optimizer = network, LOSSES[loss], optimizer
        self.plasticity, self.draw = list(plasticity), draw
        self.parameters = network.parameters
        self.output = np.zeros(network.outputs)
        self.steps = 0  # examples seen
        self.regenerated: list[tuple[int, int]] = []  # by the last step: (hidden layer, unit)
        optimizer.start(self.parameters)
        for method in self.plasticity:
            method.start(network)

    def predict(self, x: ArrayLike) -> Array:
        return self.network.forward(np.asarray(x, dtype=np.float64))

    def step(self, x: ArrayLike, y: ArrayLike, masks: Sequence[Array] = ()) -> float:
        """Learn from one example; the loss before the update."""
        return self.step_minibatch([x], [y], [masks])

    def step_minibatch(
        self,
        xs: Sequence[ArrayLike],
        ys: Sequence[ArrayLike],
        masks: Sequence[Sequence[Array]] = (),
    ) -> float:
        """One update from the means over the examples of g and d; the mean loss."""
        n = len(xs)
        if n > 1 and isinstance(self.optimizer, ErrorOptimizer):
            raise ValueError(f"{type(self.optimizer).__name__} takes one example at a time")
        loss = 0.0
        g = {name: np.zeros_like(w) for name, w in self.parameters.items()}
        d = {name: np.zeros_like(w) for name, w in self.parameters.items()}
        seen: list[list[Array]] = []
        for k in range(n):
            x = np.asarray(xs[k], dtype=np.float64).reshape(-1)
            self.output = self.network.forward(x, masks[k] if masks else ())
            seen.append(self.network.activations())
            value, delta, curvature = self.loss(self.output, ys[k])
            loss += value / n
            for name, gradient in self.network.gradients(delta, learning=True).items():
                g[name] += gradient / n
            for name, sensitivity in self._sensitivities(curvature).items():
                d[name] += sensitivity / n
        for method in self.plasticity:
            method.observe(n, g)
        for method in self.plasticity:
            method.before_update(self.network, g)
        self._update(g, d, ys[-1])
        for layer in self.network.layers:
            layer.learned()
        activations = [np.stack(layer) for layer in zip(*seen, strict=True)]
        self.regenerated = []
        for method in self.plasticity:
            units = method.after_update(self.network, self.optimizer, activations, self.draw)
            self.regenerated += units
            self._forget(units)
        # Methods after the one that regenerated a unit saw what it did in its former life.
        self._forget(self.regenerated)
        self.steps += n
        return loss

    def _forget(self, units: Sequence[tuple[int, int]]) -> None:
        for method in self.plasticity:
            for layer, unit in units:
                method.forget(layer, unit)

    def _update(self, g: Arrays, d: Arrays, y: ArrayLike) -> None:
        if not isinstance(self.optimizer, ErrorOptimizer):
            self.optimizer.update_all(self.parameters, g, d)
            return
        error = float(np.asarray(y, dtype=np.float64).reshape(())) - float(self.output[0])
        q = self.network.gradients(-np.ones(1), learning=True)
        self.optimizer.update_by_error(self.parameters, error, q)

    def _sensitivities(self, curvature: Array) -> dict[str, Array]:
        match self.optimizer.sensitivity:
            case None:
                return {}
            case "diagonal":
                return self.network.diagonal_sensitivities(curvature)
            case "exact":
                return self.network.exact_sensitivities(curvature)
            case "squared_output":
                slopes = self.network.gradients(2.0 * self.output)
                return {name: np.abs(slope) for name, slope in slopes.items()}
        raise ValueError(f"sensitivity={self.optimizer.sensitivity!r}")

    @property
    def step_sizes(self) -> dict[str, Array]:
        return {name: self.optimizer.step_sizes(name, w) for name, w in self.parameters.items()}

    @property
    def continual_backprop(self) -> ContinualBackprop | None:
        """The method that keeps utilities and ages, where there is one."""
        kept = [method for method in self.plasticity if isinstance(method, ContinualBackprop)]
        return kept[0] if kept else None

    @property
    def utilities(self) -> list[Array]:
        method = self.continual_backprop
        return [method.utilities(k) for k in range(len(method.age))] if method else []

    @property
    def ages(self) -> list[NDArray[np.int64]]:
        method = self.continual_backprop
        return [age.copy() for age in method.age] if method else []

    @property
    def replacements(self) -> list[int]:
        """Units regenerated so far, per hidden layer."""
        methods = [method for method in self.plasticity if isinstance(method, UnitMethod)]
        return [sum(layer) for layer in zip(*(m.replacements for m in methods), strict=True)]
