"""Rows of silent units that wait for their updates: whoever looks, and whenever, sees what visiting them gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import streamdl as sdl
from learners import NETWORKS, OPTIMIZERS, PLASTICITY, TABLE, WAITED_FOR, WAITING, Case
from numpy.typing import NDArray

STEPS = 300
LAZY = [case for case in TABLE if case.silent_rows == "lazy"]
each_learner = pytest.mark.parametrize("case", LAZY, ids=str)


def rare(case: Case, count: int, seed: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
    """Examples whose first inputs are hardly ever there, some of them not for hundreds of steps."""
    xs, ys = case.examples(count, seed)
    random = np.random.default_rng(seed)
    for i in range(4):
        xs[random.uniform(size=count) < 1 - 10.0**-i, i] = 0
    return xs, ys


def pair(case: Case) -> tuple[sdl.Learner, sdl.Learner]:
    return case.build(), replace(case, silent_rows="visited").build()


def same(lazy: sdl.Learner, visited: sdl.Learner) -> bool:
    return lazy.state_hash() == visited.state_hash() and lazy.cancelled == visited.cancelled


@each_learner
def test_waiting_changes_no_bit(case: Case) -> None:
    lazy, visited = pair(case)
    xs, ys = rare(case, STEPS)
    assert lazy.step_many(xs, ys).tobytes() == visited.step_many(xs, ys).tobytes()
    assert same(lazy, visited)


def _written(learner: sdl.Learner) -> None:
    first = next(w for w in learner.parameters.values() if w.ndim == 2)
    first[:3] *= 0.5
    first[5, 2:4] = 0.1


def _scheduled(learner: sdl.Learner) -> None:
    learner.hyperparameters["step_size"] *= 0.9


def _reborn(learner: sdl.Learner) -> None:
    if learner.replacements:
        learner.regenerate(0, 3)


def _rejected(learner: sdl.Learner) -> None:
    x = np.zeros(20)
    x[:3] = 1, np.nan, 1
    with pytest.raises(ValueError, match="finite"):
        learner.predict(x)


LOOKS: dict[str, Callable[[sdl.Learner], Any]] = {
    "hash": lambda learner: learner.state_hash(),
    "view": lambda learner: float(learner.parameters["1.weight"].sum()),
    "prediction": lambda learner: learner.predict(np.ones(20)),
    "clone": lambda learner: learner.clone(),
    "written": _written,
    "scheduled": _scheduled,
    "reborn": _reborn,
    "outputs": lambda learner: learner.reset_outputs([0, 2]),
    "rejected": _rejected,
    "gauges": lambda learner: learner.gauges.start(),
}


@each_learner
def test_what_happens_on_the_way_sees_no_difference(case: Case) -> None:
    lazy, visited = pair(case)
    xs, ys = rare(case, STEPS)
    random = np.random.default_rng(2)
    done = 0
    while done < STEPS:
        count = int(random.integers(1, 20))
        for learner in (lazy, visited):
            learner.step_many(xs[done : done + count], ys[done : done + count])
        done += count
        name = str(random.choice(list(LOOKS)))
        for learner in (lazy, visited):
            LOOKS[name](learner)
        if random.integers(2):
            assert same(lazy, visited), f"after {name}, at step {done}"
    assert same(lazy, visited)


@pytest.mark.parametrize("optimizer", ["momentum", "rmsprop_decay"])
def test_a_view_that_is_kept_stays_live(optimizer: str) -> None:
    case = Case("relu", optimizer, "none", "cross_entropy", "float32", "lazy")
    lazy, visited = pair(case)
    held = [(learner.state["0.weight"], learner.state["2.weight"]) for learner in (lazy, visited)]
    for x, y in zip(*rare(case, 60), strict=True):
        lazy.step(x, int(y))
        visited.step(x, int(y))
        for one, other in zip(*held, strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("optimizer", ["sgd_decay", "nesterov", "nidbd"])
def test_minibatches_come_between(optimizer: str) -> None:
    case = Case("relu", optimizer, "none", "cross_entropy", "float64", "lazy")
    lazy, visited = pair(case)
    xs, ys = rare(case, 200)
    for learner in (lazy, visited):
        for i in range(0, 200, 10):
            learner.step_many(xs[i : i + 6], ys[i : i + 6])
            learner.step_minibatch(xs[i + 6 : i + 10], ys[i + 6 : i + 10])
    assert same(lazy, visited)


@pytest.mark.parametrize("optimizer", ["sgd_decay", "nesterov"])
@pytest.mark.parametrize("transfer_bias", [False, True])
def test_who_writes_or_reads_columns_finds_them_as_they_are(
    optimizer: str, transfer_bias: bool
) -> None:
    def learner(silent_rows: str) -> sdl.Learner:
        method = sdl.plasticity.ContinualBackprop(
            0.003, maturity=3, utility="contribution", transfer_bias=transfer_bias
        )
        return sdl.Learner(
            NETWORKS["relu"], "squared_error", OPTIMIZERS[optimizer], method, seed=7,
            silent_rows=silent_rows, gauges=sdl.Gauges(window=64),
        )  # fmt: skip

    lazy, visited = learner("lazy"), learner("visited")
    xs, ys = rare(Case("relu", optimizer, "none", "squared_error", "float32"), 3000)
    for start in range(0, 3000, 25):
        for each in (lazy, visited):
            each.step_many(xs[start : start + 25], ys[start : start + 25])
            each.reset_outputs([start % 11])
        if start % 500 == 0:
            assert same(lazy, visited)
    assert same(lazy, visited)
    assert sum(visited.replacements) > 10
    assert lazy.gauges["update_to_weight"] == visited.gauges["update_to_weight"]


@pytest.mark.parametrize("plasticity", ["none", "l2_init", "clipping_and_contribution"])
def test_threads_share_what_has_waited(plasticity: str) -> None:
    def learner(threads: int, silent_rows: str) -> sdl.Learner:
        return sdl.Learner(
            sdl.MLP(400, [600, 500], 10), "cross_entropy", OPTIMIZERS["momentum"],
            PLASTICITY[plasticity], seed=3, threads=threads, silent_rows=silent_rows,
        )  # fmt: skip

    random = np.random.default_rng(4)
    xs = random.normal(size=(80, 400)).astype(np.float32)
    xs[random.uniform(size=xs.shape) < 0.9] = 0
    ys = random.integers(10, size=80)
    learners = [learner(1, "visited"), learner(1, "lazy"), learner(3, "lazy")]
    for each in learners:
        each.step_many(xs, ys)
    assert len({each.state_hash() for each in learners}) == 1


@pytest.mark.parametrize("optimizer", ["momentum", "rmsprop", "nidbd"])
def test_weights_that_leave_the_numbers_while_they_wait(optimizer: str) -> None:
    """At a step size that overflows: updates are cancelled while a row waits, as often as they would have been."""
    case = Case("relu", optimizer, "none", "squared_error", "float32", "lazy")
    lazy, visited = pair(case)
    xs, ys = rare(case, 200)
    huge = {
        "momentum": "0.weight.momentum",
        "rmsprop": "0.weight",
        "nidbd": "0.weight.weight_trace",
    }
    for learner in (lazy, visited):
        learner.step_many(xs, ys)
        learner.state[huge[optimizer]][:4, ::3] = 3e38
        if optimizer == "momentum":
            learner.hyperparameters["step_size"] = 1e3
        for x, y in zip(xs, ys, strict=True):
            x = np.where(np.arange(x.size) < 4, 0, x)
            try:
                learner.step(x, y)
            except ValueError:
                continue
    assert same(lazy, visited)
    if optimizer == "momentum":
        assert visited.cancelled > 0, "nothing was cancelled"


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name not in WAITING])
def test_rules_whose_rows_cannot_wait_say_why(optimizer: str) -> None:
    with pytest.raises(ValueError, match=r'silent_rows="lazy": \w+ (draws|adds|corrects|moves) '):
        sdl.Learner(NETWORKS["single"], "squared_error", OPTIMIZERS[optimizer], silent_rows="lazy")


@pytest.mark.parametrize("plasticity", [name for name in PLASTICITY if name not in WAITED_FOR])
def test_methods_that_do_not_wait_say_why(plasticity: str) -> None:
    network = "sparse" if plasticity in ("set", "rigl", "edge_utility") else "single"
    with pytest.raises(ValueError, match=r'silent_rows="lazy": \w+ (visits|looks|needs) '):
        sdl.Learner(
            NETWORKS[network], "squared_error", OPTIMIZERS["sgd_decay"], PLASTICITY[plasticity],
            silent_rows="lazy",
        )  # fmt: skip


def test_another_word_is_refused() -> None:
    with pytest.raises(
        ValueError, match='silent_rows: expected "visited", "lazy" or "closed_form", got \'eager\''
    ):
        sdl.Learner(NETWORKS["relu"], "squared_error", OPTIMIZERS["sgd"], silent_rows="eager")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["rmsprop", "nidbd"])
def test_rows_whose_fields_fade_end_as_if_visited_whole(optimizer: str, dtype: str) -> None:
    """A minibatch of one goes over every weight of every row."""
    learner = sdl.Learner(
        sdl.MLP(20, [40, 17], 12), "squared_error", OPTIMIZERS[optimizer], seed=5, dtype=dtype
    )
    random = np.random.default_rng(6)
    moved = 0
    for _ in range(60):
        x = random.normal(size=20).astype(dtype) * (random.uniform(size=20) < 0.5)
        y = random.normal(size=12).astype(dtype)
        whole = learner.clone()
        whole.step_minibatch(x[None], y[None])
        before = {name: np.copy(array) for name, array in learner.state.items()}
        sources = [x, *(h[0] for h in learner.activations(x[None]))]
        learner.step(x, y)
        for layer, inputs in enumerate(sources):
            silent = inputs == 0
            for name, array in learner.state.items():
                if name.startswith(f"{layer}.weight"):
                    np.testing.assert_array_equal(array[silent], whole.state[name][silent])
                    moved += np.count_nonzero(array[silent] != before[name][silent])
    assert moved > 10000


def test_fields_fade_alike_where_zero_would_be_divided_by_zero() -> None:
    def learner(silent_rows: str) -> sdl.Learner:
        made = sdl.Learner(
            sdl.MLP(20, [40, 17], 12),
            loss="squared_error",
            optimizer=sdl.optim.RMSprop(0.01, decay=0.5, epsilon=0.0),
            plasticity=sdl.plasticity.WeightClipping(2.0),
            silent_rows=silent_rows,
            seed=5,
        )
        random = np.random.default_rng(6)
        for i in range(300):
            x = random.normal(size=20) * (random.uniform(size=20) < 0.5)
            x[: 5 * (i > 20)] = 0
            made.step(x.astype("f4"), random.normal(size=12).astype("f4"))
        return made

    visited, lazy = learner("visited"), learner("lazy")
    assert visited.state_hash() == lazy.state_hash()
    assert visited.cancelled == lazy.cancelled
