"""Methods that act after the optimizer's step, with the forward pass's activations."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reference.network import Network
from reference.optimizers import Optimizer

Array = NDArray[np.float64]
Draw = Callable[[int, int], Array]  # (hidden layer, unit) -> its new incoming weights


class ShrinkAndPerturb:
    """w = (1 - shrink) w, biases too. The reference knows it without noise only."""

    def __init__(self, shrink: float, noise: float = 0.0) -> None:
        assert noise == 0.0, "the noise of the compiled engine is its own"
        self.shrink = shrink

    def start(self, network: Network) -> None:
        """Nothing is kept from step to step."""

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> list[tuple[int, int]]:
        for w in network.parameters.values():
            w *= 1.0 - self.shrink
        return []


class ContinualBackprop:
    """Units of low utility are born again: Dohare et al., 2024.

    Per hidden layer: age, u (decaying mean of the instantaneous utility y), f (of the activation),
    counter (regenerations that are due), replacements (regenerations so far).
    """

    def __init__(
        self,
        replacement_rate: float = 1e-4,
        maturity: int = 100,
        decay: float = 0.99,
        utility: str = "contribution",
        max_per_step: int | None = None,
        transfer_bias: bool = False,
    ) -> None:
        self.replacement_rate, self.maturity, self.decay = replacement_rate, maturity, decay
        self.utility, self.max_per_step, self.transfer_bias = utility, max_per_step, transfer_bias

    def start(self, network: Network) -> None:
        """All units are born now."""
        widths = [network.parameters[incoming["weight"]].shape[1] for incoming, _ in network.hidden]
        self.age = [np.zeros(n, dtype=np.int64) for n in widths]
        self.u = [np.zeros(n) for n in widths]
        self.f = [np.zeros(n) for n in widths]
        self.counter = [0.0 for _ in widths]
        self.replacements = [0 for _ in widths]
        # How near a choice came to falling otherwise: the smallest relative distance between the
        # utilities of the last unit taken and the first one spared. Equal utilities are no danger.
        self.margin = math.inf

    def correction(self, layer: int) -> Array:
        """c = 1 - decay^age."""
        return 1.0 - self.decay ** self.age[layer].astype(np.float64)

    def utilities(self, layer: int) -> Array:
        """u / c, and 0 for the newborn."""
        c = self.correction(layer)
        return np.divide(self.u[layer], c, out=np.zeros_like(c), where=self.age[layer] > 0)

    def instantaneous(self, layer: int, network: Network, h: Array) -> Array:
        """y of every unit; h has shape (examples, units), and y is the mean over the examples.

        O = mean |outgoing weights|, I = mean |incoming weights|, without the bias.
        """
        incoming, outgoing = network.hidden[layer]
        mean_out: Array = np.mean(np.abs(network.parameters[outgoing["weight"]]), axis=1)  # O
        mean_in: Array = np.mean(np.abs(network.parameters[incoming["weight"]]), axis=0)  # I
        magnitude: Array = np.mean(np.abs(h), axis=0)  # |h|
        centred: Array = np.mean(
            np.abs(h - self.f[layer] / self.correction(layer)), axis=0
        )  # |h - f/c|
        match self.utility:
            case "contribution":
                return mean_out * magnitude
            case "weight":
                return mean_out
            case "adaptation":
                return 1.0 / mean_in
            case "zero_contribution":
                return mean_out * centred
            case "adaptable_contribution":
                return mean_out * centred / mean_in
            case "feature_by_input":
                return centred / mean_in
        raise ValueError(f"utility={self.utility!r}")

    def choose(self, layer: int) -> list[int]:
        """The units that are to be regenerated now; draws on the layer's counter."""
        eligible = np.flatnonzero(self.age[layer] > self.maturity)
        if len(eligible) == 0:
            return []
        self.counter[layer] += self.replacement_rate * len(eligible)
        n = min(math.floor(self.counter[layer]), len(eligible))
        if self.max_per_step is not None:
            n = min(n, self.max_per_step)
        self.counter[layer] -= n
        utility = self.utilities(layer)[eligible]
        order = np.argsort(utility, kind="stable")
        if 0 < n < len(eligible):
            taken, spared = utility[order[n - 1]], utility[order[n]]
            if taken != spared:
                self.margin = min(self.margin, float((spared - taken) / abs(spared)))
        return [int(j) for j in eligible[order[:n]]]

    def regenerate(
        self, layer: int, unit: int, network: Network, optimizer: Optimizer, draw: Draw
    ) -> None:
        """Incoming weights drawn anew, bias and outgoing weights 0, all their fields reset."""
        incoming, outgoing = network.hidden[layer]
        network.parameters[incoming["weight"]][:, unit] = draw(layer, unit)
        optimizer.reset(incoming["weight"], np.s_[:, unit])
        if "bias" in incoming:
            network.parameters[incoming["bias"]][unit] = 0.0
            optimizer.reset(incoming["bias"], np.s_[unit])
        network.parameters[outgoing["weight"]][unit, :] = 0.0
        optimizer.reset(outgoing["weight"], np.s_[unit, :])
        self.age[layer][unit] = 0
        self.u[layer][unit] = self.f[layer][unit] = 0.0
        self.replacements[layer] += 1

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> list[tuple[int, int]]:
        """The regenerated units as (hidden layer, unit)."""
        chosen: list[tuple[int, int]] = []
        for layer, h in enumerate(activations):
            self.age[layer] += 1
            self.f[layer] = self.decay * self.f[layer] + (1.0 - self.decay) * h.mean(axis=0)
            y = self.instantaneous(layer, network, h)
            self.u[layer] = self.decay * self.u[layer] + (1.0 - self.decay) * y
            chosen += [(layer, unit) for unit in self.choose(layer)]
        if self.transfer_bias:
            for layer, unit in chosen:
                outgoing = network.hidden[layer][1]
                mean = self.f[layer][unit] / self.correction(layer)[unit]
                if "bias" in outgoing:
                    weights = network.parameters[outgoing["weight"]][unit]
                    network.parameters[outgoing["bias"]] += mean * weights
        for layer, unit in chosen:
            self.regenerate(layer, unit, network, optimizer, draw)
        return chosen


Plasticity = ShrinkAndPerturb | ContinualBackprop
