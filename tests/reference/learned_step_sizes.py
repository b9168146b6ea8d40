"""Rules that learn step sizes and need sums over a unit, a layer or the network to do it."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.optimizers import Arrays, Optimizer

Array = NDArray[np.float64]


def layers_of(parameters: Arrays) -> list[list[str]]:
    """The names of the parameters, layer by layer: "1.weight" and "1.bias" belong together."""
    return [list(names) for _, names in groupby(parameters, key=lambda name: name.split(".")[0])]


def per_unit(values: Array) -> Array:
    """Sums over what belongs to one unit: units are the last axis of every parameter."""
    return np.asarray(np.sum(values, axis=tuple(range(values.ndim - 1))))


class Autostep(Optimizer):
    """m = |g h|; v = max(m, v + a d (m - v) / tau); a *= exp(-theta g h / v) where v != 0;
    a /= M, for each unit M = max(1, sum of a d over its incoming weights and its bias);
    w -= a g; h = h (1 - a d) - a g. Mahmood et al., 2012.

    decoupled_weight_decay: w *= 1 - a decoupled_weight_decay, with the a after the division.
    """

    def __init__(
        self,
        step_size: float,
        meta_step_size: float,
        tau: float = 1e4,
        sensitivity: str = "diagonal",
        **decays: float,
    ) -> None:
        super().__init__({"a": step_size, "v": 0.0, "h": 0.0}, step_size, **decays)
        self.meta_step_size, self.tau, self.sensitivity = meta_step_size, tau, sensitivity

    def step_sizes(self, name: str, w: Array) -> Array:
        return self.fields[name]["a"].copy()

    def update_all(self, parameters: Arrays, g: Arrays, d: Arrays) -> None:
        g = self.decayed(parameters, g)
        for name in parameters:
            self._adapt(name, g[name], d[name])
        for names in layers_of(parameters):
            self._bound(names, d)
        for name, w in parameters.items():
            a, h = self.fields[name]["a"], self.fields[name]["h"]
            w *= 1.0 - a * self.decoupled_weight_decay
            w -= a * g[name]
            h[...] = h * (1.0 - a * d[name]) - a * g[name]

    def _adapt(self, name: str, g: Array, d: Array) -> None:
        a, v, h = (self.fields[name][field] for field in ("a", "v", "h"))
        m = np.abs(g * h)
        v[...] = np.maximum(m, v + a * d * (m - v) / self.tau)
        seen = v != 0.0
        a[seen] *= np.exp(-self.meta_step_size * (g * h)[seen] / v[seen])

    def _bound(self, names: list[str], d: Arrays) -> None:
        """Divide all step sizes of a unit, also those with d = 0, by its M."""
        sums = sum(per_unit(self.fields[name]["a"] * d[name]) for name in names)
        for name in names:
            self.fields[name]["a"] /= np.maximum(1.0, sums)


class NormalizedIDBD(Autostep):
    """beta -= theta g h, a = exp(beta); a /= M as in Autostep; w -= a g; h = h (1 - a d) - a g."""

    def __init__(
        self,
        step_size: float,
        meta_step_size: float,
        sensitivity: str = "diagonal",
        **decays: float,
    ) -> None:
        super().__init__(step_size, meta_step_size, sensitivity=sensitivity, **decays)

    def _adapt(self, name: str, g: Array, d: Array) -> None:
        a, h = self.fields[name]["a"], self.fields[name]["h"]
        a *= np.exp(-self.meta_step_size * g * h)


class SigIDBD(Optimizer):
    """beta -= theta g h, a = exp(beta); z -= theta_z * sum of g k over the network, mu = sigmoid(z);
    S = sum of a d over the network; r = mu a / (S + epsilon); w -= r g;
    h = h (1 - r d) - r g; k = k (1 - r d) - (1 - mu) r g."""

    def __init__(
        self,
        step_size: float,
        meta_step_size: float,
        rate: float = 0.1,
        rate_meta_step_size: float = 1e-3,
        epsilon: float = 1e-8,
        sensitivity: str = "diagonal",
        **decays: float,
    ) -> None:
        super().__init__({"beta": math.log(step_size), "h": 0.0, "k": 0.0}, step_size, **decays)
        self.meta_step_size, self.rate_meta_step_size = meta_step_size, rate_meta_step_size
        self.z, self.epsilon, self.sensitivity = math.log(rate / (1.0 - rate)), epsilon, sensitivity

    def step_sizes(self, name: str, w: Array) -> Array:
        return np.exp(self.fields[name]["beta"])

    def update_all(self, parameters: Arrays, g: Arrays, d: Arrays) -> None:
        g = self.decayed(parameters, g)
        for name in parameters:
            self.fields[name]["beta"] -= self.meta_step_size * g[name] * self.fields[name]["h"]
        self.z -= self.rate_meta_step_size * sum(
            float(np.sum(g[name] * self.fields[name]["k"])) for name in parameters
        )
        mu = 1.0 / (1.0 + math.exp(-self.z))
        S = sum(float(np.sum(self.step_sizes(name, w) * d[name])) for name, w in parameters.items())
        for name, w in parameters.items():
            h, k = self.fields[name]["h"], self.fields[name]["k"]
            r = mu * self.step_sizes(name, w) / (S + self.epsilon)
            w *= 1.0 - r * self.decoupled_weight_decay
            w -= r * g[name]
            h[...] = h * (1.0 - r * d[name]) - r * g[name]
            k[...] = k * (1.0 - r * d[name]) - (1.0 - mu) * r * g[name]


class HypergradientDescent(Optimizer):
    """a += theta * sum over all weights of g u, with the direction u of the step before;
    then u = momentum u + g (base "sgd") or m-hat / (sqrt(v-hat) + epsilon) (base "adam");
    w -= a u. per_weight: a += theta g u for each weight. Baydin et al., 2018.

    The sum is taken over the whole network before any weight moves; the published Adam form changes
    a between the tensors of one step. The count t of base "adam" is the weight's own, as in Adam.
    """

    def __init__(
        self,
        step_size: float,
        meta_step_size: float,
        per_weight: bool = False,
        momentum: float = 0.0,
        base: str = "sgd",
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        **decays: float,
    ) -> None:
        if base not in ("sgd", "adam"):
            raise ValueError(f"base={base!r}: it is 'sgd' or 'adam'")
        if base == "adam" and momentum != 0.0:
            raise ValueError("momentum belongs to base 'sgd'; base 'adam' has beta1")
        starts = {"a": step_size, "u": 0.0, "m": 0.0, "v": 0.0, "t": 0.0}
        super().__init__(starts, step_size, **decays)
        self.meta_step_size, self.per_weight = meta_step_size, per_weight
        self.momentum, self.base = momentum, base
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def start(self, parameters: Arrays) -> None:
        super().start(parameters)
        self.shared = self.step_size  # a of the network

    def step_sizes(self, name: str, w: Array) -> Array:
        return self.fields[name]["a"].copy() if self.per_weight else np.full(w.shape, self.shared)

    def update_all(self, parameters: Arrays, g: Arrays, d: Arrays) -> None:
        g = self.decayed(parameters, g)
        product = {name: g[name] * self.fields[name]["u"] for name in parameters}
        self._adapt(product)
        for name, w in parameters.items():
            fields, a = self.fields[name], self.step_sizes(name, w)
            fields["u"][...] = self._direction(fields, g[name])
            w *= 1.0 - a * self.decoupled_weight_decay
            w -= a * fields["u"]

    def _adapt(self, product: Arrays) -> None:
        if not self.per_weight:
            self.shared += self.meta_step_size * sum(float(np.sum(p)) for p in product.values())
            return
        for name, p in product.items():
            self.fields[name]["a"] += self.meta_step_size * p

    def _direction(self, fields: Arrays, g: Array) -> Array:
        if self.base == "sgd":
            return self.momentum * fields["u"] + g
        m, v, t = fields["m"], fields["v"], fields["t"]
        t += 1.0
        m[...] = self.beta1 * m + (1.0 - self.beta1) * g
        v[...] = self.beta2 * v + (1.0 - self.beta2) * g**2
        m_hat, v_hat = m / (1.0 - self.beta1**t), v / (1.0 - self.beta2**t)
        return np.asarray(m_hat / (np.sqrt(v_hat) + self.epsilon))


class Formula:
    """The direction u of a base or meta rule of MetaOptimize, from its input g.

    "SGD" g. "SGDm" the M of the step before, then M = momentum M + (1 - momentum) g.
    "RMSProp" g / R, V = normalizer V + g^2, R = sqrt(V (1 - normalizer) / (1 - normalizer^t) + 1e-10).
    "AdamW", "Adam" M / R, M = momentum M + g. "Lion" sign(lion_beta M + (1 - lion_beta) g), then
    M = momentum M + (1 - momentum) g.
    """

    def __init__(self, rule: str, momentum: float, normalizer: float, lion_beta: float) -> None:
        self.rule = rule
        self.momentum, self.normalizer, self.lion_beta = momentum, normalizer, lion_beta

    def __call__(self, state: Arrays, g: Array, t: int) -> Array:
        """u at the t-th step; moves M and V in `state`."""
        M, V, mean = state["M"], state["V"], 1.0 - self.momentum
        before = M.copy()
        match self.rule:
            case "SGD":
                return g
            case "SGDm":
                M[...] = self.momentum * M + mean * g
                return before
            case "Lion":
                M[...] = self.momentum * M + mean * g
                return np.sign(self.lion_beta * before + (1.0 - self.lion_beta) * g)
        V[...] = self.normalizer * V + g**2
        root = np.sqrt(V * (1.0 - self.normalizer) / (1.0 - self.normalizer**t) + 1e-10)
        if self.rule == "RMSProp":
            return np.asarray(g / root)
        M[...] = self.momentum * M + g
        return np.asarray(M / root)


BASES = ("SGD", "SGDm", "RMSProp", "AdamW", "Lion")
METAS = ("SGD", "RMSProp", "Adam", "Lion")
BLOCKS = ("scalar", "layerwise", "weightwise")


class MetaOptimize(Optimizer):
    """The Hessian-free form: Sharifnassab, Salehkaleybar, Sutton, 2025. beta = ln a per block.

    a = exp(beta); m = sum over the block of h g; u by the base `Formula` from g;
    change = a (u + weight_decay w); w -= change; h = discount (1 - weight_decay a) h - change;
    beta -= meta_step_size * (direction by the meta `Formula` from m).
    `blocks`: "scalar" one for the network, "layerwise" one per parameter array, "weightwise".

    `weight_decay` is the kappa of this equation; there are no other decays. The count t is shared
    by the network.
    """

    def __init__(
        self,
        base: str,
        meta: str,
        blocks: str,
        step_size: float,
        meta_step_size: float,
        discount: float = 1.0,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        normalizer: float = 0.999,
        lion_beta: float = 0.9,
        meta_momentum: float = 0.9,
        meta_normalizer: float = 0.999,
        meta_lion_beta: float = 0.9,
    ) -> None:
        for got, known in ((base, BASES), (meta, METAS), (blocks, BLOCKS)):
            if got not in known:
                raise ValueError(f"{got!r} is none of {', '.join(known)}")
        super().__init__({"h": 0.0, "M": 0.0, "V": 0.0}, step_size, weight_decay)
        self.base = Formula(base, momentum, normalizer, lion_beta)
        self.meta = Formula(meta, meta_momentum, meta_normalizer, meta_lion_beta)
        self.blocks, self.meta_step_size, self.discount = blocks, meta_step_size, discount
        self.block_starts = {"beta": math.log(step_size), "M": 0.0, "V": 0.0}

    def start(self, parameters: Arrays) -> None:
        super().start(parameters)
        self.t = 0
        shapes = {
            self._block(name): w.shape if self.blocks == "weightwise" else ()
            for name, w in parameters.items()
        }
        self.block_fields = {
            block: {field: np.full(shape, value) for field, value in self.block_starts.items()}
            for block, shape in shapes.items()
        }

    def reset(self, name: str, where: Any) -> None:
        super().reset(name, where)
        if self.blocks == "weightwise":
            for field, value in self.block_starts.items():
                self.block_fields[name][field][where] = value

    def step_sizes(self, name: str, w: Array) -> Array:
        return np.full(w.shape, np.exp(self.block_fields[self._block(name)]["beta"]))

    def update_all(self, parameters: Arrays, g: Arrays, d: Arrays) -> None:
        self.t += 1
        m = {block: np.zeros_like(state["beta"]) for block, state in self.block_fields.items()}
        for name, w in parameters.items():
            h, a, kappa = self.fields[name]["h"], self.step_sizes(name, w), self.weight_decay
            product = h * g[name]
            m[self._block(name)] += product if self.blocks == "weightwise" else np.sum(product)
            change = a * (self.base(self.fields[name], g[name], self.t) + kappa * w)
            w -= change
            h[...] = self.discount * (1.0 - kappa * a) * h - change
        for block, state in self.block_fields.items():
            state["beta"] -= self.meta_step_size * self.meta(state, m[block], self.t)

    def _block(self, name: str) -> str:
        return "all" if self.blocks == "scalar" else name
