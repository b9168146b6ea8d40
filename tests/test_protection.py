"""Shrink & Perturb, hare and tortoise, projection, reinitialised weights: what no drawn learner shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
import streamdl as sdl
from conformance.vectors import Report
from numpy.typing import NDArray

INPUTS, OUTPUTS, STEPS = 7, 3, 60
Array = NDArray[Any]


def examples(count: int = STEPS, seed: int = 3) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    return random.normal(size=(count, INPUTS)), random.normal(size=(count, OUTPUTS))


def normed(*plasticity: sdl.plasticity.Plasticity, **others: Any) -> sdl.Learner:
    """A learner with layer norms before, between and behind its layers."""
    nn = sdl.nn
    layers = [
        nn.LayerNorm(), nn.Linear(9), nn.LayerNorm(), nn.Tanh(), nn.Linear(OUTPUTS), nn.LayerNorm(),
    ]  # fmt: skip
    arguments: dict[str, Any] = {"optimizer": sdl.optim.SGD(0.02), "dtype": "float64", "seed": 5}
    return sdl.Learner(
        sdl.Network(layers, inputs=INPUTS),
        "squared_error",
        plasticity=list(plasticity),
        **(arguments | others),
    )


def normed_reference(learner: sdl.Learner, *plasticity: reference.plasticity.Plasticity) -> Any:
    truth = reference.Learner(
        reference.Network(
            [
                reference.LayerNorm(), reference.Linear(9), reference.LayerNorm(),
                reference.Activation("tanh"), reference.Linear(OUTPUTS), reference.LayerNorm(),
            ],
            INPUTS,
        ),
        "squared_error",
        reference.SGD(0.02),
        list(plasticity),
    )  # fmt: skip
    random = np.random.default_rng(2)
    for name, w in truth.parameters.items():
        w[...] = np.array(learner.parameters[name]) + 0.2 * random.normal(size=w.shape)
        learner.parameters[name][...] = w
    return truth


@pytest.mark.parametrize(
    "method",
    [
        ("ShrinkAndPerturb", {"shrink": 0.2, "noise": 0.0, "period": 4, "toward": "initial"}),
        ("HareAndTortoise", {"period": 7, "decay": 0.8}),
        ("NormalizeAndProject", {"period": 2}),
        ("SelectiveWeightReinit", {"fraction": 0.05, "period": 3, "reinit": "zero"}),
    ],
    ids=lambda method: method[0],
)
def test_layer_norms_are_treated_as_the_reference_does(method: tuple[str, dict[str, Any]]) -> None:
    name, arguments = method
    learner = normed(getattr(sdl.plasticity, name)(**arguments))
    truth = normed_reference(learner, getattr(reference, name)(**arguments))
    for x, y in zip(*examples(), strict=True):
        learner.step(x, y)
        truth.step(x, y)
    report = Report(name)
    for parameter, w in truth.parameters.items():
        report.compare(parameter, learner.parameters[parameter], w, 1e-9)
    report.check()


LAYERS: dict[str, list[list[Any]]] = {
    "images": [["Conv2d", 3, 2, 1, True], ["ReLU"], ["Flatten"], ["Linear", OUTPUTS]],
    "features": [
        ["OnlineNorm", True, 0.9, 0.8], ["Linear", 6], ["PReLU"], ["Linear", 5], ["CReLU"], ["Linear", OUTPUTS],
    ],
}  # fmt: skip


@pytest.mark.parametrize("layers", LAYERS)
def test_convolutions_and_features_are_treated_as_the_reference_does(layers: str) -> None:
    inputs: Any = (1, 4, 4) if layers == "images" else 16
    build = [getattr(sdl.nn, name)(*arguments) for name, *arguments in LAYERS[layers]]
    described = [
        ("ShrinkAndPerturb", {"shrink": 0.2, "noise": 0.0, "period": 4, "toward": "initial"}),
        ("NormalizeAndProject", {"period": 3}),
        ("HareAndTortoise", {"period": 7, "decay": 0.8, "predict": "slow"}),
    ]
    learner = sdl.Learner(
        sdl.Network(build, inputs=inputs), "squared_error", sdl.optim.MAS(0.02, 0.1),
        [getattr(sdl.plasticity, name)(**arguments) for name, arguments in described],
        dtype="float64", seed=4,
    )  # fmt: skip
    truth = reference.Learner(
        reference.network_of({"kind": "network", "inputs": inputs, "layers": LAYERS[layers]}),
        "squared_error",
        reference.MAS(0.02, 0.1),
        [getattr(reference, name)(**arguments) for name, arguments in described],
    )
    for name, w in truth.parameters.items():
        w[...] = learner.parameters[name]
    xs, ys = np.random.default_rng(1).normal(size=(40, 16)), examples(40)[1]
    for x, y in zip(xs, ys, strict=True):
        learner.step(x, y)
        truth.step(x, y)
    report = Report(layers)
    for name, w in truth.parameters.items():
        report.compare(name, learner.parameters[name], w, 1e-9)
        report.compare(
            f"{name}.slow", learner.state[f"{name}.slow"], truth.plasticity[2].slow[name], 1e-9
        )
        w[...] = truth.plasticity[2].slow[name]
    report.compare("prediction", learner.predict(xs[0]), truth.predict(xs[0]), 1e-9)
    report.check()


def test_networks_that_a_method_does_not_know_are_refused() -> None:
    nn = sdl.nn
    images = sdl.Network([nn.Conv2d(2, 2), nn.Flatten(), nn.Linear(3)], inputs=(1, 4, 4))
    pairs = sdl.Network([nn.Linear(5), nn.CReLU(), nn.Linear(3)], inputs=4)
    reinit = sdl.plasticity.SelectiveWeightReinit(0.1)
    partial = sdl.plasticity.ContinuousContinualBackprop()
    for network, method, words in (
        (images, reinit, "SelectiveWeightReinit does not know the weights of a Conv2d"),
        (images, partial, "ContinuousContinualBackprop does not know the units of a Conv2d"),
        (pairs, partial, "ContinuousContinualBackprop does not know units that send two values"),
    ):
        with pytest.raises(ValueError, match=words):
            sdl.Learner(network, "squared_error", sdl.optim.SGD(0.1), method)


# ---------------------------------------------------------------------------- Shrink & Perturb


def test_scaled_noise_is_noise_times_the_step_size() -> None:
    scaled = normed(sdl.plasticity.ShrinkAndPerturb(0.01, 0.5, scaled_by_step_size=True))
    plain = normed(sdl.plasticity.ShrinkAndPerturb(0.01, 0.5 * 0.02))
    for learner in (scaled, plain):
        learner.step_many(*examples())
    for name, w in scaled.parameters.items():
        np.testing.assert_array_equal(w, plain.parameters[name])
    with pytest.raises(ValueError, match="scaled_by_step_size: Intentional has no step_size"):
        sdl.Learner(
            sdl.MLP(3, [], 1), "squared_error", sdl.optim.Intentional(),
            plasticity=sdl.plasticity.ShrinkAndPerturb(0.1, 0.1, scaled_by_step_size=True),
        )  # fmt: skip


def test_a_pgd_with_decay_is_one_of_the_variants() -> None:
    """Elsayed and Mahmood's: by PGD, or by SGD and scaled noise; their draws have one distribution."""
    inputs, network = np.zeros((1, 200)), sdl.MLP(200, [300], 1)
    scaled = sdl.plasticity.ShrinkAndPerturb(0, 0.5, scaled_by_step_size=True)
    sgd = sdl.optim.SGD(0.1, decoupled_weight_decay=0.3)
    pgd = sdl.optim.PGD(0.1, 0.5, decoupled_weight_decay=0.3)
    moved = []
    for optimizer, plasticity in ((sgd, [scaled]), (pgd, [])):
        learner = sdl.Learner(network, "squared_error", optimizer, plasticity, seed=1)
        before = np.array(learner.parameters["0.weight"])
        learner.step_many(inputs, np.zeros((1, 1)))
        moved.append((np.array(learner.parameters["0.weight"]) - 0.97 * before) / 0.05)
    for z in moved:
        assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02, (z.mean(), z.std())


@pytest.mark.parametrize("init", ["default", "kaiming_normal", "sparse", "zeros", "xavier_uniform"])
def test_fresh_weights_are_those_of_a_new_learner(init: str) -> None:
    network = sdl.MLP(60, [50], 70, init=init)
    fresh = sdl.plasticity.ShrinkAndPerturb(1.0, 0.5, toward="fresh")
    learner = sdl.Learner(network, "squared_error", sdl.optim.SGD(0.0), fresh, seed=1)
    first = {name: np.array(w) for name, w in learner.parameters.items()}
    seen = []
    for _ in range(2):
        learner.step(np.ones(60), np.zeros(70))
        seen.append({name: 2 * np.array(w) for name, w in learner.parameters.items()})
    if init == "sparse":
        assert np.mean(seen[1]["0.weight"] == 0) == pytest.approx(0.9)
    for name, w in first.items():
        for now in seen:
            assert np.mean(now[name] == 0) == np.mean(w == 0), name
            assert (w == 0).all() or not np.array_equal(now[name], w), name
            if w.ndim == 2:
                np.testing.assert_allclose(now[name].std(), w.std(), rtol=0.05)
                np.testing.assert_allclose(now[name].mean(), w.mean(), atol=0.05 * w.std() + 1e-9)
        assert (w == 0).all() or not np.array_equal(seen[0][name], seen[1][name]), name
        if init == "xavier_uniform" and w.ndim == 2:  # all of a range, and no more
            bound = np.sqrt(6 / sum(w.shape))
            assert 0.99 * bound < np.abs(seen[0][name]).max() <= bound * (1 + 1e-6)


# ---------------------------------------------------------------------------- hare and tortoise


@pytest.mark.parametrize("threads", [1, 2])
def test_slow_predictions_are_those_of_the_slow_weights(threads: int) -> None:
    method = sdl.plasticity.HareAndTortoise(1000, decay=0.9, predict="slow")
    learner = normed(method, threads=threads)
    xs, ys = examples()
    for name in learner.parameters:  # written before the first update: nothing lags behind
        learner.parameters[name][...] *= 1.5
    fast = normed(threads=threads)
    for name in fast.parameters:
        fast.parameters[name][...] = learner.parameters[name]
    np.testing.assert_array_equal(learner.predict(xs[0]), fast.predict(xs[0]))
    learner.step_many(xs, ys)
    for name in fast.parameters:
        fast.parameters[name][...] = learner.state[f"{name}.slow"]
    before = learner.state_hash()
    np.testing.assert_array_equal(learner.predict_many(xs), fast.predict_many(xs))
    np.testing.assert_array_equal(learner.predict(xs[1]), fast.predict(xs[1]))
    with pytest.raises(ValueError, match="not finite|NaN|nan"):
        learner.predict(np.full(INPUTS, np.nan))
    assert learner.state_hash() == before
    # The output of a step is the one that it learned from.
    expected = np.array(learner.output)
    twin = normed(sdl.plasticity.HareAndTortoise(1000, decay=0.9), threads=threads)
    for name in twin.parameters:
        twin.parameters[name][...] *= 1.5
    twin.step_many(xs, ys)
    np.testing.assert_array_equal(twin.output, expected)
    assert not np.array_equal(twin.predict(xs[0]), learner.predict(xs[0]))


def test_slow_weights_of_what_is_reset_start_anew() -> None:
    learner = sdl.Learner(
        sdl.MLP(INPUTS, [6], OUTPUTS), "squared_error", sdl.optim.SGD(0.1),
        [sdl.plasticity.HareAndTortoise(1000), sdl.plasticity.ReDo(0.0, 10**6)], seed=2,
    )  # fmt: skip
    learner.step_many(*examples(20))
    learner.regenerate(0, 4)
    state, w = learner.state, learner.parameters
    np.testing.assert_array_equal(state["0.weight.slow"][:, 4], w["0.weight"][:, 4])
    assert state["0.bias.slow"][4] == w["0.bias"][4] == 0
    np.testing.assert_array_equal(state["1.weight.slow"][4], np.zeros(OUTPUTS))
    assert not np.array_equal(state["0.weight.slow"][:, 3], w["0.weight"][:, 3])
    learner.reset_outputs([1])
    np.testing.assert_array_equal(state["1.weight.slow"][:, 1], w["1.weight"][:, 1])
    assert state["1.bias.slow"][1] == w["1.bias"][1] == 0
    assert not np.array_equal(state["1.weight.slow"][:, 0], w["1.weight"][:, 0])


# ---------------------------------------------------------------------------- weights


def test_reinitialised_weights_have_the_first_weights_distribution() -> None:
    every = sdl.plasticity.SelectiveWeightReinit(1.0)
    for init in ("kaiming_normal", "lecun_uniform"):
        network = sdl.MLP(70, [90], 1, init=init)
        learner = sdl.Learner(network, "squared_error", sdl.optim.SGD(0.0), every, seed=3)
        first, seen = np.array(learner.parameters["0.weight"]), []
        for _ in range(2):
            learner.step(np.ones(70), 0.0)
            seen.append(np.array(learner.parameters["0.weight"]))
            np.testing.assert_allclose(seen[-1].std(), first.std(), rtol=0.05)
            assert abs(seen[-1].mean()) < 0.05 * first.std()
            assert len(np.unique(seen[-1])) > 0.99 * first.size
        assert np.mean(seen[0] == first) < 0.01 and np.mean(seen[1] == seen[0]) < 0.01


def test_the_least_weights_go_and_what_is_left_of_their_number_waits() -> None:
    method = sdl.plasticity.SelectiveWeightReinit(0.3, reinit="zero")
    learner = sdl.Learner(
        sdl.MLP(4, [], 3), "squared_error", sdl.optim.SGD(0.0), method, dtype="float64"
    )
    w = learner.parameters["0.weight"]
    w[...] = np.arange(1, 13).reshape(4, 3) * (-1.0) ** np.arange(12).reshape(4, 3)
    gone = []
    for _ in range(3):
        learner.step(np.zeros(4), np.zeros(3))
        gone.append(int(np.sum(w == 0)))
    # 3.6 are due at each step: 3, then 4, then 3; zeros are the least, and go again.
    assert gone == [3, 4, 4] and set(np.abs(w[w != 0])) == set(range(5, 13))
    assert learner.state["SelectiveWeightReinit.0.due"][0] == pytest.approx(0.8)


def test_the_norm_of_every_layer_stays_what_it_was() -> None:
    learner = normed(sdl.plasticity.NormalizeAndProject(), dtype="float32")
    first = {
        name: float(np.linalg.norm(learner.parameters[name])) for name in ("1.weight", "3.weight")
    }
    learner.step_many(*examples(500))
    for name, norm in first.items():
        assert np.linalg.norm(learner.parameters[name]) == pytest.approx(norm, rel=1e-6)
        assert learner.state[f"NormalizeAndProject.{name[0]}.first_norm"][0] == pytest.approx(
            norm, rel=1e-6
        )


def test_of_equal_utilities_the_first_go() -> None:
    method = sdl.plasticity.SelectiveWeightReinit(0.25)
    learner = sdl.Learner(sdl.MLP(4, [], 3), "squared_error", sdl.optim.SGD(0.1), method)
    w = learner.parameters["0.weight"]
    w[...] = 0.5
    learner.step(np.zeros(4), np.zeros(3))
    assert np.argwhere(w != 0.5).tolist() == [[0, 0], [0, 1], [0, 2]]
