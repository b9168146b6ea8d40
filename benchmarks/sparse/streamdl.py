"""Dense and sparse networks by `step_many`; edges are moved every 1,000 examples."""

from typing import Any

import streamdl as sdl

from benchmarks.common.protocol import Competitor
from benchmarks.common.streamdl_learner import describe, in_blocks
from benchmarks.common.workloads import Workload

__all__ = ["VARIANTS", "build", "describe"]

METHODS: dict[str, Any] = {
    "": None,
    "_set": sdl.plasticity.SET(),
    "_rigl": sdl.plasticity.RigL(),
    "_utility": sdl.plasticity.EdgeUtility(),
}
VARIANTS = ("dense", *(kind + method for kind in ("edges", "blocks") for method in METHODS))
DENSITY = 0.1


def build(variant: str, workload: Workload) -> Competitor:
    inputs, *hidden, outputs = workload.sizes
    kind, _, method = variant.partition("_")
    layers: list[sdl.nn.Layer] = []
    for width in hidden:
        if kind == "dense":
            layers.append(sdl.nn.Linear(width))
        else:
            block = 16 if kind == "blocks" else 1
            layers.append(sdl.nn.SparseLinear(width, density=DENSITY, block=block))
        layers.append(sdl.nn.ReLU())
    network = sdl.Network([*layers, sdl.nn.Linear(outputs)], inputs)
    learner = sdl.Learner(
        network,
        workload.loss,
        sdl.optim.SGD(workload.step_size),
        METHODS[f"_{method}" if method else ""],
    )
    return in_blocks(learner, workload)
