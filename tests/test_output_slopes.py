"""MAS: how the squared outputs react to a parameter, also to those of layer norms, and over minibatches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
import streamdl as sdl
from conformance.vectors import Report

INPUTS, OUTPUTS, UPDATES, EXAMPLES = 7, 3, 25, 4
ARGUMENTS: dict[str, Any] = {
    "step_size": 0.02, "strength": 0.3, "average_decay": 0.9, "importance_decay": 0.8,
}  # fmt: skip


def pair() -> tuple[sdl.Learner, reference.Learner]:
    nn = sdl.nn
    layers = [
        nn.LayerNorm(), nn.Linear(9), nn.LayerNorm(), nn.Tanh(), nn.Linear(OUTPUTS), nn.LayerNorm(),
    ]  # fmt: skip
    ours = sdl.Learner(
        sdl.Network(layers, inputs=INPUTS), "squared_error", sdl.optim.MAS(**ARGUMENTS),
        seed=5, dtype="float64",
    )  # fmt: skip
    truth = reference.Learner(
        reference.Network(
            [
                reference.LayerNorm(), reference.Linear(9), reference.LayerNorm(),
                reference.Activation("tanh"), reference.Linear(OUTPUTS), reference.LayerNorm(),
            ],
            INPUTS,
        ),
        "squared_error",
        reference.MAS(**ARGUMENTS),
    )  # fmt: skip
    assert set(ours.parameters) == set(truth.parameters)
    random = np.random.default_rng(2)
    for name, w in truth.parameters.items():
        w[...] = np.array(ours.parameters[name]) + 0.2 * random.normal(size=w.shape)
        ours.parameters[name][...] = w
    return ours, truth


@pytest.mark.parametrize("minibatch", [False, True])
def test_the_importance_of_every_parameter_is_the_references(minibatch: bool) -> None:
    ours, truth = pair()
    random = np.random.default_rng(3)
    report = Report(f"minibatch {minibatch}")
    for _ in range(UPDATES):
        xs = random.normal(size=(EXAMPLES, INPUTS))
        ys = random.normal(size=(EXAMPLES, OUTPUTS))
        if minibatch:
            report.compare("loss", ours.step_minibatch(xs, ys), truth.step_minibatch(xs, ys), 1e-9)
        else:
            report.compare("loss", ours.step(xs[0], ys[0]), truth.step(xs[0], ys[0]), 1e-9)
    for name, w in truth.parameters.items():
        report.compare(name, ours.parameters[name], w, 1e-9)
        importance = truth.optimizer.fields[name]["first"]
        report.compare(name + ".importance", ours.state[name + ".importance"], importance, 1e-9)
    report.check()
