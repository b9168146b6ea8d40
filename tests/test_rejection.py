"""A bad example is refused by name, and leaves the learner exactly as it was."""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import streamdl as sdl
from learners import INPUTS, TABLE, Case
from numpy.typing import NDArray

PER_LEARNER = 40
CASES = [case for case in TABLE if case.network != "norm_first"][::4]  # a norm tames any input
BAD_NUMBERS = [float("nan"), float("inf"), float("-inf")]

Random = np.random.Generator


@dataclass(frozen=True)
class Bad:
    """An example, the argument that is wrong with it ("x" or "y"), and what the message shows."""

    x: Any
    y: Any
    argument: str
    shows: str = ""


def good(case: Case, random: Random) -> tuple[NDArray[Any], Any]:
    xs, ys = case.examples(1, seed=int(random.integers(2**31)))
    return xs[0], int(ys[0]) if case.loss == "cross_entropy" else ys[0]


def _bad_number(case: Case, random: Random) -> Bad:
    x, y = good(case, random)
    bad = BAD_NUMBERS[random.integers(3)]
    shows = r"(?i)nan" if np.isnan(bad) else "-inf" if bad < 0 else "inf"
    if case.loss == "cross_entropy" or random.integers(2):
        at = int(random.integers(INPUTS))
        x[at] = bad
        return Bad(x, y, "x", rf"\[{at}\].*{shows}" if "?i" not in shows else rf"(?i)\[{at}\].*nan")
    at = int(random.integers(case.outputs))
    y[at] = bad
    return Bad(x, y, "y", rf"(?i)\[{at}\].*{shows.removeprefix('(?i)')}")


def _bad_sparse(case: Case, random: Random) -> Bad:
    _, y = good(case, random)
    indices, values = random.permutation(INPUTS)[:4], random.normal(size=4).astype(case.dtype)
    kind = int(random.integers(6))
    if kind == 0:
        values[random.integers(4)] = np.nan
        return Bad((indices, values), y, "x", "(?i)nan")
    if kind == 1:
        indices[2] = wrong = int(random.choice([-1, INPUTS, 2**40]))
        return Bad((indices, values), y, "x", f"0 to {INPUTS - 1}.*{wrong}")
    if kind == 2:
        indices[3] = indices[0]
        return Bad((indices, values), y, "x", str(indices[0]))
    if kind == 3:
        return Bad((indices, values[:3]), y, "x", "4 .*3")
    if kind == 4:
        return Bad((indices + 0.5, values), y, "x", "float64")
    return Bad((indices, None), y, "x")


def _bad_shape(case: Case, random: Random) -> Bad:
    x, y = good(case, random)
    wrong = [
        (x[:-1], f"{INPUTS}.*{INPUTS - 1}"), (np.append(x, x[:1]), f"{INPUTS}.*{INPUTS + 1}"),
        (x[:0], f"{INPUTS}.*0"), (np.stack([x, x]), f"{INPUTS}.*2, {INPUTS}"),
        (np.float64(1), str(INPUTS)), ([list(x), [1.0]], ""), ((), str(INPUTS)),
    ]  # fmt: skip
    if case.loss == "cross_entropy" or random.integers(2):
        x, shows = wrong[random.integers(len(wrong))]
        return Bad(x, y, "x", shows)
    n = case.outputs
    wrong_y: list[tuple[Any, str]] = [
        (y[:-1], f"{n}.*{n - 1}"), (y[:0], f"{n}.*0"), (np.stack([y, y]), f"{n}.*2, {n}"),
    ]  # fmt: skip
    if n > 1:
        wrong_y += [(0.5, str(n)), (3, str(n))]
    y, shows = wrong_y[random.integers(len(wrong_y))]
    return Bad(x, y, "y", shows)


WRONG: list[Any] = [
    None, "abc", b"abc", 1j, object(), {}, {1, 2}, ["a"], [None], iter([1.0]), np.array("x"),
    np.zeros(INPUTS, complex), np.zeros(INPUTS, "M8[s]"), np.zeros(INPUTS, object),
    np.zeros(INPUTS, "f4,f4"), np.zeros(INPUTS, "S3"), datetime.date(2020, 1, 1),
    decimal.Decimal(1), len, Ellipsis,
]  # fmt: skip


def _bad_type(case: Case, random: Random) -> Bad:
    x, y = good(case, random)
    wrong = WRONG[random.integers(len(WRONG))]
    return Bad(wrong, y, "x") if random.integers(2) else Bad(x, wrong, "y")


def _bad_class(case: Case, random: Random) -> Bad:
    x, _ = good(case, random)
    wrong = [
        case.outputs, -1, 2**31, 2**63 - 1, -(2**63), 2**64, -(2**70), np.int8(-3), np.uint64(2**63),
        1.0, 1.5, np.float32(1), np.float64(2), True, np.bool_(False), float("nan"), [1], "1", 1j,
        np.array([1, 2]), decimal.Decimal(1), np.array(1.0), None,
    ]  # fmt: skip
    y: Any = wrong[random.integers(len(wrong))]
    integer = isinstance(y, int | np.integer) and not isinstance(y, bool)
    return Bad(x, y, "y", f"0 to {case.outputs - 1}.*{int(y)}" if integer else "")


def _overflows_inside(case: Case, random: Random, learner: sdl.Learner) -> Bad:
    """As large as can be, along the signs of the weights of the unit that has the largest."""
    _, y = good(case, random)
    first = np.array(learner.parameters["0.weight"])
    window = first.shape[:-1]
    unit = int(np.abs(first.reshape(-1, first.shape[-1])).sum(axis=0).argmax())
    signs = np.zeros((1, 4, 5) if first.ndim == 4 else INPUTS)
    signs[tuple(slice(n) for n in window)] = np.sign(first[..., unit])  # an image's first window
    x = signs.reshape(INPUTS) * float(np.finfo(case.dtype).max) * random.uniform(0.8, 0.99)
    return Bad(x.astype(case.dtype), y, "x", "overflow")


def _too_large_for_float32(case: Case, random: Random) -> Bad:
    x, y = good(case, random)
    if case.loss == "cross_entropy" or random.integers(2):
        wide = x.astype(np.float64)
        at = int(random.integers(INPUTS))
        wide[at] = random.choice([1e300, -3.5e38])
        return Bad(wide, y, "x", rf"\[{at}\].*{re.escape(str(wide[at]))}")
    wide = y.astype(np.float64)
    at = int(random.integers(case.outputs))
    wide[at] = random.choice([1e300, -3.5e38])
    return Bad(x, wide, "y", rf"\[{at}\].*{re.escape(str(wide[at]))}")


def draw(case: Case, random: Random, learner: sdl.Learner) -> Bad:
    kinds: list[Callable[[Case, Random], Bad]] = [
        _bad_number, _bad_sparse, _bad_shape, _bad_type,
        lambda case, random: _overflows_inside(case, random, learner),
    ]  # fmt: skip
    if case.loss == "cross_entropy":
        kinds.append(_bad_class)
    if case.dtype == "float32":
        kinds.append(_too_large_for_float32)
    return kinds[random.integers(len(kinds))](case, random)


def refused(call: Callable[[], Any], bad: Bad, argument: str, shows: str) -> None:
    """The call raises ValueError or TypeError that names the argument, what was expected and came."""
    try:
        call()
    except (ValueError, TypeError) as error:
        message = str(error)
        assert re.match(rf"{argument}(?!\w)", message), (
            f"expected {argument} to be named: {message}"
        )
        assert re.search("expected .*(got|overflow)", message), f"says too little: {message}"
        assert re.search(shows, message), f"expected {shows!r} in: {message}"
        return
    raise AssertionError(f"accepted x={bad.x!r} y={bad.y!r}")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_bad_example_is_refused_and_changes_nothing(case: Case) -> None:
    learner, random = case.build(), np.random.default_rng(len(str(case)))
    learner.step_many(*case.examples(30))
    for _ in range(PER_LEARNER):
        now, output, bad = (
            learner.state_hash(),
            learner.output.tobytes(),
            draw(case, random, learner),
        )
        refused(lambda bad=bad: learner.step(bad.x, bad.y), bad, bad.argument, bad.shows)
        assert learner.state_hash() == now, f"changed by {bad}"
        assert learner.output.tobytes() == output, f"the output was changed by {bad}"
        assert learner.steps == 30
    # What is not in the state has not changed either.
    untouched = case.build()
    untouched.step_many(*case.examples(30))
    if not case.may_be_looked_at:
        untouched.state_hash()  # both were looked at, then
    for one in (learner, untouched):
        one.step_many(*case.examples(30, seed=4))
    assert learner.state_hash() == untouched.state_hash()


def test_at_least_a_thousand_bad_examples_are_drawn() -> None:
    assert PER_LEARNER * len(CASES) >= 1000, len(CASES)


def blocks(
    case: Case, random: Random, learner: sdl.Learner
) -> tuple[NDArray[Any], NDArray[Any], int, Bad]:
    """Eight examples of which one cannot be learned."""
    xs, ys = case.examples(8, seed=int(random.integers(2**31)))
    at = int(random.integers(8))
    bad = _bad_number(case, random)
    if random.integers(3) == 0:
        bad = _overflows_inside(case, random, learner)
    if case.loss == "cross_entropy" and random.integers(2):
        wrong = int(random.choice([-1, case.outputs, 2**40]))
        ys[at] = wrong
        return xs, ys, at, Bad(xs[at], wrong, "y", f"0 to {case.outputs - 1}.*{wrong}")
    xs[at], ys[at] = bad.x, bad.y
    return xs, ys, at, bad


@pytest.mark.parametrize("case", CASES, ids=str)
def test_step_many_learns_what_came_before_the_bad_example(case: Case) -> None:
    learner, random = case.build(), np.random.default_rng(3)
    for _ in range(PER_LEARNER // 4):
        xs, ys, at, bad = blocks(case, random, learner)
        twin = learner.clone()
        refused(
            lambda xs=xs, ys=ys: learner.step_many(xs, ys),
            bad,
            rf"{bad.argument}s\[{at}\]",
            bad.shows,
        )
        if at:
            twin.step_many(xs[:at], ys[:at])
            assert learner.output.tobytes() == twin.output.tobytes()
        assert learner.state_hash() == twin.state_hash(), f"example {at}"
        assert learner.steps == twin.steps


OF_MINIBATCHES = [case for case in CASES if case.takes_minibatches]


@pytest.mark.parametrize("case", OF_MINIBATCHES, ids=str)
def test_a_minibatch_with_a_bad_example_changes_nothing(case: Case) -> None:
    learner, random = case.build(), np.random.default_rng(4)
    learner.step_many(*case.examples(30))
    for _ in range(PER_LEARNER // 4):
        xs, ys, at, bad = blocks(case, random, learner)
        now, output = learner.state_hash(), learner.output.tobytes()
        refused(
            lambda xs=xs, ys=ys: learner.step_minibatch(xs, ys),
            bad,
            rf"{bad.argument}s\[{at}\]",
            bad.shows,
        )
        assert learner.state_hash() == now, f"changed by {bad}"
        assert learner.output.tobytes() == output
        assert learner.steps == 30


@pytest.mark.parametrize("method", ["step_many", "step_minibatch"])
@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_blocks_of_the_wrong_shape_or_type_change_nothing(case: Case, method: str) -> None:
    if method == "step_minibatch" and not case.takes_minibatches:
        return  # they refuse any
    learner = case.build()
    xs, ys = case.examples(6)
    learner.step_many(xs, ys)
    now, call = learner.state_hash(), getattr(learner, method)
    wrong = [(xs[:, :-1], ys, "xs"), (xs[:3], ys, "ys"), (xs, ys[:-1], "ys"), (xs[0], ys, "xs")]
    wrong += [(w, ys, "xs") for w in WRONG] + [(xs, w, "ys") for w in WRONG]
    if case.loss == "cross_entropy":
        wrong += [(xs, ys.astype(float), "ys"), (xs, ys > 2, "ys"), (xs, ys[:, None], "ys")]
        wrong += [(xs, np.full(6, 2**63, np.uint64), "ys"), (xs, 1, "ys")]
    if case.dtype == "float32":
        wrong.append((xs.astype(np.float64) + 1e39, ys, "xs"))
    for bad_xs, bad_ys, argument in wrong:
        bad = Bad(bad_xs, bad_ys, argument)
        refused(lambda bad=bad: call(bad.x, bad.y), bad, argument, "")
        assert learner.state_hash() == now, bad
    if method == "step_minibatch":
        refused(lambda: call(xs[:0], ys[:0]), Bad(xs[:0], ys[:0], "xs"), "xs", "0")
        assert learner.state_hash() == now


@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_predict_refuses_too(case: Case) -> None:
    learner, random = case.build(), np.random.default_rng(6)
    learner.step_many(*case.examples(30))
    for _ in range(PER_LEARNER):
        bad = draw(case, random, learner)
        if bad.argument == "x":
            now = learner.state_hash()
            refused(lambda bad=bad: learner.predict(bad.x), bad, "x", bad.shows)
            assert learner.state_hash() == now


# ---------------------------------------------------------------------------- step sizes too large


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["step", "step_many", "step_minibatch"])
def test_an_update_that_would_overflow_is_refused(method: str, dtype: str) -> None:
    most = float(np.finfo(dtype).max)
    learner = sdl.Learner(
        sdl.MLP(3, [4], 2), "squared_error", sdl.optim.SGD(step_size=most / 8), dtype=dtype
    )
    now, x, y = learner.state_hash(), np.ones((1, 3), dtype), np.full((1, 2), 1000, dtype)
    with pytest.raises(ValueError, match="overflow"):
        learner.step(x[0], y[0]) if method == "step" else getattr(learner, method)(x, y)
    assert learner.state_hash() == now


@pytest.mark.parametrize("outputs", [1, 9])
@pytest.mark.parametrize(
    ("dtype", "x", "y", "small"),
    [("float32", 1e15, -1e18, 1e-25), ("float64", 1e145, -1e150, 1e-280)],
)
@pytest.mark.parametrize(
    "optimizer",
    [
        sdl.optim.SGD(1.0), sdl.optim.SGD(1.0, weight_decay=1e-3), sdl.optim.PGD(1.0, 1e-3),
        sdl.optim.SGD(1.0, momentum=0.5), sdl.optim.IDBD(1.0, 0.0),
    ],
    ids=["sgd", "decay", "pgd", "momentum", "idbd"],
)  # fmt: skip
def test_what_a_huge_update_left_is_known_to_the_next_one(
    optimizer: sdl.optim.Optimizer, dtype: str, x: float, y: float, small: float, outputs: int
) -> None:
    """An update that only just fits leaves weights that make the next, harmless looking one overflow."""
    layers = [sdl.nn.Linear(1, bias=False), sdl.nn.ReLU(), sdl.nn.Linear(outputs, bias=False)]
    learner = sdl.Learner(sdl.Network(layers, inputs=1), "squared_error", optimizer, dtype=dtype)
    learner.parameters["0.weight"][:] = 1
    learner.parameters["1.weight"][:] = 0
    learner.step(np.full(1, x, dtype), np.full(outputs, y, dtype))
    for _ in range(5):
        try:
            learner.step(np.full(1, small, dtype), np.zeros(outputs, dtype))
        except ValueError as refusal:
            assert "overflow" in str(refusal)
        assert all(np.isfinite(array).all() for array in learner.state.values())


def test_a_step_size_beyond_float32_poisons_nothing() -> None:
    for step_size in (1e39, 1e300):
        try:
            learner = sdl.Learner(
                sdl.MLP(3, [], 2, init="zeros"), "squared_error", sdl.optim.SGD(step_size=step_size)
            )
            learner.step(np.ones(3), np.zeros(2))  # its gradient is zero
        except ValueError:
            continue
        for name, w in learner.parameters.items():
            assert np.isfinite(w).all(), f"{name} {w} after step size {step_size}"


@pytest.mark.parametrize("y", [1e300, -3.5e38, np.array([1e39])])
def test_a_target_beyond_float32_says_so(y: Any) -> None:
    learner = sdl.Learner(sdl.MLP(2, [], 1), "squared_error", sdl.optim.SGD(0.1))
    before = learner.state_hash()
    with pytest.raises(
        ValueError, match=r"y\[0\]: expected a number that float32 can hold, got -?\d"
    ):
        learner.step(np.ones(2, dtype=np.float32), y)
    assert learner.state_hash() == before


def learned(learner: sdl.Learner, x: NDArray[Any], y: NDArray[Any]) -> bool:
    try:
        learner.step(x, y)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("plasticity", [None, sdl.plasticity.ContinualBackprop(0.05, maturity=3)])
@pytest.mark.parametrize("activation", ["relu", "tanh", "linear"])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_long_life_refuses_what_a_fresh_copy_refuses(
    dtype: str, decay: float, activation: str, plasticity: Any
) -> None:
    """What a learner knows of its past examples, a copy does not: they must agree on every one."""
    random = np.random.default_rng(5)
    exponent = 20 if dtype == "float32" else 160
    verdicts = []
    for life in range(12):
        learner = sdl.Learner(
            sdl.MLP(5, [7, 6], 2, activation=activation),
            "squared_error",
            sdl.optim.SGD(10 ** random.uniform(-4, 0), weight_decay=decay),
            plasticity,
            seed=life,
            dtype=dtype,
        )
        for _ in range(120):
            spike = random.uniform() < 0.05
            sizes = 10 ** (random.uniform(3, exponent, 2) if spike else random.uniform(-2, 0.5, 2))
            x = (random.normal(size=5) * sizes[0]).astype(dtype)
            y = (random.normal(size=2) * sizes[1]).astype(dtype)
            fresh = learner.clone()
            verdicts.append(learned(learner, x, y))
            assert learned(fresh, x, y) == verdicts[-1]
            assert fresh.state_hash() == learner.state_hash()
            assert all(np.isfinite(p).all() for p in dict(learner.clone().parameters).values())
    assert 0.05 < np.mean(verdicts) < 0.999, np.mean(verdicts)


@pytest.mark.parametrize("where", ["x", "y"])
def test_a_spike_after_a_quiet_life_is_refused(where: str) -> None:
    """Neither the outputs nor the loss show it, only the update would."""
    network = sdl.Network([sdl.nn.Linear(2, bias=False, init="zeros")], inputs=2)
    learner = sdl.Learner(network, "squared_error", sdl.optim.SGD(1e10))
    x, y = np.array([0, 1e10], np.float32), np.zeros(2, np.float32)
    for _ in range(10):
        learner.step(x, y)
    before = learner.state_hash()
    if where == "x":
        x[0], y[0] = 3e38, 1
    else:
        y[0] = 1e19
    with pytest.raises(ValueError, match="overflow"):
        learner.step(x, y)
    assert learner.state_hash() == before
