"""One table of last layers, every head above several bodies, and the streams that they learn from."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamdl as sdl
from numpy.typing import NDArray

Array = NDArray[Any]

HEADS: dict[str, dict[str, Any]] = {
    "TD": {"step_size": 0.005},
    "TrueOnlineTD": {"step_size": 0.005},
    "TIDBD": {"step_size": 0.005, "meta_step_size": 0.01},
    "AutoTIDBD": {"step_size": 0.01, "meta_step_size": 0.01},
    "SwiftTD": {"step_size": 0.005, "meta_step_size": 0.001},
}
INPUTS = 20
# Features around the lane count.
BODIES: dict[str, list[sdl.nn.Layer]] = {
    "tanh": [sdl.nn.Linear(17), sdl.nn.Tanh()],
    "relu": [sdl.nn.Linear(33), sdl.nn.ReLU(), sdl.nn.Linear(40), sdl.nn.ReLU()],
    "norm": [sdl.nn.Linear(24), sdl.nn.LayerNorm(), sdl.nn.LeakyReLU(), sdl.nn.Dropout(0.2), sdl.nn.Linear(7)],
    "follows": [sdl.nn.OnlineNorm(), sdl.nn.Linear(16), sdl.nn.OnlineNorm(), sdl.nn.SiLU()],
}  # fmt: skip
OPTIMIZERS: dict[str, sdl.optim.Optimizer] = {
    "SGD": sdl.optim.SGD(0.01),
    "Adam": sdl.optim.Adam(1e-3),
    "IDBD": sdl.optim.IDBD(0.01, 0.01),
    "Autostep": sdl.optim.Autostep(0.01, sensitivity="exact"),
}


@dataclass(frozen=True)
class Case:
    """One last layer of the table."""

    head: str
    body: str
    optimizer: str
    dtype: str
    inputs: int = INPUTS

    def __str__(self) -> str:
        return f"{self.head}-{self.body}-{self.optimizer}-{self.dtype}"

    def build(self, seed: int = 1, learns: bool = True) -> sdl.rl.LastLayer:
        network = sdl.Network(BODIES[self.body], self.inputs)
        methods = [sdl.plasticity.ContinualBackprop(1e-2, 10)] if self.body == "relu" else []
        body = sdl.Learner(
            network, "squared_error", OPTIMIZERS[self.optimizer], methods, seed, self.dtype
        )
        head: type[sdl.rl.LinearTD] = getattr(sdl.rl, self.head)
        common = {"discount": 0.9, "trace_decay": 0.8}
        features = len(body.predict(np.zeros(self.inputs)))
        return sdl.rl.LastLayer(
            body, head(features, dtype=self.dtype, **common, **HEADS[self.head]), learns
        )

    def stream(self, count: int, seed: int = 1) -> tuple[Array, Array]:
        random = np.random.default_rng(seed)
        xs, rewards = random.normal(size=(count, self.inputs)), random.normal(size=count)
        return xs.astype(self.dtype), rewards.astype(self.dtype)


TABLE = [
    Case(head, body, list(OPTIMIZERS)[(i + k) % 4], ["float32", "float64"][(i + k) % 2])
    for i, head in enumerate(HEADS)
    for k, body in enumerate(BODIES)
]


def live(case: Case, layer: sdl.rl.LastLayer, steps: int, seed: int = 1) -> list[float]:
    """Steps with an episode's end now and then."""
    seen = []
    for i, (x, reward) in enumerate(zip(*case.stream(steps, seed), strict=True)):
        seen.append(layer.step(x, float(reward)))
        if i % 37 == 36:
            layer.end(0.5)
    return seen


def spiky(case: Case, layer: sdl.rl.LastLayer, steps: int) -> int:
    """Spikes up to overflow and sudden large rewards; how many were refused."""
    random = np.random.default_rng(5)
    xs, rewards = case.stream(steps, seed=6)
    exponent = 37 if case.dtype == "float32" else 300
    refused = 0
    for i in range(steps):
        x, reward = xs[i], rewards[i]
        if random.uniform() < 0.1:
            x = (x * 10 ** random.uniform(0, exponent * i / steps)).astype(case.dtype)
        if random.uniform() < 0.1:
            reward = reward * 10 ** random.uniform(0, exponent * i / steps)
        before = layer.state_hash()
        try:
            layer.step(x, float(reward))
        except ValueError:
            refused += 1
            assert layer.state_hash() == before, "a refused observation left something behind"
    return refused


def print_hashes(steps: int) -> None:
    """For a fresh process: its instruction set and the hash of each layer after a life, as JSON."""
    hashes = {}
    for case in TABLE:
        calm, wild = case.build(), case.build()
        seen = live(case, calm, steps)
        refused = spiky(case, wild, steps)
        hashes[str(case)] = [
            calm.state_hash(), wild.state_hash(), wild.steps, refused, wild.cancelled,
            np.asarray(seen).tobytes().hex()[-64:],
        ]  # fmt: skip
    json.dump({"isa": sdl.info()["isa"], "hashes": hashes}, sys.stdout)
