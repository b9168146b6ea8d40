"""The reference engine against the recorded runs and against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance.vectors import CASES, Report, arguments, arrays, relative_error
from numpy.typing import NDArray

import reference
from reference.network import ACTIVATIONS, Activation, Dropout, Layer, LayerNorm, Linear, Network

Array = NDArray[np.float64]


def build(case: dict[str, Any]) -> reference.Learner:
    """The reference learner that a case describes."""
    optimizer = getattr(reference, case["optimizer"]["name"])
    return reference.Learner(
        reference.MLP(**arguments(case["network"], "kind")),
        case["loss"],
        optimizer(**arguments(case["optimizer"], "name")),
        [getattr(reference, p["name"])(**arguments(p, "name")) for p in case["plasticity"]],
    )


def of_kind(*kinds: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in CASES if case["kind"] in kinds]


@pytest.mark.parametrize("case", of_kind("supervised", "minibatch"))
def test_repeats_the_recorded_run(case: dict[str, Any]) -> None:
    z, learner, report = arrays(case["file"]), build(case), Report(case["name"])
    for name, w in learner.parameters.items():
        w[...] = z["initial/" + name]
    now = 0
    draws: dict[tuple[int, int, int], Array] = {
        (int(z["draws/step"][k]), int(z["draws/layer"][k]), int(z["draws/unit"][k])): weights
        for k, weights in enumerate(z.get("draws/weights", ()))
    }

    def draw(layer: int, unit: int) -> Array:
        weights = draws.pop((now, layer, unit))  # a KeyError: a unit that was not to be chosen
        return weights[~np.isnan(weights)]

    learner.draw = draw
    losses, outputs = [], []
    for now in range(1, case["steps"] + 1):
        x, y = z["xs"][now - 1], z["ys"][now - 1]
        one = case["kind"] == "supervised"
        losses.append(learner.step(x, y) if one else learner.step_minibatch(list(x), list(y)))
        outputs.append(learner.output)
    assert not draws, f"units that were not regenerated: {sorted(draws)}"

    report.compare("losses", losses, z["losses"], 1e-9)
    if one:
        report.compare("outputs", outputs, z["outputs"], 1e-9)
    for name, w in learner.parameters.items():
        report.compare("final/" + name, w, z["final/" + name], 1e-9)
        if "step_sizes/" + name in z:
            sizes = learner.step_sizes[name]
            report.compare("step_sizes/" + name, sizes, z["step_sizes/" + name], 1e-9)
    for k, replaced in enumerate(learner.replacements):
        key = f"state/{case['plasticity'][0]['name']}.{k}.replacements"
        report.compare(key, replaced, z.get(key, 0), 0.0)  # what is 0 is not recorded
    for k, utility in enumerate(learner.utilities):
        key = f"state/ContinualBackprop.{k}."
        report.compare(key + "corrected", utility, z[key + "corrected"], 1e-9)
        report.compare(key + "age", learner.ages[k], z[key + "age"], 0.0)
    report.check()


@pytest.mark.parametrize("case", of_kind("linear_td"))
def test_repeats_the_recorded_predictions(case: dict[str, Any]) -> None:
    z, report = arrays(case["file"]), Report(case["name"])
    rule = getattr(reference, case["optimizer"]["name"])
    predictor = rule(case["features"], **arguments(case["optimizer"], "name"))
    outputs = [predictor.step(x, r) for x, r in zip(z["xs"], z["ys"], strict=True)]
    report.compare("outputs", outputs, z["outputs"], 1e-9)
    report.compare("final/weight", predictor.weight, z["final/weight"], 1e-9)
    if "state/log_step_size" in z:
        expected = np.exp(z["state/log_step_size"])
        report.compare("step_sizes", predictor.step_sizes, expected, 1e-9)
    report.check()


def test_every_recorded_run_is_of_a_known_kind() -> None:
    assert {case["kind"] for case in CASES} == {"supervised", "minibatch", "linear_td"}


def layers() -> list[tuple[str, Layer]]:
    """One of every kind, with parameters that are not the neutral ones."""
    random = np.random.default_rng(1)
    made: list[tuple[str, Layer]] = [(name, Activation(name)) for name in ACTIVATIONS]
    dropout = Dropout()
    dropout.mask = np.array([0.0, 2.0, 2.0, 0.0, 2.0])
    made += [
        ("Linear", Linear(4)),
        ("LayerNorm", LayerNorm(affine=False)),
        ("LayerNorm affine", LayerNorm(affine=True)),
        ("Dropout", dropout),
    ]
    for _, layer in made:
        layer.build(5)
        for w in layer.parameters.values():
            w[...] = random.normal(size=w.shape)
    return made


@pytest.mark.parametrize("layer", [pair[1] for pair in layers()], ids=[p[0] for p in layers()])
def test_jacobian_is_the_limit_of_differences(layer: Layer) -> None:
    x = np.random.default_rng(2).normal(size=5)
    step = 1e-6 * np.eye(5)
    differences = [(layer.forward(x + e) - layer.forward(x - e)) / 2e-6 for e in step]
    layer.forward(x)
    assert relative_error(layer.jacobian(), np.array(differences)) < 1e-8


@pytest.mark.parametrize("loss", reference.LOSSES)
def test_gradients_are_the_limit_of_differences(loss: str) -> None:
    random = np.random.default_rng(3)
    chain = [Linear(6), LayerNorm(), Activation("gelu"), Dropout(), Linear(5), Activation("elu")]
    network = Network([*chain, Linear(3)], inputs=4)
    for w in network.parameters.values():
        w[...] = random.normal(size=w.shape)
    x, masks = random.normal(size=4), [np.array([0.0, 2.0, 2.0, 0.0, 2.0, 2.0])]
    y = 1 if loss == "cross_entropy" else random.uniform(size=3)

    def value() -> float:
        return reference.LOSSES[loss](network.forward(x, masks), y).value

    g = network.gradients(reference.LOSSES[loss](network.forward(x, masks), y).delta)
    names = [f"{k}.{short}" for k in range(4) for short in ("weight", "bias")]
    assert list(network.parameters) == names  # layer norm counts, activations do not
    for name, w in network.parameters.items():
        differences = np.zeros_like(w)
        for at in np.ndindex(w.shape):
            kept = w[at]
            w[at] = kept + 1e-6
            above = value()
            w[at] = kept - 1e-6
            differences[at] = (above - value()) / 2e-6
            w[at] = kept
        assert np.max(np.abs(g[name] - differences)) < 1e-7, name


@pytest.mark.parametrize("loss", reference.LOSSES)
def test_curvature_is_the_slope_of_delta(loss: str) -> None:
    output = np.array([0.3, -0.8, 2.5])
    y = 2 if loss == "cross_entropy" else np.array([0.2, 1.0, 0.0])
    rule = reference.LOSSES[loss]
    step = 1e-6 * np.eye(3)
    slope = [(rule(output + e, y).delta - rule(output - e, y).delta) / 2e-6 for e in step]
    assert np.max(np.abs(rule(output, y).curvature - np.diag(slope))) < 1e-8
