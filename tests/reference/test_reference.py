"""The reference engine against the recorded runs and against finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conformance.vectors import CASES, Report, arguments, arrays, relative_error
from numpy.typing import NDArray

import reference
from reference.convolution import Conv2d, Flatten, MaxPool2d
from reference.network import (
    ACTIVATIONS,
    Activation,
    Dropout,
    Layer,
    LayerNorm,
    Linear,
    Network,
    Shape,
)

Array = NDArray[np.float64]


def build(case: dict[str, Any]) -> reference.Learner:
    """The reference learner that a case describes."""
    optimizer = getattr(reference, case["optimizer"]["name"])
    return reference.Learner(
        reference.network_of(case["network"]),
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


def layers() -> list[Any]:
    """One of every kind with its input shape, and with parameters that are not the neutral ones."""
    random = np.random.default_rng(1)
    dropout = Dropout()
    dropout.mask = np.array([0.0, 2.0, 2.0, 0.0, 2.0])
    vector, image = (5,), (2, 4, 5)
    made: list[tuple[str, Layer, Shape]] = [
        *((name, Activation(name), vector) for name in ACTIVATIONS),
        ("Linear", Linear(4), vector),
        ("LayerNorm", LayerNorm(affine=False), vector),
        ("LayerNorm affine", LayerNorm(affine=True), vector),
        ("Dropout", dropout, vector),
        ("Conv2d", Conv2d(3, 2), image),
        ("Conv2d stride", Conv2d(3, 3, stride=2, bias=False), image),
        ("MaxPool2d", MaxPool2d(2), image),
        ("Flatten", Flatten(), image),
    ]
    for _, layer, shape in made:
        layer.build(shape)
        for w in layer.parameters.values():
            w[...] = random.normal(size=w.shape)
    return [pytest.param(layer, math.prod(shape), id=name) for name, layer, shape in made]


@pytest.mark.parametrize(("layer", "inputs"), layers())
def test_jacobian_is_the_limit_of_differences(layer: Layer, inputs: int) -> None:
    x = np.random.default_rng(2).normal(size=inputs)
    step = 1e-6 * np.eye(inputs)
    differences = [(layer.forward(x + e) - layer.forward(x - e)) / 2e-6 for e in step]
    layer.forward(x)
    assert relative_error(layer.jacobian(), np.array(differences)) < 1e-8


def normalised() -> Network:
    chain = [Linear(6), LayerNorm(), Activation("gelu"), Dropout(), Linear(5), Activation("elu")]
    return Network([*chain, Linear(3)], inputs=4)


def convolutional() -> Network:
    first = [Conv2d(2, 2), Activation("tanh"), MaxPool2d(2), Dropout()]
    second = [Conv2d(3, 2, bias=False), Activation("elu"), Flatten(), LayerNorm()]
    return Network([*first, *second, Linear(3)], inputs=(1, 6, 8))


# the network, its number of inputs, the mask of its Dropout, its parameters: layer norm counts,
# activations and pooling do not
NETWORKS: dict[str, tuple[Callable[[], Network], int, Array, list[str]]] = {
    "normalised": (
        normalised,
        4,
        np.array([0.0, 2.0, 2.0, 0.0, 2.0, 2.0]),
        [f"{k}.{short}" for k in range(4) for short in ("weight", "bias")],
    ),
    "convolutional": (
        convolutional,
        48,
        np.array([0.0, 2.0, 2.0, 0.0, 2.0, 2.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0]),
        ["0.weight", "0.bias", "1.weight", "2.weight", "2.bias", "3.weight", "3.bias"],
    ),
}


def slope(value: Callable[[], float], w: Array) -> Array:
    """The differences of a value by every element of w."""
    differences = np.zeros_like(w)
    for at in np.ndindex(w.shape):
        kept = w[at]
        w[at] = kept + 1e-6
        above = value()
        w[at] = kept - 1e-6
        differences[at] = (above - value()) / 2e-6
        w[at] = kept
    return differences


@pytest.mark.parametrize("loss", reference.LOSSES)
@pytest.mark.parametrize("kind", NETWORKS)
def test_gradients_are_the_limit_of_differences(kind: str, loss: str) -> None:
    random = np.random.default_rng(3)
    made, inputs, mask, names = NETWORKS[kind]
    network = made()
    for w in network.parameters.values():
        w[...] = random.normal(size=w.shape)
    x, masks = random.normal(size=inputs), [mask]
    y = 1 if loss == "cross_entropy" else random.uniform(size=3)

    def value() -> float:
        return reference.LOSSES[loss](network.forward(x, masks), y).value

    g = network.gradients(reference.LOSSES[loss](network.forward(x, masks), y).delta)
    assert list(network.parameters) == names
    for name, w in network.parameters.items():
        assert np.max(np.abs(g[name] - slope(value, w))) < 1e-7, name


def test_exact_sensitivities_are_squared_differences() -> None:
    """Summed over the outputs with their curvatures; of a convolution, too."""
    random = np.random.default_rng(4)
    network, c = convolutional(), np.array([0.5, 1.0, 2.0])
    for w in network.parameters.values():
        w[...] = random.normal(size=w.shape)
    x = random.normal(size=48)

    def output(k: int) -> Callable[[], float]:
        return lambda: float(network.forward(x)[k])

    network.forward(x)
    d = network.exact_sensitivities(c)
    for name, w in network.parameters.items():
        slopes = [slope(output(k), w) for k in range(3)]
        expected = sum(c[k] * slopes[k] ** 2 for k in range(3))
        assert relative_error(d[name], expected) < 1e-7, name


def test_diagonal_sensitivities_of_a_convolution_add_the_squares_of_positions() -> None:
    """The weight as if every position had one of its own; the input likewise."""
    random = np.random.default_rng(5)
    network = Network([Conv2d(2, 2), Conv2d(1, 2), Flatten()], inputs=(1, 3, 4))
    for w in network.parameters.values():
        w[...] = random.normal(size=w.shape)
    x, c = random.normal(size=(3, 4)), random.uniform(size=(1, 2))
    network.forward(x)
    d = network.diagonal_sensitivities(c.reshape(-1))
    W, V = network.parameters["0.weight"][0], network.parameters["1.weight"][:, :, :, 0]
    s = np.zeros((2, 2, 3))  # of the hidden channels, rows, columns
    for column in range(2):
        s[:, :, column : column + 2] += V**2 * c[0, column]
    expected = np.zeros_like(W)
    for row in range(2):
        for column in range(3):
            patch = x[row : row + 2, column : column + 2]
            expected += patch[:, :, None] ** 2 * s[:, row, column]
    assert relative_error(d["0.weight"][0], expected) < 1e-12
    assert relative_error(d["0.bias"], s.sum(axis=(1, 2))) < 1e-12
    assert relative_error(d["1.bias"], [c.sum()]) < 1e-12


def test_pooling_takes_the_first_of_equals_and_drops_the_edge() -> None:
    pool = MaxPool2d(2)
    assert pool.build((2, 3, 5)) == (2, 1, 2)
    x = np.zeros((2, 3, 5))
    x[0, :2, :2] = [[1.0, 3.0], [3.0, 2.0]]  # equal: the one in the row above
    x[0, :2, 2:4] = [[1.0, 0.0], [2.0, 2.0]]  # equal: the one on the left
    x[:, 2, :] = x[:, :, 4] = 9.0
    assert np.array_equal(pool.forward(x.reshape(-1)), [3.0, 2.0, 0.0, 0.0])
    routed = (pool.jacobian() @ np.array([1.0, 2.0, 3.0, 4.0])).reshape(x.shape)
    expected = np.zeros_like(x)
    expected[0, 0, 1], expected[0, 1, 2], expected[1, 0, 0], expected[1, 0, 2] = 1.0, 2.0, 3.0, 4.0
    assert np.array_equal(routed, expected)


@pytest.mark.parametrize(
    ("chain", "inputs", "message"),
    [
        ([Conv2d(2, 3), Linear(2)], (1, 5, 5), "Flatten"),
        ([Conv2d(2, 3), LayerNorm()], (1, 5, 5), "Flatten"),
        ([Linear(4), Conv2d(2, 3)], 5, "images"),
        ([MaxPool2d(2)], 5, "images"),
        ([Conv2d(2, 3)], (1, 5, 2), "fit"),
        ([MaxPool2d(6)], (1, 5, 6), "fit"),
    ],
)
def test_layers_refuse_shapes_that_they_cannot_take(
    chain: list[Layer], inputs: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Network(chain, inputs)


@pytest.mark.parametrize("loss", reference.LOSSES)
def test_curvature_is_the_slope_of_delta(loss: str) -> None:
    output = np.array([0.3, -0.8, 2.5])
    y = 2 if loss == "cross_entropy" else np.array([0.2, 1.0, 0.0])
    rule = reference.LOSSES[loss]
    step = 1e-6 * np.eye(3)
    slopes = [(rule(output + e, y).delta - rule(output - e, y).delta) / 2e-6 for e in step]
    assert np.max(np.abs(rule(output, y).curvature - np.diag(slopes))) < 1e-8
