"""What a sweep comes to, in words: learned step sizes against the best fixed one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from streamdl.experiments.catalogue import Experiment
from streamdl.experiments.methods import METHODS
from streamdl.experiments.part import Row
from streamdl.experiments.summary import (
    Estimate,
    MethodSummary,
    StepSizes,
    Variant,
    curves,
    methods_of,
    summarise,
    variants_of,
)


@dataclass(frozen=True)
class _Entry:
    """A setting of the sweep and its numbers."""

    variant: Variant
    summary: MethodSummary

    @property
    def error(self) -> float:
        return self.summary.last_half.mean

    @property
    def ratio(self) -> float:
        """Of the step sizes; minus infinity where there is none."""
        steps = self.summary.step_sizes
        return -math.inf if steps is None or math.isnan(steps.ratio) else steps.ratio

    def errors(self) -> NDArray[np.float64]:
        """Of the last half, one per seed."""
        values = curves(self.variant.rows, self.variant.method, "error")
        assert values is not None  # it is what tracking tasks measure
        means: NDArray[np.float64] = values[:, values.shape[1] // 2 :].mean(axis=1)
        return means


def comparison(experiment: Experiment, rows: list[Row]) -> list[str]:
    """One finding a line; none for an experiment without a baseline. Errors are of the last half.

    First the best setting of the baseline, then of every other method its lowest error and, among
    the settings with an error no higher than the baseline's best, the one whose relevant inputs
    stand out most; last every setting of which a seed diverged.
    """
    if not experiment.baseline:
        return []
    entries = [
        _Entry(variant, summarise(variant.rows, variant.method, experiment.metric))
        for variant in variants_of(rows)
    ]
    return [*_findings(experiment.baseline, rows, entries), *_divergences(entries)]


def _findings(baseline: str, rows: list[Row], entries: list[_Entry]) -> list[str]:
    fixed = _lowest_error(entries, baseline)
    if fixed is None:
        return ["no fixed step size has finished on every seed"]
    lines = [
        f"best fixed step size ({METHODS[baseline].title}): {fixed.variant.setting}, "
        f"error {_show(fixed.summary.last_half)} in the last half"
    ]
    for method in methods_of(rows):
        if method != baseline:
            title = METHODS[method].title
            lines += [f"{title}, {finding}" for finding in _of_method(method, entries, fixed)]
    return lines


def _lowest_error(entries: list[_Entry], method: str) -> _Entry | None:
    """Of the settings of a method that finished on every seed."""
    finite = [e for e in entries if e.variant.method == method and not math.isnan(e.error)]
    return min(finite, key=lambda entry: entry.error, default=None)


def _of_method(method: str, entries: list[_Entry], fixed: _Entry) -> list[str]:
    """The setting of the lowest error, and that of the largest ratio which loses nothing by it."""
    best = _lowest_error(entries, method)
    if best is None:
        return ["no setting has finished on every seed"]
    lowest = f"lowest error: {_against(best, fixed)}"
    good = [e for e in entries if e.variant.method == method and e.error <= fixed.error]
    if not good:
        return [lowest, "no setting has an error as low as the best fixed step size's"]
    most = max(good, key=lambda entry: entry.ratio)
    return [lowest, f"largest ratio at no higher error: {_against(most, fixed)}"]


def _against(entry: _Entry, fixed: _Entry) -> str:
    error = f"error {_show(entry.summary.last_half)}, {entry.error / fixed.error:.2f} of the best fixed one's"
    mine, theirs = entry.errors(), fixed.errors()
    if len(mine) == len(theirs):  # one seed is one stream
        error += f" and lower on {np.sum(mine < theirs)} of {len(mine)} seeds"
    steps = entry.summary.step_sizes
    return f"{entry.variant.setting}, {error}{'' if steps is None else _steps(steps)}"


def _steps(steps: StepSizes) -> str:
    return (
        f"; step sizes {_show(steps.relevant)} relevant, {_show(steps.irrelevant)} irrelevant, "
        f"ratio {steps.ratio:.3g} (median over seeds; least {steps.least_ratio:.3g})"
    )


def _divergences(entries: list[_Entry]) -> list[str]:
    return [
        f"diverged: {entry.variant.title}, {entry.summary.diverged} of {entry.summary.seeds} seeds"
        for entry in entries
        if entry.summary.diverged
    ]


def _show(estimate: Estimate) -> str:
    text = f"{estimate.mean:.3g}"
    error = estimate.standard_error
    return text if math.isnan(error) else f"{text} ± {error:.1g}"
