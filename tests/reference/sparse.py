"""Sparse layers, as dense ones under a mask, and the methods that move their edges."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reference.network import Array, Linear, Network, Shape
from reference.optimizers import Optimizer
from reference.plasticity import Draw, Plasticity, Units

Indices = NDArray[np.int64]
# (sparse layer, source unit, its targets, the slots that are dropped) -> their new targets
Grow = Callable[[int, int, Indices, list[int]], list[int]]


class SparseLinear(Linear):
    """a = W^T x + b, where W is 0 but for the edges. targets[j, s]: the first of the `block` units
    that slot s of source unit j leads to."""

    def __init__(
        self,
        outputs: int,
        density: float | None = None,
        edges: int | None = None,
        block: int = 1,
        bias: bool = True,
    ) -> None:
        assert density is None and edges is not None, "the reference knows numbers of edges only"
        super().__init__(outputs, bias)
        self.edges, self.block = edges, block

    def build(self, shape: Shape) -> Shape:
        out = super().build(shape)
        self.fan_in = shape[0] * self.edges / self.outputs  # in the mean
        self.targets = np.tile(np.arange(0, self.edges, self.block), (shape[0], 1))
        return out

    def columns(self, j: int, slot: int) -> slice:
        first = int(self.targets[j, slot])
        return slice(first, first + self.block)

    def of_blocks(self, values: Array, firsts: Indices) -> Array:
        """Sums of `values` over the blocks that begin at `firsts`."""
        sums: Array = values[firsts[:, None] + np.arange(self.block)].sum(axis=1)
        return sums

    @property
    def mask(self) -> NDArray[np.bool_]:
        mask = np.zeros(self.parameters["weight"].shape, dtype=bool)
        columns = self.targets[:, :, None] + np.arange(self.block)
        np.put_along_axis(mask, columns.reshape(len(mask), -1), True, axis=1)
        return mask

    def present(self, parameter: str) -> Array | float:
        return self.mask.astype(np.float64) if parameter == "weight" else 1.0

    def back(self, delta: Array) -> Array:
        self.delta = delta.copy()
        return super().back(delta)

    def gradients(self, delta: Array) -> dict[str, Array]:
        gradients = super().gradients(delta)
        return gradients | {"weight": gradients["weight"] * self.mask}

    def sensitivities(self, s: Array) -> dict[str, Array]:
        sensitivities = super().sensitivities(s)
        return sensitivities | {"weight": sensitivities["weight"] * self.mask}


class Rewiring(Plasticity):
    """Source unit j is looked at after the updates t with t = j modulo `period`. Of its slots the
    fraction of least worth is dropped, one at least, and filled with targets that it did not have.
    A new edge is 0, with its fields at their starts; the count t of Adam's corrections runs on.

    `grow` says where drawn edges go.
    """

    def __init__(self, period: int = 1000, fraction: float = 0.1) -> None:
        self.period, self.fraction = period, fraction
        random = np.random.default_rng(0)

        def grow(layer: int, j: int, targets: Indices, dropped: list[int]) -> list[int]:
            free = self.free(self.layers[layer][0], targets)
            return [int(k) for k in random.choice(free, size=len(dropped), replace=False)]

        self.grow: Grow = grow

    def start(self, network: Network) -> None:
        self.t = 0
        self.layers = [
            (layer, names)
            for layer, names in zip(network.layers, network.names, strict=True)
            if isinstance(layer, SparseLinear)
        ]

    @staticmethod
    def free(layer: SparseLinear, targets: Indices) -> Indices:
        return np.setdiff1d(np.arange(0, layer.outputs, layer.block), targets)

    def worth(self, layer: int) -> Array:
        """Of each weight."""
        return np.abs(self.layers[layer][0].parameters["weight"])

    def slots(self, layer: int, j: int) -> int:
        """How many slots of source unit j are to be moved now."""
        sparse = self.layers[layer][0]
        slots = sparse.targets.shape[1]
        wanted = max(1, math.floor(self.fraction * slots)) if self.fraction > 0 else 0
        return min(wanted, len(self.free(sparse, sparse.targets[j])))

    def destinations(self, layer: int, j: int, dropped: list[int]) -> list[int]:
        return self.grow(layer, j, self.layers[layer][0].targets[j].copy(), dropped)

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> Units:
        self.t += 1
        for layer, (sparse, _) in enumerate(self.layers):
            for j in range(self.t % self.period, len(sparse.targets), self.period):
                self.rewire(layer, j, optimizer)
        return []

    def rewire(self, layer: int, j: int, optimizer: Optimizer) -> None:
        sparse, names = self.layers[layer]
        worth = sparse.of_blocks(self.worth(layer)[j], sparse.targets[j])
        order = [int(slot) for slot in np.argsort(worth, kind="stable")]
        dropped = order[: self.slots(layer, j)]
        for slot, target in zip(dropped, self.destinations(layer, j, dropped), strict=True):
            self.clear(layer, j, sparse.columns(j, slot), optimizer)
            sparse.targets[j, slot] = target
            self.clear(layer, j, sparse.columns(j, slot), optimizer)

    def clear(self, layer: int, j: int, columns: slice, optimizer: Optimizer) -> None:
        sparse, names = self.layers[layer]
        sparse.parameters["weight"][j, columns] = 0.0
        fields = optimizer.fields[names["weight"]]
        count = fields["t"][j, columns].copy() if "t" in fields else None
        optimizer.reset(names["weight"], np.s_[j, columns])
        if count is not None:
            fields["t"][j, columns] = count


class SET(Rewiring):
    """Worth is |w|; edges grow at random. Mocanu et al., 2018."""


class RigL(Rewiring):
    """Worth is |w|; edges grow where |x_j delta_k| is largest and not 0, at the lowest k of equals.
    Evci et al., 2020."""

    def candidates(self, layer: int, j: int) -> list[int]:
        sparse = self.layers[layer][0]
        free = self.free(sparse, sparse.targets[j])
        # x_j is the same for all of them, and multiplying by it could only round.
        score = sparse.of_blocks(np.abs(sparse.delta), free)
        ranked = np.argsort(-score, kind="stable")
        return [int(free[k]) for k in ranked if score[k] > 0 and sparse.x[j] != 0]

    def slots(self, layer: int, j: int) -> int:
        return min(super().slots(layer, j), len(self.candidates(layer, j)))

    def destinations(self, layer: int, j: int, dropped: list[int]) -> list[int]:
        return self.candidates(layer, j)[: len(dropped)]


class EdgeUtility(Rewiring):
    """u = decay u + (1 - decay) |x_j delta_k w_jk| on every example with x_j not 0, with the w after
    its update. Worth is u; edges grow at random, and start with u = 0."""

    def __init__(self, period: int = 1000, fraction: float = 0.1, decay: float = 0.999) -> None:
        super().__init__(period, fraction)
        self.decay = decay

    def start(self, network: Network) -> None:
        super().start(network)
        self.u = [np.zeros_like(layer.parameters["weight"]) for layer, _ in self.layers]

    def worth(self, layer: int) -> Array:
        return self.u[layer]

    def clear(self, layer: int, j: int, columns: slice, optimizer: Optimizer) -> None:
        super().clear(layer, j, columns, optimizer)
        self.u[layer][j, columns] = 0.0

    def after_update(
        self, network: Network, optimizer: Optimizer, activations: list[Array], draw: Draw
    ) -> Units:
        for u, (layer, _) in zip(self.u, self.layers, strict=True):
            seen = np.abs(np.outer(layer.x, layer.delta) * layer.parameters["weight"])
            active = layer.x != 0
            u[active] = self.decay * u[active] + (1.0 - self.decay) * seen[active]
        return super().after_update(network, optimizer, activations, draw)
