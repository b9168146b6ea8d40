"""Reads the tables of the rules: checks arguments against them, and makes documentation of them."""

from __future__ import annotations

import math
from typing import Any


def chosen(field: str, value: Any, choices: list[str]) -> str:
    if value not in choices:
        known = " or ".join(
            choices if choices == ["False", "True"] else [f'"{c}"' for c in choices]
        )
        raise ValueError(f"{field}: expected {known}, got {value!r}")
    return str(value)


def _interval(row: dict[str, Any]) -> str:
    left, right = "(" if row["low_open"] else "[", ")" if row["high_open"] else "]"
    return f"{left}{row['low']:g}, {row['high']:g}{right}"


def number(rule: str, row: dict[str, Any], given: Any) -> float:
    """A hyper-parameter as a number within its range; its default where none was given."""
    name = row["name"]
    if given is None:
        if math.isnan(row["standard"]):
            raise TypeError(f"{rule} needs {name}")
        given = row["standard"]
    try:
        value = float(given)
    except (TypeError, ValueError):
        raise ValueError(f"{rule}.{name}: expected a number, got {given!r}") from None
    low = value > row["low"] if row["low_open"] else value >= row["low"]
    high = value < row["high"] if row["high_open"] else value <= row["high"]
    if not (low and high) or (row["is_flag"] and value not in (0, 1)):
        raise ValueError(f"{rule}.{name}: expected a number in {_interval(row)}, got {given!r}")
    return value


def described(row: dict[str, Any]) -> str:
    """One line of a class's documentation."""
    standard, letter = row["standard"], row["letter"] or "-"
    default = "required" if math.isnan(standard) else f"default {standard:g}"
    return f"{row['name']} ({letter}): {row['meaning']}; {_interval(row)}, {default}."
