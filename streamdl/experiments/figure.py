"""The figure of an experiment: four panels, against the tasks or against what is swept."""

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
from streamdl.experiments.summary import (
    Variant,
    best_variants,
    curves,
    methods_of,
    numbers_in,
    standard_error,
    stretches,
    variants_of,
)

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

# More letters than this do not fit beside each other over the figure.
LEGEND = 110

LINES = ("-", "--", "-.", ":")  # of a sweep: one for each value of the keys before the last

MARKERS = ("o", "s", "^", "D")  # a second way to tell lines apart, for print without colour


def draw(experiment: Experiment, rows: list[Row], path: Path) -> None:
    """Mean over seeds with a band of one standard error, in the format of the suffix of `path`."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 6.8), dpi=160, layout="constrained")
        best = best_variants(rows, experiment.metric)
        axes = figure.subplots(2, 2, sharex=not any(panel.sweep for panel in experiment.panels))
        for place, (axis, panel) in enumerate(zip(axes.flat, experiment.panels, strict=True)):
            if panel.sweep:
                _draw_sweep(axis, panel, rows)
            else:
                _draw_curves(axis, panel, best)
            axis.set_title(f"{'abcd'[place]}   {panel.title}", loc="left")
        for axis in axes[-1]:
            axis.set_xlabel("Task")
        handles, names = axes.flat[0].get_legend_handles_labels()
        columns = len(names) if sum(map(len, names)) < LEGEND else 1
        figure.legend(handles, names, loc="outside upper center", ncols=columns)
        figure.supxlabel(_caption(experiment, rows), fontsize=8.5, color="#555555")
        buffer = io.BytesIO()
        figure.savefig(buffer, format=path.suffix.lstrip("."))
    write_whole(path, buffer.getvalue())


def _draw_curves(axis: Any, panel: Panel, variants: list[Variant]) -> None:
    for place, variant in enumerate(variants):
        method = variant.method
        values = curves(variant.rows, method, panel.column)
        if values is None:
            continue
        tasks = curves(variant.rows, method, "task")
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
            label=variant.title,
        )
    axis.margins(x=0.01)
    if panel.column == "dormant_fraction":
        axis.set_ylim(bottom=min(-1.0, axis.get_ylim()[0]))


def _draw_sweep(axis: Any, panel: Panel, rows: list[Row]) -> None:
    """The last half against the last key of each setting; one line for each value of the others."""
    lines: dict[tuple[str, str], list[Variant]] = {}
    for variant in variants_of(rows):
        others, _, _ = variant.setting.rpartition(", ")
        lines.setdefault((variant.method, others), []).append(variant)
    drawn: dict[str, int] = {}
    for (method, others), variants in lines.items():
        style = LINES[drawn.setdefault(method, 0) % len(LINES)]
        drawn[method] += 1
        x = [_swept(variant) for variant in variants]
        y = [_last_half(variant, panel) for variant in variants]
        name = ", ".join(filter(None, [METHODS[method].title, others]))
        look = {"color": METHODS[method].colour, "linestyle": style}
        axis.plot(x, y, marker="o", markersize=3, linewidth=1.2, label=name, **look)
        for place, value in zip(x, y, strict=True):
            if math.isnan(value):  # diverged: a cross on the upper edge
                axis.annotate(
                    "×", (place, 1), xycoords=axis.get_xaxis_transform(), color=look["color"],
                    ha="center", va="center", annotation_clip=False, in_layout=False,
                )  # fmt: skip
    places = [place for line in lines.values() for place in map(_swept, line) if place > 0]
    if places:  # those of the crosses, too
        axis.set(xscale="log", xlim=(min(places) / 1.3, max(places) * 1.3))
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:g}")  # the errors span about one decade
    axis.legend(fontsize=7)


def _swept(variant: Variant) -> float:
    return numbers_in(variant.setting)[-1]


def _last_half(variant: Variant, panel: Panel) -> float:
    values = curves(variant.rows, variant.method, panel.column)
    assert values is not None  # it is the metric
    return float(values[:, values.shape[1] // 2 :].mean()) * panel.scale


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
