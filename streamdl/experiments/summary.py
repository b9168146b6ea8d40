"""Rows of results as curves over seeds, and as the few numbers of the table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from streamdl.experiments.part import Row

Curves = NDArray[np.float64]  # (seeds, rows of one run)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its standard error, NaN for a single seed."""

    mean: float
    standard_error: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Estimate:
        """From one value per seed: standard error = s / sqrt(n), s with n - 1."""
        return cls(float(values.mean()), float(standard_error(values.reshape(-1, 1))[0]))


@dataclass(frozen=True)
class MethodSummary:
    """What the table says of one method."""

    method: str
    seeds: int
    first: Estimate  # the first row
    best_tenth: Estimate  # the best of ten equal stretches, best for the mean over seeds
    last_tenth: Estimate
    dormant: Estimate | None  # share of dormant units in the last tenth
    examples_per_second: float  # of step_many, median over rows and seeds


def methods_of(rows: list[Row]) -> list[str]:
    """The methods in the results, each once, in the order of the table of methods."""
    from streamdl.experiments.methods import METHODS

    present = {row["method"] for row in rows}
    return [name for name in METHODS if name in present]


def curves(rows: list[Row], method: str, column: str) -> Curves | None:
    """One curve per finished seed of a method, None where the method has no such column."""
    seeds: dict[int, list[float]] = {}
    for row in rows:
        if row["method"] == method:
            if row.get(column) is None:
                return None
            seeds.setdefault(row["seed"], []).append(row[column])
    return np.array([seeds[seed] for seed in sorted(seeds)], np.float64)


def standard_error(values: Curves) -> NDArray[np.float64]:
    """s / sqrt(n) over the seeds for each point, NaN where there is one seed only."""
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    error: NDArray[np.float64] = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return error


def stretches(values: Curves, most: int) -> Curves:
    """Means over at most `most` stretches of nearly equal length, in order."""
    count = min(most, values.shape[1])
    parts = np.array_split(values, count, axis=1)
    return np.stack([part.mean(axis=1) for part in parts], axis=1)


def summarise(rows: list[Row], method: str, metric: str) -> MethodSummary:
    """The numbers of one method; `metric` is "accuracy" (more is better) or "error"."""
    values = curves(rows, method, metric)
    speeds = curves(rows, method, "examples_per_second")
    if values is None or speeds is None:
        raise ValueError(f"rows: {method} has no column {metric}")
    tenths = stretches(values, 10)
    means = tenths.mean(axis=0)
    best = int(means.argmax() if metric == "accuracy" else means.argmin())
    dormant = curves(rows, method, "dormant_fraction")
    return MethodSummary(
        method=method,
        seeds=len(values),
        first=Estimate.of(values[:, 0]),
        best_tenth=Estimate.of(tenths[:, best]),
        last_tenth=Estimate.of(tenths[:, -1]),
        dormant=None if dormant is None else Estimate.of(stretches(dormant, 10)[:, -1]),
        examples_per_second=float(np.median(speeds)),
    )
