"""Rows of silent units that take one leap over what they missed: equal to visits but for rounding; noise, in distribution."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import streamdl as sdl
from learners import (
    LEAPING,
    LEAPT_FOR,
    NETWORKS,
    OPTIMIZERS,
    PLASTICITY,
    TABLE,
    Case,
    closed_form_refused,
)
from numpy.typing import NDArray

Array = NDArray[Any]
STEPS = 300
QUIET = [
    replace(case, dtype="float64")
    for case in TABLE
    if case.silent_rows == "closed_form"
    and case.optimizer != "pgd"
    and not case.plasticity.startswith("shrink")
]


def rare(case: Case, count: int, seed: int = 1) -> tuple[Array, Array]:
    """Examples whose first inputs are hardly ever there, some of them not for hundreds of steps."""
    xs, ys = case.examples(count, seed)
    random = np.random.default_rng(seed)
    for i in range(4):
        xs[random.uniform(size=count) < 1 - 10.0**-i, i] = 0
    return xs, ys


def farthest(one: sdl.Learner, other: sdl.Learner) -> float:
    """The largest difference of two states, relative to the largest number of its array, if that is above 1."""
    pairs = (
        (np.asarray(one.state[n], float), np.asarray(other.state[n], float)) for n in one.state
    )
    return max(float(np.max(np.abs(a - b)) / max(1.0, float(np.max(np.abs(a))))) for a, b in pairs)


# ------------------------------------------------------------------ decay, momentum, traces


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("case", QUIET, ids=str)
def test_a_leap_is_what_the_visits_come_to(case: Case, looks: bool) -> None:
    leaping, visited = case.build(), replace(case, silent_rows="visited").build()
    xs, ys = rare(case, STEPS)
    for start in range(0, STEPS, 50):
        for learner in (leaping, visited):
            learner.step_many(xs[start : start + 50], ys[start : start + 50])
            if looks:
                learner.hyperparameters["step_size"] *= 0.9
                if learner.replacements:
                    learner.regenerate(0, 3)
                learner.reset_outputs([0])
        if looks:
            assert farthest(leaping, visited) < 1e-9
    assert farthest(leaping, visited) < 1e-9


@pytest.mark.parametrize("optimizer", ["nesterov", "obgd"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_that_always_sleeps_is_right_whenever_somebody_looks(
    optimizer: str, dtype: str
) -> None:
    case = Case("single", optimizer, "none", "squared_error", dtype, "closed_form")
    leaping, visited = case.build(), replace(case, silent_rows="visited").build()
    xs, ys = case.examples(200)
    xs[60:, :3] = 0
    for i in range(200):
        for learner in (leaping, visited):
            learner.step(xs[i], ys[i])
        if i % 61 == 60 or i > 190:
            error = farthest(leaping, visited)
            assert error < (1e-9 if dtype == "float64" else 1e-4), f"at step {i}"


def test_the_bound_of_obgd_counts_traces_that_sleep() -> None:
    """Else steps would be too long: after a while in which many rows went to sleep and nobody looked."""
    case = Case("single", "obgd", "none", "squared_error", "float64", "closed_form")
    leaping, visited = case.build(), replace(case, silent_rows="visited").build()
    xs, ys = rare(case, STEPS)
    for start in range(0, STEPS, 20):
        xs[start + 17 : start + 20, ::2] = 0
        for learner in (leaping, visited):
            learner.step_many(xs[start : start + 20], ys[start : start + 20])
        one, other = (each.state["ObGD.bounded_step_size"][0] for each in (leaping, visited))
        assert one == pytest.approx(other, rel=1e-9)
        assert other < 0.5, "the bound did not act"


def test_an_update_that_was_cancelled_moves_no_row_that_sleeps() -> None:
    """Traces whose sum is not finite: steps are cancelled until they have faded, and no longer."""
    case = Case("single", "obgd", "none", "squared_error", "float64", "closed_form")
    leaping, visited = case.build(), replace(case, silent_rows="visited").build()
    xs, ys = case.examples(60)
    xs[:, :3] = 0
    for learner in (leaping, visited):
        learner.step_many(xs[:20], ys[:20])
        learner.state["0.weight.trace"][:3] = 1e308
        before = np.array(learner.parameters["0.weight"])
        learner.step_many(xs[20:30], ys[20:30])
        assert np.array_equal(learner.parameters["0.weight"], before)
        assert learner.cancelled == 10
        learner.step_many(xs[30:], ys[30:])
        assert not np.array_equal(learner.parameters["0.weight"], before)
    assert abs(leaping.cancelled - visited.cancelled) <= 1, "what is infinite is added up once more"


def test_weights_that_grow_on_every_update_leap_over_a_few_at_a_time() -> None:
    """|1 - alpha lambda| = 1e10: over many updates that is no number, and what is 0 stays 0 all the same."""
    for momentum in (0.0, 0.5):
        optimizer = sdl.optim.SGD(1e10, momentum=momentum, weight_decay=1.0)
        for start, steps in ((0.0, 100), (1e-25, 4)):
            seen = []
            for silent_rows in ("visited", "closed_form"):
                network = sdl.Network([sdl.nn.Linear(40)], inputs=4)
                learner = sdl.Learner(network, "squared_error", optimizer, silent_rows=silent_rows)
                learner.parameters["0.weight"][:] = start
                learner.step_many(np.zeros((steps, 4)), np.zeros((steps, 40)))
                assert learner.cancelled == 0
                seen.append(np.array(learner.parameters["0.weight"]))
            np.testing.assert_allclose(seen[1], seen[0], rtol=1e-5)


def test_rmsprop_without_epsilon_has_no_closed_form() -> None:
    """0 / 0: the update of such a weight is cancelled, its decay, too."""
    seen = []
    for silent_rows in ("visited", "closed_form"):
        learner = sdl.Learner(
            NETWORKS["relu"], "cross_entropy",
            sdl.optim.RMSprop(0.01, epsilon=0.0, decoupled_weight_decay=1.0), silent_rows=silent_rows,
        )  # fmt: skip
        xs, ys = rare(Case("relu", "rmsprop", "none", "cross_entropy", "float32"), 100)
        xs[:, :5] = 0
        learner.step_many(xs, ys)
        seen.append((learner.state_hash(), learner.cancelled))
    assert seen[0] == seen[1]
    assert seen[0][1] > 0


@pytest.mark.parametrize("rule", ["sgd_decay", "obgd", "pgd", "shrink"])
def test_copies_of_any_moment_continue_bit_for_bit(rule: str) -> None:
    """Nothing of when rows wake is left to what a copy does not have: in a deep network, step by step."""
    outputs, loss = (1, "squared_error") if rule == "obgd" else (10, "cross_entropy")
    learner = sdl.Learner(
        sdl.MLP(40, [64] * 4, outputs), loss, OPTIMIZERS.get(rule, OPTIMIZERS["sgd"]),
        PLASTICITY.get(rule), silent_rows="closed_form",
    )  # fmt: skip
    random = np.random.default_rng(6)
    xs = random.normal(size=(100, 40)) * (random.uniform(size=(100, 40)) < 0.2)
    ys = random.normal(size=(100, 1)) if rule == "obgd" else random.integers(10, size=100)
    for start, ends in ((0, 37), (37, 38), (38, 100)):
        twin = learner.clone()
        for each in (learner, twin):
            each.step_many(xs[start:ends], ys[start:ends])
        assert learner.state_hash() == twin.state_hash()


# ------------------------------------------------------------------ noise

SIGMA, RATE = 0.3, 0.1
NOISY: dict[str, tuple[sdl.optim.Optimizer, Any, float, float]] = {
    # optimizer, plasticity, what a silent weight is multiplied by per update, deviation of what is added
    "pgd": (sdl.optim.PGD(RATE, SIGMA), None, 1.0, RATE * SIGMA),
    "pgd_decay": (
        sdl.optim.PGD(RATE, SIGMA, weight_decay=0.2, decoupled_weight_decay=0.1),
        None, 1 - RATE * 0.3, RATE * SIGMA,
    ),
    "perturb": (
        sdl.optim.SGD(RATE), sdl.plasticity.ShrinkAndPerturb(0.0, SIGMA), 1.0, SIGMA,
    ),
    "shrink_and_perturb": (
        sdl.optim.SGD(RATE, weight_decay=0.2), sdl.plasticity.ShrinkAndPerturb(0.05, SIGMA),
        0.95 * (1 - RATE * 0.2), SIGMA,
    ),
    "scaled": (
        sdl.optim.SGD(RATE),
        sdl.plasticity.ShrinkAndPerturb(0.0, SIGMA, scaled_by_step_size=True), 1.0, RATE * SIGMA,
    ),
}  # fmt: skip


def noisy(
    name: str, inputs: int, outputs: int, silent_rows: str = "closed_form", **settings: Any
) -> sdl.Learner:
    optimizer, method, _, _ = NOISY[name]
    network = sdl.Network([sdl.nn.Linear(outputs)], inputs=inputs)
    return sdl.Learner(
        network, "squared_error", optimizer, method, dtype="float64", silent_rows=silent_rows,
        **settings,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["pgd", "pgd_decay"])
def test_rows_that_never_sleep_draw_what_visited_ones_draw(name: str) -> None:
    random = np.random.default_rng(1)
    xs, ys = random.normal(size=(80, 30)), random.normal(size=(80, 70))
    one, other = noisy(name, 30, 70), noisy(name, 30, 70, "visited")
    for learner in (one, other):
        learner.step_many(xs / 30, ys)
    assert farthest(one, other) < 1e-12


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", NOISY)
def test_noise_of_a_silence_has_the_distribution_of_its_draws(name: str, threads: int) -> None:
    """Of weights without a gradient, some silent, some seldom so: mean and variance, and nothing is drawn twice."""
    inputs, outputs = 60, 4000
    *_, hold, deviation = NOISY[name]
    learner = noisy(name, inputs, outputs, threads=threads)
    random = np.random.default_rng(2)
    share = np.repeat([0.0, 0.02, 0.3, 1.0], inputs // 4)
    weights = learner.parameters["0.weight"]
    before, increments = np.array(weights), []
    del weights
    for count in (1, 2, 30, 100, 65, 64):
        xs = 1e-30 * (random.uniform(size=(count, inputs)) < share)
        learner.step_many(xs, np.zeros((count, outputs)))
        now = np.array(learner.parameters["0.weight"])
        expected = deviation * np.sqrt(np.sum(hold ** (2.0 * np.arange(count))))
        increments.append((now - hold**count * before) / expected)
        before = now
    for z in increments:
        for rows in np.split(z, 4):
            assert abs(rows.mean()) * np.sqrt(rows.size) < 5
            assert abs(rows.var() - 1) * np.sqrt(rows.size / 2) < 5
            assert abs((rows**4).mean() - 3) * np.sqrt(rows.size / 96) < 6
        by_row = z - z.mean(axis=0)
        products = by_row @ by_row.T / outputs
        assert np.max(np.abs(products[np.triu_indices(inputs, 1)])) * np.sqrt(outputs) < 6
    correlations = np.corrcoef([z.ravel() for z in increments])
    apart = correlations[np.triu_indices(len(increments), 1)]
    assert np.max(np.abs(apart)) * np.sqrt(before.size) < 5


@pytest.mark.parametrize("name", NOISY)
def test_biases_take_their_noise_at_once(name: str) -> None:
    *_, hold, deviation = NOISY[name]
    learner = noisy(name, 4, 20000)
    for count in (1, 1, 5):
        before = np.array(learner.parameters["0.bias"])
        learner.step_many(
            np.zeros((count, 4)), np.tile(np.array(learner.parameters["0.bias"]), (count, 1))
        )
        z = np.array(learner.parameters["0.bias"]) - hold**count * before
        if count == 1:  # later, the bias learns what noise has done
            assert abs(z.std() / deviation - 1) < 0.03
            assert abs(z.mean()) < 5 * deviation / np.sqrt(z.size)


@pytest.mark.parametrize("rule", ["pgd", "nesterov", "obgd", "shrink"])
def test_threads_share_leaps_and_draws(rule: str) -> None:
    outputs, loss = (1, "squared_error") if rule == "obgd" else (10, "cross_entropy")
    optimizer, method = OPTIMIZERS.get(rule, OPTIMIZERS["sgd"]), PLASTICITY.get(rule)
    random = np.random.default_rng(4)
    xs = random.normal(size=(80, 400)).astype(np.float32)
    xs[random.uniform(size=xs.shape) < 0.9] = 0
    ys = random.normal(size=(80, 1)) if rule == "obgd" else random.integers(10, size=80)
    hashes = set()
    for threads in (1, 3):
        learner = sdl.Learner(
            sdl.MLP(400, [600, 500], outputs), loss, optimizer, method, threads=threads,
            silent_rows="closed_form",
        )  # fmt: skip
        learner.step_many(xs, ys)
        hashes.add(learner.state_hash())
    assert len(hashes) == 1


def test_a_network_of_several_layers_is_perturbed_as_much() -> None:
    """With hidden units that are often silent: the weights' mean square distance from where they began."""

    def moved(silent_rows: str) -> Array:
        learner = sdl.Learner(
            sdl.MLP(40, [200, 100], 10), "cross_entropy", sdl.optim.SGD(1e-3),
            sdl.plasticity.ShrinkAndPerturb(1e-3, 1e-2), silent_rows=silent_rows,
        )  # fmt: skip
        start = [np.array(w) for w in learner.parameters.values()]
        random = np.random.default_rng(3)
        xs = random.normal(size=(400, 40)) * (random.uniform(size=(400, 40)) < 0.2)
        learner.step_many(xs, random.integers(10, size=400))
        parts = zip(learner.parameters.values(), start, strict=True)
        return np.array([np.mean((np.asarray(w) - w0) ** 2) for w, w0 in parts if w.ndim == 2])

    assert moved("closed_form") == pytest.approx(moved("visited"), rel=0.1)


def test_a_method_that_perturbs_seldom_visits_all_rows_when_it_does() -> None:
    method = [sdl.plasticity.L2Init(0.5), sdl.plasticity.ShrinkAndPerturb(0.5, 0.0, period=10)]
    case = Case("relu", "sgd_decay", "none", "cross_entropy", "float64")
    one, other = (
        sdl.Learner(
            NETWORKS["relu"], "cross_entropy", OPTIMIZERS["sgd_decay"], method, dtype="float64",
            silent_rows=silent_rows,
        )
        for silent_rows in ("closed_form", "visited")
    )  # fmt: skip
    xs, ys = rare(case, 120)
    for learner in (one, other):
        learner.step_many(xs[:55], ys[:55])
        learner.hyperparameters["ShrinkAndPerturb.period"] = 1
        learner.hyperparameters["ShrinkAndPerturb.shrink"] = 0.01
        learner.step_many(xs[55:80], ys[55:80])
        learner.step_minibatch(xs[80:90], ys[80:90])
        learner.hyperparameters["ShrinkAndPerturb.period"] = 7
        learner.step_many(xs[90:], ys[90:])
    assert farthest(one, other) < 1e-12


def test_gauges_tell_updates_from_what_is_drawn() -> None:
    def ratio(silent_rows: str, noise: float) -> float:
        learner = sdl.Learner(
            sdl.Network([sdl.nn.Linear(200)], inputs=50), "squared_error",
            sdl.optim.SGD(0.01, weight_decay=0.1),
            sdl.plasticity.ShrinkAndPerturb(0.0, noise), silent_rows=silent_rows,
            gauges=sdl.Gauges(every=1),
        )  # fmt: skip
        random = np.random.default_rng(5)
        xs = random.normal(size=(3000, 50)) * (random.uniform(size=(3000, 50)) < 0.5)
        learner.step_many(xs, random.normal(size=(3000, 200)))
        return float(learner.gauges.update_to_weight()["0.weight"])

    assert ratio("closed_form", 0.0) == pytest.approx(ratio("visited", 0.0), rel=1e-3)
    assert ratio("closed_form", 0.01) == pytest.approx(ratio("visited", 0.01), rel=0.1)


def test_the_seed_and_who_looks_decide_and_nothing_else() -> None:
    case = Case("relu", "pgd", "none", "cross_entropy", "float32", "closed_form")
    xs, ys = rare(case, 150)
    learners = [case.build() for _ in range(3)]
    for learner in learners:
        learner.step_many(xs[:100], ys[:100])
    learners[2].state_hash()  # a look divides what is drawn
    twin = copy.copy(learners[2])
    for learner in (*learners, twin):
        learner.step_many(xs[100:], ys[100:])
    hashes = [learner.state_hash() for learner in (*learners, twin)]
    assert hashes[0] == hashes[1]
    assert hashes[2] == hashes[3]
    assert hashes[1] != hashes[2]


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("optimizer", "plasticity"),
    [
        pair
        for pair in itertools.product(LEAPING, LEAPT_FOR)
        if pair != ("obgd", "l2_init")  # refused, however rows wait
    ],
)
def test_pairs_without_a_closed_form_say_why(optimizer: str, plasticity: str) -> None:
    def build() -> sdl.Learner:
        return Case(
            "single", optimizer, plasticity, "squared_error", "float32", "closed_form"
        ).build()

    word = closed_form_refused(optimizer, plasticity)
    if not word:
        build()
        return
    with pytest.raises(ValueError, match=rf'silent_rows="closed_form": \w+ .*{word}'):
        build()


@pytest.mark.parametrize(
    "name", [n for n in OPTIMIZERS if n.startswith(("adam", "upgd", "ewc", "meta", "autostep_b"))]
)
def test_other_rules_say_why(name: str) -> None:
    reason = r'silent_rows="closed_form": \w+ (draws|adds|corrects|moves) '
    with pytest.raises(ValueError, match=reason):
        sdl.Learner(
            NETWORKS["single"], "squared_error", OPTIMIZERS[name], silent_rows="closed_form"
        )


@pytest.mark.parametrize(
    ("methods", "word"),
    [
        ([sdl.plasticity.ShrinkAndPerturb(0.1, 0.1, toward="initial")], "toward"),
        ([sdl.plasticity.ShrinkAndPerturb(0.1, 0.1, toward="fresh")], "toward"),
        ([sdl.plasticity.ReDo(0.3, period=7), sdl.plasticity.ShrinkAndPerturb(0.1, 0.1)], "first"),
        (
            [sdl.plasticity.WeightClipping(1.0), sdl.plasticity.ShrinkAndPerturb(0.1, 0.1)],
            "leaves no closed form",
        ),
        (
            [sdl.plasticity.ShrinkAndPerturb(0.1, 0.1), *PLASTICITY["contribution"]],
            "noise waits",
        ),
        ([sdl.plasticity.HareAndTortoise(7)], "visits all weights"),
    ],
)
def test_methods_in_the_way_say_why(methods: list[sdl.plasticity.Plasticity], word: str) -> None:
    with pytest.raises(ValueError, match=rf'silent_rows="closed_form": \w+ .*{word}'):
        sdl.Learner(
            NETWORKS["relu"], "cross_entropy", OPTIMIZERS["sgd"], methods,
            silent_rows="closed_form",
        )  # fmt: skip


def test_lazy_rows_point_to_the_closed_form_where_there_is_one() -> None:
    for optimizer, method in (("pgd", "none"), ("obgd", "none"), ("sgd", "shrink")):
        with pytest.raises(ValueError, match='silent_rows="closed_form" makes up'):
            Case("single", optimizer, method, "squared_error", "float32", "lazy").build()
