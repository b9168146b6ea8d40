"""What the recorded runs leave open about the plasticity methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from conformance.vectors import relative_error
from numpy.typing import NDArray

import reference
from reference.plasticity import Plasticity

Array = NDArray[np.float64]


def small_learner(
    methods: Sequence[Plasticity], step_size: float = 0.05, activation: str = "tanh"
) -> reference.Learner:
    """3-6-4-2; its draws are all ones."""
    random = np.random.default_rng(4)
    learner = reference.Learner(
        reference.MLP(3, [6, 4], 2, activation=activation),
        "squared_error",
        reference.SGD(step_size=step_size, momentum=0.5),
        methods,
        draw=lambda layer, unit: np.ones((3, 6)[layer]),
    )
    for w in learner.parameters.values():
        w[...] = random.normal(size=w.shape)
    return learner


def cbp_learner(**options: Any) -> reference.Learner:
    """A small tanh network whose units are regenerated often."""
    random = np.random.default_rng(4)
    learner = reference.Learner(
        reference.MLP(3, [6, 4], 2, activation="tanh"),
        "squared_error",
        reference.SGD(step_size=0.05, momentum=0.5),
        [reference.ContinualBackprop(**{"maturity": 5, "decay": 0.9} | options)],
        draw=lambda layer, unit: random.uniform(-1, 1, size=(3, 6)[layer]),
    )
    for w in learner.parameters.values():
        w[...] = random.normal(size=w.shape)
    return learner


def test_max_per_step_lets_the_others_wait() -> None:
    random = np.random.default_rng(5)
    at_once = cbp_learner(replacement_rate=0.4)
    waiting = cbp_learner(replacement_rate=0.4, max_per_step=1)
    most, longest_queue = [0, 0], 0.0
    for _ in range(40):
        x, y = random.normal(size=3), random.normal(size=2)
        for k, learner in enumerate((at_once, waiting)):
            learner.step(x, y)
            regenerated = [layer for layer, _ in learner.regenerated]
            most[k] = max([most[k], *(regenerated.count(layer) for layer in (0, 1))])
        assert waiting.continual_backprop is not None
        longest_queue = max(longest_queue, *waiting.continual_backprop.counter)
    assert most[0] > 1 and most[1] == 1
    assert longest_queue > 1.0


def test_transfer_bias_keeps_the_mean_input_of_the_next_layer() -> None:
    random = np.random.default_rng(6)
    plain = cbp_learner(replacement_rate=0.01)
    transferred = cbp_learner(replacement_rate=0.01, transfer_bias=True)
    expected: list[Array] = []

    def draw(layer: int, unit: int) -> Array:  # called while the unit's old weights still stand
        method = plain.continual_backprop
        assert method is not None
        mean = method.f[layer][unit] / (1.0 - method.decay ** method.age[layer][unit])
        expected.append(mean * plain.parameters[f"{layer + 1}.weight"][unit])
        return np.zeros((3, 6)[layer])

    plain.draw = draw
    while not plain.regenerated:
        x, y = random.normal(size=3), random.normal(size=2)
        plain.step(x, y)
        transferred.step(x, y)
    assert plain.regenerated == transferred.regenerated and len(plain.regenerated) == 1
    bias = f"{plain.regenerated[0][0] + 1}.bias"
    moved = transferred.parameters[bias] - plain.parameters[bias]
    assert np.any(moved != 0) and relative_error(moved, expected[0]) < 1e-12


def test_redo_zeroes_the_weight_between_two_regenerated_units() -> None:
    learner = small_learner([reference.ReDo(threshold=0.01, period=2)], step_size=0.0)
    for layer in (0, 1):  # the units 1 and 2 give tanh(0) = 0
        learner.parameters[f"{layer}.weight"][:, layer + 1] = 0.0
        learner.parameters[f"{layer}.bias"][layer + 1] = 0.0
    for expected in ([], [(0, 1), (1, 2)], []):
        learner.step([1.0, -1.0, 0.5], [0.0, 0.0])
        assert learner.regenerated == expected
    assert learner.replacements == [1, 1]
    between = np.ones(6)
    between[1] = 0.0
    assert np.array_equal(learner.parameters["1.weight"][:, 2], between)
    assert np.array_equal(learner.parameters["0.weight"][:, 1], np.ones(3))
    assert np.array_equal(learner.parameters["1.weight"][1], np.zeros(4))
    assert np.array_equal(learner.parameters["2.weight"][2], np.zeros(2))


@pytest.mark.parametrize(
    ("method", "unit"),
    [
        (lambda: reference.ReDo(threshold=0.5, period=5), 1),  # the units' means are 4/5, 1/5
        (lambda: reference.SelfNormalizedReset(threshold=0.2, minimum=4), 0),  # 4 times, then not
    ],
    ids=["ReDo", "SelfNormalizedReset"],
)
def test_examples_of_a_minibatch_count_one_by_one(method: Any, unit: int) -> None:
    gone: list[list[tuple[int, int]]] = []
    for sizes in ([5], [1] * 5, [2, 3]):
        learner = reference.Learner(
            reference.MLP(1, [2], 1),
            "squared_error",
            reference.SGD(step_size=0.0),
            [method()],
            draw=lambda layer, unit: np.zeros(1),
        )
        learner.parameters["0.weight"][...] = [[1.0, -1.0]]
        xs = [[1.0], [1.0], [1.0], [1.0], [-1.0]]
        for size in sizes:
            batch, xs = xs[:size], xs[size:]
            learner.step_minibatch(batch, [[0.0]] * size)
            gone.append(learner.regenerated)
    nobody: list[tuple[int, int]] = []
    assert gone == [[(0, unit)], *[nobody] * 4, [(0, unit)], nobody, [(0, unit)]]


def test_a_regenerated_unit_is_newborn_to_every_method() -> None:
    redo, cbp = reference.ReDo(threshold=0.5, period=10), reference.ContinualBackprop(0.0)
    learner = small_learner([cbp, redo], activation="relu")
    random = np.random.default_rng(8)
    for _ in range(10):
        learner.step(random.normal(size=3), random.normal(size=2))
    ages = [
        [0 if (k, j) in learner.regenerated else 10 for j in range(n)] for k, n in ((0, 6), (1, 4))
    ]
    assert learner.regenerated and [list(age) for age in learner.ages] == ages
    assert all(learner.utilities[layer][unit] == 0.0 for layer, unit in learner.regenerated)


def test_l2_init_counts_from_the_first_step() -> None:
    """What was written into the parameters before it is their start; weight_decay adds to it."""
    learner = small_learner([reference.L2Init(strength=0.5)], step_size=0.1)
    learner.optimizer.weight_decay = 0.25
    start = learner.parameters["0.weight"].copy()
    x, dead = np.zeros(3), np.zeros(2)  # the first layer's weights have no other gradient
    learner.step(x, dead)
    once = start - 0.1 * 0.25 * start
    assert relative_error(learner.parameters["0.weight"], once) < 1e-12
    learner.step(x, dead)
    momentum = 0.5 * 0.25 * start + 0.5 * (once - start) + 0.25 * once
    assert relative_error(learner.parameters["0.weight"], once - 0.1 * momentum) < 1e-12


def test_weight_clipping_knows_fans_in_and_leaves_layer_norm_alone() -> None:
    hidden = [reference.Conv2d(2, 3), reference.Flatten(), reference.Linear(4)]
    learner = reference.Learner(
        reference.Network([*hidden, reference.LayerNorm(), reference.Linear(1)], inputs=(1, 4, 4)),
        "squared_error",
        reference.SGD(step_size=0.0),
        [reference.WeightClipping(bound=0.6)],
    )
    for w in learner.parameters.values():
        w[...] = -5.0
    learner.step(np.ones((1, 4, 4)), [0.0])
    limits = [0.6 / 3.0, 0.6 / np.sqrt(8.0), 5.0, 0.6 / 2.0]  # fans in of 9, 8, none and 4
    for k, limit in enumerate(limits):
        for short in ("weight", "bias"):
            assert np.allclose(learner.parameters[f"{k}.{short}"], -limit), f"{k}.{short}"


def test_l2_init_refuses_rules_without_a_loss() -> None:
    for rule in (reference.ObGD(), reference.AdaptiveObGD(), reference.Intentional()):
        with pytest.raises(ValueError, match="L2Init"):
            reference.Learner(
                reference.MLP(3, [], 1), "squared_error", rule, [reference.L2Init(0.1)]
            )


def test_methods_that_regenerate_units_refuse_convolutions() -> None:
    layers = [reference.Conv2d(2, 2), reference.Flatten(), reference.Linear(3), reference.Linear(1)]
    for method in (
        reference.ContinualBackprop(),
        reference.ReDo(0.1, 10),
        reference.SelfNormalizedReset(0.1, 10),
    ):
        with pytest.raises(ValueError, match="Conv2d"):
            reference.Learner(
                reference.Network(layers, inputs=(1, 3, 3)),
                "squared_error",
                reference.SGD(step_size=0.1),
                [method],
            )
