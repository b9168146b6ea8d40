"""Linear temporal-difference learners: recorded runs, the reference engine, and every learner's promises."""

from __future__ import annotations

import copy
import json
import pickle
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamdl as sdl
from conformance.vectors import CASES, Report, arguments, arrays
from linear_predictors import RULES, TABLE, Case, live, spiky
from numpy.typing import NDArray
from reference import linear_td
from test_same_bits import SETS, python

Array = NDArray[Any]
Random = np.random.Generator
each_learner = pytest.mark.parametrize("case", TABLE, ids=str)


def pair_of(x: Array) -> tuple[Array, Array]:
    indices = np.flatnonzero(x)
    return indices, x[indices]


# ---------------------------------------------------------------------------- what is computed

LIMITS = {"float64": 1e-9, "float32": 1e-4}
RECORDED = [
    pytest.param(case, dtype, id=f"{case['name']}-{dtype}")
    for case in CASES
    if case["kind"] == "linear_td"
    for dtype in LIMITS
    if dtype == "float64" or case["float32"]
]
WAYS: dict[str, Callable[[sdl.rl.LinearTD, Array, Array], Any]] = {
    "step": lambda learner, xs, ys: [learner.step(x, y) for x, y in zip(xs, ys, strict=True)],
    "sparse": lambda learner, xs, ys: [
        learner.step(pair_of(x), y) for x, y in zip(xs, ys, strict=True)
    ],
    "step_many": lambda learner, xs, ys: learner.step_many(xs, ys),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("case", "dtype"), RECORDED)
def test_repeats_the_recorded_run(case: dict[str, Any], dtype: str, way: str) -> None:
    rule: type[sdl.rl.LinearTD] = getattr(sdl.rl, case["optimizer"]["name"])
    learner = rule(case["features"], dtype=dtype, **arguments(case["optimizer"], "name"))
    z = arrays(case["file"])
    outputs = WAYS[way](learner, z["xs"], z["ys"])
    report, limit = Report(f"{case['name']} {dtype}"), LIMITS[dtype]
    steps = case["steps"] if dtype == "float64" else 200
    report.compare("outputs", np.asarray(outputs)[:steps], z["outputs"][:steps], limit)
    if dtype == "float64":
        report.compare(
            "final/weight", learner.parameters["0.weight"][:, 0], z["final/weight"], limit
        )
        for key in z:
            if key.startswith("step_sizes/"):
                report.compare(
                    key, np.ravel(learner.step_sizes["0.weight"]), np.ravel(z[key]), limit
                )
    assert learner.steps == case["steps"] and learner.cancelled == 0
    report.check()


DRAWN = ["TD", "TrueOnlineTD", "TIDBD", "AutoTIDBD", "SwiftTD"]
STEPS = 150


def draw(name: str, random: Random) -> tuple[dict[str, Any], Array]:
    """Arguments of a rule, and inputs so small beside its step size that it does not diverge."""
    features = int(random.choice([1, 2, 5, 16, 17, 40, 130]))
    density = float(random.choice([1.0, 0.3, 0.05]))
    xs = random.normal(size=(STEPS, features)) * (random.uniform(size=(STEPS, features)) < density)
    k = float(random.choice([0.0, 0.5, 0.9, 1.0]))
    options: dict[str, Any] = {
        "features": features,
        "discount": float(random.uniform(0, 0.99)),
        "trace_decay": k,
        "step_size": float(random.uniform(0.01, 0.15)) / max(1.0, density * features),
    }
    if "TIDBD" in name or name == "SwiftTD":
        options["meta_step_size"] = float(10 ** random.uniform(-4, -1.5))
    if "TIDBD" in name:
        options["gradient"] = str(random.choice(["semi", "ordinary"]))
    if name == "AutoTIDBD":
        options["tau"] = float(10 ** random.uniform(1, 4))
        options["step_size"] *= float(random.choice([1, 20]))  # often beyond its bound
        options["trace_decay"] = min(k, 0.5)
    if name == "SwiftTD":
        options["rate_bound"] = float(10 ** random.uniform(-2, 0))
        options["step_size_decay"] = float(random.uniform(0.8, 1))
        options["min_step_size"] = float(10 ** random.uniform(-10, -3))
    return options, xs


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("name", DRAWN)
def test_agrees_with_the_reference(name: str, seed: int) -> None:
    random = np.random.default_rng([seed, DRAWN.index(name)])
    options, xs = draw(name, random)
    learner = getattr(sdl.rl, name)(dtype="float64", **options)
    truth = getattr(linear_td, name)(**options)
    report = Report(f"{name} {options}")
    got, expected = [], []
    for x in xs:
        reward = float(random.normal())
        got.append(learner.step(pair_of(x) if random.integers(2) else x, reward))
        expected.append(truth.step(x, reward))
        if random.uniform() < 0.03:
            learner.end(reward)
            truth.end(reward)
    assert np.max(np.abs(expected)) < 1e6, f"{options} diverges"
    report.compare("predictions", got, expected, 1e-9)
    report.compare("weight", learner.parameters["0.weight"][:, 0], truth.weight, 1e-9)
    report.compare("step_sizes", learner.step_sizes["0.weight"][:, 0], truth.step_sizes, 1e-9)
    report.check()


@pytest.mark.parametrize("name", DRAWN)
def test_a_cutoff_changes_little_and_ends_traces(name: str) -> None:
    random = np.random.default_rng(3)
    options = {"discount": 0.99, "trace_decay": 0.9, "step_size": 1e-3}
    if name not in ("TD", "TrueOnlineTD"):
        options["meta_step_size"] = 1e-3
    rule = getattr(sdl.rl, name)
    exact = rule(1000, dtype="float64", **options)
    cut = rule(1000, dtype="float64", trace_cutoff=1e-3, **options)
    for _ in range(400):
        indices = random.permutation(1000)[:10]
        for learner in (exact, cut):
            learner.step((indices, np.ones(10)), 1.0)
    trace = cut.state["0.weight.trace"]
    assert 0 < np.count_nonzero(trace) < 0.6 * np.count_nonzero(exact.state["0.weight.trace"])
    w, expected = cut.parameters["0.weight"], exact.parameters["0.weight"]
    assert 0 < np.max(np.abs(w - expected)) < 0.02 * np.max(np.abs(expected))


# ---------------------------------------------------------------------------- sparse is dense


@each_learner
def test_indices_and_values_in_any_order_are_the_dense_input(case: Case) -> None:
    """Blocks of features without a trace and without an input are not visited when x is sparse."""
    dense, sparse, random = case.build(), case.build(), np.random.default_rng(5)
    for i, (x, reward) in enumerate(zip(*case.stream(120), strict=True)):
        named = (x != 0) | (random.uniform(size=x.shape) < 0.1)  # zeros may be named, too
        indices = random.permutation(np.flatnonzero(named)).astype([np.int64, np.int32][i % 2])
        pair = (indices.tolist(), x[indices].tolist()) if i % 5 == 0 else (indices, x[indices])
        x = np.where(x == 0, -x, x) if i % 3 else x  # and be negative
        assert dense.predict(x) == sparse.predict(pair), f"prediction {i}"
        assert dense.step(x, float(reward)) == sparse.step(pair, float(reward)), f"step {i}"
        assert dense.state_hash() == sparse.state_hash(), f"step {i}"
        if i % 37 == 36:
            dense.end(0.5)
            sparse.end(0.5)
    assert dense.steps == sparse.steps == 120


@pytest.mark.parametrize("rule", RULES)
def test_features_at_rest_keep_every_bit(rule: str) -> None:
    """Neighbours of busy features, within their block and beyond, whatever they have learned before."""
    case = Case(rule, 64, "float32")
    learner = case.build()
    live(case, learner, 100)
    learner.end(0.0)
    fields = [name for name in learner.state if name.startswith("0.weight")]
    if rule in ("swift_wild", "swift_bounded"):  # a rate above its bound makes all features forget
        fields.remove("0.weight.weight_trace")
    learner.step((np.array([5, 37]), np.full(2, 0.5)), 0.1)
    before = {name: np.array(learner.state[name]) for name in fields}
    for i in range(60):
        busy = np.array([5, 37] if i % 3 else [50])  # the others' traces fade meanwhile
        learner.step((busy, np.full(len(busy), 0.5 - i % 2)), 0.1 * i)
    rest = np.setdiff1d(np.arange(64), [5, 37, 50])
    for name in fields:
        now = np.array(learner.state[name])
        assert now[rest].tobytes() == before[name][rest].tobytes(), name
    assert not np.array_equal(learner.parameters["0.weight"][5], before["0.weight"][5])


# ---------------------------------------------------------------------------- promises


@each_learner
def test_step_many_is_many_steps(case: Case) -> None:
    one, many = case.build(), case.build()
    xs, rewards = case.stream(200)
    predictions = many.step_many(xs, rewards)
    assert predictions.shape == (200,) and predictions.dtype == case.dtype
    for i, (x, reward) in enumerate(zip(xs, rewards, strict=True)):
        before = one.predict(x)
        assert before == one.step(x, reward) == predictions[i], f"step {i}"
    assert one.state_hash() == many.state_hash()
    assert one.steps == many.steps == 200
    assert np.array_equal(one.predict_many(xs), [one.predict(x) for x in xs])


COPIES: dict[str, Callable[[Any], Any]] = {
    "clone": lambda learner: learner.clone(),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda learner: pickle.loads(pickle.dumps(learner)),
}


@each_learner
def test_copies_continue_bit_for_bit(case: Case, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    learner = case.build()
    live(case, learner, 100)
    learner.save(tmp_path / "learner.safetensors")
    twins = {name: make(learner) for name, make in COPIES.items()}
    twins["load"] = type(learner).load(tmp_path / "learner.safetensors")
    now = learner.state_hash()
    with safetensors.safe_open(tmp_path / "learner.safetensors", framework="np") as file:
        assert sorted(file.keys()) == sorted(learner.state)
        for name, array in learner.state.items():
            assert file.get_tensor(name).tobytes() == np.ascontiguousarray(array).tobytes(), name
        assert json.loads(file.metadata()["streamdl.spec"])["features"] == case.features
    expected = live(case, learner, 60, seed=2), learner.state_hash()
    for name, twin in twins.items():
        assert type(twin) is type(learner) and twin.state_hash() == now and twin.steps == 100, name
        assert (live(case, twin, 60, seed=2), twin.state_hash()) == expected, name
        assert twin.hyperparameters == learner.hyperparameters and repr(twin) == repr(learner)


@each_learner
def test_looking_changes_no_bit_of_the_future(case: Case) -> None:
    watched, alone = case.build(), case.build()
    held = list(watched.state.values()) if TABLE.index(case) % 2 else []
    for i, (x, reward) in enumerate(zip(*case.stream(120), strict=True)):
        for learner in (watched, alone):
            learner.step(x, float(reward))
        watched.predict(x)
        watched.state_hash(), repr(watched), watched.step_sizes, dict(watched.hyperparameters)
        if held:
            seen = {name: np.array(array) for name, array in watched.state.items()}
            fresh = watched.clone().state
            assert all(np.array_equal(array, fresh[name]) for name, array in seen.items())
        if i % 10 == 0 or i > 110:
            assert watched.state_hash() == alone.state_hash(), f"step {i}"
    assert len(held) in (0, len(watched.state))


@each_learner
def test_a_write_through_a_view_is_seen(case: Case) -> None:
    learner, unwritten = case.build(), case.build()
    live(case, learner, 50)
    live(case, unwritten, 50)
    x = np.ones(case.features, case.dtype)
    before = learner.predict(x)
    view = learner.parameters["0.weight"]
    assert view.shape == (case.features, 1) and view.dtype == case.dtype
    view[...] += 0.25
    assert learner.predict(x) == pytest.approx(before + 0.25 * case.features, rel=1e-4)
    twin = learner.clone()
    assert live(case, learner, 50, seed=2) == live(case, twin, 50, seed=2)
    assert learner.state_hash() == twin.state_hash()
    assert not np.array_equal(view, unwritten.parameters["0.weight"])
    learner.state["0.weight.trace"][...] = 0.5  # every feature is eligible now
    twin = learner.clone()
    assert live(case, learner, 50, seed=3) == live(case, twin, 50, seed=3)
    assert learner.state_hash() == twin.state_hash()


@pytest.mark.parametrize("rule", RULES)
def test_a_written_hyperparameter_acts(rule: str) -> None:
    case = Case(rule, 40, "float32")
    start = case.build()
    live(case, start, 60)
    unwritten = start.clone()
    live(case, unwritten, 80, seed=2)
    new = {"trace_cutoff": 0.3, "min_step_size": 0.02, "rate_bound": 0.005, "step_size_decay": 0.5}
    for name, old in start.hyperparameters.items():
        learner = start.clone()
        for bad in (-1.0, float("nan"), float("inf"), 1e39):
            with pytest.raises(ValueError, match=name):
                learner.hyperparameters[name] = bad
        assert learner.state_hash() == start.state_hash()
        learner.hyperparameters[name] = new.get(name, 0.75 * old if old else 0.1)
        twin = learner.clone()
        assert live(case, learner, 80, seed=2) == live(case, twin, 80, seed=2)
        assert learner.state_hash() == twin.state_hash()
        silent = name == "step_size" and case.rule not in ("td", "true_online")
        silent |= name == "step_size_decay" and rule != "swift_bounded"
        silent |= name == "trace_cutoff" and rule == "td_without_trace"
        if silent:
            continue
        same = np.array_equal(learner.parameters["0.weight"], unwritten.parameters["0.weight"])
        assert not same, f"{name} changed nothing"
    with pytest.raises(KeyError):
        start.hyperparameters["momentum"] = 0.5


@each_learner
def test_an_end_clears_traces_and_needs_a_step(case: Case) -> None:
    learner = case.build()
    xs, rewards = case.stream(40)
    xs[-1, 0] = 1
    with pytest.raises(ValueError, match="end: expected a step"):
        learner.end(1.0)
    learner.step_many(xs, rewards)
    before = np.array(learner.parameters["0.weight"])
    learner.end(5.0)
    assert not np.array_equal(before, learner.parameters["0.weight"])
    for name, array in learner.state.items():
        if "trace" in name and not name.endswith(".weight_trace") or name == "input":
            assert not np.any(array), name
    now = learner.state_hash()
    with pytest.raises(ValueError, match="end: expected a step"):
        learner.end(1.0)
    assert learner.state_hash() == now and learner.steps == 40
    # What comes first in an episode is stored, and nothing else.
    weight = np.array(learner.parameters["0.weight"])
    learner.step(xs[0], 3.0)
    assert np.array_equal(weight, learner.parameters["0.weight"])


@cache
def hashes(isa: str) -> dict[str, Any]:
    done = python("import linear_predictors; linear_predictors.print_hashes(300)", isa)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["isa"] == isa
    found: dict[str, Any] = report["hashes"]
    return found


@pytest.mark.parametrize("isa", [isa for isa in SETS if isa != "scalar"])
def test_every_instruction_set_gives_the_same_bits(isa: str) -> None:
    expected, got = hashes("scalar"), hashes(isa)
    different = [name for name in expected if got[name] != expected[name]]
    assert not different, f"{len(different)} of {len(expected)} differ on {isa}: {different[:5]}"
    assert sum(seen[3] > 0 for seen in expected.values()) > len(expected) / 2, "nothing was refused"
    assert sum(seen[4] > 0 for seen in expected.values()) > 5, "nothing was cancelled"


# ---------------------------------------------------------------------------- rejection


def bad_calls(case: Case, random: Random) -> list[tuple[Any, Any, str]]:
    """x, reward, and what the message says."""
    n = case.features
    x = case.stream(1, seed=int(random.integers(1000)))[0][0]
    at = int(random.integers(n))
    spoiled = [np.array(x) for _ in range(3)]
    for array, value in zip(spoiled, [np.nan, np.inf, -np.inf], strict=True):
        array[at] = value
    one = np.ones(1)
    calls: list[tuple[Any, Any, str]] = [
        (spoiled[0], 0.0, rf"^x\[{at}\]: expected a finite number, got -?nan"),
        (spoiled[1], 0.0, rf"^x\[{at}\]: expected a finite number, got inf"),
        (spoiled[2], 0.0, rf"^x\[{at}\]: expected a finite number, got -inf"),
        (x[:-1], 0.0, rf"^x: expected {n} numbers, got .*{n - 1}"),
        (np.append(x, x), 0.0, rf"^x: expected {n} numbers, got .*{2 * n}"),
        (None, 0.0, "^x: expected"), ("no", 0.0, "^x: expected"), (x + 1j, 0.0, "^x: expected"),
        ({}, 0.0, "^x: expected"),
        (x, float("nan"), "^reward: expected a finite number, got -?nan"),
        (x, float("-inf"), "^reward: expected a finite number, got -inf"),
        (x, np.float32("inf"), "^reward: expected a finite number, got inf"),
        (x, None, "^reward: expected"), (x, "1", "^reward: expected"), (x, 1j, "^reward: expected"),
        (x, [1.0, 2.0], "^reward: expected 1 numbers, got"), (x, [], "^reward: expected 1 numbers"),
        (([n], one), 0.0, rf"indices\): expected 0 to {n - 1}, got {n}$"),
        (([-1], one), 0.0, rf"indices\): expected 0 to {n - 1}, got -1$"),
        ((np.array([-1], np.int32), one), 0.0, rf"expected 0 to {n - 1}, got -1$"),
        (([2**40], one), 0.0, f"got {2**40}$"), (([2**64], one), 0.0, "indices"),
        (([at, at], [1.0, 0.0]), 0.0, f"expected every index once, got {at} twice"),
        (([at], [np.nan]), 0.0, r"values\)\[0\]: expected a finite number, got -?nan"),
        (([at], [1.0, 2.0]), 0.0, "^x.*expected 1 numbers, got .*2"),
        (([0.5], one), 0.0, "expected integers, got dtype float64"), (([[at]], one), 0.0, "one dimension"),
        (([at], None), 0.0, "^x"), (([at], ["a"]), 0.0, "^x"), ((None, one), 0.0, "^x"),
    ]  # fmt: skip
    if case.dtype == "float32":
        wide = x.astype(np.float64)
        wide[at] = 1e300
        calls.append(
            (wide, 0.0, rf"^x\[{at}\]: expected a number that float32 can hold, got 1e\+300")
        )
        calls.append((x, 1e300, r"^reward: expected a number that float32 can hold, got 1e\+300"))
    return calls


@each_learner
def test_a_bad_observation_is_refused_and_changes_nothing(case: Case) -> None:
    learner, untouched = case.build(), case.build()
    for one in (learner, untouched):
        live(case, one, 30)
    random = np.random.default_rng(3)
    now = learner.state_hash()
    for x, reward, says in bad_calls(case, random):
        with pytest.raises((ValueError, TypeError), match=says):
            learner.step(x, reward)
        assert learner.state_hash() == now, f"changed by {x!r}, {reward!r}"
        if "reward" in says:
            with pytest.raises((ValueError, TypeError), match=says):
                learner.end(reward)
        else:
            with pytest.raises((ValueError, TypeError), match=says):
                learner.predict(x)
        assert learner.state_hash() == now
    assert learner.steps == 30
    assert live(case, learner, 40, seed=2) == live(case, untouched, 40, seed=2)
    assert learner.state_hash() == untouched.state_hash()


@each_learner
def test_step_many_learns_what_came_before_the_bad_one(case: Case) -> None:
    learner, random = case.build(), np.random.default_rng(4)
    for i in range(12):
        xs, rewards = case.stream(9, seed=i)
        at, which = int(random.integers(9)), int(random.integers(case.features))
        if i % 2:
            xs[at, which] = np.nan
            says = rf"^xs\[{at}\]\[{which}\]: expected a finite number"
        else:
            rewards[at] = np.inf
            says = rf"^rewards\[{at}\]: expected a finite number, got inf"
        twin = learner.clone()
        with pytest.raises(ValueError, match=says):
            learner.step_many(xs, rewards)
        twin.step_many(xs[:at], rewards[:at])
        assert learner.state_hash() == twin.state_hash() and learner.steps == twin.steps
    now = learner.state_hash()
    xs, rewards = case.stream(4)
    for bad in ((xs[:, 1:], rewards), (xs, rewards[1:]), (None, rewards), (xs, "a"), (xs[0], 1.0)):
        if bad[0] is not None and case.features == 1 and np.ndim(bad[0]) == 1:
            continue  # four inputs of one feature
        with pytest.raises((ValueError, TypeError), match="^(xs|rewards)"):
            learner.step_many(*bad)
        assert learner.state_hash() == now


@each_learner
def test_whatever_comes_the_state_stays_finite(case: Case) -> None:
    learner = case.build()
    refused = spiky(case, learner, 400)
    for name, array in learner.state.items():
        assert np.isfinite(array).all(), f"{name} after {refused} refusals"
    before = learner.state_hash()
    most = float(np.finfo(case.dtype).max)
    for x in (np.full(case.features, most / 2, case.dtype),):
        try:
            learner.step(x, most / 2)
        except ValueError as error:
            assert "overflow" in str(error)
            assert learner.state_hash() == before
    assert all(np.isfinite(array).all() for array in learner.state.values())


def test_a_second_thread_is_told_at_once() -> None:
    learner = sdl.rl.SwiftTD(200_000)
    xs, rewards = np.ones((40, 200_000), np.float32), np.zeros(40, np.float32)
    others = []

    def call() -> None:
        for action in (
            lambda: learner.step(xs[0], 0.0), lambda: learner.predict(xs[0]),
            lambda: learner.end(0.0), learner.state_hash,
            lambda: learner.hyperparameters.__setitem__("discount", 0.5),
        ):  # fmt: skip
            try:
                action()
            except sdl.BusyError as error:
                others.append(error)

    while not others:
        worker = threading.Thread(target=learner.step_many, args=(xs, rewards))
        worker.start()
        time.sleep(0.002)
        call()
        worker.join()
    learner.step(xs[0], 0.0)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "says"),
    [
        ((0,), {"step_size": 0.1}, ValueError, "TD.features: expected 1 to .*, got 0"),
        ((2**31,), {"step_size": 0.1}, ValueError, "TD.features"),
        ((True,), {"step_size": 0.1}, ValueError, "TD.features"),
        ((1.5,), {"step_size": 0.1}, ValueError, "TD.features"),
        ((sdl.MLP(3, [], 1),), {"step_size": 0.1}, ValueError, "TD.features"),
        ((3,), {}, TypeError, "TD needs step_size"),
        ((3,), {"step_size": -0.1}, ValueError, r"TD.step_size: expected a number in \[0, inf\), got -0.1"),
        ((3,), {"step_size": 1e39}, ValueError, "step_size: .*float32"),
        ((3,), {"step_size": "a"}, ValueError, "TD.step_size"),
        ((3,), {"step_size": 0.1, "discount": 1.1}, ValueError, r"TD.discount: .*\[0, 1\]"),
        ((3,), {"step_size": 0.1, "dtype": "int8"}, ValueError, "TD.dtype"),
        ((3,), {"step_size": 0.1, "gradient": "ordinary"}, TypeError, "TD has no argument 'gradient'"),
        ((3,), {"step_size": 0.1, "lambda_": 0.5}, TypeError, "TD has no argument 'lambda_'"),
        ((3, 0.1), {"step_size": 0.1}, TypeError, "TD got step_size twice"),
        ((3, *range(9)), {}, TypeError, "TD takes at most"),
    ],
)  # fmt: skip
def test_building_refuses_loudly(
    arguments: tuple[Any, ...], options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        sdl.rl.TD(*arguments, **options)  # type: ignore[call-arg]


def test_a_wrong_gradient_is_refused() -> None:
    with pytest.raises(ValueError, match='"semi" or "ordinary", got \'full\''):
        sdl.rl.TIDBD(3, step_size=0.1, meta_step_size=0.1, gradient="full")


@pytest.mark.parametrize("name", DRAWN)
def test_the_documentation_says_what_a_user_needs(name: str) -> None:
    text = getattr(sdl.rl, name).__doc__
    for part in ("delta", "features:", "step_size (", "Raises ValueError", "Source: ", "Cost: "):
        assert part in text, part
    assert len(text.splitlines()[0]) < 100


# ---------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("rule", ["td", "auto_tidbd", "swift"])
def test_damaged_checkpoints_raise_value_error_or_os_error(rule: str, tmp_path: Path) -> None:
    from test_checkpoint_fuzz import change, damaged, signed, split

    case, random = Case(rule, 17, "float32"), np.random.default_rng(1)
    learner = case.build()
    live(case, learner, 20)
    data = learner._to_bytes(learner._metadata())
    survived = 0
    for i in range(400):
        if i % 2:
            header, tensors = split(data)
            if i % 4 == 1:
                spec = json.loads(header["__metadata__"]["streamdl.spec"])
                change(spec, random)
                header["__metadata__"]["streamdl.spec"] = json.dumps(spec)
            else:
                change(header, random)
                header.setdefault("__metadata__", {})
            try:
                hostile = signed(header, tensors)
            except (TypeError, AttributeError):
                continue
        else:
            hostile = damaged(data, random)
        (tmp_path / "file").write_bytes(hostile)
        try:
            type(learner).load(tmp_path / "file").step(np.ones(17), 0.0)
            survived += 1
        except (ValueError, OSError):
            pass
    assert survived < 200
    sdl.Learner(sdl.MLP(2, [], 1), "huber", sdl.optim.SGD(0.1)).save(tmp_path / "other")
    with pytest.raises(ValueError):
        type(learner).load(tmp_path / "other")
    learner.save(tmp_path / "td")
    with pytest.raises(ValueError, match="expected TIDBD"):
        sdl.rl.TIDBD.load(tmp_path / "td")
    with pytest.raises(ValueError):
        sdl.Learner.load(tmp_path / "td")
    with pytest.raises(OSError):
        type(learner).load(tmp_path / "absent")
