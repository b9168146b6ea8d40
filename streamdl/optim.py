"""Update rules. Every class here is made from the tables of csrc/rules/optimizers."""

from __future__ import annotations

import math
from typing import Any

from streamdl import _core


class Optimizer:
    """How one weight and its fields change. The arguments are the rule's hyper-parameters and options."""

    _table: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name, table, options = self._table["name"], self._table["hypers"], self._table["options"]
        names = [row["name"] for row in (*table, *options)]
        positional = [row["name"] for row in table]
        if len(args) > len(positional):
            raise TypeError(f"{name} takes at most {len(positional)} arguments, got {len(args)}")
        for key, value in zip(positional, args, strict=False):
            if key in kwargs:
                raise TypeError(f"{name} got {key} twice")
            kwargs[key] = value
        for key in kwargs:
            if key not in names and not (key == "sensitivity" and self._table["uses_sensitivity"]):
                raise TypeError(f"{name} has no argument {key!r}; it takes {', '.join(names)}")
        self.sensitivity = _chosen(
            f"{name}.sensitivity", kwargs.pop("sensitivity", "diagonal"), ["diagonal", "exact"]
        )
        reason = self._table["no_weight_decay"]
        if reason is not None and kwargs.get("weight_decay", 0) != 0:
            raise ValueError(f"{name}.weight_decay: {reason}, got {kwargs['weight_decay']!r}")
        self.options: dict[str, str] = {}
        for row in options:
            value = kwargs.get(row["name"], row["choices"][row["standard"]])
            value = str(value) if isinstance(value, bool) else value
            self.options[row["name"]] = _chosen(f"{name}.{row['name']}", value, row["choices"])
        self.hyperparameters: dict[str, float] = {
            row["name"]: _number(name, row, kwargs.get(row["name"])) for row in table
        }

    def __repr__(self) -> str:
        parts = [f"{k}={v!r}" for k, v in self.hyperparameters.items()]
        parts += [
            f"{k}={v if v in ('True', 'False') else repr(v)}" for k, v in self.options.items()
        ]
        if self._table["uses_sensitivity"]:
            parts.append(f"sensitivity={self.sensitivity!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Optimizer) and self._spec() == other._spec()

    def __hash__(self) -> int:
        return hash(repr(self))

    def _spec(self) -> dict[str, Any]:
        return {
            "name": self._table["name"],
            "hyper": list(self.hyperparameters.values()),
            "options": list(self.options.values()),
            "exact_sensitivity": self.sensitivity == "exact",
        }


def _chosen(field: str, value: Any, choices: list[str]) -> str:
    if value not in choices:
        known = " or ".join(
            choices if choices == ["False", "True"] else [f'"{c}"' for c in choices]
        )
        raise ValueError(f"{field}: expected {known}, got {value!r}")
    return str(value)


def _interval(row: dict[str, Any]) -> str:
    left, right = "(" if row["low_open"] else "[", ")" if row["high_open"] else "]"
    return f"{left}{row['low']:g}, {row['high']:g}{right}"


def _number(rule: str, row: dict[str, Any], given: Any) -> float:
    """A hyper-parameter as a number within its range; its default where none was given."""
    name = row["name"]
    if given is None:
        if math.isnan(row["standard"]):
            raise TypeError(f"{rule} needs {name}")
        given = row["standard"]
    try:
        number = float(given)
    except (TypeError, ValueError):
        raise ValueError(f"{rule}.{name}: expected a number, got {given!r}") from None
    low = number > row["low"] if row["low_open"] else number >= row["low"]
    high = number < row["high"] if row["high_open"] else number <= row["high"]
    if not (low and high) or (row["is_flag"] and number not in (0, 1)):
        raise ValueError(f"{rule}.{name}: expected a number in {_interval(row)}, got {given!r}")
    return number


def _documentation(table: dict[str, Any]) -> str:
    lines = [table["title"], "", table["equation"], ""]
    for row in table["hypers"]:
        standard = row["standard"]
        default = "required" if math.isnan(standard) else f"default {standard:g}"
        letter = row["letter"] or "-"
        lines.append(f"{row['name']} ({letter}): {row['meaning']}; {_interval(row)}, {default}.")
    for row in table["options"]:
        choices, standard = ", ".join(row["choices"]), row["choices"][row["standard"]]
        lines.append(f"{row['name']} (-): {row['meaning']}; {choices}, default {standard}.")
    if table["uses_sensitivity"]:
        lines.append(
            "sensitivity (d): diagonal (one pass back for all outputs) or exact (one each)."
        )
    return "\n".join([*lines, "", f"Source: {table['source']}. Cost: {table['cost']}."])


def _make(table: dict[str, Any]) -> type[Optimizer]:
    body = {"_table": table, "__doc__": _documentation(table)}
    return type(table["name"], (Optimizer,), body)


_RULES = {table["name"]: _make(table) for table in _core.optimizers()}
globals().update(_RULES)
__all__ = ["Optimizer", *_RULES]


def __getattr__(name: str) -> type[Optimizer]:
    raise AttributeError(f"streamdl.optim has no {name!r}; it has {', '.join(_RULES)}")
