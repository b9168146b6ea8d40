"""The table that a run ends with, as it is printed."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from streamdl.experiments import find
from streamdl.experiments.table import table

Row = dict[str, Any]


def printed(name: str, rows: list[Row]) -> list[list[str]]:
    """The cells of each line, without their borders."""
    console = Console(width=150)
    with console.capture() as capture:
        console.print(table(find(name), rows))
    lines = [line for line in capture.get().splitlines() if line.startswith(("│", "┃"))]
    return [
        [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in lines
    ]


def rows(method: str, setting: str, values: list[float], **columns: float) -> list[Row]:
    """Two seeds of two rows; `values` are the errors of the second rows."""
    return [
        {
            "method": method,
            "setting": setting,
            "seed": seed,
            "task": task,
            "error": (8.0, value)[task],
            "accuracy": (0.8, value)[task],
            "diverged_at": 9 if math.isnan(value) else None,
            "examples_per_second": 1234.4,
            **columns,
        }
        for seed, value in enumerate(values)
        for task in (0, 1)
    ]


def test_tracking_shows_every_setting_with_its_step_sizes_and_names_what_diverged() -> None:
    steps = {"relevant_step_size": 0.0123456, "irrelevant_step_size": 0.01}
    lost = {"relevant_step_size": math.nan, "irrelevant_step_size": math.nan}
    header, *lines = printed(
        "tracking-1992",
        [
            *rows("sgd", "step_size=0.5", [1.0, math.nan], **lost),
            *rows("sgd", "step_size=0.1", [2e7, 4e7], **steps),
            *rows("idbd", "initial_step_size=1, meta_step_size=2", [1.0, 2.0], **steps),
        ],
    )
    assert header == [
        "method", "seeds", "last half", "relevant step", "irrelevant step", "ratio",
    ]  # fmt: skip
    assert lines == [
        ["SGD, step_size=0.1", "2", "3.0e+07", "0.0123", "0.01", "1.23"],
        ["SGD, step_size=0.5", "2", "diverged", "-", "-", "-"],
        ["IDBD", "2", "1.500 ± 0.500", "0.0123", "0.01", "1.23"],
    ]


def test_accuracies_are_shown_in_percent() -> None:
    header, line = printed("permuted-digits", rows("l2", "", [0.5, 0.6], dormant_fraction=0.25))
    assert header == [
        "method", "seeds", "first", "best tenth", "last tenth", "dormant %", "examples/s",
    ]  # fmt: skip
    assert line == [
        "L2 regularisation", "2", "80.00 ± 0.00", "80.00 ± 0.00", "55.00 ± 5.00", "25.00 ± 0.00",
        "1,234",
    ]  # fmt: skip
