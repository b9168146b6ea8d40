"""The benchmark runner: its statistics, its refusal of wrong losses, and a short run of W1."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "benchmarks" / "common" / "worker.py").is_file():
    pytest.skip("no benchmarks/ beside tests/", allow_module_level=True)

bench = pytest.importorskip("streamdl.bench")
bench.load_benchmarks(ROOT / "benchmarks")
protocol: Any = importlib.import_module("benchmarks.common.protocol")
reference: Any = importlib.import_module("benchmarks.common.reference")
runner: Any = importlib.import_module("benchmarks.common.runner")
summary: Any = importlib.import_module("benchmarks.common.summary")
worker: Any = importlib.import_module("benchmarks.common.worker")
workloads: Any = importlib.import_module("benchmarks.common.workloads")
numpy_network: Any = importlib.import_module("benchmarks.common.numpy_network")

SMALL = workloads.Workload("small", (6, 5, 3), "squared_error", 0.01, 64, 16)


def test_a_summary_is_the_median_of_round_medians_and_the_tails_of_all_samples() -> None:
    rounds = [[1.0] * 99 + [50.0], [2.0] * 100, [900.0] * 3]
    found = summary.summarize(rounds)
    assert found.rounds == (1.0, 2.0, 900.0)
    assert found.median == 2.0
    assert found.samples == 203
    assert found.p999 == pytest.approx(np.percentile(np.concatenate(rounds), 99.9))


def test_a_ratio_compares_neighbours_in_time() -> None:
    # The machine is ten times slower in the last two rounds; within each, one side takes 3x.
    ours = summary.summarize([[1.0], [10.0], [10.0]])
    theirs = summary.summarize([[3.0], [30.0], [33.0]])
    value, least, greatest = summary.ratio(theirs, ours)
    assert (value, least, greatest) == pytest.approx((3.0, 3.0, 3.3))


def test_an_entry_without_variant_means_the_fastest_one() -> None:
    rows = [
        runner.Row("W1", "rival", "slow", summary.summarize([[8.0]])),
        runner.Row("W1", "rival", "fast", summary.summarize([[6.0]])),
        runner.Row("W1b", "rival", "fast", summary.summarize([[1.0]])),
        runner.Row("W1", "rival", "absent", reason="skipped (not installed)"),
        runner.Row("W1", "streamdl", "step", summary.summarize([[2.0]])),
    ]
    asked = [
        protocol.Ratio("W1", "rival", "streamdl:step", at_least=3.0),
        protocol.Ratio("W1", "rival:slow", "streamdl:step", at_most=3.9),
        protocol.Ratio("W1", "rival:absent", "streamdl:step", at_least=1.0),
    ]
    met, missed = runner.verdicts(asked, rows)
    assert (met.value, met.met) == (3.0, True)
    assert (missed.value, missed.met) == (4.0, False)


def test_the_reference_gradient_agrees_with_differences() -> None:
    for workload in (SMALL, workloads.Workload("c", (6, 5, 3), "cross_entropy", 0.01, 64, 16)):
        rng = np.random.default_rng(3)
        xs = rng.standard_normal((4, 6))
        ys = np.array([0, 2, 1, 1]) if workload.classification else rng.standard_normal((4, 3))
        weights = [w.astype(np.float64) for w in workload.weights]
        biases = [rng.standard_normal(len(b)) for b in workload.biases]
        _, gradients = reference._gradients(workload, weights, biases, xs, ys)
        for array, gradient in zip([*weights, *biases], gradients, strict=True):
            position = tuple(rng.integers(size) for size in array.shape)
            sides = []
            for change in (1e-6, -2e-6):
                array[position] += change
                sides.append(reference._gradients(workload, weights, biases, xs, ys)[0])
            array[position] += 1e-6
            slope = (sides[0] - sides[1]) / 2e-6
            assert gradient[position] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def _check(workload: Any, taught: Any) -> float:
    """The deviation that the worker finds when `taught` is built in the place of `workload`."""
    module = SimpleNamespace(build=lambda variant, _: numpy_network.build(variant, taught))
    found = worker.Entry(module, "outer", workload, 10).deviation
    assert isinstance(found, float)
    return found


def test_correct_losses_pass_and_a_step_size_one_percent_off_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _check(SMALL, SMALL) <= worker.TOLERANCE
    wrong = workloads.Workload("small", (6, 5, 3), "squared_error", 0.0101, 64, 16)
    assert _check(SMALL, wrong) > worker.TOLERANCE


def test_workers_run_as_their_libraries_would_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    processes: ModuleType = importlib.import_module("benchmarks.common.processes")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    found = processes.environment()
    assert "OPENBLAS_CORETYPE" not in found
    assert found["OMP_NUM_THREADS"] == "1"
    assert found["PATH"] == os.environ["PATH"]


def test_an_unknown_scenario_is_refused_by_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert bench.main(["w9"]) == 2
    assert "unknown 'w9'; choose from w1" in capsys.readouterr().out


def test_a_quick_run_of_w1_measures_streamdl_beside_numpy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    out = tmp_path / "figures.json"
    status = bench.main(["w1", "--quick", "--plain", "--rivals", "numpy_blas", "--out", str(out)])
    printed = capsys.readouterr().out
    assert status == 0, printed
    kept = json.loads(out.read_text())
    entries = kept["scenarios"]["w1"]["entries"]
    assert {(e["workload"], e["competitor"]) for e in entries} == {
        (workload, competitor)
        for workload in ("W1", "W1b")
        for competitor in ("streamdl", "numpy_blas")
    }
    for entry in entries:
        assert entry["missing_because"] is None, entry
        assert entry["deviation_from_float64"] <= worker.TOLERANCE
        assert len(entry["ns_per_example"]["rounds"]) == bench.QUICK_ROUNDS
    ratios = {(r["workload"], r["above"], r["below"]) for r in kept["scenarios"]["w1"]["ratios"]}
    assert ("W1", "numpy_blas", "streamdl:step") in ratios
    assert kept["machine"]["processor"] and kept["machine"]["versions"]["numpy"] == np.__version__
    assert "numpy_blas / streamdl:step" in printed
