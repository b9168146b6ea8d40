"""Temporal differences above a network: the reference engine, the gradient itself, and every promise."""

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
import reference
import streamdl as sdl
from conformance.vectors import Report, arguments, relative_error
from descriptions import network_of
from last_layers import TABLE, Case, live, spiky
from numpy.typing import NDArray
from random_learners import (
    MOVED,
    OF_ONE_OUTPUT,
    OPTIMIZERS,
    REDRAWS,
    _draw_optimizer,
    _small_steps,
)
from reference.last_layer import LastLayer as Reference
from test_linear_td import DRAWN
from test_same_bits import SETS, python

Array = NDArray[Any]
each_layer = pytest.mark.parametrize("case", TABLE, ids=str)
BODIES = [name for name in OPTIMIZERS if name not in OF_ONE_OUTPUT]


# ---------------------------------------------------------------------------- what is computed


def draw_head(name: str, features: int, random: np.random.Generator) -> dict[str, Any]:
    options: dict[str, Any] = {
        "discount": float(random.uniform(0, 0.95)),
        "trace_decay": float(random.choice([0.0, 0.5, 0.9])),
        "step_size": float(random.uniform(0.01, 0.1)) / features,
    }
    if "TIDBD" in name or name == "SwiftTD":
        options["meta_step_size"] = float(10 ** random.uniform(-4, -2))
    if name == "SwiftTD":
        options |= {"rate_bound": float(10 ** random.uniform(-1.5, 0)), "step_size_decay": 0.9}
    if "TIDBD" in name:
        options["gradient"] = str(random.choice(["semi", "ordinary"]))
    return options


def draw_body(random: np.random.Generator) -> tuple[dict[str, Any], int]:
    """A network with an activation behind its last layer, mostly, and its features."""
    inputs = int(random.integers(2, 20))
    layers: list[list[Any]] = []
    for width in random.integers(3, 20, size=random.integers(1, 4)):
        layers += [["Linear", int(width)]]
        layers += [["LayerNorm", bool(random.integers(2))]] * int(random.uniform() < 0.2)
        layers += [[str(random.choice(["Tanh", "Sigmoid", "SiLU", "LeakyReLU", "Softplus"]))]]
    if random.uniform() < 0.2 and layers[-2][0] == "Linear":
        layers.pop()
    features = [layer[1] for layer in layers if layer[0] == "Linear"][-1]
    return {"kind": "network", "inputs": inputs, "layers": layers}, features


Examples = list[tuple[Array, float, bool]]  # x, its reward, and whether an episode ends behind it


def draw(
    head: str, seed: int, attempt: int
) -> tuple[str, sdl.rl.LastLayer, Reference, Examples, bool]:
    random = np.random.default_rng([7, DRAWN.index(head), seed, attempt])
    network, features = draw_body(random)
    optimizer = _draw_optimizer(BODIES[seed % len(BODIES)], random)
    options = draw_head(head, features, random)
    learns = bool(random.uniform() < 0.9)
    methods = [{"name": "L2Init", "strength": 0.01}] * int(random.uniform() < 0.2)
    methods += [{"name": "WeightClipping", "bound": 2.0}] * int(random.uniform() < 0.2)
    body = sdl.Learner(
        network_of(network),
        "squared_error",
        getattr(sdl.optim, optimizer["name"])(**arguments(optimizer, "name")),
        [getattr(sdl.plasticity, m["name"])(**arguments(m, "name")) for m in methods],
        seed=seed,
        dtype="float64",
    )
    truth = reference.Learner(
        reference.network_of(network),
        "squared_error",
        getattr(reference, optimizer["name"])(**arguments(optimizer, "name")),
        [getattr(reference, m["name"])(**arguments(m, "name")) for m in methods],
    )
    for name, w in truth.parameters.items():
        w[...] = body.parameters[name]
    rule: type[sdl.rl.LinearTD] = getattr(sdl.rl, head)
    layer = sdl.rl.LastLayer(body, rule(features, dtype="float64", **options), learns)
    other = getattr(reference, head)(features, **options)
    # Else the body's first gradients are 0, and what divides by them, or takes their sign, hangs on nothing.
    other.weight[...] = random.normal(size=features) / 10
    layer.parameters["head.0.weight"][:, 0] = other.weight
    words = f"{head} {options} {network} {optimizer} {methods} learns {learns}"
    sparse = bool(random.integers(2))
    xs = random.normal(size=(100, network["inputs"]))
    xs *= random.uniform(size=xs.shape) < (0.3 if sparse else 1.0)
    examples = [(x, float(random.normal()), bool(random.uniform() < 0.05)) for x in xs]
    return words, layer, Reference(truth, other, learns), examples, sparse


def run(layer: Any, examples: Examples, sparse: bool = False) -> Array:
    seen = []
    for x, reward, ends in examples:
        indices = np.flatnonzero(x)
        seen.append(layer.step((indices, x[indices]) if sparse else x, reward))
        if ends:
            layer.end(reward)
    return np.array(seen)


def is_well_conditioned(truth: Reference, examples: Examples) -> bool:
    """A start moved a little ends almost where the other does."""
    random, one, other = np.random.default_rng(0), copy.deepcopy(truth), copy.deepcopy(truth)
    for w in other.body.parameters.values():
        w += _small_steps(random, w.shape)
    with np.errstate(all="ignore"):
        ends = [
            [run(layer, examples), *layer.body.parameters.values(), *layer.body.step_sizes.values()]
            for layer in (one, other)
        ]
    return all(
        np.all(np.abs(a) < 1e6) and relative_error(b, a) < MOVED for a, b in zip(*ends, strict=True)
    )


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("head", DRAWN)
def test_agrees_with_the_reference(head: str, seed: int) -> None:
    for attempt in range(REDRAWS):
        words, layer, truth, examples, sparse = draw(head, seed, attempt)
        if is_well_conditioned(truth, examples):
            break
    else:
        raise AssertionError(f"no well-conditioned configuration in {REDRAWS} draws: {words}")
    report = Report(words)
    report.compare("predictions", run(layer, examples, sparse), run(truth, examples), 1e-9)
    report.compare("head", layer.parameters["head.0.weight"][:, 0], truth.head.weight, 1e-9)
    for name, w in truth.body.parameters.items():
        report.compare(name, layer.parameters[f"body.{name}"], w, 1e-9)
    for name, sizes in truth.body.step_sizes.items():
        report.compare(f"{name} step sizes", layer.step_sizes[f"body.{name}"], sizes, 1e-9)
    report.check()
    assert (layer.body.steps > 0) == truth.learns


@pytest.mark.parametrize("head", DRAWN)
def test_the_body_descends_the_value_of_the_observation_before(head: str) -> None:
    """Against differences: d v(x) / d theta, times alpha delta, with the head's weights as they were."""
    case = Case(head, "tanh", "SGD", "float64")
    layer, random = case.build(), np.random.default_rng(2)
    for x, reward in zip(*case.stream(80), strict=True):
        layer.step(x, float(reward))
    x, new = case.stream(2, seed=3)[0]
    phi = layer.body.predict(x)  # as the head keeps it, from before the update of this call
    layer.step(x, 0.3)
    step_size, discount = (layer.hyperparameters[k] for k in ("body.step_size", "head.discount"))
    stored = layer.head.predict(phi)
    w = np.array(layer.parameters["head.0.weight"][:, 0])
    old = layer.head.state["old_prediction"][0] if head == "SwiftTD" else stored
    before = {name: np.array(p) for name, p in layer.body.parameters.items()}
    probe, error = layer.body.clone(), 0.7 + discount * float(layer.body.predict(new) @ w) - old
    layer.step(new, 0.7)
    for name, p in before.items():
        for _ in range(20):
            at = tuple(random.integers(n) for n in p.shape)
            moved = []
            for sign in (1, -1):
                probe.parameters[name][at] = p[at] + sign * 1e-6
                moved.append(float(probe.predict(x) @ w))
            probe.parameters[name][at] = p[at]
            change = step_size * error * (moved[0] - moved[1]) / 2e-6
            assert layer.body.parameters[name][at] - p[at] == pytest.approx(
                change, rel=1e-6, abs=1e-12
            )
    assert step_size * abs(error) > 1e-4, "nothing was tested"


@each_layer
def test_a_body_that_does_not_learn_is_a_feature_map(case: Case) -> None:
    layer = case.build(learns=False)
    body, head = layer.body.clone(), layer.head.clone()
    now = body.state_hash()
    for i, (x, reward) in enumerate(zip(*case.stream(100), strict=True)):
        phi = body.predict(x)
        assert layer.predict(x) == head.predict(phi)
        assert layer.step(x, float(reward)) == head.step(phi, float(reward)), f"step {i}"
        if i % 37 == 36:
            layer.end(0.5)
            head.end(0.5)
    assert layer.head.state_hash() == head.state_hash()
    assert layer.body.state_hash() == now and "input" not in layer.state
    assert layer.clone().state_hash() == layer.state_hash()


def test_features_that_are_learned_predict_what_given_ones_cannot() -> None:
    """The reward is the parity of two bits: no feature of the start tells it linearly."""

    def error(learns: bool) -> float:
        network = sdl.Network([sdl.nn.Linear(8), sdl.nn.Tanh()], inputs=2)
        body = sdl.Learner(network, "squared_error", sdl.optim.SGD(0.05), seed=3)
        head = sdl.rl.TD(8, step_size=0.05, discount=0.0, trace_decay=0.0)
        layer, random = sdl.rl.LastLayer(body, head, learns), np.random.default_rng(0)
        bits = random.choice([-1.0, 1.0], size=(20_001, 2))
        rewards = np.concatenate([[0.0], bits[:-1].prod(axis=1)])  # of the observation before
        v = layer.step_many(bits, rewards)
        return float(np.mean((v[-2000:-1] - rewards[-1999:]) ** 2))

    assert error(learns=True) < 0.01 < 0.3 < error(learns=False)


# ---------------------------------------------------------------------------- promises


@each_layer
def test_the_seed_decides(case: Case) -> None:
    one, same, other = case.build(seed=1), case.build(seed=1), case.build(seed=2)
    seen = [live(case, layer, 60) for layer in (one, same, other)]
    assert seen[0] == seen[1] != seen[2]
    assert one.state_hash() == same.state_hash() != other.state_hash()


@each_layer
def test_step_many_is_many_steps(case: Case) -> None:
    one, many = case.build(), case.build()
    xs, rewards = case.stream(120)
    predictions = many.step_many(xs, rewards)
    assert predictions.shape == (120,) and predictions.dtype == case.dtype
    for i, (x, reward) in enumerate(zip(xs, rewards, strict=True)):
        before = one.predict(x)
        assert before == one.step(x, float(reward)) == predictions[i], f"step {i}"
    assert one.state_hash() == many.state_hash() and one.steps == many.steps == 120
    assert one.body.steps == 119  # the first observation had no one before it
    assert np.array_equal(one.predict_many(xs), [one.predict(x) for x in xs])


@each_layer
def test_indices_and_values_are_the_dense_input(case: Case) -> None:
    dense, sparse, random = case.build(), case.build(), np.random.default_rng(5)
    for i, (x, reward) in enumerate(zip(*case.stream(80), strict=True)):
        x = x * (random.uniform(size=x.shape) < 0.3).astype(x.dtype)
        indices = random.permutation(np.flatnonzero(x)).astype([np.int64, np.int32][i % 2])
        expected = dense.step(x, float(reward))
        assert sparse.step((indices, x[indices]), float(reward)) == expected, f"step {i}"
        assert dense.state_hash() == sparse.state_hash(), f"step {i}"


COPIES: dict[str, Callable[[Any], Any]] = {
    "clone": lambda layer: layer.clone(),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda layer: pickle.loads(pickle.dumps(layer)),
}


@each_layer
def test_copies_continue_bit_for_bit(case: Case, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    layer = case.build()
    live(case, layer, 50)
    layer.save(tmp_path / "layer.safetensors")
    twins = {name: make(layer) for name, make in COPIES.items()}
    twins["load"] = sdl.rl.LastLayer.load(tmp_path / "layer.safetensors")
    now = layer.state_hash()
    with safetensors.safe_open(tmp_path / "layer.safetensors", framework="np") as file:
        assert sorted(file.keys()) == sorted(layer.state)
        for name, array in layer.state.items():
            assert file.get_tensor(name).tobytes() == np.ascontiguousarray(array).tobytes(), name
    expected = live(case, layer, 40, seed=2), layer.state_hash()
    for name, twin in twins.items():
        assert twin.state_hash() == now and twin.steps == 50, name
        assert type(twin.head) is type(layer.head) and twin.body is not layer.body
        assert (live(case, twin, 40, seed=2), twin.state_hash()) == expected, name
        assert twin.hyperparameters == layer.hyperparameters and repr(twin) == repr(layer)


@each_layer
def test_looking_changes_no_bit_of_the_future(case: Case) -> None:
    watched, alone = case.build(), case.build()
    held = list(watched.state.values()) if TABLE.index(case) % 2 else []
    for i, (x, reward) in enumerate(zip(*case.stream(80), strict=True)):
        for layer in (watched, alone):
            layer.step(x, float(reward))
        watched.predict(x)
        watched.body.predict(x), watched.head.state_hash(), watched.state_hash()
        repr(watched), watched.step_sizes, dict(watched.hyperparameters)
        if i % 10 == 0 or i > 70:
            assert watched.state_hash() == alone.state_hash(), f"step {i}"
    assert len(held) in (0, len(watched.state))


@each_layer
def test_a_write_through_a_view_or_a_hyperparameter_is_seen(case: Case) -> None:
    layer, unwritten = case.build(), case.build()
    for one in (layer, unwritten):
        live(case, one, 40)
    for name in ("body.0.weight", "head.0.weight"):
        layer.parameters[name][...] *= 0.5
    layer.state["input"][...] = 0.25
    layer.hyperparameters["head.discount"] = 0.5
    layer.hyperparameters["body.step_size"] *= 0.5
    assert layer.head.hyperparameters["discount"] == 0.5
    twin = layer.clone()
    assert live(case, layer, 40, seed=2) == live(case, twin, 40, seed=2)
    assert layer.state_hash() == twin.state_hash()
    assert live(case, unwritten, 40, seed=2) and unwritten.state_hash() != layer.state_hash()
    for wrong in ("step_size", "body.discount", "neck.step_size"):
        with pytest.raises(KeyError):
            layer.hyperparameters[wrong] = 0.1
    with pytest.raises(ValueError, match="discount"):
        layer.hyperparameters["head.discount"] = 1.5


@each_layer
def test_an_end_learns_from_the_last_reward_and_forgets_the_observation(case: Case) -> None:
    layer = case.build()
    with pytest.raises(ValueError, match="end: expected a step"):
        layer.end(1.0)
    live(case, layer, 30)
    before, steps = layer.body.state_hash(), layer.body.steps
    layer.end(5.0)
    assert layer.body.state_hash() != before and layer.body.steps == steps + 1
    assert not layer.state["input"].any()
    now, body = layer.state_hash(), layer.body.state_hash()
    with pytest.raises(ValueError, match="end: expected a step"):
        layer.end(1.0)
    assert layer.state_hash() == now
    layer.step(case.stream(1)[0][0], 3.0)
    assert layer.body.state_hash() == body  # an episode's first observation teaches nothing


@cache
def hashes(isa: str) -> dict[str, Any]:
    done = python("import last_layers; last_layers.print_hashes(150)", isa)
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


# ---------------------------------------------------------------------------- both or none


def bad_calls(case: Case) -> list[tuple[Any, Any, str]]:
    """x, reward, and what the message says."""
    n, x = case.inputs, case.stream(1, seed=9)[0][0]
    spoiled = [np.array(x) for _ in range(2)]
    for array, value in zip(spoiled, [np.nan, -np.inf], strict=True):
        array[2] = value
    one = np.ones(1)
    calls: list[tuple[Any, Any, str]] = [
        (spoiled[0], 0.0, r"^x\[2\]: expected a finite number, got -?nan"),
        (spoiled[1], 0.0, r"^x\[2\]: expected a finite number, got -inf"),
        (x[:-1], 0.0, rf"^x: expected {n} numbers, got .*{n - 1}"),
        (None, 0.0, "^x: expected"), ("no", 0.0, "^x: expected"), (x + 1j, 0.0, "^x: expected"),
        (x, float("nan"), "^reward: expected a finite number, got -?nan"),
        (x, float("inf"), "^reward: expected a finite number, got inf"),
        (x, None, "^reward: expected"), (x, [1.0, 2.0], "^reward: expected 1 numbers, got"),
        (([n], one), 0.0, rf"indices\): expected 0 to {n - 1}, got {n}$"),
        (([-1], one), 0.0, rf"indices\): expected 0 to {n - 1}, got -1$"),
        (([2, 2], [1.0, 0.0]), 0.0, "expected every index once, got 2 twice"),
        (([2], [np.nan]), 0.0, r"values\)\[0\]: expected a finite number, got -?nan"),
        (([0.5], one), 0.0, "expected integers, got dtype float64"),
    ]  # fmt: skip
    if case.dtype == "float32":
        calls.append((x, 1e300, r"^reward: expected a number that float32 can hold, got 1e\+300"))
    return calls


@each_layer
def test_a_bad_observation_is_refused_and_changes_nothing(case: Case) -> None:
    layer, untouched = case.build(), case.build()
    for one in (layer, untouched):
        live(case, one, 30)
    now = layer.state_hash()
    for x, reward, says in bad_calls(case):
        with pytest.raises((ValueError, TypeError), match=says):
            layer.step(x, reward)
        assert layer.state_hash() == now, f"changed by {x!r}, {reward!r}"
        with pytest.raises((ValueError, TypeError), match=says):
            layer.end(reward) if "reward" in says else layer.predict(x)
        assert layer.state_hash() == now
    xs, rewards = case.stream(6, seed=4)
    rewards[3] = np.inf
    twin = layer.clone()
    with pytest.raises(ValueError, match=r"^rewards\[3\]: expected a finite number"):
        layer.step_many(xs, rewards)
    twin.step_many(xs[:3], rewards[:3])
    assert layer.state_hash() == twin.state_hash()
    untouched.step_many(xs[:3], rewards[:3])
    assert live(case, layer, 40, seed=2) == live(case, untouched, 40, seed=2)
    assert layer.state_hash() == untouched.state_hash()


@pytest.mark.parametrize("ends", [False, True], ids=["step", "end"])
@pytest.mark.parametrize("head", DRAWN)
def test_where_one_of_both_would_overflow_neither_learns(head: str, ends: bool) -> None:
    case = Case(head, "tanh", "SGD", "float32")
    x = case.stream(1, seed=9)[0][0]

    def refused(layer: sdl.rl.LastLayer, reward: float) -> None:
        now, body = layer.state_hash(), layer.body.state_hash()
        with pytest.raises(ValueError, match="overflow; nothing was learned"):
            layer.end(reward) if ends else layer.step(x, reward)
        assert (layer.state_hash(), layer.body.state_hash()) == (now, body)

    # Of the body alone: the head by itself would have learned.
    layer = case.build()
    live(case, layer, 40)
    layer.hyperparameters["body.step_size"] = 3e38
    twin = layer.head.clone()
    refused(layer, 1e6)
    twin.end(1e6) if ends else twin.step(layer.body.predict(x), 1e6)
    layer.hyperparameters["body.step_size"] = 0.01
    before = layer.head.state_hash(), layer.body.state_hash()
    layer.end(1.0) if ends else layer.step(x, 1.0)
    assert layer.head.state_hash() != before[0] and layer.body.state_hash() != before[1]
    # Of the head alone: a TD error that is not finite, while the body stands still.
    layer = case.build()
    live(case, layer, 40)
    layer.parameters["head.0.weight"][...] = -1e37
    layer.state["input"][...] = x
    layer.hyperparameters["head.discount"] = 1.0
    if head == "SwiftTD":
        layer.state["head.old_prediction"][...] = -3e38
    refused(layer, 3.4e38) if not ends or head == "SwiftTD" else None


@each_layer
def test_whatever_comes_the_state_stays_finite(case: Case) -> None:
    layer = case.build()
    refused = spiky(case, layer, 200)
    for name, array in layer.state.items():
        assert np.isfinite(array).all(), f"{name} after {refused} refusals"


def test_a_second_thread_is_told_at_once() -> None:
    network = sdl.Network([sdl.nn.Linear(700), sdl.nn.ReLU()], inputs=600)
    body = sdl.Learner(network, "squared_error", sdl.optim.SGD(1e-3))
    layer = sdl.rl.LastLayer(body, sdl.rl.SwiftTD(700))
    xs, rewards = np.ones((100, 600), np.float32), np.zeros(100, np.float32)
    others = []

    def call() -> None:
        for action in (
            lambda: layer.step(xs[0], 0.0), lambda: layer.end(0.0), layer.state_hash,
            lambda: layer.body.step(xs[0], xs[0, :1].repeat(700)), layer.head.state_hash,
            lambda: layer.hyperparameters.__setitem__("head.discount", 0.5),
        ):  # fmt: skip
            try:
                action()
            except sdl.BusyError as error:
                others.append(error)

    while len(others) < 6:
        others.clear()
        worker = threading.Thread(target=layer.step_many, args=(xs, rewards))
        worker.start()
        time.sleep(0.001)
        call()
        worker.join()
    layer.step(xs[0], 0.0)
    body.step(xs[0], np.zeros(700, np.float32))


# ---------------------------------------------------------------------------- building


def test_building_refuses_loudly() -> None:
    def body(**options: Any) -> sdl.Learner:
        network = sdl.Network([sdl.nn.Linear(4), sdl.nn.Tanh()], inputs=3)
        fixed = {"loss": "squared_error", "optimizer": sdl.optim.SGD(0.1)}
        return sdl.Learner(network, **(fixed | options))

    single = sdl.Learner(sdl.MLP(3, [], 1), "squared_error", sdl.optim.ObGD())
    head, started = sdl.rl.SwiftTD(4), sdl.rl.SwiftTD(4)
    started.step(np.ones(4), 0.0)
    wrong: list[tuple[Any, Any, Any, str]] = [
        (None, head, True, "^body: expected an sdl.Learner"),
        (body(), body(), True, "^head: expected a learner of sdl.rl"),
        (body(), sdl.rl.SwiftTD(5), True, r"^head: expected as many features .*\(4\), got 5"),
        (body(), sdl.rl.SwiftTD(4, dtype="float64"), True, "^head: expected the dtype"),
        (body(loss="huber"), head, True, "^body: .*squared_error"),
        (single, sdl.rl.SwiftTD(1), True, "^body: .*without traces, got ObGD"),
        (body(), started, True, "^head: .*not within an episode"),
        (body(), head, 1, "^learns: expected True or False"),
    ]
    for a, b, learns, says in wrong:
        with pytest.raises(ValueError, match=says):
            sdl.rl.LastLayer(a, b, learns)
    started.end(0.0)
    layer = sdl.rl.LastLayer(body(), started)
    assert layer.head is started and layer.steps == 1


def test_damaged_checkpoints_raise_value_error_or_os_error(tmp_path: Path) -> None:
    from test_checkpoint_fuzz import change, damaged, signed, split

    case, random = Case("SwiftTD", "tanh", "IDBD", "float32"), np.random.default_rng(1)
    layer = case.build()
    live(case, layer, 20)
    data = layer._to_bytes(layer._metadata())
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
            sdl.rl.LastLayer.load(tmp_path / "file").step(np.ones(case.inputs), 0.0)
            survived += 1
        except (ValueError, OSError):
            pass
    assert survived < 200
    layer.save(tmp_path / "layer")
    layer.body.save(tmp_path / "body")
    layer.head.save(tmp_path / "head")
    for cls, name in [
        (sdl.Learner, "layer"), (sdl.rl.SwiftTD, "layer"), (sdl.rl.LastLayer, "body"),
        (sdl.rl.LastLayer, "head"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match="checkpoint"):
            cls.load(tmp_path / name)
    with pytest.raises(OSError):
        sdl.rl.LastLayer.load(tmp_path / "absent")
