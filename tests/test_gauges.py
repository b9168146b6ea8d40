"""Gauges against plain NumPy: counts, silences, ranks, clones, updates; and that they only look on."""

from __future__ import annotations

import itertools
import json
import os
import re
from typing import Any

import numpy as np
import pytest
import streamdl as sdl
from learners import TABLE, Case
from numpy.typing import NDArray
from streamdl import diagnostics
from streamdl.gauges import silence_p_value

INPUTS, OUTPUTS = 20, 5
ACTIVATIONS = ["relu", "tanh", "leaky_relu", "sigmoid"]
SETTINGS = [  # windows shorter, longer and as long as 64 examples, the run, and no multiple of it
    sdl.Gauges(window=1, every=1, rows=1),
    sdl.Gauges(window=7, every=1, rows=30),
    sdl.Gauges(window=64, every=3, rows=5),
    sdl.Gauges(window=100, every=2, rows=1000),
    sdl.Gauges(window=400, every=1, rows=400),
    sdl.Gauges(window=1000, every=5, rows=0),
]


def build(
    hidden: list[int], activation: str = "relu", dtype: str = "float32", **others: Any
) -> sdl.Learner:
    network = sdl.MLP(INPUTS, hidden, OUTPUTS, activation=activation)
    optimizer = others.pop("optimizer", sdl.optim.SGD(step_size=0.02))
    return sdl.Learner(network, optimizer=optimizer, seed=3, dtype=dtype, **others)


def examples(count: int, seed: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
    random = np.random.default_rng(seed)
    xs = random.normal(size=(count, INPUTS)) * (random.uniform(size=(count, INPUTS)) < 0.5)
    return xs.astype(np.float32), random.integers(OUTPUTS, size=count)


def watched_run(
    learner: sdl.Learner, xs: NDArray[Any], ys: NDArray[Any]
) -> list[NDArray[np.float64]]:
    """Learns, and returns the hidden activations of each example at its step: (examples, units)."""
    rows: list[list[NDArray[Any]]] = []
    for x, y in zip(xs, ys, strict=True):
        rows.append([layer[0] for layer in learner.activations(x[None])])
        learner.step(x, int(y))
    return [np.array(layer, np.float64) for layer in zip(*rows, strict=True)]


def drawn(step: int, every: int) -> bool:
    """Whether an example is kept, from its number: splitmix64, in plain integers."""
    z = (step + 1) * 0x9E3779B97F4A7C15 % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return (z ^ (z >> 31)) <= (2**64 - 1) // every


def record_of(fires: NDArray[np.bool_]) -> tuple[int, int, int]:
    """(silence, firings, record) of one unit, by walking through its examples."""
    silence = firings = record = 0
    for number, fired in enumerate(fires, 1):
        silence = 0 if fired else silence + 1
        firings += int(fired)
        record = number if fired else record
    return silence, firings, record


# ---------------------------------------------------------------------------- counts


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_counts_are_those_of_numpy(settings: sdl.Gauges, activation: str, dtype: str) -> None:
    learner = build([33, 70], activation, dtype, gauges=settings)
    if activation == "relu":  # some units that never fire, or hardly ever
        learner.parameters["0.bias"][:9] = np.linspace(-9, -1, 9)
    before = 0
    seen: list[list[NDArray[Any]]] = [[], []]
    for steps in (1, 62, 1, 1, 135, 300):  # read in between, around multiples of 64
        xs, ys = examples(steps, seed=before)
        for layers, new in zip(seen, watched_run(learner, xs, ys), strict=True):
            layers.append(new)
        before += steps
        gauges = learner.gauges
        assert gauges.examples == before
        values = [np.concatenate(layer) for layer in seen]
        for h, layer in enumerate(values):
            window = layer[-settings.window :]
            assert np.array_equal(gauges.activity()[h], (window != 0).mean(axis=0)), (h, before)
            assert np.array_equal(gauges.activity(True)[h], (window > 0).mean(axis=0)), (h, before)
            for threshold in (0.0, 0.01, 0.5):
                assert gauges.dormant_fraction(threshold)[h] == diagnostics.dormant_fraction(
                    window, threshold
                ), (h, before, threshold)
            assert gauges.zero_fraction()[h] == pytest.approx((window == 0).mean())
            counts = learner._gauge_counts(h)
            got = zip(counts["silence"], counts["firings"], counts["record"], strict=True)
            expected = [record_of(unit) for unit in (layer > 0).T]
            assert [tuple(map(int, unit)) for unit in got] == expected, (h, before)


@pytest.mark.parametrize("threads", [1, 2])
def test_step_many_counts_as_steps_do_whatever_the_threads(threads: int) -> None:
    xs, ys = examples(300)
    network = sdl.MLP(INPUTS, [600, 500], OUTPUTS)  # wide enough for two threads to share
    sgd = sdl.optim.SGD(step_size=0.02)
    one = sdl.Learner(network, optimizer=sgd, gauges=sdl.Gauges(window=90, every=2))
    many = sdl.Learner(
        network, optimizer=sgd, gauges=sdl.Gauges(window=90, every=2), threads=threads
    )
    for x, y in zip(xs, ys, strict=True):
        one.step(x, int(y))
    many.step_many(xs, ys)
    assert same(one.gauges.read(), many.gauges.read())


@pytest.mark.parametrize("plasticity", [None, sdl.plasticity.ContinualBackprop(0.01, maturity=5)])
def test_minibatches_count_each_example(plasticity: Any) -> None:
    learner = build([33, 17], plasticity=plasticity, gauges=sdl.Gauges(window=64, every=1))
    xs, ys = examples(96)
    values: list[list[NDArray[Any]]] = [[], []]
    for i in range(0, 96, 8):
        for layers, new in zip(values, learner.activations(xs[i : i + 8]), strict=True):
            layers.append(new)
        bad = xs[i : i + 8].copy()
        bad[5, 2] = np.nan
        with pytest.raises(ValueError):
            learner.step_minibatch(bad, ys[i : i + 8])
        learner.step_minibatch(xs[i : i + 8], ys[i : i + 8])
    assert learner.gauges.examples == 96
    for h, layers in enumerate(values):
        all_values = np.concatenate(layers)
        assert np.array_equal(learner.gauges.activity()[h], (all_values[-64:] != 0).mean(axis=0))
        assert np.array_equal(learner.gauges.sample()[h], all_values)


def test_a_rejected_example_is_not_counted() -> None:
    learner = build([33], gauges=sdl.Gauges(every=1))
    xs, ys = examples(10)
    learner.step_many(xs, ys)
    before = learner.gauges.read()
    for x, y in [(np.full(INPUTS, np.nan), 0), (xs[0], OUTPUTS), (np.full(INPUTS, 3e38), 0)]:
        with pytest.raises(ValueError):
            learner.step(x, y)
    assert learner.gauges.examples == 10
    assert same(before, learner.gauges.read())


def test_a_regenerated_unit_has_a_record_of_its_own() -> None:
    learner = build([33, 17], gauges=sdl.Gauges(window=100))
    births = {(0, 3): 40, (0, 32): 100, (1, 5): 170}
    values: list[list[NDArray[Any]]] = [[], []]
    for start in range(0, 250, 10):
        for (layer, unit), when in births.items():
            if when == start:
                learner.regenerate(layer, unit)
        for layers, new in zip(values, watched_run(learner, *examples(10, start)), strict=True):
            layers.append(new)
    for h, layers in enumerate(values):
        fires = np.concatenate(layers) > 0
        counts = learner._gauge_counts(h)
        for unit in range(fires.shape[1]):
            own = record_of(fires[births.get((h, unit), 0) :, unit])
            got = tuple(int(counts[key][unit]) for key in ("silence", "firings", "record"))
            assert got == own, (h, unit)


def test_units_that_a_method_regenerates_have_records_no_longer_than_their_lives() -> None:
    learner = build(
        [33, 17], plasticity=sdl.plasticity.ContinualBackprop(0.01, maturity=5), gauges=True
    )
    learner.step_many(*examples(700))
    assert sum(learner.replacements) > 100
    for h, ages in enumerate(learner.ages):
        counts = learner._gauge_counts(h)
        assert np.array_equal(counts["silence"] + counts["record"], ages)


@pytest.mark.parametrize(
    "layers",
    [
        [sdl.nn.Linear(12), sdl.nn.CReLU(), sdl.nn.Linear(9), sdl.nn.ReLU(), sdl.nn.LayerNorm()],
        [sdl.nn.Linear(70), sdl.nn.ReLU(), sdl.nn.Dropout(0.3)],
        [sdl.nn.Conv2d(3, 2), sdl.nn.ReLU(), sdl.nn.Flatten(), sdl.nn.Linear(9), sdl.nn.Tanh()],
    ],
    ids=repr,
)
def test_a_layer_is_what_the_next_one_gets(layers: list[Any]) -> None:
    inputs: Any = (1, 4, 5) if isinstance(layers[0], sdl.nn.Conv2d) else INPUTS
    learner = sdl.Learner(
        sdl.Network([*layers, sdl.nn.Linear(OUTPUTS)], inputs=inputs),
        optimizer=sdl.optim.SGD(step_size=0.02), gauges=sdl.Gauges(window=50, every=1),
    )  # fmt: skip
    values = watched_run(learner, *examples(80))
    if not any(
        isinstance(layer, sdl.nn.Dropout) for layer in layers
    ):  # which predictions leave out
        for layer, sample in zip(values, learner.gauges.sample(), strict=True):
            assert np.array_equal(sample, layer)
    for sample, active in zip(learner.gauges.sample(), learner.gauges.activity(), strict=True):
        assert np.array_equal(active, (sample[-50:] != 0).mean(axis=0))
    assert all(ratio > 0 for ratio in learner.gauges.update_to_weight().values())


# ---------------------------------------------------------------------------- silences


def brute_force(silence: int, firings: int, record: int) -> float:
    """The mean of (1 - p)^a over 200,000 chances p, weighed by how well they explain the record."""
    p = (np.arange(200_000) + 0.5) / 200_000
    log_weight = firings * np.log(p) + (record - firings) * np.log1p(-p)
    weight = np.exp(log_weight - log_weight.max())
    return float((weight * (1 - p) ** silence).sum() / weight.sum())


@pytest.mark.parametrize(
    ("silence", "firings", "record"),
    [(0, 0, 0), (1, 0, 0), (9, 0, 0), (1, 3, 3), (5, 3, 3), (20, 40, 400), (3, 200, 400), (0, 7, 9),
     (300, 5, 1000), (1000, 1, 1)],
)  # fmt: skip
def test_p_values_are_the_mean_geometric_tail(silence: int, firings: int, record: int) -> None:
    assert silence_p_value(silence, firings, record) == pytest.approx(
        brute_force(silence, firings, record), rel=1e-4, abs=1e-12
    )


def test_p_values_of_long_records_are_the_plain_tail() -> None:
    got = silence_p_value([3, 40], [500_000, 50_000], [1_000_000, 1_000_000])
    assert got == pytest.approx([0.5**3, 0.95**40], rel=1e-3)


def test_p_values_of_units_that_keep_their_rate_are_uniform() -> None:
    # P(p-value <= q) <= q, and close to it where silences are long: drawn units, each with its rate.
    random = np.random.default_rng(0)
    counts = []
    for rate in random.uniform(0.005, 0.03, 4000):
        counts.append(record_of(random.uniform(size=1500) < rate))
    values = silence_p_value(*np.array(counts).T)
    for q in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(values <= q) == pytest.approx(q, abs=4 * np.sqrt(q * (1 - q) / 4000) + 0.01)


def test_a_unit_that_falls_silent_stands_out() -> None:
    learner = build([33], gauges=True)
    learner.step_many(*examples(2000))
    learner.parameters["0.bias"][4] = -1000
    learner.step_many(*examples(200, seed=2))
    values = learner.gauges.silence_p_value()[0]
    assert values[4] < 1e-20
    assert np.median(values) > 0.01


# ---------------------------------------------------------------------------- the sample


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_sample_holds_the_last_drawn_examples(settings: sdl.Gauges, dtype: str) -> None:
    learner = build([33, 17], "tanh", dtype)
    learner.step_many(*examples(50))
    learner.gauges.start(settings)
    values = watched_run(learner, *examples(200, seed=2))
    kept = [i for i in range(200) if drawn(50 + i, settings.every)]
    kept = kept[len(kept) - min(len(kept), settings.rows) :]
    assert kept or not settings.rows
    for layer, sample in zip(values, learner.gauges.sample(), strict=True):
        assert np.array_equal(sample, layer[kept].astype(np.float32))


def test_one_example_in_every_is_drawn() -> None:
    for every in (2, 16, 100):
        kept = np.array([drawn(step, every) for step in range(20_000)])
        share = 1 / every
        assert kept.mean() == pytest.approx(share, abs=5 * np.sqrt(share / 20_000))
        for phase in range(8):  # a stream of period 8 is seen whole
            assert kept[phase::8].mean() == pytest.approx(share, abs=5 * np.sqrt(share / 2500))


def test_ranks_are_the_diagnostics_of_the_sample() -> None:
    learner = build([33, 40], gauges=sdl.Gauges(every=1, rows=120))
    for steps in (5, 500):
        learner.step_many(*examples(steps))
        sample = learner.gauges.sample()
        ranks = learner.gauges.ranks()
        fewer = learner.gauges.ranks(rows=20)
        for name in ("stable_rank", "effective_rank", "approximate_rank"):
            measure = getattr(diagnostics, name)
            assert ranks[name] == pytest.approx([measure(layer) for layer in sample]), name
            assert fewer[name] == pytest.approx([measure(layer[-20:]) for layer in sample]), name
            assert learner.gauges[name] == ranks[name]


def test_ranks_of_a_collapsed_layer() -> None:
    learner = build([33], "linear", gauges=sdl.Gauges(every=1))
    learner.hyperparameters["step_size"] = 0
    learner.parameters["0.weight"][3:] = 0
    learner.step_many(*examples(100))
    ranks = learner.gauges.ranks()
    assert ranks["stable_rank"] == [3] and ranks["approximate_rank"] == [3]
    assert ranks["effective_rank"][0] <= 3 + 1e-6
    learner.parameters["0.weight"][...] = 0
    learner.gauges.start()
    learner.step_many(*examples(100))
    assert learner.gauges.ranks()["stable_rank"] == [0]


def test_the_sample_agrees_with_a_probe_set_on_real_digits() -> None:
    """Ranks of activations as they came, beside those of a probe set under the present weights."""
    if not os.environ.get("STREAMDL_DATA"):
        pytest.skip("needs the MNIST digits: set STREAMDL_DATA")
    learner = sdl.Learner(
        sdl.MLP(784, [300, 300], 10), optimizer=sdl.optim.SGD(step_size=0.003), seed=0,
        gauges=sdl.Gauges(every=4, rows=500),
    )  # fmt: skip
    probe = None
    for xs, ys in sdl.streams.PermutedMNIST(seed=0).blocks(3000):
        learner.step_many(xs, ys)
        probe = xs[::6]
        if learner.steps >= 12_000:
            break
    exact, ranks = learner.diagnose(probe), learner.gauges.ranks()
    print(json.dumps({"exact": exact, "gauges": ranks}))
    for name in ranks:
        assert ranks[name] == pytest.approx(exact[name], rel=0.05), name


def test_scores_are_those_of_redo() -> None:
    learner = build([33, 17], gauges=sdl.Gauges(every=1))
    values = watched_run(learner, *examples(100))
    for layer, scores in zip(values, learner.gauges.activity_score(), strict=True):
        mean = np.abs(layer).mean(axis=0)
        assert scores == pytest.approx(mean / mean.mean(), rel=1e-6)


# ---------------------------------------------------------------------------- clones


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_planted_clones_are_found_and_no_others(activation: str) -> None:
    learner = build([40, 33], activation, gauges=sdl.Gauges(every=1))
    learner.hyperparameters["step_size"] = 0
    w, b = learner.parameters["1.weight"], learner.parameters["1.bias"]
    planted = [(2, 7), (5, 30)]
    for i, j in planted:
        scale = 2.5 if activation == "relu" else -1
        w[:, j], b[j] = scale * w[:, i], scale * b[i]
    w[:, 11], b[11] = 0, -1 if activation == "relu" else 0  # a silent unit is nobody's clone
    w[:, 12], b[12] = w[:, 11], b[11]
    xs, ys = examples(300)
    learner.step_many(xs, ys)
    for found in (learner.gauges.clones(0.999), learner.gauges.clones(0.999, xs=xs[:50])):
        assert found[0] == []
        assert [(i, j) for i, j, _ in found[1]] == planted
        assert all(abs(abs(cosine) - 1) < 1e-5 for _, _, cosine in found[1])


def test_a_probe_set_takes_back_pairs_that_are_clones_no_more() -> None:
    learner = build([40, 33], gauges=sdl.Gauges(every=1))
    learner.hyperparameters["step_size"] = 0
    w, b = learner.parameters["1.weight"], learner.parameters["1.bias"]
    for i, j in [(2, 7), (5, 30)]:
        w[:, j], b[j] = w[:, i], b[i]
    xs, ys = examples(300)
    learner.step_many(xs, ys)
    w[:, 7] = -w[:, 7]
    assert [pair[:2] for pair in learner.gauges.clones(0.999)[1]] == [(2, 7), (5, 30)]
    assert [pair[:2] for pair in learner.gauges.clones(0.999, xs=xs)[1]] == [(5, 30)]


# ---------------------------------------------------------------------------- weights and updates


def norm_of_updates(learner: sdl.Learner, xs: Any, ys: Any, every: int) -> dict[str, list[float]]:
    """|change of w|^2 of each measured update, from the weights before and after it."""
    squares: dict[str, list[float]] = {
        name: [] for name, w in learner.parameters.items() if w.ndim == 2
    }
    for x, y in zip(xs, ys, strict=True):
        measured = drawn(learner.steps, every)
        before = {name: np.array(learner.parameters[name], np.float64) for name in squares}
        learner.step(x, int(y))
        for name, w in before.items():
            if measured:
                squares[name].append(float(((learner.parameters[name] - w) ** 2).sum()))
    return squares


@pytest.mark.parametrize("outputs_by_row", [False, True])
def test_the_update_ratio_of_plain_sgd_is_exact(outputs_by_row: bool) -> None:
    network = sdl.MLP(INPUTS, [33, 17], 11 if outputs_by_row else OUTPUTS)
    learner = sdl.Learner(
        network,
        optimizer=sdl.optim.SGD(step_size=0.02),
        dtype="float64",
        gauges=sdl.Gauges(every=1),
    )
    assert all(np.isnan(ratio) for ratio in learner.gauges.update_to_weight().values())
    squares = norm_of_updates(learner, *examples(1500), every=32)
    assert len(squares["0.weight"]) < 64  # then the mean counts all of them alike
    for name, ratio in learner.gauges.update_to_weight().items():
        size = np.linalg.norm(learner.parameters[name])
        assert ratio == pytest.approx(np.sqrt(np.mean(squares[name])) / size, rel=1e-9), name


@pytest.mark.parametrize(
    "optimizer",
    [
        sdl.optim.IDBD(step_size=0.02, meta_step_size=0.05),
        sdl.optim.SGD(step_size=0.01, momentum=0.9),
        sdl.optim.Adam(step_size=0.003, weight_decay=1e-3),
    ],
    ids=repr,
)
def test_the_update_ratio_of_every_other_rule_is_right_in_the_mean(optimizer: Any) -> None:
    """Over many learners that differ in the first step number alone, and so in the rows chosen."""
    xs, ys = examples(800)
    expected, got = [], []
    for start in range(60):
        learner = build([33, 17], dtype="float64", optimizer=optimizer)
        learner.state["steps"][...] = 1000 * start
        learner.gauges.start(sdl.Gauges(every=1, rows=0))
        squares = norm_of_updates(learner, xs, ys, every=32)
        expected.append([np.mean(v) for v in squares.values()])
        got.append([v**2 for v in learner._gauge_totals()["update_norms"].values()])
    ratios = np.array(got) / np.mean(expected, axis=0)
    errors = ratios.std(axis=0) / np.sqrt(len(ratios))
    assert (errors < 0.12).all()  # half or twice the truth would be seen
    assert (abs(ratios.mean(axis=0) - 1) < 4 * errors).all(), (ratios.mean(axis=0), errors)


def test_step_sizes_fall_into_bins_of_equal_ratio() -> None:
    learner = build([33], optimizer=sdl.optim.Autostep(step_size=0.02, meta_step_size=0.05))
    learner.step_many(*examples(300))
    for name, (counts, edges) in learner.gauges.step_size_histogram(40).items():
        sizes = np.array(learner.step_sizes[name], np.float64)
        assert len(edges) == len(counts) + 1
        assert counts.sum() == sizes.size
        for i, count in enumerate(counts):
            assert count == ((sizes >= edges[i] * (1 - 1e-9)) & (sizes < edges[i + 1])).sum()
        np.testing.assert_allclose(np.log10(edges) * 40, np.round(np.log10(edges) * 40), atol=1e-9)
    counts, _ = learner.gauges.step_size_histogram(40)["0.weight"]
    assert len(counts) > 1


# ---------------------------------------------------------------------------- looking on


def same(one: Any, other: Any) -> bool:
    """Equal to the last bit, NaN to NaN."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return np.array_equal(one, other, equal_nan=True)


@pytest.mark.parametrize("case", [c for c in TABLE[::3] if c.may_be_looked_at], ids=str)
def test_gauges_change_no_bit_of_any_learner(case: Case) -> None:
    watched, alone = case.build(), case.build()
    xs, ys = case.examples(60)
    watched.gauges.start(window=13, every=1, rows=5)
    for start in range(0, 60, 20):
        losses = watched.step_many(xs[start : start + 20], ys[start : start + 20])
        assert np.array_equal(
            losses, alone.step_many(xs[start : start + 20], ys[start : start + 20])
        )
        watched.gauges.read()
        assert watched.state_hash() == alone.state_hash()
    assert watched._to_bytes(watched._metadata()) == alone._to_bytes(alone._metadata())
    try:
        expected = alone.step_minibatch(xs[:8], ys[:8])
    except ValueError as refusal:  # some learners know no minibatches
        with pytest.raises(ValueError, match=re.escape(str(refusal))):
            watched.step_minibatch(xs[:8], ys[:8])
    else:
        assert watched.step_minibatch(xs[:8], ys[:8]) == expected
    assert watched.state_hash() == alone.state_hash()
    watched.gauges.stop()
    watched.step_many(xs, ys)
    alone.step_many(xs, ys)
    assert watched.state_hash() == alone.state_hash()


def test_copies_and_checkpoints_leave_the_gauges_behind(tmp_path: Any) -> None:
    learner = build([33], gauges=True)
    learner.step_many(*examples(50))
    learner.save(tmp_path / "learner")
    for twin in (learner.clone(), sdl.Learner.load(tmp_path / "learner")):
        assert not twin.gauges.running
        twin.gauges.start(window=10)
        twin.step_many(*examples(5))
        assert twin.gauges.examples == 5
    assert learner.gauges.examples == 50


def test_gauges_start_anew_and_stop() -> None:
    learner = build([33])
    assert not learner.gauges.running and repr(learner.gauges) == "<streamdl gauges, off>"
    for read in (learner.gauges.activity, learner.gauges.ranks, learner.gauges.update_to_weight):
        with pytest.raises(RuntimeError, match=r"the gauges are off; learner.gauges.start\(\)"):
            read()
    assert learner.gauges.utility() == [] and learner.gauges.step_size_histogram()
    learner.gauges.start()
    assert np.isnan(learner.gauges.activity()[0]).all()
    assert np.isnan(learner.gauges.dormant_fraction()[0])
    learner.step_many(*examples(30))
    learner.gauges.start(sdl.Gauges(window=5))
    assert learner.gauges.examples == 0 and learner.gauges.running
    learner.gauges.stop()
    assert not learner.gauges.running


def test_they_read_by_name() -> None:
    learner = build(
        [33, 17], plasticity=sdl.plasticity.ContinualBackprop(1e-3, maturity=5), gauges=True
    )
    learner.step_many(*examples(100))
    assert same(dict(learner.gauges), learner.gauges.read())
    assert len(learner.gauges) == len(list(learner.gauges)) == 12
    assert same(learner.gauges["utility"], learner.utilities)
    with pytest.raises(KeyError):
        learner.gauges["nothing"]


def test_a_network_without_hidden_layers_has_its_updates_measured() -> None:
    learner = build([], gauges=sdl.Gauges(every=1))
    learner.step_many(*examples(100))
    assert learner.gauges.activity() == [] and learner.gauges.ranks()["stable_rank"] == []
    assert learner.gauges.update_to_weight()["0.weight"] > 0


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *itertools.product(["window", "every"], [0, -1, 2**20 + 1, 1.5, True, None, "5"]),
        *itertools.product(["rows"], [-1, 2**16 + 1, 1.5, False]),
    ],
)
def test_bad_settings_are_refused(name: str, bad: Any) -> None:
    learner = build([33], gauges=True)
    with pytest.raises(ValueError, match=rf"Gauges\.{name}: expected .* got "):
        learner.gauges.start(**{name: bad})
    assert learner.gauges.running


def test_bad_arguments_are_refused() -> None:
    learner = build([33], gauges=True)
    learner.step_many(*examples(30))
    with pytest.raises(ValueError, match=r"gauges: expected True, False or sdl\.Gauges"):
        build([33], gauges=3)
    for call, message in (
        (lambda: learner.gauges.start(7), "settings: expected sdl.Gauges"),  # type: ignore[arg-type]
        (lambda: learner.gauges.dormant_fraction(1.0), "threshold: expected 0 to below 1"),
        (lambda: learner.gauges.ranks(rows=0), "rows: expected at least 1"),
        (lambda: learner.gauges.clones(0.0), "cosine: expected above 0 to 1"),
        (lambda: learner.gauges.step_size_histogram(0), "bins_per_decade: expected at least 1"),
        (lambda: silence_p_value(1, 3, 2), "0 <= firings <= record"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
