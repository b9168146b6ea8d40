"""What the recorded predictions leave open: ends of episodes, AutoTIDBD, and kinships of the rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance.vectors import relative_error
from numpy.typing import NDArray

import reference

Array = NDArray[np.float64]

FEATURES = 4
LEARNING = {"step_size": 0.1, "meta_step_size": 0.05}
RULES: dict[str, dict[str, Any]] = {
    "TD": {"step_size": 0.1},
    "TrueOnlineTD": {"step_size": 0.1},
    "TIDBD": LEARNING | {"gradient": "ordinary"},
    "AutoTIDBD": LEARNING | {"gradient": "ordinary"},
    "SwiftTD": LEARNING | {"rate_bound": 0.5, "step_size_decay": 0.9},
}


def made(name: str, **options: Any) -> reference.LinearPredictor:
    rule: type[reference.LinearPredictor] = getattr(reference, name)
    return rule(**({"features": FEATURES, "discount": 0.9, "trace_decay": 0.8} | options))


def walk(predictor: reference.LinearPredictor, seed: int, steps: int = 20) -> list[float]:
    random = np.random.default_rng(seed)
    draws = [(random.normal(size=FEATURES), float(random.normal())) for _ in range(steps)]
    return [predictor.step(x, reward) for x, reward in draws]


@pytest.mark.parametrize("name", RULES)
def test_an_episode_ends_with_its_last_reward(name: str) -> None:
    """Nothing is expected beyond it: the same as a step to an input of zeros."""
    ended, going_on = made(name, **RULES[name]), made(name, **RULES[name])
    walk(ended, 1)
    walk(going_on, 1)
    before = ended.weight.copy()
    ended.end(2.0)
    going_on.step(np.zeros(FEATURES), 2.0)
    assert np.any(ended.weight != before)
    assert relative_error(ended.weight, going_on.weight) < 1e-12
    assert relative_error(ended.step_sizes, going_on.step_sizes) < 1e-12


@pytest.mark.parametrize("name", RULES)
def test_an_episode_begins_without_traces(name: str) -> None:
    """Weights, step sizes and h stay; the rest is as at birth."""
    ended, fresh = made(name, **RULES[name]), made(name, **RULES[name])
    walk(ended, 1)
    ended.end(2.0)
    for kept in ("weight", "beta", "eta", "h", "ho", "ht"):
        if hasattr(ended, kept):
            setattr(fresh, kept, getattr(ended, kept).copy())
    assert walk(ended, 2) == walk(fresh, 2)
    assert np.array_equal(ended.weight, fresh.weight)


@pytest.mark.parametrize("name", RULES)
def test_an_episode_does_not_end_before_it_begins(name: str) -> None:
    with pytest.raises(ValueError, match="first step"):
        made(name, **RULES[name]).end(1.0)


def test_a_terminal_reward_by_hand() -> None:
    predictor = made("TD", step_size=0.5, features=2)
    predictor.weight[...] = [1.0, 2.0]
    predictor.step([1.0, 0.0], 9.0)  # a first call learns nothing
    predictor.step([0.0, 1.0], 0.2)  # D = 0.2 + 0.9 * 2 - 1 = 1
    assert np.allclose(predictor.weight, [1.5, 2.0])
    predictor.end(1.0)  # D = 1 - 2 = -1, e = (0.72, 1)
    assert np.allclose(predictor.weight, [1.5 - 0.36, 1.5])


@pytest.mark.parametrize(
    ("predictor", "rule"),
    [
        ("TD", reference.SGD(step_size=0.1)),
        ("TIDBD", reference.IDBD(step_size=0.1, meta_step_size=0.05)),
        ("AutoTIDBD", reference.Autostep(step_size=0.1, meta_step_size=0.05, tau=1e4)),
    ],
)
def test_without_discount_a_predictor_is_a_supervised_learner(
    predictor: str, rule: reference.Optimizer
) -> None:
    """The target of an input is the reward that comes with the next one."""
    options = {"step_size": 0.1} if predictor == "TD" else LEARNING
    td = made(predictor, discount=0.0, **options)
    learner = reference.Learner(reference.MLP(FEATURES, [], 1, bias=False), "squared_error", rule)
    random = np.random.default_rng(3)
    xs, rewards = random.normal(size=(100, FEATURES)), random.normal(size=100)
    for t in range(100):
        td.step(xs[t], rewards[t])
        if t > 0:
            learner.step(xs[t - 1], rewards[t])
    assert relative_error(td.weight, learner.parameters["0.weight"][:, 0]) < 1e-12
    assert relative_error(td.step_sizes, learner.step_sizes["0.weight"][:, 0]) < 1e-12


def test_true_online_td_without_traces_is_td() -> None:
    options = {"step_size": 0.1, "trace_decay": 0.0}
    assert np.allclose(walk(made("TrueOnlineTD", **options), 1), walk(made("TD", **options), 1))


@pytest.mark.parametrize("gradient", ["semi", "ordinary"])
def test_auto_tidbd_follows_its_equations(gradient: str) -> None:
    """Every step written out; large step sizes, so that the bound acts."""
    options = {"step_size": 0.4, "meta_step_size": 0.1, "tau": 3.0, "gradient": gradient}
    predictor = made("AutoTIDBD", **options)
    random = np.random.default_rng(5)
    w, z, h, eta = np.zeros((4, FEATURES))
    beta, x, bounded = np.full(FEATURES, np.log(0.4)), np.zeros(FEATURES), 0
    for t in range(30):
        new, reward = random.normal(size=FEATURES), float(random.normal())
        predictor.step(new, reward)
        if t > 0:
            delta = reward + 0.9 * w @ new - w @ x
            slope = 0.9 * new - x if gradient == "ordinary" else -x  # D of the equations
            z = 0.9 * 0.8 * z + x
            m = np.abs(delta * slope * h)
            eta = np.maximum(m, eta - np.exp(beta) * z * slope * (m - eta) / 3.0)
            moving = eta != 0.0
            beta[moving] -= 0.1 * (delta * slope * h)[moving] / eta[moving]
            M = max(-float(np.sum(np.exp(beta) * z * slope)), 1.0)
            bounded += M > 1.0
            beta -= np.log(M)
            a = np.exp(beta)
            w = w + a * delta * z
            h = h * np.maximum(0.0, 1.0 + a * z * slope) + a * delta * z
        x = new
    assert bounded > 0
    assert relative_error(predictor.weight, w) < 1e-10
    assert relative_error(predictor.step_sizes, np.exp(beta)) < 1e-10


def test_swift_td_decays_step_sizes_by_the_square_of_the_input() -> None:
    """The recorded inputs are 0 or 1; over the bound the size of an input counts twice."""
    options = {"rate_bound": 0.3, "step_size_decay": 0.9}
    predictor = made("SwiftTD", step_size=0.2, meta_step_size=0.05, **options)
    predictor.step([2.0, -1.0, 0.0, 0.5], 1.0)
    assert np.allclose(predictor.step_sizes, 0.2 * 0.9 ** np.array([4.0, 1.0, 0.0, 0.25]))


def test_an_unknown_gradient_is_refused() -> None:
    with pytest.raises(ValueError, match="gradient"):
        made("TIDBD", gradient="full", **LEARNING)
