"""Methods that keep a network able to learn, beside the optimizer.

On every example: forward, gradient, `before_update`, the optimizer's step, then `after_update` of the
methods in the order of their list, with the forward pass's activations and the weights after the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from reference.convolution import Conv2d
from reference.network import Layer, Network
from reference.optimizers import Arrays, Optimizer

Array = NDArray[np.float64]
Draw = Callable[[int, int], Array]  # (hidden layer, unit) -> its new incoming weights
Units = list[tuple[int, int]]  # (hidden layer, unit)


class Plasticity:
    """What the learner calls; a method defines what it needs."""

    def start(self, network: Network) -> None:
        """Prepare for the first example."""

    def observe(self, examples: int, g: Arrays) -> None:
        """So many examples are in the update that begins, with this gradient of the loss."""

    def before_update(self, network: Network, g: Arrays) -> None:
        """Change the gradient in place."""

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> Units:
        """Act on the network; the regenerated units. `activations`: (examples, units) per layer."""
        return []

    def forget(self, layer: int, unit: int) -> None:
        """Return what the method keeps about a unit to its value at birth: some method has
        regenerated it."""


class L2Init(Plasticity):
    """g += strength (w - w at time 0), biases too, before the optimizer sees g (so before its
    weight_decay). The weights at time 0 are those at the first step. Parameters of a layer norm
    are left alone, as in the published program. Kumar et al., 2023.

    Rules that follow an error instead of a loss refuse it.
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def start(self, network: Network) -> None:
        self.initial: Arrays | None = None

    def before_update(self, network: Network, g: Arrays) -> None:
        if self.initial is None:
            self.initial = {name: w.copy() for name, w in network.parameters.items()}
        for layer, names in zip(network.layers, network.names, strict=True):
            for short, w in layer.parameters.items():
                if layer.fan_in is not None:
                    self.initial[names[short]] *= layer.present(short)  # later edges start at 0
                    g[names[short]] += self.strength * (w - self.initial[names[short]])


class WeightClipping(Plasticity):
    """After every update the weights and biases of a layer are clipped to +-bound / sqrt(fan in).

    Layers without a fan in (layer norm) are left alone.
    """

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> Units:
        for layer in network.layers:
            for w in layer.parameters.values():
                if layer.fan_in is not None:
                    limit = self.bound / math.sqrt(layer.fan_in)
                    w[...] = np.clip(w, -limit, limit)
        return []


class Periodic(Plasticity):
    """A method that acts whenever another `period` examples have been learned from."""

    period = 1

    def start(self, network: Network) -> None:
        self.examples = 0

    def observe(self, examples: int, g: Arrays) -> None:
        before, self.examples = self.examples, self.examples + examples
        self.is_first = before == 0
        self.is_due = self.examples // self.period != before // self.period

    def before_update(self, network: Network, g: Arrays) -> None:
        if self.is_first:
            self.begin(network)

    def begin(self, network: Network) -> None:
        """Look at the weights as they are before the first update."""


class ShrinkAndPerturb(Periodic):
    """toward="zero": w = (1 - shrink) w; "initial": (1 - shrink) w + shrink w(0), with w(0) the
    weight before the first update, of layers that mix no units what they are born with. Biases too.
    The reference knows it without noise only."""

    def __init__(
        self,
        shrink: float,
        noise: float = 0.0,
        period: int = 1,
        toward: str = "zero",
        scaled_by_step_size: bool = False,
    ) -> None:
        assert noise == 0.0, "the noise of the compiled engine is its own"
        self.shrink, self.period, self.toward = shrink, period, toward

    def start(self, network: Network) -> None:
        super().start(network)
        self.initial = {name: w.copy() for name, w in network.parameters.items()}

    def begin(self, network: Network) -> None:
        for name, layer in _layers_by_parameter(network):
            if layer.fan_in is not None:
                self.initial[name] = network.parameters[name].copy()

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> Units:
        if self.is_due:
            for name, w in network.parameters.items():
                w *= 1.0 - self.shrink
                if self.toward == "initial":
                    w += self.shrink * self.initial[name]
        return []


class HareAndTortoise(Periodic):
    """slow = decay slow + (1 - decay) w, for all parameters; then, every `period` examples, w = slow.
    At first slow = w. Lee et al., 2024.

    The weights of a regenerated unit start anew: slow = w at the end of that example.
    """

    def __init__(self, period: int, decay: float = 0.999, predict: str = "fast") -> None:
        self.period, self.decay, self.predict = period, decay, predict

    def begin(self, network: Network) -> None:
        self.network = network
        self.slow = {name: w.copy() for name, w in network.parameters.items()}

    def forget(self, layer: int, unit: int) -> None:
        incoming, outgoing = self.network.hidden[layer]
        w = self.network.parameters
        self.slow[incoming["weight"]][:, unit] = w[incoming["weight"]][:, unit]
        self.slow[outgoing["weight"]][unit, :] = w[outgoing["weight"]][unit, :]
        if "bias" in incoming:
            self.slow[incoming["bias"]][unit] = w[incoming["bias"]][unit]

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> Units:
        for name, w in network.parameters.items():
            self.slow[name] = self.decay * self.slow[name] + (1.0 - self.decay) * w
        if self.is_due:
            for name, w in network.parameters.items():
                w[...] = self.slow[name]
        return []


class NormalizeAndProject(Periodic):
    """Every `period` examples W *= |W(0)| / |W| for the weights W of each layer, by the Frobenius
    norm, W(0) those before the first update. W stays where one of the norms is 0. Biases and layer
    norms are left alone. Lyle et al., 2024."""

    def __init__(self, period: int = 1) -> None:
        self.period = period

    def begin(self, network: Network) -> None:
        self.norms = {name: np.linalg.norm(w) for name, w in _weights(network)}

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> Units:
        if self.is_due:
            for name, w in _weights(network):
                norm = np.linalg.norm(w)
                if norm > 0.0 and self.norms[name] > 0.0:
                    w *= self.norms[name] / norm
        return []


class SelectiveWeightReinit(Periodic):
    """u = decay u + (1 - decay) y, y = |w| ("magnitude") or |w g| ("gradient") of every weight, w
    after the update. Every `period` examples, in the weights of each layer: "proportional": the
    counter grows by fraction N, N the number of weights, and the floor(counter) weights of least u
    go, of equal ones the first, by source and then by output;
    "threshold": those with u <= fraction (mean of u). They are drawn anew, or 0; where any went,
    every u of the layer starts again at 0. Hernandez-Garcia et al., 2025.

    Biases and layer norms are left alone, and the optimizer's fields, as in the authors' program.
    The draws are the learner's `draw_weight`. `margin`: how near a choice came to falling otherwise.
    """

    def __init__(
        self,
        fraction: float,
        period: int = 1,
        decay: float = 0.0,
        utility: str = "magnitude",
        pruning: str = "proportional",
        reinit: str = "draw",
    ) -> None:
        self.fraction, self.period, self.decay = fraction, period, decay
        self.utility, self.pruning, self.reinit = utility, pruning, reinit
        self.draw_weight: Callable[[str, int, int], float] | None = None

    def begin(self, network: Network) -> None:
        self.u = {name: np.zeros_like(w) for name, w in _weights(network)}
        self.counter = dict.fromkeys(self.u, 0.0)
        self.margin = math.inf
        self.chosen: list[tuple[str, int, int]] = []

    def observe(self, examples: int, g: Arrays) -> None:
        super().observe(examples, g)
        self.g = {name: gradient.copy() for name, gradient in g.items()}

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> Units:
        self.chosen = []
        for name, w in _weights(network):
            y = np.abs(w) if self.utility == "magnitude" else np.abs(w * self.g[name])
            if self.is_due or self.decay > 0.0:  # without decay only the last counts
                self.u[name] = self.decay * self.u[name] + (1.0 - self.decay) * y
            going = self._going(name) if self.is_due else []
            for j, k in going:
                zero = self.reinit == "zero" or self.draw_weight is None
                w[j, k] = 0.0 if zero else self.draw_weight(name, j, k)
                self.chosen.append((name, j, k))
            if going:
                self.u[name][...] = 0.0
        return []

    def _going(self, name: str) -> list[tuple[int, int]]:
        u = self.u[name]
        if self.pruning == "threshold":
            limit = self.fraction * np.mean(u)
            distance = np.abs(u - limit)
            if np.any(u > 0.0):
                self.margin = min(self.margin, float(np.min(distance) / np.max(u)))
            return [(int(j), int(k)) for j, k in np.argwhere(u <= limit)]
        self.counter[name] += self.fraction * u.size
        n = math.floor(self.counter[name])
        self.counter[name] -= n
        order = np.argsort(u, axis=None, kind="stable")
        if 0 < n < u.size:
            taken, spared = u.flat[order[n - 1]], u.flat[order[n]]
            if taken != spared:
                self.margin = min(self.margin, float((spared - taken) / spared))
        return [(int(i) // u.shape[1], int(i) % u.shape[1]) for i in order[:n]]


class ContinuousContinualBackprop(Periodic):
    """u = decay u + (1 - decay) s, at first 1, s = m / (mean of m over the layer + 1e-8), m = mean
    |g| over a unit's incoming weights. Every `period` examples p = replacement_rate min(1,
    exp(-sharpness (u - threshold))) of every hidden unit; then layer by layer from below: incoming
    w = (1 - p) w + p draw, outgoing w = (1 - p) w; u = 1. Biases and fields stay."""

    def __init__(
        self,
        replacement_rate: float = 0.012,
        period: int = 1000,
        decay: float = 0.99,
        sharpness: float = 16.0,
        threshold: float = 0.95,
    ) -> None:
        self.replacement_rate, self.period, self.decay = replacement_rate, period, decay
        self.sharpness, self.threshold = sharpness, threshold

    def start(self, network: Network) -> None:
        super().start(network)
        names = [incoming["weight"] for incoming, _ in network.hidden]
        self.u = [np.ones(network.parameters[name].shape[1]) for name in names]

    def forget(self, layer: int, unit: int) -> None:
        self.u[layer][unit] = 1.0

    def observe(self, examples: int, g: Arrays) -> None:
        super().observe(examples, g)
        self.g = {name: gradient.copy() for name, gradient in g.items()}

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> Units:
        for layer, (incoming, _) in enumerate(network.hidden):
            m = np.mean(np.abs(self.g[incoming["weight"]]), axis=0)
            s = m / (np.mean(m) + 1e-8)
            self.u[layer] = self.decay * self.u[layer] + (1.0 - self.decay) * s
        for layer, (incoming, outgoing) in enumerate(network.hidden if self.is_due else []):
            excess = self.sharpness * (self.u[layer] - self.threshold)
            p = self.replacement_rate * np.exp(-np.maximum(excess, 0.0))
            w = network.parameters[incoming["weight"]]
            for unit in range(w.shape[1]):
                w[:, unit] = (1.0 - p[unit]) * w[:, unit] + p[unit] * draw(layer, unit)
            network.parameters[outgoing["weight"]] *= (1.0 - p)[:, np.newaxis]
            self.u[layer][...] = 1.0
        return []


def _layers_by_parameter(network: Network) -> list[tuple[str, Layer]]:
    """The layer that each parameter belongs to, by the parameter's full name."""
    layers = [layer for layer in network.layers if layer.parameters]
    return [(f"{i}.{part}", layer) for i, layer in enumerate(layers) for part in layer.parameters]


def _weights(network: Network) -> list[tuple[str, Array]]:
    """The weights of every layer that has a fan in."""
    return [
        (name, network.parameters[name])
        for name, layer in _layers_by_parameter(network)
        if layer.fan_in is not None and name.endswith("weight")
    ]


class UnitMethod(Plasticity):
    """Methods that regenerate units of hidden layers. `replacements`: so far, per hidden layer."""

    def start(self, network: Network) -> None:
        if any(isinstance(layer, Conv2d) for layer in network.layers):
            raise ValueError(f"{type(self).__name__} does not know the units of a Conv2d")
        self.widths = [
            network.parameters[incoming["weight"]].shape[1] for incoming, _ in network.hidden
        ]
        self.replacements = [0 for _ in self.widths]

    def renew(
        self, layer: int, unit: int, network: Network, optimizer: Optimizer, draw: Draw
    ) -> None:
        """Incoming weights drawn anew, bias 0, all their fields reset."""
        incoming = network.hidden[layer][0]
        network.parameters[incoming["weight"]][:, unit] = draw(layer, unit)
        optimizer.reset(incoming["weight"], np.s_[:, unit])
        if "bias" in incoming:
            network.parameters[incoming["bias"]][unit] = 0.0
            optimizer.reset(incoming["bias"], np.s_[unit])
        self.replacements[layer] += 1

    def silence(self, layer: int, unit: int, network: Network, optimizer: Optimizer) -> None:
        """Outgoing weights 0, all their fields reset. The next layer's bias stays."""
        outgoing = network.hidden[layer][1]
        network.parameters[outgoing["weight"]][unit, :] = 0.0
        optimizer.reset(outgoing["weight"], np.s_[unit, :])

    def regenerate(
        self, chosen: Iterable[tuple[int, int]], network: Network, optimizer: Optimizer, draw: Draw
    ) -> None:
        """Unit by unit from below: a weight between two of them ends as the upper unit's draw."""
        for layer, unit in chosen:
            self.renew(layer, unit, network, optimizer, draw)
            self.silence(layer, unit, network, optimizer)


class ContinualBackprop(UnitMethod):
    """Units of low utility are born again: Dohare et al., 2024.

    Per hidden layer: age, u (decaying mean of the instantaneous utility y), f (of the activation),
    counter (regenerations that are due).
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
        super().start(network)
        self.age = [np.zeros(n, dtype=np.int64) for n in self.widths]
        self.u = [np.zeros(n) for n in self.widths]
        self.f = [np.zeros(n) for n in self.widths]
        self.counter = [0.0 for _ in self.widths]
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
        if not np.all(np.isfinite(utility)):  # 1 / 0: equal in exact arithmetic alone
            self.margin = 0.0
        if 0 < n < len(eligible):
            taken, spared = utility[order[n - 1]], utility[order[n]]
            if taken != spared:
                self.margin = min(self.margin, float((spared - taken) / abs(spared)))
        return [int(j) for j in eligible[order[:n]]]

    def forget(self, layer: int, unit: int) -> None:
        self.age[layer][unit] = 0
        self.u[layer][unit] = self.f[layer][unit] = 0.0

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> Units:
        chosen: Units = []
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
        self.regenerate(chosen, network, optimizer, draw)
        return chosen


class ReDo(UnitMethod):
    """Every `period` examples: s = m / (mean of m over the layer + 1e-9), m = mean |h| over those
    examples; units with s <= threshold are regenerated. Sokar et al., 2023.

    All incoming weights are drawn before outgoing ones are zeroed: a weight between two regenerated
    units ends at 0. After a minibatch that crosses the period, m is the mean over all its examples.
    """

    def __init__(self, threshold: float, period: int) -> None:
        self.threshold, self.period = threshold, period

    def start(self, network: Network) -> None:
        super().start(network)
        self._begin_period()

    def _begin_period(self) -> None:
        self.examples = 0
        self.sums = [np.zeros(n) for n in self.widths]  # of |h|

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> Units:
        for layer, h in enumerate(activations):
            self.sums[layer] += np.sum(np.abs(h), axis=0)
        self.examples += len(activations[0]) if activations else 0
        if self.examples < self.period:
            return []
        chosen = [(layer, unit) for layer in range(len(self.sums)) for unit in self._dormant(layer)]
        self._begin_period()
        for layer, unit in chosen:
            self.renew(layer, unit, network, optimizer, draw)
        for layer, unit in chosen:
            self.silence(layer, unit, network, optimizer)
        return chosen

    def _dormant(self, layer: int) -> list[int]:
        m = self.sums[layer] / self.examples
        s = m / (np.mean(m) + 1e-9)
        return [int(unit) for unit in np.flatnonzero(s <= self.threshold)]


class SelfNormalizedReset(UnitMethod):
    """a = number of examples since h > 0. A unit that fires adds a to its list of past values, and
    a = 0. Otherwise a += 1; where the list has at least `minimum` entries and the share of those
    >= a is at most `threshold`, the unit is regenerated, a = 0 and the list is emptied.
    Farias & Jozefiak, 2025.

    The examples of a minibatch count one by one; the chosen units are regenerated after the last.
    """

    def __init__(self, threshold: float, minimum: int) -> None:
        self.threshold, self.minimum = threshold, minimum

    def start(self, network: Network) -> None:
        super().start(network)
        self.a = [np.zeros(n, dtype=np.int64) for n in self.widths]
        self.past: list[list[list[int]]] = [[[] for _ in range(n)] for n in self.widths]

    def forget(self, layer: int, unit: int) -> None:
        self.a[layer][unit] = 0
        self.past[layer][unit] = []

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> Units:
        chosen = []
        for layer, h in enumerate(activations):
            for unit in range(self.widths[layer]):
                verdicts = [self._is_silent_too_long(layer, unit, float(a)) for a in h[:, unit]]
                if any(verdicts):
                    chosen.append((layer, unit))
        self.regenerate(chosen, network, optimizer, draw)
        return chosen

    def _is_silent_too_long(self, layer: int, unit: int, h: float) -> bool:
        a, past = self.a[layer], self.past[layer][unit]
        if h > 0.0:
            past.append(int(a[unit]))
            a[unit] = 0
            return False
        a[unit] += 1
        longer = sum(value >= a[unit] for value in past)
        return len(past) >= self.minimum and longer / len(past) <= self.threshold
