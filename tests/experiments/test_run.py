"""Whole experiments, small: rows, files, resuming, failing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import streamdl as sdl
from streamdl.experiments import EXPERIMENTS, UsageError, find, part, plot, run
from streamdl.experiments.catalogue import Experiment
from streamdl.experiments.configuration import Configuration
from streamdl.experiments.methods import METHODS, variants
from streamdl.experiments.part import Part, run_part
from streamdl.experiments.results import create_or_resume
from streamdl.experiments.runner import all_parts, run_parts
from streamdl.streams import DeepTracking, PermutedDigits

SMALL = ["tasks=6", "task_length=150", "hidden=12,8"]
TWO_METHODS = [*SMALL, "methods=backprop,continual-backprop"]
TIMING = ("seconds", "examples_per_second")


def read(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(folder / "results.parquet").to_pylist()
    return rows


def first_part(config: Configuration, method: str) -> Part:
    """Seed 0 of the first setting of a method."""
    return Part(method, 0, variants(config, method)[0])


def learn(experiment: Experiment, config: Configuration, part: Part) -> list[dict[str, Any]]:
    return run_part(experiment, config, part, lambda examples: None)


def without_timing(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in TIMING} for row in rows]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run("permuted-digits", TWO_METHODS, 2, tmp_path_factory.mktemp("digits") / "out", 2)


def test_a_run_leaves_one_row_per_task_a_figure_and_its_configuration(finished: Path) -> None:
    rows = read(finished)
    keys = [(row["method"], row["seed"], row["task"]) for row in rows]
    methods = ("backprop", "continual-backprop")
    assert keys == [(m, s, t) for m in methods for s in (0, 1) for t in range(6)]
    assert (finished / "permuted-digits.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    for row in rows:
        assert row["config.task_length"] == 150 and row["examples"] == (row["task"] + 1) * 150
        assert 0 <= row["accuracy"] <= 1 and 0 <= row["dormant_fraction"] <= 1
        assert row["examples_per_second"] > 0 and len(row["stable_rank_per_layer"]) == 2


def test_rows_say_what_a_loop_of_single_steps_finds(finished: Path) -> None:
    """Accuracy before each update, loss, and the measures before the task, all by hand."""
    stream = PermutedDigits(seed=1, tasks=6, task_length=150)
    learner = sdl.Learner(
        sdl.MLP(64, [12, 8], 10),
        loss="cross_entropy",
        optimizer=sdl.optim.SGD(step_size=0.01),
        seed=1,
    )
    rows = [row for row in read(finished) if (row["method"], row["seed"]) == ("backprop", 1)]
    for task, row in enumerate(rows):
        xs, ys = next(stream.blocks(150))
        report = learner.diagnose(xs)
        weights = [learner.parameters[f"{i}.weight"] for i in range(3)]
        total = sum(np.abs(w, dtype=np.float64).sum() for w in weights)
        assert row["weight_magnitude"] == pytest.approx(total / (64 * 12 + 12 * 8 + 8 * 10))
        dormant = [12 * report["dormant_fraction"][0], 8 * report["dormant_fraction"][1]]
        assert row["dormant_fraction"] == pytest.approx(sum(dormant) / 20)
        assert row["stable_rank"] == pytest.approx(np.mean(report["stable_rank"]))
        right, losses = 0, []
        for x, y in zip(xs, ys, strict=True):
            losses.append(learner.step(x, int(y)))
            right += int(np.argmax(learner.output) == y)
        assert row["accuracy"] == right / 150, f"task {task}"
        assert row["loss"] == pytest.approx(np.mean(losses), rel=1e-6)


def test_the_same_seeds_give_the_same_rows(finished: Path, tmp_path: Path) -> None:
    again = run("permuted-digits", TWO_METHODS, 2, tmp_path / "again", 1)
    assert without_timing(read(again)) == without_timing(read(finished))


def test_more_seeds_and_methods_are_added_to_what_is_there(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("permuted-digits", [*SMALL, "methods=continual-backprop"], 1, out, 1)
    kept = {file: file.stat().st_mtime_ns for file in (out / "parts").iterdir()}
    run("permuted-digits", TWO_METHODS, 2, out, 2)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept  # not run again
    assert without_timing(read(out)) == without_timing(read(finished))


def test_a_finished_run_runs_nothing_again(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = without_timing(read(finished))
    run("permuted-digits", TWO_METHODS, 2, finished, 2)
    assert "4 of 4 runs were finished before" in capsys.readouterr().out
    assert without_timing(read(finished)) == before


def group_is_gone(group: int, seconds: float) -> bool:
    """Whether the last process of a group ends within this time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="needs process groups and SIGKILL")
def test_a_killed_run_goes_on_from_its_finished_parts(tmp_path: Path) -> None:
    settings = ["tasks=40", "methods=backprop,l2,continual-backprop", "hidden=12,8"]
    out = tmp_path / "out"
    words = [sys.executable, "-m", "streamdl", "run", "permuted-digits", "--seeds", "2"]
    words += ["--jobs", "1", "--out", str(out), "--set", *settings]
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 240
        while not list((out / "parts").glob("[!.]*.parquet")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()  # the parent alone: its workers must not stay behind
        process.wait()
        assert group_is_gone(process.pid, seconds=30)
    finally:
        if not group_is_gone(process.pid, seconds=0.1):
            os.killpg(process.pid, signal.SIGKILL)
    kept = {file: file.read_bytes() for file in (out / "parts").glob("[!.]*.parquet")}
    assert 1 <= len(kept) < 6 and not (out / "results.parquet").exists()
    run("permuted-digits", settings, 2, out, 2)
    assert {file: file.read_bytes() for file in kept} == kept
    whole = run("permuted-digits", settings, 2, tmp_path / "whole", 2)
    assert without_timing(read(out)) == without_timing(read(whole))


def test_a_diverging_part_is_named_and_its_rows_have_no_metric(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [*SMALL, "methods=backprop,shrink-and-perturb", "shrink=0.9", "noise=1e30"]
    rows = read(run("permuted-digits", settings, 1, tmp_path / "out", 2))
    printed = capsys.readouterr().out
    assert "shrink-and-perturb, step_size=0.01, seed 0: diverged after" in printed
    lost = [row for row in rows if row["method"] == "shrink-and-perturb"]
    assert len(lost) == 6 and {row["diverged_at"] for row in lost} == {lost[0]["diverged_at"]}
    assert all(np.isnan(row["accuracy"]) for row in lost)
    assert [row["examples"] for row in lost] == [150 * (task + 1) for task in range(6)]
    kept = [row for row in rows if row["method"] == "backprop"]
    assert all(row["diverged_at"] is None and row["accuracy"] >= 0 for row in kept)


def test_a_learner_diverges_where_a_loop_of_single_steps_does() -> None:
    experiment = find("deep-tracking")
    config = experiment.configure(["tasks=4", "step_size=0.05"])
    rows = learn(experiment, config, first_part(config, "sgd"))
    stream = DeepTracking(seed=0, tasks=4)
    learner = sdl.Learner(
        sdl.MLP(100, [40], 1), loss="squared_error", optimizer=sdl.optim.SGD(0.05), seed=0
    )
    with pytest.raises(ValueError, match="overflow"):
        for x, y in stream:
            learner.step(x, y)
    assert learner.steps > 0 and [row["diverged_at"] for row in rows] == [learner.steps] * 4
    assert all(np.isnan([row["error"], row["relevant_step_size"]]).all() for row in rows)


def test_nothing_is_learned_after_an_example_was_refused() -> None:
    class Refusing:
        steps = calls = 0

        def step_many(self, xs: Any, ys: Any, outputs: bool) -> Any:
            self.calls += 1
            raise ValueError(f"xs[0]: {part.OVERFLOW}")

    learner, stream = Refusing(), PermutedDigits(tasks=2, task_length=100)
    for position in (100, 200):
        row = part._learn_or_skip(learner, stream, 100, lambda examples: None)
        assert np.isnan(row["accuracy"]) and np.isnan(row["loss"])
        assert stream.position == position and learner.calls == 1


def test_another_error_is_no_divergence() -> None:
    class Broken:
        steps = 0

        def step_many(self, xs: Any, ys: Any, outputs: bool) -> Any:
            raise ValueError("xs: expected 64 inputs")

    with pytest.raises(ValueError, match="64 inputs"):
        part._learn_or_skip(Broken(), PermutedDigits(), 100, lambda examples: None)


def test_a_part_that_fails_is_reported_and_the_others_are_kept(tmp_path: Path) -> None:
    experiment = find("permuted-digits")
    config = experiment.configure([*SMALL, "methods=backprop"])
    folder = create_or_resume(tmp_path / "out", experiment.name, config)
    good, bad = first_part(config, "backprop"), Part("no-such-method", 0)

    class Silent:
        def learned(self, examples: int) -> None: ...
        def finished(self, part: Part, rows: list[dict[str, Any]]) -> None: ...

    failures = run_parts(experiment, config, [bad, good], folder, 2, Silent())
    assert [(f.part, f.message) for f in failures] == [(bad, "KeyError: 'no-such-method'")]
    assert folder.has(good) and not folder.has(bad)


@pytest.mark.parametrize(
    ("settings", "message"),
    [(["step_size=-1"], "step_size"), (["task_length=5000"], "1797 images")],
)
def test_bad_values_are_refused_before_anything_is_written(
    settings: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        run("permuted-digits", settings, 1, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_plot_draws_from_the_parts_alone(finished: Path) -> None:
    (finished / "results.parquet").unlink()
    figure = plot(finished, "svg")
    assert figure.suffix == ".svg" and "<svg" in figure.read_text()
    assert len(read(finished)) == 24


def test_plot_of_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no results"):
        plot(tmp_path)


def test_regression_rows_hold_the_mean_squared_error() -> None:
    experiment = find("slowly-changing-regression")
    config = experiment.configure(["tasks=4", "task_length=100", "tasks_per_row=2"])
    rows = learn(experiment, config, first_part(config, "backprop"))
    assert [row["task"] for row in rows] == [0, 2]
    assert [row["examples"] for row in rows] == [200, 400]
    for row in rows:
        assert row["error"] == pytest.approx(2 * row["loss"], rel=1e-5)  # the loss is one half


def test_a_sweep_runs_every_setting_on_every_seed() -> None:
    config = find("tracking-1992").configure(["step_size=0.1,0.2", "meta_step_size=0,0.5"])
    parts = all_parts(config, 2)
    assert [(p.method, p.setting) for p in parts if p.seed == 1] == [
        ("sgd", "step_size=0.1"),
        ("sgd", "step_size=0.2"),
        ("idbd", "initial_step_size=0.05, meta_step_size=0.0"),
        ("idbd", "initial_step_size=0.05, meta_step_size=0.5"),
    ]
    assert len(parts) == 8 and str(parts[0]) == "sgd, step_size=0.1, seed 0"


def test_a_sweep_ends_with_its_best_its_losses_and_a_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["tasks=500", "step_size=0.02,0.04,0.5", "meta_step_size=0.01", "tasks_per_row=20"]
    rows = read(run("tracking-1992", settings, 2, tmp_path / "out", 2))
    printed = capsys.readouterr().out
    assert "best fixed step size (SGD): step_size=0.04, error" in printed
    assert "IDBD, lowest error: initial_step_size=0.05, meta_step_size=0.01, error" in printed
    assert "diverged: SGD, step_size=0.5, 2 of 2 seeds" in printed
    assert (tmp_path / "out" / "tracking-1992.png").read_bytes()[:4] == b"\x89PNG"
    used = {(row["method"], row["config.step_size"], row["config.meta_step_size"]) for row in rows}
    assert used == {("idbd", None, 0.01), *(("sgd", a, None) for a in (0.02, 0.04, 0.5))}
    assert len(rows) == 4 * 2 * 25


def test_the_seeds_are_the_experiments_own_unless_asked(tmp_path: Path) -> None:
    settings = ["tasks=1", "methods=sgd", "step_size=0.01"]
    rows = read(run("tracking-1992", settings, None, tmp_path / "out", 1))
    assert find("tracking-1992").seeds == len(rows) == 5


def test_idbd_learns_which_inputs_matter() -> None:
    """Sutton's result: relevant step sizes near 0.13, the others near 0, and a lower error."""
    experiment = find("tracking-1992")
    # A meta step size of 0.01 settles within 30,000 examples; 0.001 needs about 250,000.
    config = experiment.configure(
        ["tasks=1500", "tasks_per_row=50", "step_size=0.04", "meta_step_size=0.01"]
    )
    last = {
        method: learn(experiment, config, first_part(config, method))[-10:]
        for method in config.methods
    }
    mean = {
        method: {
            key: np.mean([row[key] for row in rows])
            for key in ("error", "relevant_step_size", "irrelevant_step_size")
        }
        for method, rows in last.items()
    }
    assert 0.09 < mean["idbd"]["relevant_step_size"] < 0.18, mean
    assert mean["idbd"]["irrelevant_step_size"] < 0.01, mean
    assert mean["idbd"]["error"] < 0.6 * mean["sgd"]["error"], mean


def test_step_sizes_are_means_over_the_rows_of_the_inputs_after_the_last_example() -> None:
    experiment = find("deep-tracking")
    config = experiment.configure(["tasks=2", "meta_step_size=0.3", "initial_step_size=0.01"])
    rows = learn(experiment, config, first_part(config, "idbd"))
    stream = DeepTracking(seed=0, tasks=2)
    learner = sdl.Learner(
        sdl.MLP(100, [40], 1), loss="squared_error", optimizer=sdl.optim.IDBD(0.01, 0.3), seed=0
    )
    for row, (xs, ys) in zip(rows, stream.blocks(1000), strict=True):
        learner.step_many(xs, ys)
        steps = learner.step_sizes["0.weight"].astype(np.float64)
        assert row["relevant_step_size"] == pytest.approx(steps[:5].mean(), rel=1e-9)
        assert row["irrelevant_step_size"] == pytest.approx(steps[5:].mean(), rel=1e-9)
    assert rows[-1]["relevant_step_size"] > 1.2 * rows[-1]["irrelevant_step_size"]


@pytest.mark.parametrize("method", find("deep-tracking").configuration.methods)
def test_every_method_tracks_through_a_network(method: str) -> None:
    experiment = find("deep-tracking")
    settings = ["tasks=10", "step_size=0.01", "initial_step_size=0.01", "meta_step_size=0.1"]
    config = experiment.configure([*settings, "autostep_meta_step_size=0.03"])
    rows = learn(experiment, config, first_part(config, method))
    assert rows[-1]["error"] < 0.9, rows[-1]  # a constant would have 1


@pytest.mark.parametrize("name", ["label-permuted-mnist", "input-permuted-mnist"])
@pytest.mark.parametrize("method", find("label-permuted-mnist").configuration.methods)
def test_every_method_learns_permuted_labels_and_pixels(name: str, method: str) -> None:
    if not os.environ.get("STREAMDL_DATA"):
        pytest.skip("STREAMDL_DATA does not name a folder with the MNIST files")
    experiment = find(name)
    config = experiment.configure(["tasks=2", "measured_examples=100"])
    rows = learn(experiment, config, first_part(config, method))
    assert len(rows) == 2 and rows[0]["examples"] == {"l": 2500, "i": 5000}[name[0]]
    assert min(row["accuracy"] for row in rows) > 0.3, [row["accuracy"] for row in rows]


def test_learners_of_permuted_mnist_see_normalised_pixels() -> None:
    if not os.environ.get("STREAMDL_DATA"):
        pytest.skip("STREAMDL_DATA does not name a folder with the MNIST files")
    for name in ("label-permuted-mnist", "input-permuted-mnist"):
        experiment = find(name)
        xs, _ = experiment.stream(experiment.configuration, 0).peek(100)
        assert xs.min() == -1.0 and xs.max() == 1.0, name


def test_a_rule_that_the_core_lacks_is_refused_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(sdl.optim, "IDBD")
    with pytest.raises(UsageError, match="streamdl.optim has no 'IDBD'"):
        run("tracking-1992", ["methods=idbd"], 1, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_permuted_mnist_runs_on_the_real_digits(tmp_path: Path) -> None:
    if not os.environ.get("STREAMDL_DATA"):
        pytest.skip("STREAMDL_DATA does not name a folder with the MNIST files")
    settings = ["tasks=2", "task_length=600", "hidden=20", "methods=backprop"]
    rows = read(run("permuted-mnist", settings, 1, tmp_path / "out", 1))
    assert len(rows) == 2 and rows[1]["accuracy"] > 0.3


def test_every_experiment_has_four_panels_and_known_methods() -> None:
    for experiment in EXPERIMENTS.values():
        assert len(experiment.panels) == 4
        assert set(experiment.configuration.methods) <= METHODS.keys()
        assert experiment.baseline in {"", *experiment.configuration.methods}
        assert experiment.metric == "error" or not experiment.baseline, "errors are compared"
        for method in experiment.configuration.methods:
            keys = set(METHODS[method].sweeps)
            assert keys <= set(experiment.configuration.sweeps()), f"{experiment.name}, {method}"
