"""Dense leaky-ReLU nets of growing size, one `step` per example."""

from typing import Any

import numpy as np
import streamdl as sdl

from benchmarks.common.protocol import Competitor
from benchmarks.common.streamdl_learner import describe
from benchmarks.scaling import WIDTHS

__all__ = ["VARIANTS", "build", "describe"]

VARIANTS = ("step",)


def build(variant: str, workload: Any) -> Competitor:
    width = WIDTHS[workload]
    learner = sdl.Learner(
        sdl.MLP(width, (width, width), width, activation="leaky_relu"),
        loss="squared_error",
        optimizer=sdl.optim.SGD(step_size=1e-4),
    )
    rng = np.random.default_rng(0)
    xs = rng.standard_normal((256, width)).astype(np.float32)
    ys = np.tanh(xs[:, ::-1])
    return Competitor(learner.step, list(zip(xs, np.ascontiguousarray(ys), strict=True)), rule=None)
