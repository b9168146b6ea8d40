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
from streamdl.experiments import EXPERIMENTS, UsageError, find, plot, run
from streamdl.experiments.part import Part, run_part
from streamdl.streams import PermutedDigits

SMALL = ["tasks=6", "task_length=150", "hidden=12,8"]
TWO_METHODS = [*SMALL, "methods=backprop,continual-backprop"]
TIMING = ("seconds", "examples_per_second")


def read(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(folder / "results.parquet").to_pylist()
    return rows


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


def test_a_diverging_part_is_reported_and_the_others_are_kept(tmp_path: Path) -> None:
    settings = [*SMALL, "methods=backprop,shrink-and-perturb", "shrink=0.9", "noise=1e30"]
    with pytest.raises(RuntimeError, match="shrink-and-perturb, seed 0: ValueError"):
        run("permuted-digits", settings, 1, tmp_path / "out", 2)
    assert {row["method"] for row in read(tmp_path / "out")} == {"backprop"}


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
    rows = run_part(experiment, config, Part("backprop", 0), lambda examples: None)
    assert [row["task"] for row in rows] == [0, 2]
    assert [row["examples"] for row in rows] == [200, 400]
    for row in rows:
        assert row["error"] == pytest.approx(2 * row["loss"], rel=1e-5)  # the loss is one half


def test_idbd_learns_which_inputs_matter() -> None:
    """Sutton's result: relevant step sizes near 0.13, the others near 0, and a lower error."""
    experiment = find("tracking-1992")
    # A meta step size of 0.01 settles within 30,000 examples; 0.001 needs about 250,000.
    config = experiment.configure(["tasks=1500", "meta_step_size=0.01"])
    last = {
        method: run_part(experiment, config, Part(method, 0), lambda examples: None)[-10:]
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
    assert mean["idbd"]["irrelevant_step_size"] < 0.02, mean
    assert mean["idbd"]["error"] < 0.75 * mean["sgd"]["error"], mean


def test_permuted_mnist_runs_on_the_real_digits(tmp_path: Path) -> None:
    if not os.environ.get("STREAMDL_DATA"):
        pytest.skip("STREAMDL_DATA does not name a folder with the MNIST files")
    settings = ["tasks=2", "task_length=600", "hidden=20", "methods=backprop"]
    rows = read(run("permuted-mnist", settings, 1, tmp_path / "out", 1))
    assert len(rows) == 2 and rows[1]["accuracy"] > 0.3


def test_every_experiment_has_four_panels_and_known_methods() -> None:
    from streamdl.experiments.methods import METHODS

    for experiment in EXPERIMENTS.values():
        assert len(experiment.panels) == 4
        assert set(experiment.configuration.methods) <= METHODS.keys()
