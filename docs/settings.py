"""Values for hyper-parameters that have no default, and the grids from which the curves' step sizes are chosen."""

from __future__ import annotations

import math
from typing import Any

Table = dict[str, Any]

# By name, or by "Rule.name" where a rule wants another value.
REQUIRED: dict[str, float] = {
    "step_size": 0.01,
    "meta_step_size": 0.01,
    "noise": 1e-4,
    "shrink": 1e-6,
    "strength": 1e-3,
    "bound": 3.0,
    "HypergradientDescent.meta_step_size": 1e-5,
    "PGD.noise": 1e-2,
    "HareAndTortoise.period": 1000,
    "SelectiveWeightReinit.fraction": 1e-4,
}

# What is searched, where a rule has it: multiples of the default, or the values themselves where there is none.
MULTIPLES = (0.1, 0.3, 1.0, 3.0, 10.0)
GRIDS: dict[str, tuple[float, ...]] = {
    "step_size": (0.001, 0.003, 0.01, 0.03, 0.1),
    "meta_step_size": (1e-7, 1e-5, 1e-3, 1e-2, 1e-1),
    "fraction": (1e-6, 1e-5, 1e-4, 1e-3, 1e-2),
}
SEARCHED = ("step_size", "meta_step_size", "fraction")


def required(table: Table) -> dict[str, float]:
    """The hyper-parameters that must be given, with usable values."""
    name = table["name"]
    return {
        row["name"]: REQUIRED.get(f"{name}.{row['name']}", REQUIRED.get(row["name"], math.nan))
        for row in table["hypers"]
        if math.isnan(row["standard"])
    }


def beside(table: Table) -> dict[str, float]:
    """What else a curve sets: supervised examples do not follow each other, so that traces would only disturb."""
    traces = any(row["name"] == "trace_decay" for row in table["hypers"])
    return {"trace_decay": 0.0} if traces and table.get("one_output") else {}


def grid(table: Table) -> dict[str, tuple[float, ...]]:
    """The values to search of every hyper-parameter that is searched."""
    rows = [row for row in table["hypers"] if row["name"] in SEARCHED]
    return {
        row["name"]: GRIDS[row["name"]]
        if math.isnan(row["standard"])
        else tuple(multiple * row["standard"] for multiple in MULTIPLES)
        for row in rows
    }
