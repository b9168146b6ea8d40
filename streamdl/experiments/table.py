"""The table that a run ends with."""

from __future__ import annotations

import math
from typing import Any

from streamdl.experiments.catalogue import Experiment
from streamdl.experiments.part import Row
from streamdl.experiments.summary import Estimate, MethodSummary, summarise, variants_of

# Headings of most experiments, and those of tracking tasks.
PLASTICITY = ("first", "best tenth", "last tenth", "dormant %", "examples/s")
STEP_SIZES = ("last half", "relevant step", "irrelevant step", "ratio")


def table(experiment: Experiment, rows: list[Row]) -> Any:
    """A rich Table with one line per method and setting."""
    from rich.table import Table

    percent = experiment.metric == "accuracy"
    variants = variants_of(rows)
    summaries = [summarise(v.rows, v.method, experiment.metric) for v in variants]
    unit = "online accuracy, %" if percent else "squared error"
    grid = Table(title=f"{experiment.name}: {unit}, mean ± standard error over seeds")
    grid.add_column("method")
    for heading in ("seeds", *(STEP_SIZES if summaries[0].step_sizes else PLASTICITY)):
        grid.add_column(heading, justify="right")
    best = _best(summaries, percent)
    for variant, summary in zip(variants, summaries, strict=True):
        cells = [str(summary.seeds), *_cells(summary, percent)]
        grid.add_row(variant.title, *cells, style="bold" if summary is best else None)
    return grid


def _cells(summary: MethodSummary, percent: bool) -> list[str]:
    """The cells under PLASTICITY or STEP_SIZES."""
    if steps := summary.step_sizes:
        sizes = [steps.relevant.mean, steps.irrelevant.mean, steps.ratio]
        return [_show(summary.last_half, percent), *map(_significant, sizes)]
    speed = summary.examples_per_second
    return [
        _show(summary.first, percent),
        _show(summary.best_tenth, percent),
        _show(summary.last_tenth, percent),
        "-" if summary.dormant is None else _show(summary.dormant, True),
        "-" if math.isnan(speed) else f"{speed:,.0f}",
    ]


def _best(summaries: list[MethodSummary], higher: bool) -> MethodSummary:
    """Best in the last tenth; one that diverged only where all did."""
    choose = max if higher else min
    finite = [summary for summary in summaries if not math.isnan(summary.last_tenth.mean)]
    return choose(finite or summaries, key=lambda summary: summary.last_tenth.mean)


def _show(estimate: Estimate, percent: bool) -> str:
    if math.isnan(estimate.mean):
        return "diverged"
    if abs(estimate.mean) >= 1e5:  # on the way to diverging: the order of magnitude says enough
        return f"{estimate.mean:.1e}"
    scale, digits = (100.0, 2) if percent else (1.0, 3)
    text = f"{estimate.mean * scale:.{digits}f}"
    if math.isnan(estimate.standard_error):
        return text
    return f"{text} ± {estimate.standard_error * scale:.{digits}f}"


def _significant(value: float) -> str:
    """Three digits, for quantities over several orders of magnitude."""
    return "-" if math.isnan(value) else f"{value:.3g}"
