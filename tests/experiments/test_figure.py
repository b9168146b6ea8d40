"""What is drawn: lines, labels and crosses of the panels, from rows made by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib.figure import Figure
from streamdl.experiments import find
from streamdl.experiments.catalogue import Panel
from streamdl.experiments.figure import _draw_curves, _draw_sweep, draw
from streamdl.experiments.summary import best_variants

Row = dict[str, Any]


def rows(method: str, setting: str, errors: list[float]) -> list[Row]:
    """One seed, one error per task."""
    return [
        {
            "method": method,
            "setting": setting,
            "seed": 0,
            "task": task,
            "error": error,
            "diverged_at": 9 if math.isnan(error) else None,
            "examples_per_second": 1.0,
        }
        for task, error in enumerate(errors)
    ]


ROWS = [
    *rows("sgd", "step_size=0.1", [8.0, 4.0]),
    *rows("sgd", "step_size=0.02", [8.0, 2.0]),
    *rows("sgd", "step_size=0.5", [8.0, math.nan]),
    *rows("idbd", "initial_step_size=0.1, meta_step_size=0.01", [8.0, 1.0]),
    *rows("idbd", "initial_step_size=0.1, meta_step_size=0.001", [8.0, 1.5]),
    *rows("idbd", "initial_step_size=0.2, meta_step_size=0.01", [8.0, 3.0]),
]


def test_a_sweep_has_a_point_for_each_setting_and_a_cross_where_one_diverged() -> None:
    axis = Figure().subplots()
    _draw_sweep(axis, Panel("error", "", sweep=True), ROWS)
    drawn = {
        line.get_label(): list(zip(line.get_xdata(), line.get_ydata(), strict=True))
        for line in axis.lines
    }
    assert drawn.keys() == {
        "SGD", "IDBD, initial_step_size=0.1", "IDBD, initial_step_size=0.2",
    }  # fmt: skip
    assert drawn["SGD"][:2] == [(0.02, 2.0), (0.1, 4.0)]
    assert drawn["IDBD, initial_step_size=0.1"] == [(0.001, 1.5), (0.01, 1.0)]
    assert len({line.get_linestyle() for line in axis.lines[1:]}) == 2
    assert [(text.get_text(), text.xy[0]) for text in axis.texts] == [("×", 0.5)]
    low, high = axis.get_xlim()
    assert low < 0.001 and high > 0.5  # the cross is inside


def test_of_each_method_the_best_setting_is_drawn_against_the_tasks() -> None:
    axis = Figure().subplots()
    _draw_curves(axis, Panel("error", "", scale=10.0), best_variants(ROWS, "error"))
    drawn = {line.get_label(): list(line.get_ydata()) for line in axis.lines}
    assert drawn == {
        "SGD, step_size=0.02": [80.0, 20.0],
        "IDBD, initial_step_size=0.1, meta_step_size=0.01": pytest.approx([80.0, 10.0]),
    }


def test_a_figure_names_its_panels_and_the_best_settings(tmp_path: Path) -> None:
    experiment = find("tracking-1992")
    steps = {"relevant_step_size": 0.1, "irrelevant_step_size": 0.1}
    with matplotlib.rc_context({"svg.fonttype": "none"}):  # text stays text
        draw(experiment, [row | steps for row in ROWS], tmp_path / "figure.svg")
    drawn = (tmp_path / "figure.svg").read_text()
    for panel in experiment.panels:
        assert panel.title in drawn
    assert "SGD, step_size=0.02" in drawn and "SGD, step_size=0.1" not in drawn
    assert "initial_step_size=0.1, meta_step_size=0.01<" in drawn
    assert "IDBD, initial_step_size=0.2<" in drawn  # a line of the sweep


def test_a_step_size_of_zero_has_no_place_on_the_axis() -> None:
    axis = Figure().subplots()
    zero = rows("idbd", "initial_step_size=0.1, meta_step_size=0.0", [8.0, 2.0])
    _draw_sweep(axis, Panel("error", "", sweep=True), [*zero, *ROWS])
    low, high = axis.get_xlim()
    assert 0 < low < 0.001 and high > 0.5
    _draw_sweep(Figure().subplots(), Panel("error", "", sweep=True), zero)
