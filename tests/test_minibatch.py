"""`step_minibatch`: one update from the mean gradient, against torch and the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
import streamdl as sdl
from conformance.vectors import Report, arguments
from numpy.typing import NDArray

UPDATES, EXAMPLES = 30, 16
NETWORK: dict[str, Any] = {
    "inputs": 9, "hidden": [13, 7], "outputs": 4, "activation": "gelu", "bias": True,
    "layer_norm": True,
}  # fmt: skip
PLAIN = NETWORK | {"activation": "tanh", "layer_norm": False}
LOSSES = ["squared_error", "cross_entropy", "binary_cross_entropy", "huber"]


def examples(loss: str, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Minibatches with sparse inputs: (updates, examples, ...)."""
    random = np.random.default_rng(seed)
    xs = random.normal(size=(UPDATES, EXAMPLES, NETWORK["inputs"]))
    xs[random.uniform(size=xs.shape) < 0.5] = 0.0
    ys: NDArray[Any] = random.normal(size=(UPDATES, EXAMPLES, NETWORK["outputs"]))
    if loss == "cross_entropy":
        ys = random.integers(NETWORK["outputs"], size=(UPDATES, EXAMPLES))
    elif loss == "binary_cross_entropy":
        ys = (ys > 0).astype(np.float64)
    return xs, ys


def learner_of(
    network: dict[str, Any], loss: str, optimizer: dict[str, Any], plasticity: list[dict[str, Any]]
) -> sdl.Learner:
    return sdl.Learner(
        sdl.MLP(**network),
        loss=loss,
        optimizer=getattr(sdl.optim, optimizer["name"])(**arguments(optimizer, "name")),
        plasticity=[getattr(sdl.plasticity, p["name"])(**arguments(p, "name")) for p in plasticity],
        seed=3,
        dtype="float64",
    )


OPTIMIZERS: list[dict[str, Any]] = [
    {"name": "SGD", "step_size": 0.05},
    {"name": "SGD", "step_size": 0.02, "momentum": 0.9, "weight_decay": 0.01},
    {"name": "SGD", "step_size": 0.02, "momentum": 0.8, "nesterov": True},
    {"name": "Adam", "step_size": 0.003, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8},
]


def torch_optimizer(torch: Any, weights: list[Any], optimizer: dict[str, Any]) -> Any:
    options = arguments(optimizer, "name", "step_size", "beta1", "beta2", "epsilon")
    if optimizer["name"] == "SGD":
        return torch.optim.SGD(weights, lr=optimizer["step_size"], **options)
    betas = (optimizer["beta1"], optimizer["beta2"])
    return torch.optim.Adam(
        weights, lr=optimizer["step_size"], betas=betas, eps=optimizer["epsilon"], **options
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["plain", "momentum", "nesterov", "adam"])
def test_agrees_with_torch(loss: str, optimizer: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    import torch_networks

    learner = learner_of(NETWORK, loss, optimizer, [])
    weights = torch_networks.leaves(learner.parameters)
    theirs = torch_optimizer(torch, list(weights.values()), optimizer)
    losses: list[list[float]] = [[], []]
    for xs, ys in zip(*examples(loss, seed=1), strict=True):
        losses[0].append(learner.step_minibatch(xs, ys))
        theirs.zero_grad()
        value = torch_networks.mean_loss(torch_networks.outputs(weights, NETWORK, xs), ys, loss)
        value.backward()
        theirs.step()
        losses[1].append(value.item())
    report = Report(f"{optimizer} {loss}")
    report.compare("losses", losses[0], losses[1], 1e-9)
    for name, w in weights.items():
        report.compare(name, learner.parameters[name], w.detach().numpy(), 1e-9)
    report.check()


RULES: list[dict[str, Any]] = [
    *OPTIMIZERS,
    {"name": "IDBD", "step_size": 0.03, "meta_step_size": 0.02},
    {"name": "IDBD", "step_size": 0.03, "meta_step_size": 0.02, "sensitivity": "exact"},
    {"name": "Autostep", "step_size": 0.3, "meta_step_size": 0.01, "tau": 100.0},
    {"name": "HypergradientDescent", "step_size": 0.03, "meta_step_size": 1e-4, "momentum": 0.5},
    {"name": "MetaOptimize", "base": "SGD", "meta": "RMSProp", "blocks": "layerwise",
     "step_size": 0.03, "meta_step_size": 0.001, "discount": 0.9},
    {"name": "UPGD", "step_size": 0.03, "utility_decay": 0.9, "noise": 0.0},
    {"name": "UPGD", "step_size": 0.03, "utility_decay": 0.9, "noise": 0.0, "scope": "local"},
    {"name": "EWC", "step_size": 0.03, "strength": 0.5, "average_decay": 0.9},
    {"name": "MAS", "step_size": 0.03, "strength": 0.5, "average_decay": 0.9},
    {"name": "SI", "step_size": 0.03, "strength": 0.05, "average_decay": 0.9},
    {"name": "RWalk", "step_size": 0.03, "strength": 0.5, "average_decay": 0.9},
]  # fmt: skip
CONTINUAL_BACKPROP = {
    "name": "ContinualBackprop", "replacement_rate": 0.0173, "maturity": 4, "decay": 0.9,
}  # fmt: skip
METHODS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "contribution": [CONTINUAL_BACKPROP],
    "zero_contribution": [CONTINUAL_BACKPROP | {"utility": "zero_contribution"}],
    "shrink": [{"name": "ShrinkAndPerturb", "shrink": 0.002, "noise": 0.0}],
    "every_40_examples": [
        {
            "name": "ShrinkAndPerturb",
            "shrink": 0.1,
            "noise": 0.0,
            "toward": "initial",
            "period": 40,
        },
        {"name": "NormalizeAndProject", "period": 56},
        {"name": "HareAndTortoise", "period": 40, "decay": 0.9},
    ],
    "reinit": [
        {
            "name": "SelectiveWeightReinit",
            "fraction": 0.05,
            "period": 50,
            "decay": 0.5,
            "utility": "gradient",
            "reinit": "zero",
        },
    ],
}


@pytest.mark.parametrize("outputs", [1, 4, 10])
@pytest.mark.parametrize("methods", METHODS)
@pytest.mark.parametrize("optimizer", RULES, ids=lambda rule: "-".join(map(str, rule.values())))
def test_agrees_with_the_reference(optimizer: dict[str, Any], methods: str, outputs: int) -> None:
    network = PLAIN | {"outputs": outputs}
    learner = learner_of(network, "squared_error", optimizer, METHODS[methods])

    def drawn(layer: int, unit: int) -> NDArray[np.float64]:
        return np.array(learner.parameters[f"{layer}.weight"][:, unit])

    truth = reference.Learner(
        reference.MLP(**network),
        "squared_error",
        getattr(reference, optimizer["name"])(**arguments(optimizer, "name")),
        [getattr(reference, p["name"])(**arguments(p, "name")) for p in METHODS[methods]],
        draw=drawn,
    )
    for name, w in truth.parameters.items():
        w[...] = learner.parameters[name]
    report = Report(f"{optimizer} {methods}")
    losses: list[list[float]] = [[], []]
    for xs, ys in zip(*examples("squared_error", seed=2), strict=True):
        ys = np.tile(ys, 3)[:, :outputs]
        losses[0].append(learner.step_minibatch(xs, ys))
        losses[1].append(truth.step_minibatch(list(xs), list(ys)))
    report.compare("losses", losses[0], losses[1], 1e-9)
    for name, w in truth.parameters.items():
        report.compare(name, learner.parameters[name], w, 1e-9)
        report.compare("step_sizes/" + name, learner.step_sizes[name], truth.step_sizes[name], 1e-9)
    for layer, utility in enumerate(truth.utilities):
        report.compare(f"utilities[{layer}]", learner.utilities[layer], utility, 1e-9)
        report.compare(f"ages[{layer}]", learner.ages[layer], truth.ages[layer], 0.0)
        report.require("replacements", int(learner.replacements[layer]), truth.replacements[layer])
    assert learner.steps == truth.steps == UPDATES * EXAMPLES
    assert bool(truth.utilities) == (sum(truth.replacements) > 0), "a run without a regeneration"
    report.check()


@pytest.mark.parametrize("name", ["ObGD", "AdaptiveObGD", "Intentional"])
def test_rules_that_multiply_traces_by_one_error_refuse(name: str) -> None:
    learner = learner_of(PLAIN | {"outputs": 1}, "squared_error", {"name": name}, [])
    before = learner.state_hash()
    with pytest.raises(ValueError, match=f"step_minibatch: {name} .* use step or step_many"):
        learner.step_minibatch(np.ones((2, 9)), np.ones(2))
    assert learner.state_hash() == before


@pytest.mark.parametrize("optimizer", RULES, ids=lambda rule: "-".join(map(str, rule.values())))
def test_a_minibatch_of_one_is_a_step(optimizer: dict[str, Any]) -> None:
    one, batch = (
        learner_of(NETWORK, "cross_entropy", optimizer, [CONTINUAL_BACKPROP]) for _ in range(2)
    )
    xs, ys = examples("cross_entropy", seed=4)
    report = Report(str(optimizer))
    for x, y in zip(xs[:, 0], ys[:, 0], strict=True):
        report.compare("loss", batch.step_minibatch(x[None], y[None]), one.step(x, int(y)), 1e-9)
    for name in one.parameters:
        report.compare(name, batch.parameters[name], one.parameters[name], 1e-9)
    report.check()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norms_of_several_widths_keep_their_gradients_apart(dtype: str) -> None:
    layers = [
        sdl.nn.LayerNorm(), sdl.nn.Linear(40), sdl.nn.LayerNorm(), sdl.nn.ReLU(),
        sdl.nn.Linear(5), sdl.nn.LayerNorm(),
    ]  # fmt: skip
    one, batch = (
        sdl.Learner(
            sdl.Network(layers, inputs=20), "squared_error", sdl.optim.SGD(step_size=0.05),
            seed=1, dtype=dtype,
        )
        for _ in range(2)
    )  # fmt: skip
    random = np.random.default_rng(0)
    report = Report(dtype)
    for x, y in zip(random.normal(size=(20, 20)), random.normal(size=(20, 5)), strict=True):
        one.step(x, y)
        batch.step_minibatch(x[None], y[None])
    for name in one.parameters:
        bound = 1e-9 if dtype == "float64" else 1e-4
        report.compare(name, batch.parameters[name], one.parameters[name], bound)
    report.check()
