"""W7 with streamdl: `step`, `step_many`, and for a sparse input that came dense, `step` from that."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamdl as sdl

from benchmarks.common.protocol import Competitor
from benchmarks.common.streamdl_learner import describe
from benchmarks.w7.workload import (
    BLOCK,
    DISCOUNT,
    FEATURES,
    OF_REWARDS,
    REPLAYED,
    TAU,
    TRACE_DECAY,
    Linear,
    workload_of,
)

__all__ = ["VARIANTS", "build", "describe"]

VARIANTS = ("step", "step_many")


def learner(w: Linear) -> Any:
    """Weights begin at 0."""
    if w.rule in OF_REWARDS:
        rule: Any = {
            "td": sdl.rl.TD, "true_online_td": sdl.rl.TrueOnlineTD, "tidbd": sdl.rl.TIDBD,
            "auto_tidbd": sdl.rl.AutoTIDBD, "swift_td": sdl.rl.SwiftTD,
        }[w.rule]  # fmt: skip
        learned = {} if w.rule in ("td", "true_online_td") else {"meta_step_size": w.meta_step_size}
        return rule(
            FEATURES, step_size=w.step_size, discount=DISCOUNT, trace_decay=TRACE_DECAY, **learned
        )
    optimizer: Any = {
        "sgd": lambda: sdl.optim.SGD(w.step_size),
        "idbd": lambda: sdl.optim.IDBD(w.step_size, w.meta_step_size),
        "autostep": lambda: sdl.optim.Autostep(w.step_size, w.meta_step_size, TAU),
    }[w.rule]()
    network = sdl.Network([sdl.nn.Linear(1, init="zeros")], inputs=FEATURES)
    return sdl.Learner(network, loss="squared_error", optimizer=optimizer)


def build(variant: str, name: str) -> Competitor:
    w = workload_of(name)
    made = learner(w)
    indices, values = w.inputs
    expected = w.expected if w.rule in REPLAYED else None
    if variant == "step":
        xs = zip(indices, values, strict=True) if w.sparse else iter(values)
        pairs = list(zip(xs, w.targets.tolist(), strict=True))
        return Competitor(made.step, pairs, rule=None, expected=expected)
    ys = w.targets if w.rule in OF_REWARDS else w.targets[:, None]
    arguments: list[tuple[Any, Any]] = []
    for i in range(0, w.count, BLOCK):
        rows: Any = values[i : i + BLOCK]
        if w.sparse:
            active = indices.shape[1]
            ends = np.arange(0, BLOCK * active + 1, active)
            rows = ends, indices[i : i + BLOCK].ravel(), values[i : i + BLOCK].ravel()
        arguments.append((rows, ys[i : i + BLOCK]))
    return Competitor(made.step_many, arguments, BLOCK, rule=None, expected=expected)
