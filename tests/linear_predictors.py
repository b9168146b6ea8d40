"""One table of linear temporal-difference learners, and the streams that they learn from."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamdl as sdl
from numpy.typing import NDArray

Array = NDArray[Any]

COMMON: dict[str, Any] = {"discount": 0.9, "trace_decay": 0.8}
META: dict[str, Any] = {"step_size": 0.01, "meta_step_size": 0.02, **COMMON}
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "td": ("TD", {"step_size": 0.02, **COMMON}),
    "td_without_trace": ("TD", {"step_size": 0.02, "discount": 0.9, "trace_decay": 0.0}),
    "td_cutoff": ("TD", {"step_size": 0.02, "trace_cutoff": 0.05, **COMMON}),
    "true_online": ("TrueOnlineTD", {"step_size": 0.02, **COMMON}),
    "true_online_cutoff": ("TrueOnlineTD", {"step_size": 0.02, "trace_cutoff": 0.1, **COMMON}),
    "tidbd": ("TIDBD", META),
    "tidbd_ordinary": ("TIDBD", {"gradient": "ordinary", "trace_cutoff": 0.01, **META}),
    "auto_tidbd": ("AutoTIDBD", META),
    "auto_tidbd_bounded": ("AutoTIDBD", {"gradient": "ordinary", **META, "step_size": 0.9, "tau": 10}),
    "swift": ("SwiftTD", {**META, "meta_step_size": 0.001}),
    "swift_wild": ("SwiftTD", {**META, "meta_step_size": 1.0, "rate_bound": 0.5}),
    "swift_bounded": (
        "SwiftTD",
        {**META, "step_size": 0.3, "rate_bound": 0.05, "step_size_decay": 0.9, "min_step_size": 1e-3},
    ),
    "swift_cutoff": ("SwiftTD", {**META, "meta_step_size": 0.001, "trace_cutoff": 0.05}),
}  # fmt: skip
# Sizes around the lane count, and more than one word of blocks.
FEATURES = [1, 7, 8, 15, 16, 17, 40, 300, 1100]


@dataclass(frozen=True)
class Case:
    """One learner of the table."""

    rule: str
    features: int
    dtype: str
    options: dict[str, Any] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.rule}-{self.features}-{self.dtype}"

    def build(self) -> sdl.rl.LinearTD:
        name, options = RULES[self.rule]
        rule: type[sdl.rl.LinearTD] = getattr(sdl.rl, name)
        return rule(self.features, dtype=self.dtype, **(options | self.options))

    def stream(self, count: int, seed: int = 1) -> tuple[Array, Array]:
        """(count, features) inputs, mostly zeros where there are many, and rewards."""
        random = np.random.default_rng(seed)
        density = min(1.0, 8 / self.features)
        xs = random.normal(size=(count, self.features)) * (
            random.uniform(size=(count, self.features)) < density
        )
        xs[random.uniform(size=count) < 0.1] = 0
        return xs.astype(self.dtype), random.normal(size=count).astype(self.dtype)


TABLE = [
    Case(rule, FEATURES[(3 * i + 5 * k + 7 * j) % len(FEATURES)], dtype)
    for i, rule in enumerate(RULES)
    for j, dtype in enumerate(["float32", "float64"])
    for k in range(3)
]


def live(case: Case, learner: sdl.rl.LinearTD, steps: int, seed: int = 1) -> list[float]:
    """Steps with an episode's end now and then."""
    seen = []
    for i, (x, reward) in enumerate(zip(*case.stream(steps, seed), strict=True)):
        seen.append(learner.step(x, float(reward)))
        if i % 37 == 36:
            learner.end(0.5)
    return seen


# Spikes up to overflow and sudden large rewards: what is refused and what is cancelled must not depend on the set.
def spiky(case: Case, learner: sdl.rl.LinearTD, steps: int) -> int:
    random = np.random.default_rng(5)
    xs, rewards = case.stream(steps, seed=6)
    exponent = 37 if case.dtype == "float32" else 300
    refused = 0
    for i in range(steps):
        x, reward = xs[i], rewards[i]
        if random.uniform() < 0.05:
            x = (x * 10 ** random.uniform(0, exponent * i / steps)).astype(case.dtype)
        if random.uniform() < 0.05:
            reward = reward * 10 ** random.uniform(0, exponent * i / steps)
        try:
            learner.step(x, float(reward))
        except ValueError:
            refused += 1
    return refused


def print_hashes(steps: int) -> None:
    """For a fresh process: its instruction set and the hash of each learner after a life, as JSON."""
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
