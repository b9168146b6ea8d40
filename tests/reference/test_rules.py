"""What the recorded runs leave open about the update rules: options, decays, resets, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conformance.vectors import relative_error
from numpy.typing import NDArray

import reference
from reference.learned_step_sizes import Formula

Array = NDArray[np.float64]
Arrays = dict[str, Array]
Make = Callable[..., reference.Optimizer]

SHAPES = {"0.weight": (3, 4), "0.bias": (4,), "1.weight": (4, 1), "1.bias": (1,)}


def drawn(seed: int) -> Arrays:
    """An array for every parameter of a network 3-4-1."""
    random = np.random.default_rng(seed)
    return {name: random.normal(size=shape) for name, shape in SHAPES.items()}


def walk(optimizer: reference.Optimizer, parameters: Arrays, steps: int) -> None:
    """Updates from random gradients; the same ones for every rule."""
    for t in range(steps):
        if isinstance(optimizer, reference.ErrorOptimizer):
            optimizer.update_by_error(parameters, float(np.cos(t)), drawn(100 + t))
        else:
            d = {name: a**2 for name, a in drawn(200 + t).items()}
            optimizer.update_all(parameters, drawn(100 + t), d)


def started(make: Make, **options: Any) -> tuple[reference.Optimizer, Arrays]:
    optimizer, parameters = make(**options), drawn(1)
    optimizer.start(parameters)
    return optimizer, parameters


def partial(name: str, **options: Any) -> Make:
    return lambda **more: getattr(reference, name)(**(options | more))


LOSS_RULES: dict[str, Make] = {
    "SGD": partial("SGD", step_size=0.1),
    "IDBD": partial("IDBD", step_size=0.01, meta_step_size=0.01),
    "Autostep": partial("Autostep", step_size=0.5, meta_step_size=0.1, tau=10.0),
    "HypergradientDescent": partial("HypergradientDescent", step_size=0.1, meta_step_size=0.01),
    "HypergradientDescent, per weight": partial(
        "HypergradientDescent", step_size=0.1, meta_step_size=0.01, per_weight=True
    ),
    "HypergradientDescent, Adam": partial(
        "HypergradientDescent", step_size=0.1, meta_step_size=0.01, base="adam"
    ),
    "UPGD": partial("UPGD", step_size=0.1),
    **{rule: partial(rule, step_size=0.1, strength=2.0) for rule in ("EWC", "MAS", "SI", "RWalk")},
}
ERROR_RULES: dict[str, Make] = {
    "ObGD": partial("ObGD"),
    "AdaptiveObGD": partial("AdaptiveObGD"),
}
SHARING = {"HypergradientDescent", "HypergradientDescent, Adam"}  # a step size of the network


@pytest.mark.parametrize("name", LOSS_RULES)
def test_weight_decay_adds_to_the_gradient(name: str) -> None:
    decaying, w = started(LOSS_RULES[name], weight_decay=0.3)
    plain, expected = started(LOSS_RULES[name])
    for t in range(5):
        d = {key: a**2 for key, a in drawn(200 + t).items()}
        g = drawn(100 + t)
        plain.update_all(expected, {key: g[key] + 0.3 * expected[key] for key in g}, d)
        decaying.update_all(w, g, d)
    for key in w:
        assert relative_error(w[key], expected[key]) < 1e-12, key


@pytest.mark.parametrize("name", [*LOSS_RULES, *ERROR_RULES])
def test_decoupled_decay_uses_the_step_size_of_this_update(name: str) -> None:
    make = (LOSS_RULES | ERROR_RULES)[name]
    before = drawn(1)
    (plain, w), (decaying, decayed) = started(make), started(make, decoupled_weight_decay=0.3)
    walk(plain, w, 1)
    walk(decaying, decayed, 1)
    for key, old in before.items():
        expected = w[key] - 0.3 * plain.step_sizes(key, old) * old
        assert relative_error(decayed[key], expected) < 1e-12, key


@pytest.mark.parametrize("name", [*LOSS_RULES, *ERROR_RULES])
def test_a_reset_weight_is_newborn_and_the_others_are_not(name: str) -> None:
    make = (LOSS_RULES | ERROR_RULES)[name]
    (optimizer, w), (fresh, newborn) = started(make), started(make)
    walk(optimizer, w, 5)
    kept = {field: a[:, 0].copy() for field, a in optimizer.fields["0.weight"].items()}
    sizes = optimizer.step_sizes("0.weight", w["0.weight"])
    optimizer.reset("0.weight", np.s_[:, 2])
    for field, a in optimizer.fields["0.weight"].items():
        assert np.array_equal(a[:, 2], fresh.fields["0.weight"][field][:, 2]), field
        assert np.array_equal(a[:, 0], kept[field]), field
    after = optimizer.step_sizes("0.weight", w["0.weight"])
    start = fresh.step_sizes("0.weight", newborn["0.weight"])
    assert np.array_equal(after[:, 2], (sizes if name in SHARING else start)[:, 2])
    assert np.array_equal(after[:, 0], sizes[:, 0])


@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_hypergradient_descent_without_learning_is_momentum(momentum: float) -> None:
    options = {"step_size": 0.1, "momentum": momentum}
    sgd, expected = started(partial("SGD", **options))
    rule, w = started(partial("HypergradientDescent", meta_step_size=0.0, **options))
    walk(sgd, expected, 5)
    walk(rule, w, 5)
    assert all(relative_error(w[key], expected[key]) < 1e-12 for key in w)


def test_hypergradient_descent_on_adam() -> None:
    """Without learning it is Adam; then a moves by the product with the direction before."""
    adam, expected = started(partial("Adam", step_size=0.1))
    options = {"step_size": 0.1, "base": "adam"}
    still, w = started(partial("HypergradientDescent", meta_step_size=0.0, **options))
    walk(adam, expected, 5)
    walk(still, w, 5)
    assert all(relative_error(w[key], expected[key]) < 1e-12 for key in w)
    learning, w = started(partial("HypergradientDescent", meta_step_size=0.01, **options))
    walk(learning, w, 2)  # the first direction of Adam is g / (|g| + epsilon)
    products = [drawn(101)[key] * np.sign(drawn(100)[key]) for key in SHAPES]
    a = 0.1 + 0.01 * sum(float(np.sum(p)) for p in products)
    assert relative_error(learning.step_sizes("0.bias", w["0.bias"]), np.full(4, a)) < 1e-6


V2 = (0.999 * 4.0 + 1.0) * 0.001 / (1.0 - 0.999**2)  # corrected, after g = 2 and g = -1
DIRECTIONS = {
    "SGD": [2.0, -1.0],
    "SGDm": [0.0, 0.1 * 2.0],
    "RMSProp": [2.0 / np.sqrt(4.0 + 1e-10), -1.0 / np.sqrt(V2 + 1e-10)],
    "Adam": [2.0 / np.sqrt(4.0 + 1e-10), (0.9 * 2.0 - 1.0) / np.sqrt(V2 + 1e-10)],
    "AdamW": [2.0 / np.sqrt(4.0 + 1e-10), (0.9 * 2.0 - 1.0) / np.sqrt(V2 + 1e-10)],
    "Lion": [1.0, np.sign(0.9 * 0.1 * 2.0 - 0.1 * 1.0)],
}


@pytest.mark.parametrize("rule", DIRECTIONS)
def test_directions_of_meta_optimize(rule: str) -> None:
    formula, state = Formula(rule, 0.9, 0.999, 0.9), {"M": np.zeros(1), "V": np.zeros(1)}
    got = [float(formula(state, np.array([g]), t)[0]) for t, g in ((1, 2.0), (2, -1.0))]
    assert relative_error(got, DIRECTIONS[rule]) < 1e-12


@pytest.mark.parametrize("blocks", ["scalar", "layerwise", "weightwise"])
@pytest.mark.parametrize("meta", ["SGD", "RMSProp", "Adam", "Lion"])
@pytest.mark.parametrize("base", ["SGD", "SGDm", "RMSProp", "AdamW", "Lion"])
def test_blocks_of_meta_optimize_share_a_step_size(base: str, meta: str, blocks: str) -> None:
    names = {"base": base, "meta": meta, "blocks": blocks}
    make = partial("MetaOptimize", step_size=0.1, meta_step_size=0.01, **names)
    (rule, w), (fresh, _) = started(make), started(make)
    walk(rule, w, 6)
    sizes = {key: rule.step_sizes(key, a) for key, a in w.items()}
    network = np.concatenate([a.ravel() for a in sizes.values()])
    assert (len(np.unique(sizes["0.weight"])) > 1) == (blocks == "weightwise")
    assert (len(np.unique(network)) > 1) == (blocks != "scalar")
    rule.reset("0.weight", np.s_[:, 2])
    after = rule.step_sizes("0.weight", w["0.weight"])
    expected = sizes["0.weight"].copy()
    if blocks == "weightwise":
        expected[:, 2] = fresh.step_sizes("0.weight", w["0.weight"])[:, 2]
    assert np.array_equal(after, expected)


def test_a_block_of_meta_optimize_sums_over_its_weights() -> None:
    options = {"base": "SGD", "meta": "SGD", "blocks": "layerwise"}
    rule, w = started(partial("MetaOptimize", step_size=0.1, meta_step_size=0.01, **options))
    walk(rule, w, 2)  # h is 0 on the first update, -a g on the second
    for name, shape in SHAPES.items():
        m = float(np.sum(-0.1 * drawn(100)[name] * drawn(101)[name]))
        expected = np.full(shape, 0.1 * np.exp(-0.01 * m))
        assert relative_error(rule.step_sizes(name, w[name]), expected) < 1e-12, name


def linear(rule: reference.Optimizer) -> reference.Learner:
    """Three inputs, one output, no bias."""
    learner = reference.Learner(reference.MLP(3, [], 1, bias=False), "squared_error", rule)
    learner.parameters["0.weight"][...] = [[0.5], [-0.3], [0.2]]
    return learner


@pytest.mark.parametrize(
    ("options", "intended"),
    [
        ({}, lambda D: D),
        ({"normalize_td_error": True}, np.sign),
        ({"clip": 0.01, "clip_decay": 0.5}, lambda D: np.sign(D) * 0.01 * np.sqrt(1.0 + D**2)),
    ],
)
def test_the_first_intentional_update_moves_the_output_as_intended(
    options: dict[str, Any], intended: Callable[[float], float]
) -> None:
    learner = linear(reference.Intentional(fraction=0.25, **options))
    x, y = [1.0, -2.0, 0.5], 3.0
    learner.step(x, y)
    before = float(learner.output[0])
    moved = float(learner.predict(x)[0]) - before
    assert abs(moved - 0.25 * intended(y - before)) < 1e-6
    assert relative_error(learner.step_sizes["0.weight"], np.full((3, 1), 0.25 / 3.5)) < 1e-6


def test_intentional_follows_its_equations() -> None:
    """The second update on two weights, written out."""
    rule = reference.Intentional(fraction=0.5, discount=0.9, trace_decay=0.5, beta2=0.9)
    w = {"0.weight": np.zeros((2, 1))}
    rule.start(w)
    for error, q in ((2.0, [1.0, -2.0]), (-1.0, [3.0, 0.0])):
        before = w["0.weight"][:, 0].copy()
        rule.update_by_error(w, error, {"0.weight": np.array(q)[:, None]})
    k, r = 0.45, np.sqrt(np.array([0.09 + 0.9, 0.36]) / 0.19) + 1e-8
    e = np.array([k * 1.0 + 3.0, k * -2.0])
    N, Z = 9.0 / r[0], float(np.sum(e**2 / r))
    s = 0.55 * 3.0 + 0.55 * (N - 0.55 * 3.0)
    a = 0.5 / np.sqrt(s / (1.0 - k**2) * Z)
    assert relative_error(w["0.weight"][:, 0] - before, -a * -1.0 * e / r) < 1e-6


def test_the_largest_utility_may_be_zero() -> None:
    """Weights that are all 0 have no utility and learn at half speed."""
    rule = reference.UPGD(step_size=0.1)
    w = {"0.weight": np.zeros((3, 1))}
    rule.start(w)
    rule.update_all(w, {"0.weight": np.ones((3, 1))}, {})
    assert np.allclose(w["0.weight"], -0.05)


def importances(rule: str, w: list[float]) -> list[float]:
    """omega on the first three updates of one weight, written out; w before each of them.
    With g = 1, 2, -1; d = 3, 1, 2; importance_decay = 0.8, epsilon = 0.1."""
    g, d = [1.0, 2.0, -1.0], [3.0, 1.0, 2.0]
    F = [0.2, 0.8 * 0.2 + 0.2 * 4.0, 0.8 * (0.8 * 0.2 + 0.2 * 4.0) + 0.2]
    scale = [0.2, 0.36, 0.488]  # 1 - 0.8^t
    u1, u2 = w[0] - w[1], w[1] - w[2]  # changes
    match rule:
        case "EWC":
            return [F[t] / scale[t] for t in range(3)]
        case "MAS":
            means = [0.2 * d[0], 0.2 * (0.8 * d[0] + d[1]), 0.2 * (0.64 * d[0] + 0.8 * d[1] + d[2])]
            return [means[t] / scale[t] for t in range(3)]
        case "SI":
            gains = [0.0, 0.2 * g[1] * u1, 0.2 * (0.8 * g[1] * u1 + g[2] * u2)]
            means = [0.0, 0.2 * u1, 0.2 * (0.8 * u1 + u2)]
            return [gains[t] / scale[t] / ((means[t] / scale[t]) ** 2 + 0.1) for t in range(3)]
    r1 = 0.5 * max(0.0, g[1] * u1 / (0.5 * F[0] * u1**2 + 0.1))
    r2 = 0.5 * (r1 + max(0.0, g[2] * u2 / (0.5 * F[1] * u2**2 + 0.1)))
    return [F[0] / 0.2, F[1] / 0.36 + r1, F[2] / 0.488 + r2]


@pytest.mark.parametrize("rule", ["EWC", "MAS", "SI", "RWalk"])
def test_consolidation_pulls_important_weights_to_their_mean(rule: str) -> None:
    options = {"average_decay": 0.5, "importance_decay": 0.8, "epsilon": 0.1, "strength": 2.0}
    optimizer = partial(rule, step_size=0.1, **options)()
    w, g, d = {"0.bias": np.ones(1)}, [1.0, 2.0, -1.0], [3.0, 1.0, 2.0]
    optimizer.start(w)
    seen = [1.0]
    for t in range(3):
        optimizer.update_all(w, {"0.bias": np.array([g[t]])}, {"0.bias": np.array([d[t]])})
        seen.append(float(w["0.bias"][0]))
    w0, w1, w2, w3 = seen
    omega = importances(rule, seen)
    assert abs(w1 - (w0 - 0.1 * 1.0)) < 1e-12  # the first weight is its own mean
    mean = (0.25 * w0 + 0.5 * w1) / 0.75
    assert abs(w2 - (w1 - 0.1 * (2.0 + 2.0 * omega[1] * (w1 - mean)))) < 1e-12
    mean = (0.125 * w0 + 0.25 * w1 + 0.5 * w2) / 0.875
    assert abs(w3 - (w2 - 0.1 * (-1.0 + 2.0 * omega[2] * (w2 - mean)))) < 1e-12


def test_mas_asks_how_the_squared_outputs_depend_on_a_weight() -> None:
    learner = linear(reference.MAS(step_size=0.1, strength=1.0, importance_decay=0.0))
    x = np.array([1.0, -2.0, 0.0])
    learner.step(x, 5.0)  # output 1.1
    assert np.allclose(learner.optimizer.fields["0.weight"]["first"][:, 0], np.abs(2.0 * 1.1 * x))


REFUSED: dict[str, Callable[[], object]] = {
    "ObGD weight_decay": lambda: reference.ObGD(weight_decay=0.1),
    "AdaptiveObGD weight_decay": lambda: reference.AdaptiveObGD(weight_decay=0.1),
    "Intentional weight_decay": lambda: reference.Intentional(weight_decay=0.1),
    "Intentional decoupled": lambda: reference.Intentional(decoupled_weight_decay=0.1),
    "ObGD two outputs": lambda: reference.Learner(
        reference.MLP(3, [], 2), "squared_error", reference.ObGD()
    ),
    "ObGD huber": lambda: reference.Learner(reference.MLP(3, [], 1), "huber", reference.ObGD()),
    "ObGD minibatch": lambda: linear(reference.ObGD()).step_minibatch([[1, 2, 3]] * 2, [1, 2]),
    "scope": lambda: reference.UPGD(step_size=0.1, scope="layer"),
    "base": lambda: reference.HypergradientDescent(0.1, 0.1, base="rmsprop"),
    "base adam with momentum": lambda: reference.HypergradientDescent(
        0.1, 0.1, base="adam", momentum=0.5
    ),
    "meta": lambda: reference.MetaOptimize("SGD", "AdamW", "scalar", 0.1, 0.1),
    "blocks": lambda: reference.MetaOptimize("SGD", "SGD", "layer", 0.1, 0.1),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_has_no_meaning_is_refused(what: str) -> None:
    with pytest.raises(ValueError):
        REFUSED[what]()
