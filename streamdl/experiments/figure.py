"""The figure of an experiment: four panels against the tasks, one line per method."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from streamdl.experiments.catalogue import Experiment, Panel
from streamdl.experiments.methods import METHODS
from streamdl.experiments.part import Row
from streamdl.experiments.results import write_whole
from streamdl.experiments.summary import curves, methods_of, standard_error, stretches

# More points than this along a curve read as noise; each point is the mean of a stretch of rows.
POINTS = 100

STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.edgecolor": "#666666",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
}

MARKERS = ("o", "s", "^", "D")  # a second way to tell lines apart, for print without colour


def draw(experiment: Experiment, rows: list[Row], path: Path) -> None:
    """Mean over seeds with a band of one standard error, in the format of the suffix of `path`."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 6.8), dpi=160, layout="constrained")
        axes = figure.subplots(2, 2, sharex=True)
        for place, (axis, panel) in enumerate(zip(axes.flat, experiment.panels, strict=True)):
            _draw_panel(axis, panel, rows)
            axis.set_title(f"{'abcd'[place]}   {panel.title}", loc="left")
        for axis in axes[-1]:
            axis.set_xlabel("Task")
        handles, names = axes.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=len(names))
        figure.supxlabel(_caption(experiment, rows), fontsize=8.5, color="#555555")
        buffer = io.BytesIO()
        figure.savefig(buffer, format=path.suffix.lstrip("."))
    write_whole(path, buffer.getvalue())


def _draw_panel(axis: Any, panel: Panel, rows: list[Row]) -> None:
    for place, method in enumerate(methods_of(rows)):
        values = curves(rows, method, panel.column)
        if values is None:
            continue
        tasks = curves(rows, method, "task")
        assert tasks is not None  # every row has its task
        points = stretches(values * panel.scale, POINTS)
        x = stretches(tasks[:1], POINTS)[0]
        mean, error = points.mean(axis=0), standard_error(points)
        look = METHODS[method]
        if len(points) > 1:
            axis.fill_between(
                x, mean - error, mean + error, color=look.colour, alpha=0.15, linewidth=0
            )
        axis.plot(
            x,
            mean,
            color=look.colour,
            linewidth=1.7,
            marker=MARKERS[place % len(MARKERS)],
            markersize=4,
            markevery=max(1, len(x) // 8),
            label=look.title,
        )
    axis.margins(x=0.01)
    if panel.column == "dormant_fraction":
        axis.set_ylim(bottom=min(-1.0, axis.get_ylim()[0]))


def _caption(experiment: Experiment, rows: list[Row]) -> str:
    seeds = sorted({len({r["seed"] for r in rows if r["method"] == m}) for m in methods_of(rows)})
    count = "-".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    tasks = np.unique([row["task"] for row in rows])
    per_row = int(tasks[1] - tasks[0]) if len(tasks) > 1 else 1
    per_point = math.ceil(len(tasks) / POINTS) * per_row
    bands = "; bands: one standard error" if seeds[-1] > 1 else ""
    points = f"; each point is the mean of {per_point} tasks" if per_point > 1 else ""
    plural = "s" if count != "1" else ""
    return f"{experiment.name}, {count} seed{plural}{bands}{points}"
