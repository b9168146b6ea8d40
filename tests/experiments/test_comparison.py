"""What is said of a sweep, from rows made by hand."""

from __future__ import annotations

import math
from typing import Any

from streamdl.experiments import find
from streamdl.experiments.comparison import comparison

Row = dict[str, Any]
TRACKING = find("tracking-1992")


def rows(method: str, setting: str, errors: list[float], relevant: float = 0.1) -> list[Row]:
    """Two rows for each seed: an error of 100 that is not to count, and that of the last half."""
    return [
        {
            "method": method,
            "setting": setting,
            "seed": seed,
            "task": task,
            "error": (100.0, error)[task],
            "relevant_step_size": math.nan if math.isnan(error) else (9.0, relevant)[task],
            "irrelevant_step_size": math.nan if math.isnan(error) else 0.01,
            "diverged_at": 70 if task == 1 and math.isnan(error) else None,
            "examples_per_second": 1.0,
        }
        for seed, error in enumerate(errors)
        for task in (0, 1)
    ]


FIXED = [
    *rows("sgd", "step_size=0.01", [4.0, 4.2]),
    *rows("sgd", "step_size=0.02", [3.0, 3.2]),
    *rows("sgd", "step_size=0.5", [1.0, math.nan]),  # lower, but one seed was lost
]


def test_the_best_fixed_step_size_is_of_those_that_lost_no_seed() -> None:
    lines = comparison(TRACKING, FIXED)
    assert lines == [
        "best fixed step size (SGD): step_size=0.02, error 3.1 ± 0.1 in the last half",
        "diverged: SGD, step_size=0.5, 1 of 2 seeds",
    ]


def test_learned_step_sizes_are_set_against_the_best_fixed_one() -> None:
    learned = [
        *rows("idbd", "initial_step_size=0.05, meta_step_size=0.001", [1.5, 1.6], 0.13),
        *rows("idbd", "initial_step_size=0.05, meta_step_size=0.01", [2.0, 3.3], 0.5),
        *rows("idbd", "initial_step_size=0.05, meta_step_size=0.1", [3.0, 3.3], 0.9),
    ]
    _, lowest, largest, *rest = comparison(TRACKING, [*FIXED, *learned])
    assert lowest == (
        "IDBD, lowest error: initial_step_size=0.05, meta_step_size=0.001, error 1.55 ± 0.05, "
        "0.50 of the best fixed one's and lower on 2 of 2 seeds; step sizes 0.13 ± 0 relevant, "
        "0.01 ± 0 irrelevant, ratio 13 (median over seeds; least 13)"
    )
    assert largest.startswith(
        "IDBD, largest ratio at no higher error: initial_step_size=0.05, meta_step_size=0.01, "
        "error 2.65 ± 0.6, 0.85 of the best fixed one's and lower on 1 of 2 seeds"
    )
    assert len(rest) == 1 and rest[0].startswith("diverged: SGD")


def test_failure_of_a_method_is_said() -> None:
    worse = rows("idbd", "initial_step_size=0.05, meta_step_size=0.1", [5.0, 5.0])
    assert comparison(TRACKING, [*FIXED, *worse])[2] == (
        "IDBD, no setting has an error as low as the best fixed step size's"
    )
    lost = rows("idbd", "initial_step_size=0.05, meta_step_size=0.1", [math.nan, math.nan])
    said = comparison(TRACKING, [*FIXED, *lost])
    assert said[1] == "IDBD, no setting has finished on every seed"
    assert said[-1] == "diverged: IDBD, 2 of 2 seeds"
    assert comparison(TRACKING, lost)[0] == "no fixed step size has finished on every seed"


def test_an_experiment_without_a_baseline_has_nothing_to_compare() -> None:
    assert comparison(find("slowly-changing-regression"), FIXED) == []
