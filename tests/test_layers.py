"""Layers beyond dense ones: shapes that do not fit are refused with what came and what was expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
import streamdl as sdl
from conformance.vectors import Report
from descriptions import network_of

nn = sdl.nn
IMAGE = (2, 6, 5)


def build(layers: list[Any], inputs: Any = IMAGE, **arguments: Any) -> sdl.Learner:
    arguments = {"loss": "squared_error", "optimizer": sdl.optim.SGD(0.01)} | arguments
    return sdl.Learner(sdl.Network(layers, inputs), **arguments)


@pytest.mark.parametrize(
    ("layers", "inputs", "message"),
    [
        ([nn.Conv2d(3, 3), nn.Linear(1)], IMAGE, r"Linear.*vector.*\(3, 4, 3\).*Flatten"),
        ([nn.Conv2d(3, 3), nn.LayerNorm(), nn.Flatten(), nn.Linear(1)], IMAGE, "LayerNorm.*vector"),
        ([nn.Conv2d(3, 3), nn.CReLU(), nn.Flatten(), nn.Linear(1)], IMAGE, "CReLU.*vector"),
        ([nn.Conv2d(3, 3), nn.Flatten(), nn.Linear(1)], 30, r"Conv2d.*channels.*\(30\)"),
        ([nn.Conv2d(3, 6), nn.Flatten(), nn.Linear(1)], IMAGE, r"windows of 6.*\(2, 6, 5\)"),
        ([nn.MaxPool2d(7), nn.Flatten(), nn.Linear(1)], IMAGE, r"MaxPool2d.*windows of 7"),
        ([nn.Linear(4), nn.InputNorm(), nn.Linear(1)], 9, "InputNorm.*first layer"),
        ([nn.OnlineNorm(), nn.InputNorm(), nn.Linear(1)], 9, "InputNorm.*first layer"),
        ([nn.Linear(4), nn.Conv2d(3, 1), nn.Flatten(), nn.Linear(1)], 9, r"Conv2d.*\(4\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layers: Any, inputs: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(layers, inputs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(0, 3), r"Conv2d.channels.*at least 1.*0"),
        (lambda: nn.Conv2d(3, 2.5), r"Conv2d.kernel.*2.5"),
        (lambda: nn.Conv2d(3, 2, stride=0), "Conv2d.stride.*0"),
        (lambda: nn.Conv2d(3, 2, init="best"), "Conv2d.init.*best.*kaiming_uniform"),
        (lambda: nn.AvgPool2d(0), "AvgPool2d.kernel.*0"),
        (lambda: nn.MaxPool2d(2, -1), "MaxPool2d.stride.*-1"),
        (lambda: nn.PReLU(float("nan")), "PReLU.start.*nan"),
        (lambda: nn.AdaLin("ltu"), "AdaLin.activation.*'ltu'"),
        (lambda: nn.AdaLin("tanh", float("inf")), "AdaLin.start.*inf"),
        (lambda: nn.OnlineNorm(decay=1.0), "OnlineNorm.decay.*below 1.*1.0"),
        (lambda: nn.OnlineNorm(control_decay=-0.1), "OnlineNorm.control_decay.*-0.1"),
        (lambda: nn.InputNorm(decay=1.1), "InputNorm.decay.*0 to 1.*1.1"),
        (lambda: nn.InputNorm(epsilon=0), "InputNorm.epsilon.*above 0.*0"),
    ],
)
def test_arguments_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("method", "layers", "message"),
    [
        (method, layers, message)
        for method in (
            sdl.plasticity.ContinualBackprop(),
            sdl.plasticity.ReDo(0.1, period=10),
            sdl.plasticity.SelfNormalizedReset(0.1),
        )
        for layers, message in (
            ([nn.Conv2d(3, 3), nn.Flatten(), nn.Linear(4), nn.Linear(1)], "Conv2d"),
            ([nn.Linear(4), nn.CReLU(), nn.Linear(1)], "CReLU"),
            ([nn.Linear(4), nn.Fourier(), nn.Linear(1)], "Fourier"),
        )
    ],
)
def test_who_regenerates_units_refuses_what_it_does_not_know(
    method: Any, layers: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=rf"{type(method).__name__}.*{message}"):
        build(layers, plasticity=method)


def test_pairs_are_not_regenerated_by_hand() -> None:
    learner = build([nn.Linear(4), nn.CReLU(), nn.Linear(3), nn.ReLU(), nn.Linear(1)], 3)
    before = learner.state_hash()
    with pytest.raises(ValueError, match="regenerate.*layer 0.*CReLU"):
        learner.regenerate(0, 1)
    assert learner.state_hash() == before
    learner.regenerate(1, 2)
    assert not learner.parameters["2.weight"][2].any()


def test_online_norm_refuses_minibatches() -> None:
    learner = build([nn.Linear(4), nn.OnlineNorm(), nn.Linear(1)], 3)
    before = learner.state_hash()
    with pytest.raises(ValueError, match="step_minibatch.*OnlineNorm"):
        learner.step_minibatch(np.zeros((2, 3)), np.zeros((2, 1)))
    assert learner.state_hash() == before


def test_a_prediction_moves_no_statistics() -> None:
    learner = build([nn.OnlineNorm(), nn.Linear(1)], 3)
    before = learner.state_hash()
    learner.predict(np.ones(3))
    assert learner.state_hash() == before
    learner.step(np.ones(3), 1.0)
    assert np.allclose(learner.state["units.0.0.mean"], 0.001)


def test_input_norm_refuses_minibatches_and_counts_what_it_predicts_only_there() -> None:
    build([nn.InputNorm(), nn.Linear(1)], IMAGE).step(np.ones(IMAGE), 0.0)  # an image, as it lies
    learner = build([nn.InputNorm(decay=0.5), nn.Linear(1)], 3)
    before = learner.state_hash()
    with pytest.raises(ValueError, match="step_minibatch.*InputNorm"):
        learner.step_minibatch(np.zeros((2, 3)), np.zeros((2, 1)))
    learner.predict(np.ones(3))
    assert learner.state_hash() == before
    for x in (1.0, 3.0, 5.0):
        expected = learner.predict(np.full(3, x))
        learner.step(np.full(3, x), 1.0)
        assert np.array_equal(learner.output, expected)
    assert np.allclose(learner.state["units.0.0.mean"], 3.5)  # (1 + 3) / 2, then half of the way
    assert np.allclose(learner.state["units.0.0.count"], 3)


def test_input_norm_bears_an_input_that_was_always_0() -> None:
    """Where statistics of the examples before would make of it as much as epsilon lets them."""
    learner = build([nn.InputNorm(decay=0.99), nn.Linear(1, bias=False, init="default")], 2)
    for _ in range(3000):
        learner.step(np.zeros(2), 0.0)
    w = np.array(learner.parameters["0.weight"][:, 0])
    assert abs(learner.predict(np.array([1.0, 0.0]))[0]) <= 10.0 * abs(w[0])


@pytest.mark.parametrize("seed", range(100))
def test_input_norm_agrees_with_the_reference(seed: int) -> None:
    random = np.random.default_rng([3, seed])
    image = bool(random.uniform() < 0.2)
    inputs = [2, 5, 4] if image else [int(random.integers(1, 40))]
    decay = float(random.choice([0.0, 0.5, 0.9, 0.999, 1.0]))
    layers: list[Any] = [["InputNorm", decay, float(10 ** random.uniform(-6, -2))]]
    layers += [["Conv2d", 3, 2]] * int(image and random.integers(2)) + [["Flatten"]] * int(image)
    layers += [["LayerNorm"]] * int(
        layers[-1][0] == "InputNorm" and not image and random.integers(2)
    )
    layers += [["Linear", 7], ["Tanh"]] * int(random.integers(2)) + [["Linear", 2]]
    described = {"kind": "network", "inputs": inputs if image else inputs[0], "layers": layers}
    optimizer = [
        (sdl.optim.SGD(0.01), reference.SGD(0.01)),
        (sdl.optim.NormalizedIDBD(0.01, 0.01), reference.NormalizedIDBD(0.01, 0.01)),
        (
            sdl.optim.NIDBD(0.01, 0.01, normalize="deviation"),
            reference.NIDBD(0.01, 0.01, normalize="deviation"),
        ),
    ][seed % 3]
    learner = sdl.Learner(
        network_of(described), "squared_error", optimizer[0], seed=seed, dtype="float64"
    )
    truth = reference.Learner(reference.network_of(described), "squared_error", optimizer[1])
    for name, w in truth.parameters.items():
        w[...] = learner.parameters[name]
    scale, shift = 10 ** random.uniform(-2, 2, size=inputs), random.normal(size=inputs)
    report = Report(str(described))
    for i in range(60):
        x = (random.normal(size=inputs) + shift) * scale * (random.uniform(size=inputs) < 0.7)
        y = random.normal(size=2)
        flat = x.reshape(-1)
        at = np.flatnonzero(flat)
        report.compare(
            f"loss {i}", learner.step((at, flat[at]) if i % 2 else x, y), truth.step(x, y), 1e-9
        )
    for name, w in truth.parameters.items():
        report.compare(name, learner.parameters[name], w, 1e-9)
    norm: Any = truth.network.layers[0]
    for name in ("mean", "variance"):
        report.compare(
            name, np.ravel(learner.state[f"units.0.0.{name}"]), np.ravel(getattr(norm, name)), 1e-9
        )
    report.check()


def test_parameters_have_the_shapes_of_the_glossary() -> None:
    learner = build([
        nn.Conv2d(4, 3, stride=2), nn.Flatten(), nn.Linear(7), nn.PReLU(), nn.Linear(2),
    ])  # fmt: skip
    shapes = {name: w.shape for name, w in learner.parameters.items()}
    assert shapes == {
        "0.weight": (2, 3, 3, 4), "0.bias": (4,), "1.weight": (16, 7), "1.bias": (7,),
        "2.weight": (7,), "3.weight": (7, 2), "3.bias": (2,),
    }  # fmt: skip
    bound = np.sqrt(3.0 / 18)  # no activation follows the convolution: gain 1
    assert np.abs(learner.parameters["0.weight"]).max() <= bound
    assert np.abs(learner.parameters["0.weight"]).max() > 0.8 * bound


@pytest.mark.parametrize("largest", [0.7, 10.0, 1e3, 1e6])
def test_sine_and_cosine_are_right_to_two_units_in_the_last_place(largest: float) -> None:
    layers = [nn.Linear(1, bias=False), nn.Fourier(), nn.Linear(2, bias=False)]
    learner = build(layers, 1, dtype="float64")
    learner.parameters["0.weight"][...] = 1.0
    learner.parameters["1.weight"][...] = np.eye(2)
    angles = np.random.default_rng(3).uniform(-largest, largest, (2000, 1))
    features = learner.predict_many(angles)
    assert np.abs(features - np.hstack([np.sin(angles), np.cos(angles)])).max() <= 2**-52


def test_an_image_is_channels_rows_columns() -> None:
    x = np.random.default_rng(1).normal(size=IMAGE)
    learner = build([nn.Conv2d(1, 2, bias=False), nn.Flatten(), nn.Linear(20, bias=False)], dtype="float64")  # fmt: skip
    learner.parameters["1.weight"][...] = np.eye(20)
    w = learner.parameters["0.weight"][..., 0]
    expected = [[np.sum(w * x[:, i : i + 2, j : j + 2]) for j in range(4)] for i in range(5)]
    assert np.allclose(learner.predict(x), np.ravel(expected), rtol=1e-12)
    assert np.array_equal(learner.predict(x), learner.predict(x.ravel()))


def test_adaptive_linearity_of_a_rectifier_is_a_learned_slope() -> None:
    random = np.random.default_rng(3)
    xs, ys = random.normal(size=(300, 6)), random.normal(size=(300, 2))
    ends = []
    for layer in (nn.PReLU(0.25), nn.AdaLin("relu", 0.25)):
        network = sdl.Network(
            [nn.Linear(9, init="default"), layer, nn.Linear(2, init="default")], 6
        )
        learner = sdl.Learner(network, "squared_error", sdl.optim.SGD(0.01), dtype="float64")
        learner.step_many(xs, ys)
        ends.append({name: np.array(w) for name, w in learner.parameters.items()})
    for name, w in ends[0].items():
        np.testing.assert_allclose(ends[1][name], w, rtol=1e-12, atol=1e-14, err_msg=name)
    assert np.abs(ends[0]["1.weight"] - 0.25).max() > 1e-3
