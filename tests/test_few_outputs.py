"""Few outputs: their weights lie as one vector each, of which few active sources visit a part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
import streamdl as sdl
from conformance.vectors import Report, arguments

STEPS = 100
OPTIMIZERS: list[dict[str, Any]] = [
    {"name": "SGD", "step_size": 0.02},
    {"name": "SGD", "step_size": 0.02, "weight_decay": 0.01, "decoupled_weight_decay": 0.02},
    {"name": "SGD", "step_size": 0.01, "momentum": 0.8, "nesterov": True},
    {"name": "Adam", "step_size": 0.003, "epsilon": 1e-6},
    {"name": "IDBD", "step_size": 0.02, "meta_step_size": 0.01},
    {"name": "IDBD", "step_size": 0.02, "meta_step_size": 0.01, "sensitivity": "exact"},
    {"name": "Autostep", "step_size": 0.1, "meta_step_size": 0.01, "tau": 100.0},
    {"name": "HypergradientDescent", "step_size": 0.01, "meta_step_size": 1e-5, "momentum": 0.5},
    {"name": "MetaOptimize", "base": "SGD", "meta": "RMSProp", "blocks": "layerwise",
     "step_size": 0.01, "meta_step_size": 0.001, "discount": 0.9},
    {"name": "UPGD", "step_size": 0.02, "utility_decay": 0.9, "noise": 0.0},
    {"name": "UPGD", "step_size": 0.02, "utility_decay": 0.9, "noise": 0.0, "scope": "local"},
]  # fmt: skip
NETWORKS: list[dict[str, Any]] = [
    {"inputs": 200, "hidden": [], "outputs": 1},
    {"inputs": 201, "hidden": [], "outputs": 1, "bias": False},
    {"inputs": 60, "hidden": [150], "outputs": 1, "activation": "relu"},
    {"inputs": 60, "hidden": [150], "outputs": 7, "activation": "relu"},
    {"inputs": 60, "hidden": [150], "outputs": 8, "activation": "tanh"},
    {"inputs": 60, "hidden": [150], "outputs": 9, "activation": "relu"},  # rows again
]


@pytest.mark.parametrize("active", [0.02, 0.9], ids=["sparse", "dense"])
@pytest.mark.parametrize("pairs", [False, True], ids=["array", "pairs"])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: "-".join(map(str, n.values())))
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: "-".join(map(str, o.values())))
def test_agrees_with_the_reference(
    optimizer: dict[str, Any], network: dict[str, Any], pairs: bool, active: float
) -> None:
    rule = arguments(optimizer, "name")
    build = getattr(sdl.optim, optimizer["name"])(**rule)
    learner = sdl.Learner(sdl.MLP(**network), "huber", build, seed=4, dtype="float64")
    truth = reference.Learner(
        reference.MLP(**network), "huber", getattr(reference, optimizer["name"])(**rule), []
    )
    random = np.random.default_rng(5)
    if network["hidden"]:  # most of the rectified units are silent as well
        learner.parameters["0.bias"][...] = -0.5 if active < 0.5 else 0.1
    for name, w in truth.parameters.items():
        w[...] = learner.parameters[name]
    losses: list[list[float]] = [[], []]
    for _ in range(STEPS):
        x = random.normal(size=network["inputs"])
        x[random.uniform(size=x.shape) >= active] = 0.0
        y = random.normal(size=network["outputs"])
        indices = np.flatnonzero(x)
        losses[0].append(learner.step((indices, x[indices]) if pairs else x, y))
        losses[1].append(truth.step(x, y))
    report = Report(f"{optimizer} {network}")
    report.compare("losses", losses[0], losses[1], 1e-9)
    for name, w in truth.parameters.items():
        report.compare(name, learner.parameters[name], w, 1e-9)
        report.compare("step_sizes/" + name, learner.step_sizes[name], truth.step_sizes[name], 1e-9)
    report.check()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_written_through_the_views_is_what_predicts(dtype: str) -> None:
    network = sdl.MLP(37, [37], 3, activation="linear")
    learner = sdl.Learner(network, "huber", sdl.optim.IDBD(0.1, 0.01), dtype=dtype)
    weights, bias = learner.parameters["1.weight"], learner.parameters["1.bias"]
    assert weights.shape == (37, 3) and bias.shape == (3,)
    learner.parameters["0.weight"][...] = np.eye(37)
    weights[...] = np.arange(37 * 3).reshape(37, 3)
    bias[...] = [0.5, 1.5, 2.5]
    for j in (0, 15, 16, 36):
        x = np.zeros(37, dtype)
        x[j] = 2.0
        assert learner.predict(x).tolist() == [6 * j + 0.5, 6 * j + 3.5, 6 * j + 6.5]
    before = learner.state_hash()
    weights[36, 1] += 1
    assert learner.state_hash() != before
