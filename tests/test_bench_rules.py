"""The scenario `rules` of the benchmarks: traffic, sweeps, counted instructions, verdicts and tables."""

from __future__ import annotations

import ctypes
import importlib
import platform
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamdl import _core

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "benchmarks" / "common" / "worker.py").is_file():
    pytest.skip("no benchmarks/ beside tests/", allow_module_level=True)

bench = pytest.importorskip("streamdl.bench")
bench.load_benchmarks(ROOT / "benchmarks")
compiled: Any = importlib.import_module("benchmarks.common.compiled")
costs: Any = importlib.import_module("benchmarks.rules.costs")
instructions: Any = importlib.import_module("benchmarks.rules.instructions")
learners: Any = importlib.import_module("benchmarks.common.streamdl_learner")
probe: Any = importlib.import_module("benchmarks.rules.probe")
protocol: Any = importlib.import_module("benchmarks.common.protocol")
report: Any = importlib.import_module("benchmarks.common.report")
runner: Any = importlib.import_module("benchmarks.common.runner")
summary: Any = importlib.import_module("benchmarks.common.summary")
traffic: Any = importlib.import_module("benchmarks.rules.traffic")
workloads: Any = importlib.import_module("benchmarks.common.workloads")

SMALL = workloads.Workload("small", (6, 40, 3), "squared_error", 0.003, 400, 16)
DEEP = workloads.Workload("deep", (6, 40, 30, 3), "squared_error", 0.003, 400, 16)
SMALL_WITH_ONE = workloads.Workload("small", (6, 40, 1), "squared_error", 0.003, 400, 16)


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        compiled.compiler()
    except protocol.Skipped as error:
        pytest.skip(str(error))


# ---- traffic ------------------------------------------------------------------------------------


def test_every_rule_is_measured() -> None:
    measured = {learners.made_of(SMALL, rule)[0] for rule in traffic.TRAFFIC}
    fit = [table["name"] for table in _core.optimizers()]
    methods = [table["name"] for table in _core.methods() if not table["of_edges"]]
    assert measured == {*fit, *methods}  # those that move edges have a scenario of their own


@pytest.mark.parametrize(
    ("rule", "active", "silent"),
    [
        ("sgd", 12, 0),  # read; read and write
        ("momentum", 20, 16),
        ("rmsprop", 20, 8),  # silent weights rest
        ("adam", 28, 24),
        ("idbd", 28, 0),
        ("nidbd", 36, 8),
        ("hypergradient", 28, 8),  # w and u; u and w: without momentum silent weights rest
        ("hypergradient_per_weight", 28, 8),
        ("meta_scalar_sgd", 20, 8),
        ("meta_scalar_adamw", 36, 32),
        ("meta_weightwise_sgd", 28, 8),
        ("upgd", 28, 8),  # likewise
        ("upgd_noisy", 28, 20),  # u, then w
        ("autostep", 52, 0),  # w; w, h and twice a, v; twice w, a, h
        ("l2_init", 16, 12),
    ],
)
def test_bytes_follow_from_the_passes(rule: str, active: int, silent: int) -> None:
    found = traffic.TRAFFIC[rule]
    assert found.bytes_per_weight(True) == active
    assert found.bytes_per_weight(False) == silent


def test_arrays_of_the_traffic_are_those_of_the_state() -> None:
    """One letter for the weights, and one for each field as large as they are."""
    for rule, found in traffic.TRAFFIC.items():
        state = learners.learner(SMALL_WITH_ONE if found.one_output else SMALL, rule).state
        weights = [name for name in state if name.startswith("0.weight")]
        assert len(found.arrays) == len(weights), (rule, weights)


@pytest.mark.parametrize(
    ("rule", "on"),
    [("adam", ["W4", "W2"]), ("obgd", ["W4o", "W2o"]), ("sgd", ["W4", "W2", "W4o", "W2o"])],
)
def test_rules_of_one_output_have_workloads_of_their_own(rule: str, on: list[str]) -> None:
    for workload in ("W4", "W2", "W4o", "W2o"):
        if workload in on:
            assert traffic.offer(rule, workload) is traffic.TRAFFIC[rule]
        else:
            with pytest.raises(protocol.NotOffered):
                traffic.offer(rule, workload)


# ---- sweeps -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("compiler")
def test_a_sweep_changes_the_arrays_and_rows_of_its_passes_and_no_other() -> None:
    layers, floats = probe.layers((5, 64, 20), 3)
    memory = np.zeros(floats + 16, np.float32)
    start = memory.ctypes.data + (-memory.ctypes.data) % 64
    base = (start - memory.ctypes.data) // 4
    offsets = [(layer.rows or 0) // 4 for layer in layers]
    for layer in layers:
        layer.rows = start + (layer.rows or 0)
    found = traffic.Traffic(
        "wms",
        (
            traffic.Pass("m", rows="active"),
            traffic.Pass("w"),
            traffic.Pass("s", rows="silent"),
        ),
    )
    passes = probe._passes(found)
    rows = [np.array([1, 4], np.int32), np.array([0, 2, 63], np.int32)]
    active, counts = probe.listed([rows])
    silent, _ = probe.listed([probe.silent_rows(layers, rows)])
    probe._library().sweep(
        (type(layers[0]) * 2)(*layers), 2, passes, len(passes), active.ctypes.data,
        silent.ctypes.data, counts.ctypes.data, 1,
    )  # fmt: skip
    expected = np.zeros(memory.size, bool)
    for layer, offset, of_layer in zip(layers, offsets, rows, strict=True):
        for row in range(layer.count):
            at = base + offset + row * layer.stride
            expected[at : at + layer.padded] = True  # w of all rows
            at += (
                1 if row in of_layer else 2
            ) * layer.padded  # m of the active ones, s of the others
            expected[at : at + layer.padded] = True
    np.testing.assert_array_equal(memory != 0, expected)


def test_rows_lie_as_in_a_learner() -> None:
    layers, floats = probe.layers((784, 2000, 256, 10), 2)
    assert [(x.count, x.padded, x.stride) for x in layers[:2]] == [
        (784, 2000, 4000),
        (2000, 256, 512 + 16),  # not a power of two
    ]
    assert layers[2].count * layers[2].padded == 10 * 256  # ten outputs lie transposed
    assert floats == 784 * 4000 + 2000 * 528 + 2 * 10 * 256


@pytest.mark.usefixtures("compiler")
def test_a_probe_sweeps_the_rows_that_its_rule_has_active() -> None:
    built = probe.build("momentum", DEEP)
    ((active, silent, counts),) = built.arguments
    inputs, hidden, _ = probe.active_rows(DEEP, "momentum")[3]
    start = counts[:3].sum()
    np.testing.assert_array_equal(active[start : start + 6], inputs)  # Gaussian: all six
    assert 0 < len(hidden) < 40
    of_inputs, of_hidden, _ = counts[0]
    rows = [*active[of_inputs:][:of_hidden], *silent[6 - of_inputs :][: 40 - of_hidden]]
    assert sorted(rows) == list(range(40))
    share = probe.describe()["active_share"]["deep"]["momentum"]
    assert 0.3 < share < 0.95
    built.call(active, silent, counts)


# ---- instructions -------------------------------------------------------------------------------

counts_here = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="Linux on x86-64 alone"
)


@counts_here
@pytest.mark.usefixtures("compiler")
def test_instructions_are_counted_one_by_one(tmp_path: Path) -> None:
    source = tmp_path / "loop.cpp"
    source.write_text(
        'extern "C" void loop(long n) {\n'
        '  asm volatile("1: nop; nop; dec %0; jnz 1b" : "+r"(n) : : "cc");\n}\n'
    )
    loop = ctypes.CDLL(str(compiled.shared_library("loop", [source]))).loop
    loop.argtypes = [ctypes.c_long]
    loop(1)
    instructions.count(lambda: loop(1))
    short, long = (instructions.count(lambda n=n: loop(n)) for n in (10, 1010))
    assert long - short == pytest.approx(1000 * 4, abs=400)  # Python's own share varies a little


@counts_here
@pytest.mark.usefixtures("compiler")
def test_a_call_that_learns_nothing_falls_out() -> None:
    learner = learners.learner(SMALL, "sgd")
    xs, ys = SMALL.examples
    calls: list[int] = []

    def learn(n: int) -> object:
        calls.append(n)
        return learner.step_many(xs[:n], ys[:n])

    found = instructions.of_one_example(learn)
    assert sorted(calls) == [0, 1, 1]
    assert 300 < found < 10_000  # 360 weights, in vectors


# ---- time ---------------------------------------------------------------------------------------


def test_time_of_the_processor_leaves_out_what_a_call_waits() -> None:
    worker: Any = importlib.import_module("benchmarks.common.worker")
    module = SimpleNamespace(
        build=lambda variant, workload: protocol.Competitor(
            lambda x, y: time.sleep(0.02), [(None, None)], rule=None
        )
    )
    entry = worker.Entry(module, "", SMALL, 1)
    assert min(entry.round(0.0, 1, False)) > 15e6  # nanoseconds
    assert np.median(entry.round(0.0, 1, True)) < 5e6
    assert runner.load("rules").processor_time


# ---- verdicts -----------------------------------------------------------------------------------


def _rows(workload: str, **microseconds: float) -> list[Any]:
    rows = []
    for entry, taken in microseconds.items():
        competitor, _, rule = entry.partition("__")
        name = {"ours": "streamdl", "bound": "probe", "torch": "torch_eager"}[competitor]
        rows.append(runner.Row(workload, name, rule, summary.summarize([[1e3 * taken]])))
    return rows


def _of(found: list[Any], workload: str, rule: str) -> Any:
    return next(c for c in found if (c.workload, c.rule) == (workload, rule))


DETAILS = {
    "streamdl": {
        "instructions": {"W4": {"sgd": 1000, "adam": 5000}},
        "instructions_how": "by hand",
        "made": {"sgd": ("SGD", {"step_size": 0.003}), "adam": ("Adam", {"step_size": 1e-4})},
    },
    "probe": {"active_share": {w: {"sgd": 0.5, "adam": 0.5, "pgd": 0.5} for w in ("W2", "W4")}},
}
ROWS = [
    *_rows("W2", ours__sgd=100, bound__sgd=90, ours__adam=600, bound__adam=400, torch__adam=3000),
    *_rows("W4", ours__sgd=2, bound__sgd=1.9, ours__adam=12, bound__adam=5, ours__pgd=50, bound__pgd=2),
]  # fmt: skip


def test_on_w2_a_rule_is_judged_by_its_bound_alone() -> None:
    found = costs.costs(ROWS, DETAILS)
    sgd, adam = _of(found, "W2", "sgd"), _of(found, "W2", "adam")
    assert (sgd.times_base, sgd.over_bound, sgd.met) == (1.0, pytest.approx(100 / 90), True)
    assert (adam.times_base, adam.over_goal, adam.met) == (6.0, 1.5, False)
    assert (adam.torch, adam.of, adam.instructions) == (3000.0, "Adam", None)
    weights = 784 * 2000 + 2 * 2000 * 2000 + 2000 * 10
    assert adam.bytes == weights * (4 * 0.5 + 24)
    assert adam.bytes_times_base == pytest.approx(26 / 6)


def test_on_w4_a_rule_is_judged_by_the_larger_of_its_bound_and_its_instructions() -> None:
    found = costs.costs(ROWS, DETAILS)
    adam = _of(found, "W4", "adam")
    # 12 us; the bound is 5 us, sgd's time by instructions 5 x 2 us.
    assert (adam.over_bound, adam.over_goal, adam.met) == (2.4, 1.2, True)
    slow = [*ROWS[:-4], *_rows("W4", ours__adam=12.6, bound__adam=5)]
    assert _of(costs.costs(slow, DETAILS), "W4", "adam").met is False
    bytes_rule = [*ROWS[:-4], *_rows("W4", ours__adam=12.6, bound__adam=10.1)]
    assert _of(costs.costs(bytes_rule, DETAILS), "W4", "adam").met is True


def test_what_was_not_measured_is_not_judged() -> None:
    uncounted = DETAILS | {"streamdl": {"instructions_how": "no compiler"}}
    assert _of(costs.costs(ROWS, uncounted), "W4", "adam").met is None
    alone = costs.costs(_rows("W2", ours__sgd=100, ours__adam=600), {})
    assert [(c.rule, c.times_base, c.bytes, c.met) for c in alone] == [
        ("sgd", 1.0, None, None),
        ("adam", 6.0, None, None),
    ]
    assert costs.costs(_rows("W2", bound__sgd=90), DETAILS) == []


def test_rules_that_draw_noise_are_not_judged() -> None:
    rows = _rows("W2", ours__sgd=100, bound__sgd=90, ours__pgd=900, bound__pgd=100)
    pgd = _of(costs.costs(rows, DETAILS), "W2", "pgd")
    assert (pgd.over_bound, pgd.noise, pgd.met) == (9.0, True, None)


def test_the_tables_list_noise_apart_and_name_what_misses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = runner.Result(runner.load("rules"), ROWS, details=DETAILS)
    report.show(result, plain=True)
    printed = capsys.readouterr().out
    on_w4, noisy, on_w2 = printed.split("\nrules on ")[1:]
    assert on_w4.startswith("W4: goal") and "pgd" not in on_w4
    assert noisy.startswith("W4 that draw a normal number") and "MISSED" not in noisy
    (line,) = [line.split() for line in noisy.splitlines() if line.startswith("pgd")]
    assert line == ["pgd", "50.00", "25.00", "1.67", "2.00", "420", "25.00"]
    (line,) = [line.split() for line in on_w2.splitlines() if line.startswith("adam")]
    assert line[:4] == ["adam", "600.00", "6.00", "4.33"]
    assert line[-4:] == ["1.50", "MISSED", "3,000", "5"]
    assert "by hand" in printed
    kept = report.as_json(result)["account"]
    found = [(c["workload"], c["met"]) for c in kept if c["rule"] == "adam"]
    assert found == [("W2", False), ("W4", True)]
