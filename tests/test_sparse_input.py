"""Sparse inputs: pairs and sparse matrices are the dense array, and nothing else is read or changed."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pytest
import streamdl as sdl
from learners import OF_EDGES, OF_ONE_OUTPUT, OPTIMIZERS, PLASTICITY
from linear_predictors import RULES
from linear_predictors import Case as TDCase
from numpy.typing import NDArray

sparse: Any = pytest.importorskip("scipy.sparse")
Array = NDArray[Any]
Random = np.random.Generator
STEPS = 40
NETWORKS: dict[str, sdl.Network] = {
    "linear": sdl.Network([sdl.nn.Linear(1)], inputs=333),
    "without_bias": sdl.Network([sdl.nn.Linear(1, bias=False)], inputs=352),
    "three_outputs": sdl.Network([sdl.nn.Linear(3)], inputs=200),
    "hidden": sdl.MLP(210, [33], 2),
    "norm_first": sdl.Network([sdl.nn.LayerNorm(), sdl.nn.Linear(1)], inputs=100),
    "dropout_first": sdl.Network([sdl.nn.Dropout(0.3), sdl.nn.Linear(1)], inputs=150),
}
SINGLE = ("linear", "without_bias", "norm_first", "dropout_first")


def build(network: str, optimizer: str, dtype: str, plasticity: str = "none") -> sdl.Learner:
    loss = "squared_error" if optimizer in OF_ONE_OUTPUT else "huber"
    return sdl.Learner(
        NETWORKS[network], loss, OPTIMIZERS[optimizer], PLASTICITY[plasticity], dtype=dtype
    )


def inputs_of(network: str) -> int:
    return int(np.prod(NETWORKS[network].inputs))


def drawn(random: Random, n: int, dtype: str) -> Array:
    """Few, many, all or none of n features; now and then all in one block of memory."""
    x = random.normal(size=n)
    active = random.choice([0, 1, 3, n // 40, n // 16, n // 12, n // 3, n])
    x[random.permutation(n)[active:]] = 0.0
    if random.integers(5) == 0:
        x[48:] = 0.0
    return x.astype(dtype)


def pair_of(random: Random, x: Array) -> tuple[Any, Any]:
    """The same input as indices and values; in any order, and with zeros that are named."""
    named = (x != 0) | (random.uniform(size=x.shape) < 0.05 * random.integers(2))
    indices = np.flatnonzero(named).astype(random.choice(["i4", "i8"]))
    if random.integers(2):
        indices = random.permutation(indices)
    values = x[indices]
    values[values == 0] *= random.choice([-1, 1])
    return (indices, values) if random.integers(4) else (indices.tolist(), values.tolist())


def rows_of(xs: Array) -> tuple[Array, Array, Array]:
    matrix = sparse.csr_matrix(xs)
    return matrix.indptr, matrix.indices, matrix.data


# ---------------------------------------------------------------------------- the dense input


@pytest.mark.parametrize(
    ("network", "optimizer"),
    [
        (network, optimizer)
        for network, optimizer in itertools.product(NETWORKS, OPTIMIZERS)
        if network in SINGLE or optimizer not in OF_ONE_OUTPUT
    ],
)
def test_a_pair_is_the_dense_input(network: str, optimizer: str) -> None:
    seed = list(NETWORKS).index(network) * 100 + list(OPTIMIZERS).index(optimizer)
    dtype, random = ["float32", "float64"][seed % 2], np.random.default_rng(seed)
    dense, pairs, mixed = (build(network, optimizer, dtype) for _ in range(3))
    n, outputs = inputs_of(network), dense.output.size
    for i in range(STEPS):
        x, y = drawn(random, n, dtype), random.normal(size=outputs)
        pair = pair_of(random, x)
        assert np.array_equal(dense.predict(x), pairs.predict(pair)), f"prediction {i}"
        losses = dense.step(x, y), pairs.step(pair, y), mixed.step([x, pair][i % 2], y)
        assert losses[0] == losses[1] == losses[2], f"loss of step {i}"
        assert np.array_equal(dense.output, pairs.output), f"output of step {i}"
        hashes = {one.state_hash() for one in (dense, pairs, mixed)}
        assert len(hashes) == 1, f"step {i}"
    assert pairs.steps == STEPS and pairs.cancelled == dense.cancelled


@pytest.mark.parametrize("plasticity", [name for name in PLASTICITY if name not in OF_EDGES])
@pytest.mark.parametrize("optimizer", ["sgd", "idbd", "autostep_bounded"])
def test_a_pair_is_the_dense_input_beside_every_method(optimizer: str, plasticity: str) -> None:
    random = np.random.default_rng(len(plasticity))
    for network, dtype in (("linear", "float32"), ("hidden", "float64")):
        dense, pairs = (build(network, optimizer, dtype, plasticity) for _ in range(2))
        for i in range(STEPS):
            x = drawn(random, inputs_of(network), dtype)
            y = random.normal(size=dense.output.size)
            assert dense.step(x, y) == pairs.step(pair_of(random, x), y), f"{network}: step {i}"
        assert dense.state_hash() == pairs.state_hash(), network


@pytest.mark.parametrize("optimizer", ["sgd", "idbd", "autostep", "adam"])
def test_a_schedule_of_decay_changes_nothing_of_that(optimizer: str) -> None:
    """Where weights decay, none rests: those that are not active are visited again."""
    random = np.random.default_rng(1)
    dense, pairs = (build("linear", optimizer, "float32") for _ in range(2))
    for i in range(60):
        for one in (dense, pairs):
            one.hyperparameters["weight_decay"] = 0.01 * (i // 20 == 1)
        x, y = drawn(random, inputs_of("linear"), "float32"), random.normal()
        assert dense.step(x, y) == pairs.step(pair_of(random, x), y), f"step {i}"
        assert dense.state_hash() == pairs.state_hash(), f"step {i}"


@pytest.mark.parametrize("optimizer", ["sgd", "idbd", "autostep", "adam"])
def test_a_dense_input_may_be_a_view_of_what_it_changes(optimizer: str) -> None:
    """A dense input is read where it lies, unless the update writes there; it may go afterwards."""
    learner = build("without_bias", optimizer, "float32")
    twin, random = learner.clone(), np.random.default_rng(3)
    n = inputs_of("without_bias")
    for i in range(60):
        fields = [name for name in learner.state if name.startswith("0.weight")]
        if i % 3:
            x = random.normal(size=n + 1).astype(np.float32)[1:]  # aligned to its numbers alone
            copy = x.copy()
        else:
            x = learner.state[fields[i % len(fields)]][:, 0]
            copy = np.array(twin.state[fields[i % len(fields)]][:, 0])
        assert learner.step(x, 0.5) == twin.step(copy.tolist(), 0.5), f"step {i}"
        del x, copy
        if i % 5 == 4:
            assert learner.step(([3, 9], [1.0, 2.0]), 0.5) == twin.step(([9, 3], [2.0, 1.0]), 0.5)
        assert learner.state_hash() == twin.state_hash(), f"step {i}"


# ---------------------------------------------------------------------------- sparse matrices


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["sgd", "idbd", "autostep", "adam"])
@pytest.mark.parametrize("network", ["linear", "hidden", "norm_first"])
def test_rows_of_a_sparse_matrix_are_many_steps(network: str, optimizer: str, dtype: str) -> None:
    random = np.random.default_rng(2)
    xs = np.stack([drawn(random, inputs_of(network), dtype) for _ in range(STEPS)])
    one = build(network, optimizer, dtype)
    ys = random.normal(size=(STEPS, one.output.size))
    losses = np.array([one.step(x, y) for x, y in zip(xs, ys, strict=True)], dtype)
    indptr, indices, values = rows_of(xs)
    forms: dict[str, Any] = {
        "triple": (indptr, indices, values),
        "wide": (indptr.astype(np.int64), indices.astype(np.int64), values),
        "other numbers": (indptr.astype(np.uint16), indices.astype(np.int16), values.astype("f8")),
        "csr_matrix": sparse.csr_matrix(xs),
        "csr_array": sparse.csr_array(xs),
        "csc_matrix": sparse.csc_matrix(xs),
        "coo_array": sparse.coo_array(xs),
        "lil_matrix": sparse.lil_matrix(xs),
    }
    for name, form in forms.items():
        many = build(network, optimizer, dtype)
        assert np.array_equal(many.predict_many(form), many.predict_many(xs)), name
        got, outputs = many.step_many(form, ys, outputs=True)
        assert np.array_equal(got, losses), name
        assert np.array_equal(outputs[-1], one.output), name
        assert many.state_hash() == one.state_hash(), name
        for here, there in zip(many.activations(form), one.activations(xs), strict=True):
            assert np.array_equal(here, there), name
        row = sparse.csr_matrix(xs[:1])
        assert np.array_equal(many.predict(row), one.predict(xs[0])), name
        assert many.step(row, ys[0]) == one.clone().step(xs[0], ys[0]), name


@pytest.mark.parametrize("rule", RULES)
def test_observations_may_be_rows_of_a_sparse_matrix(rule: str) -> None:
    case = TDCase(rule, 64, "float32")
    xs, rewards = case.stream(150)
    dense, expected = case.build(), case.build().predict_many(xs)
    predictions = dense.step_many(xs, rewards)
    for form in (rows_of(xs), sparse.csr_array(xs), sparse.csc_matrix(xs)):
        learner = case.build()
        assert np.array_equal(learner.predict_many(form), expected)
        assert np.array_equal(learner.step_many(form, rewards), predictions)
        assert learner.state_hash() == dense.state_hash()
        assert learner.predict(sparse.csr_matrix(xs[:1])) == dense.predict(xs[0])


def test_no_rows_and_empty_rows() -> None:
    learner, dense = build("linear", "idbd", "float32"), build("linear", "idbd", "float32")
    n = inputs_of("linear")
    none, empty = np.zeros(0, np.float32), np.zeros(0, np.int64)
    assert learner.step_many((np.zeros(1, int), empty, none), np.zeros((0, 1))).shape == (0,)
    assert learner.steps == 0
    losses = learner.step_many((np.zeros(4, int), empty, none), np.ones((3, 1)))
    assert np.array_equal(losses, dense.step_many(np.zeros((3, n)), np.ones((3, 1))))
    assert learner.step(([], []), 0.5) == dense.step(np.zeros(n), 0.5)
    assert learner.step((empty, none), 0.5) == dense.step(np.zeros(n), 0.5)
    assert learner.state_hash() == dense.state_hash()


# ---------------------------------------------------------------------------- what is not active


@pytest.mark.parametrize("optimizer", ["sgd", "idbd", "autostep"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_features_that_are_not_active_are_neither_read_nor_written(
    dtype: str, optimizer: str
) -> None:
    """What is not a number would spread from every weight that takes part."""
    random = np.random.default_rng(4)
    n = 400
    network = sdl.Network([sdl.nn.Linear(1)], inputs=n)
    clean, other = (
        sdl.Learner(network, "squared_error", OPTIMIZERS[optimizer], dtype=dtype) for _ in range(2)
    )
    active = np.sort(random.permutation(n)[:12])
    rest = np.setdiff1d(np.arange(n), active)
    fields = [name for name in other.state if name.startswith("0.weight")]
    for name in fields:
        other.state[name][rest] = np.nan
    before = {name: np.array(other.state[name]) for name in fields}
    for i in range(300):
        indices = random.permutation(active)[: random.integers(13)]
        pair, y = (indices, random.normal(size=len(indices)).astype(dtype)), random.normal()
        assert other.predict(pair) == clean.predict(pair), f"prediction {i}"
        assert other.step(pair, y) == clean.step(pair, y), f"step {i}"
    for name in fields:
        assert other.state[name][rest].tobytes() == before[name][rest].tobytes(), name
        assert np.array_equal(other.state[name][active], clean.state[name][active]), name
    assert not np.array_equal(other.state["0.weight"][active], before["0.weight"][active])


@pytest.mark.parametrize("optimizer", ["sgd", "idbd", "autostep"])
def test_nothing_is_left_of_an_example_that_was_larger(optimizer: str) -> None:
    """In length and in size: a copy, which has not seen it, goes on alike."""
    learner = build("linear", optimizer, "float32")
    learner.step((np.arange(5), np.ones(5)), 1.0)
    learner.step((np.arange(16), np.where(np.arange(16) < 12, 1e-3, 1e20)), 0.5)
    twin = learner.clone()
    cancelled = learner.cancelled
    for i in range(30):
        pair = (np.arange(i % 12), np.full(i % 12, 0.1))
        assert learner.step(pair, 0.1 * i) == twin.step(pair, 0.1 * i), f"step {i}"
    assert learner.cancelled - cancelled == twin.cancelled
    assert learner.state_hash() == twin.state_hash()


def test_a_million_steps_on_millions_of_features_end() -> None:
    """Each costs what its two active features cost; even a pass over all of them every 64 steps, to
    measure bounds, would take a minute."""
    n = 3_000_000
    learner = sdl.Learner(
        sdl.Network([sdl.nn.Linear(1, bias=False, init="zeros")], inputs=n), "squared_error",
        sdl.optim.IDBD(step_size=0.05, meta_step_size=0.1),
    )  # fmt: skip
    steps = 1_000_000
    random = np.random.default_rng(0)
    first = random.integers(n // 2, size=(steps, 1))
    indices = np.hstack([first, first + 1 + random.integers(n // 2 - 1, size=(steps, 1))])
    indices[::2] = [7, n - 7]
    rows = np.arange(0, 2 * steps + 1, 2), indices.ravel(), np.ones(2 * steps, np.float32)
    began = time.process_time()
    losses = learner.step_many(rows, np.full((steps, 1), 3.0))
    assert time.process_time() - began < 20
    assert losses[-1000::2].max() < 1e-6
    assert np.count_nonzero(learner.state["0.weight"]) > n // 4


# ---------------------------------------------------------------------------- refusals


def bad_rows(n: int) -> list[tuple[Any, str]]:
    one, two = np.ones(1, np.float32), np.ones(2, np.float32)
    ints = np.array
    return [
        ((ints([0, 1]), ints([0, 1]), one), r"xs\[2\] \(values\): expected 2 numbers, got .*1"),
        ((ints([1, 2]), ints([0, 1]), two), r"xs\[0\] \(indptr\): .*begin at 0, got 1"),
        ((ints([0, 2, 1]), ints([0, 1]), two), r"xs\[0\] \(indptr\): .*never fall, got 2 before 1"),
        ((ints([0, 3]), ints([0, 1]), two), r"xs\[0\] \(indptr\): .*up to 2, .*got 3"),
        ((ints([0, -1]), ints([0, 1]), two), r"xs\[0\] \(indptr\): .*never fall, got 0 before -1"),
        ((np.zeros(0, int), ints([0]), one), r"xs\[0\] \(indptr\): expected .*, got none"),
        ((np.zeros((1, 2), int), ints([0]), one), r"xs\[0\] \(indptr\): expected one dimension"),
        ((two, ints([0, 1]), two), r"xs\[0\] \(indptr\): expected integers, got dtype float32"),
        ((ints([0, 2]), two, two), r"xs\[1\] \(indices\): expected integers, got dtype float32"),
        ((ints([0, 2]), ints([0, 1]), two * 1j), r"xs\[2\] \(values\): expected real numbers"),
        (sparse.csr_matrix((1, n + 1)), rf"xs: expected {n} columns, got {n + 1}"),
        (sparse.csr_matrix((1, n), dtype=complex), r"xs.data: expected real numbers"),
    ]


BAD_ROWS = {
    "out of range": ([3, 333], [1.0, 1.0], r"\[0\] \(indices\): expected 0 to 332, got 333"),
    "negative": ([-1, 3], [1.0, 1.0], r"\[0\] \(indices\): expected 0 to 332, got -1"),
    "far": ([2**40, 3], [1.0, 1.0], rf"\[0\] \(indices\): expected 0 to 332, got {2**40}"),
    "twice": ([5, 5], [1.0, 1.0], r"\[0\] \(indices\): expected every index once, got 5 twice"),
    "twice apart": ([5, 2, 5], [1.0, 0.0, 0.0], "expected every index once, got 5 twice"),
    "not a number": ([2, 5], [1.0, np.nan], r"\[1\] \(values\)\[1\]: expected a finite number"),
    "infinite": ([5, 2], [-np.inf, 1.0], r"\[1\] \(values\)\[0\]: .*got -inf"),
    "too large": ([2, 3], [3e38, 3e38], "overflow"),
}


@pytest.mark.parametrize("bad", BAD_ROWS)
@pytest.mark.parametrize("optimizer", ["sgd", "idbd", "autostep", "adam"])
def test_what_is_refused_changes_nothing(optimizer: str, bad: str) -> None:
    """The examples of a block that come before it are learned, none after."""
    indices, values, says = BAD_ROWS[bad]
    random, n = np.random.default_rng(6), inputs_of("linear")
    learner, untouched = (build("linear", optimizer, "float32") for _ in range(2))
    good = [pair_of(random, drawn(random, n, "float32")) for _ in range(12)]
    pair = np.array(indices), np.array(values, np.float32)
    for x, kind in itertools.product(good[:6], (np.int32, np.int64)):
        if np.abs(pair[0]).max() < 2**31:
            pair = pair[0].astype(kind), pair[1]
        for one in (learner, untouched):
            one.step(x, 0.5)
        now = learner.state_hash()
        with pytest.raises(ValueError, match="^x" + (says if says[0] == "\\" else f".*{says}")):
            learner.step(pair, 0.5)
        if says != "overflow":
            with pytest.raises(ValueError, match=says):
                learner.predict(pair)
        assert learner.state_hash() == now
    rows = [*good[6:9], pair, *good[9:]]
    lengths = [0, *np.cumsum([len(row[0]) for row in rows])]
    block = tuple(np.concatenate([np.asarray(row[i]) for row in rows]) for i in range(2))
    with pytest.raises(ValueError, match=r"^xs\[3\].*" + says):
        learner.step_many((np.array(lengths), *block), np.full((7, 1), 0.5))
    for x in good[6:9]:
        untouched.step(x, 0.5)
    assert learner.state_hash() == untouched.state_hash()
    assert learner.step(good[9], 0.1) == untouched.step(good[9], 0.1)


@pytest.mark.parametrize("place", range(12))
def test_a_bad_matrix_is_refused_whole(place: int) -> None:
    learner, td = build("linear", "idbd", "float32"), sdl.rl.SwiftTD(333)
    rows, says = bad_rows(333)[place]
    for call in (
        lambda: learner.step_many(rows, np.zeros((1, 1))),
        lambda: learner.predict_many(rows),
        lambda: td.step_many(rows, np.zeros(1)),
        lambda: td.predict_many(rows),
    ):
        with pytest.raises((ValueError, TypeError), match="^" + says):
            call()
    assert learner.steps == td.steps == 0


def test_as_many_targets_as_rows_and_one_row_for_a_step() -> None:
    learner = build("linear", "idbd", "float32")
    matrix = sparse.csr_matrix((3, inputs_of("linear")), dtype=np.float32)
    with pytest.raises(ValueError, match=r"ys: expected as many examples as xs \(3\), got 2"):
        learner.step_many(matrix, np.zeros((2, 1)))
    with pytest.raises(ValueError, match="x: expected one row, got 3"):
        learner.step(matrix, 0.0)
    with pytest.raises(TypeError, match="xs: expected real numbers"):
        learner.step_minibatch(matrix, np.zeros((3, 1)))
