"""Rows of results as curves over seeds, and as the few numbers of the table."""

from __future__ import annotations

import math
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
class StepSizes:
    """Mean step sizes of the inputs that matter and of the others, after the last example."""

    relevant: Estimate
    irrelevant: Estimate
    ratio: float  # relevant over irrelevant, the median over seeds ...
    least_ratio: float  # ... and the smallest of any seed


@dataclass(frozen=True)
class MethodSummary:
    """What the table says of one method with one setting.

    Where a seed diverged, the means that include what it did not learn are NaN.
    """

    seeds: int
    diverged: int  # seeds that diverged
    first: Estimate  # the first row
    best_tenth: Estimate  # the best of ten equal stretches, best for the mean over seeds
    last_tenth: Estimate
    last_half: Estimate
    dormant: Estimate | None  # share of dormant units in the last tenth
    step_sizes: StepSizes | None  # of tracking tasks
    examples_per_second: float  # of step_many, median over rows and seeds


@dataclass(frozen=True)
class Variant:
    """The rows of one method with one setting."""

    method: str
    setting: str  # key=value, key=value
    title: str  # the method's, with what distinguishes this setting from its others
    rows: list[Row]


def variants_of(rows: list[Row]) -> list[Variant]:
    """The results by method, in the order of the table of methods, and by ascending setting."""
    from streamdl.experiments.methods import METHODS

    found = []
    for method in methods_of(rows):
        settings: dict[str, list[Row]] = {}
        for row in rows:
            if row["method"] == method:
                settings.setdefault(row["setting"], []).append(row)
        shared = set.intersection(*(set(setting.split(", ")) for setting in settings))
        for setting in sorted(settings, key=numbers_in):
            words = [word for word in setting.split(", ") if word not in shared]
            title = ", ".join([METHODS[method].title, *words])
            found.append(Variant(method, setting, title, settings[setting]))
    return found


def numbers_in(setting: str) -> list[float]:
    """The values of a setting, without their keys."""
    return [float(word.partition("=")[2]) for word in setting.split(", ") if word]


def best_variants(rows: list[Row], metric: str) -> list[Variant]:
    """Of each method the setting that is best over the last half, one that diverged last of all."""
    worst, sign = math.inf, -1.0 if metric == "accuracy" else 1.0
    best: dict[str, tuple[float, Variant]] = {}
    for variant in variants_of(rows):
        mean = sign * summarise(variant.rows, variant.method, metric).last_half.mean
        cost = worst if math.isnan(mean) else mean
        if variant.method not in best or cost < best[variant.method][0]:
            best[variant.method] = (cost, variant)
    return [variant for _, variant in best.values()]


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
    best = _best(means, metric)
    dormant = curves(rows, method, "dormant_fraction")
    return MethodSummary(
        seeds=len(values),
        diverged=_diverged(rows, method),
        first=Estimate.of(values[:, 0]),
        best_tenth=Estimate.of(tenths[:, best]),
        last_tenth=Estimate.of(tenths[:, -1]),
        last_half=Estimate.of(values[:, values.shape[1] // 2 :].mean(axis=1)),
        dormant=None if dormant is None else Estimate.of(stretches(dormant, 10)[:, -1]),
        step_sizes=_step_sizes(rows, method),
        examples_per_second=_median(speeds[~np.isnan(speeds)]),
    )


def _best(means: NDArray[np.float64], metric: str) -> int:
    """Where the best mean is, among those that there are."""
    if np.isnan(means).all():
        return 0
    return int(np.nanargmax(means) if metric == "accuracy" else np.nanargmin(means))


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else math.nan


def _diverged(rows: list[Row], method: str) -> int:
    mine = [row for row in rows if row["method"] == method]
    return len({row["seed"] for row in mine if row["diverged_at"] is not None})


def _step_sizes(rows: list[Row], method: str) -> StepSizes | None:
    relevant = curves(rows, method, "relevant_step_size")
    irrelevant = curves(rows, method, "irrelevant_step_size")
    if relevant is None or irrelevant is None:
        return None
    last, other = relevant[:, -1], irrelevant[:, -1]
    with np.errstate(all="ignore"):  # step sizes may have fallen to 0: no ratio
        ratios = last / other
    return StepSizes(
        Estimate.of(last), Estimate.of(other), float(np.median(ratios)), float(ratios.min())
    )
