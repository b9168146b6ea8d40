"""The table that a run ends with."""

from __future__ import annotations

import math
from typing import Any

from streamdl.experiments.catalogue import Experiment
from streamdl.experiments.methods import METHODS
from streamdl.experiments.part import Row
from streamdl.experiments.summary import Estimate, MethodSummary, methods_of, summarise


def table(experiment: Experiment, rows: list[Row]) -> Any:
    """A rich Table with one line per method."""
    from rich.table import Table

    percent = experiment.metric == "accuracy"
    summaries = [summarise(rows, method, experiment.metric) for method in methods_of(rows)]
    unit = "online accuracy, %" if percent else "squared error"
    grid = Table(title=f"{experiment.name}: {unit}, mean ± standard error over seeds")
    grid.add_column("method")
    for heading in ("seeds", "first", "best tenth", "last tenth", "dormant %", "examples/s"):
        grid.add_column(heading, justify="right")
    best = _best(summaries, percent)
    for summary in summaries:
        cells = [
            str(summary.seeds),
            _show(summary.first, percent),
            _show(summary.best_tenth, percent),
            _show(summary.last_tenth, percent),
            "-" if summary.dormant is None else _show(summary.dormant, True),
            f"{summary.examples_per_second:,.0f}",
        ]
        grid.add_row(
            METHODS[summary.method].title, *cells, style="bold" if summary is best else None
        )
    return grid


def _best(summaries: list[MethodSummary], higher: bool) -> MethodSummary:
    """Best in the last tenth."""
    choose = max if higher else min
    return choose(summaries, key=lambda summary: summary.last_tenth.mean)


def _show(estimate: Estimate, percent: bool) -> str:
    scale, digits = (100.0, 2) if percent else (1.0, 3)
    text = f"{estimate.mean * scale:.{digits}f}"
    if math.isnan(estimate.standard_error):
        return text
    return f"{text} ± {estimate.standard_error * scale:.{digits}f}"
