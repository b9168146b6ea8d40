"""Numbers of the table against sums written out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from streamdl.experiments.summary import curves, standard_error, stretches, summarise


def rows(accuracies: list[list[float]], method: str = "backprop") -> list[dict[str, Any]]:
    """One list per seed, one accuracy per task."""
    return [
        {
            "method": method,
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
