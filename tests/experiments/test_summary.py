"""Numbers of the table against sums written out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from streamdl.experiments.summary import (
    best_variants,
    curves,
    standard_error,
    stretches,
    summarise,
    variants_of,
)


def rows(accuracies: list[list[float]], method: str = "backprop") -> list[dict[str, Any]]:
    """One list per seed, one accuracy per task."""
    return [
        {
            "method": method,
            "setting": "",
            "diverged_at": None,
            "seed": seed,
            "task": task,
            "accuracy": value,
            "error": 1 - value,
            "dormant_fraction": value / 2,
            "examples_per_second": 100.0 * (task + 1),
        }
        for seed, values in enumerate(accuracies)
        for task, value in enumerate(values)
    ]


def test_tenths_are_equal_stretches_in_order() -> None:
    values = np.arange(40.0).reshape(1, 40)
    np.testing.assert_allclose(stretches(values, 10)[0], np.arange(10) * 4 + 1.5)
    assert stretches(values[:, :3], 10).shape == (1, 3)  # fewer rows than stretches
    assert stretches(values[:, :25], 10).shape == (1, 10)


def test_standard_error_is_over_seeds() -> None:
    values = np.array([[1.0, 0.0], [2.0, 0.0], [6.0, 0.0]])
    deviation = math.sqrt(((1 - 3) ** 2 + (2 - 3) ** 2 + (6 - 3) ** 2) / 2)
    np.testing.assert_allclose(standard_error(values), [deviation / math.sqrt(3), 0.0])
    assert np.isnan(standard_error(values[:1])).all()


def test_summary_of_accuracies() -> None:
    rising = [t / 100 for t in range(20)]
    falling = [0.9 - t / 100 for t in range(20)]
    summary = summarise(rows([rising, falling, falling]), "backprop", "accuracy")
    assert summary.seeds == 3
    assert summary.first.mean == pytest.approx((0.0 + 0.9 + 0.9) / 3)
    # The mean over seeds falls, so its first tenth (tasks 0 and 1) is the best.
    assert summary.best_tenth.mean == pytest.approx((0.005 + 0.895 * 2) / 3)
    assert summary.last_tenth.mean == pytest.approx((0.185 + 0.715 * 2) / 3)
    assert summary.dormant is not None
    assert summary.dormant.mean == pytest.approx((0.185 + 0.715 * 2) / 6)
    assert summary.examples_per_second == pytest.approx(1050.0)


def test_the_best_error_is_the_lowest() -> None:
    summary = summarise(rows([[t / 100 for t in range(20)]]), "backprop", "error")
    assert summary.best_tenth.mean == summary.last_tenth.mean == pytest.approx(1 - 0.185)


def test_a_method_without_the_column_has_no_curve() -> None:
    assert curves(rows([[0.5]]), "backprop", "stable_rank") is None


def swept(errors: dict[str, list[list[float]]], method: str = "sgd") -> list[dict[str, Any]]:
    """For each setting one list per seed, one error per task; NaN after it diverged."""
    found = []
    for setting, seeds in errors.items():
        for row in rows([[1 - error for error in seed] for seed in seeds], method):
            lost = 77 if math.isnan(row["error"]) else None
            found.append(row | {"setting": setting, "diverged_at": lost})
    return found


def test_settings_are_ordered_by_their_numbers_and_named_by_what_differs() -> None:
    words = [
        "initial_step_size=0.05, meta_step_size=0.01",
        "initial_step_size=0.05, meta_step_size=1e-05",
        "initial_step_size=0.05, meta_step_size=0.1",
    ]
    found = variants_of(swept({word: [[1.0]] for word in words}, "idbd"))
    assert [v.setting for v in found] == [words[1], words[0], words[2]]
    assert found[0].title == "IDBD, meta_step_size=1e-05"
    assert [len(v.rows) for v in found] == [1, 1, 1]
    assert variants_of(swept({"step_size=0.1": [[1.0]]}))[0].title == "SGD"


def test_the_last_half_decides_which_setting_is_best() -> None:
    sweep = swept(
        {
            "step_size=0.05": [[0.0, 0.0, 0.0, 0.0, math.nan]],
            "step_size=0.1": [[0.1, 0.1, 0.1, 0.9, 0.9]],
            "step_size=0.2": [[0.9, 0.9, 0.5, 0.5, 0.5]],
            "step_size=0.3": [[0.0, 0.0, 0.0, 0.0, math.nan]],
        }
    )
    best = best_variants(sweep, "error")
    assert [v.setting for v in best] == ["step_size=0.2"]
    summary = summarise(best[0].rows, "sgd", "error")
    assert summary.last_half.mean == pytest.approx(0.5) and summary.diverged == 0
    for row in sweep:
        row["accuracy"] = row["error"]
    assert best_variants(sweep, "accuracy")[0].setting == "step_size=0.1"


def test_one_diverged_seed_leaves_no_mean_and_is_counted() -> None:
    nan = math.nan
    sweep = swept({"step_size=0.1": [[0.5] * 20, [0.5] * 9 + [nan] * 11, [nan] * 20]})
    summary = summarise(sweep, "sgd", "error")
    assert (summary.seeds, summary.diverged) == (3, 2)
    assert math.isnan(summary.last_half.mean) and math.isnan(summary.best_tenth.mean)
    assert best_variants(sweep, "error")[0].setting == "step_size=0.1"  # where there is no other


def test_step_sizes_are_those_at_the_end_and_their_ratio_the_median_over_seeds() -> None:
    relevant, irrelevant = [[9.0, 0.2], [9.0, 0.4], [9.0, 0.9]], [[1.0, 0.1]] * 3
    sweep = rows([[0.5, 0.5]] * 3, "idbd")
    for row in sweep:
        row["relevant_step_size"] = relevant[row["seed"]][row["task"]]
        row["irrelevant_step_size"] = irrelevant[row["seed"]][row["task"]]
    steps = summarise(sweep, "idbd", "error").step_sizes
    assert steps is not None
    assert steps.relevant.mean == pytest.approx(0.5)
    assert steps.irrelevant.mean == pytest.approx(0.1)
    assert steps.ratio == pytest.approx(4.0) and steps.least_ratio == pytest.approx(2.0)
