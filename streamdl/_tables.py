"""Classes made from the tables of the compiled core: update rules and plasticity methods."""

from __future__ import annotations

import math
from typing import Any

Table = dict[str, Any]


class Described:
    """Something that a table describes. The arguments are its hyper-parameters and options."""

    _table: Table

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name, hypers, options = (self._table[key] for key in ("name", "hypers", "options"))
        names = [row["name"] for row in (*hypers, *options)]
        if len(args) > len(names):
            raise TypeError(f"{name} takes at most {len(names)} arguments, got {len(args)}")
        for key, value in zip(names, args, strict=False):
            if key in kwargs:
                raise TypeError(f"{name} got {key} twice")
            kwargs[key] = value
        for key in kwargs:
            if key not in names:
                raise TypeError(f"{name} has no argument {key!r}; it takes {', '.join(names)}")
        self.options: dict[str, str] = {}
        for row in options:
            value = kwargs.get(row["name"], row["choices"][row["standard"]])
            value = str(value) if isinstance(value, bool) else value
            self.options[row["name"]] = chosen(f"{name}.{row['name']}", value, row["choices"])
        self.hyperparameters: dict[str, float] = {
            row["name"]: number(name, row, row["name"] in kwargs, kwargs.get(row["name"]))
            for row in hypers
        }

    def _arguments(self) -> list[str]:
        parts = [f"{k}={v!r}" for k, v in self.hyperparameters.items()]
        flags = ("True", "False")
        return parts + [f"{k}={v if v in flags else repr(v)}" for k, v in self.options.items()]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._arguments())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._spec() == other._spec()

    def __hash__(self) -> int:
        return hash(repr(self))

    def _spec(self) -> Table:
        return {
            "name": self._table["name"],
            "hyper": list(self.hyperparameters.values()),
            "options": list(self.options.values()),
        }


def chosen(field: str, value: Any, choices: list[str]) -> str:
    """`value`, one of the choices."""
    if value not in choices:
        names = choices if choices == ["False", "True"] else [f'"{name}"' for name in choices]
        raise ValueError(f"{field}: expected {' or '.join(names)}, got {value!r}")
    return str(value)


def interval(row: Table) -> str:
    """The range of a hyper-parameter."""
    left, right = "(" if row["low_open"] else "[", ")" if row["high_open"] else "]"
    return f"{left}{row['low']:g}, {row['high']:g}{right}"


def number(of: str, row: Table, is_given: bool, given: Any) -> float:
    """A hyper-parameter as a number within its range; its default where none was given."""
    name, standard = row["name"], row["standard"]
    can_be_none = row["is_whole"] and standard == 0
    if given is None and (can_be_none or not is_given):
        if math.isnan(standard):
            raise TypeError(f"{of} needs {name}")
        return float(standard)
    try:
        number = float(given)
    except (TypeError, ValueError):
        raise ValueError(f"{of}.{name}: expected a number, got {given!r}") from None
    low = number > row["low"] if row["low_open"] else number >= row["low"]
    high = number < row["high"] if row["high_open"] else number <= row["high"]
    fits = low and high and not (row["is_flag"] and number not in (0, 1))
    if not fits or (row["is_whole"] and number != math.floor(number)):
        kind = "a whole number" if row["is_whole"] else "a number"
        none = " or None" if can_be_none else ""
        raise ValueError(f"{of}.{name}: expected {kind} in {interval(row)}{none}, got {given!r}")
    return number


def default(row: Table) -> str:
    """Its default in words."""
    if math.isnan(row["standard"]):
        return "required"
    none = row["is_whole"] and row["standard"] == 0
    return "default None" if none else f"default {row['standard']:g}"


def described(row: Table) -> str:
    """One line of a class's documentation."""
    letter = row["letter"] or "-"
    return f"{row['name']} ({letter}): {row['meaning']}; {interval(row)}, {default(row)}."


def documentation(table: Table, *more: str) -> str:
    """The docstring: title, equation, use, arguments with letters and ranges, source and cost."""
    lines = [table["title"], "", table["equation"], "", f"For: {table['when']}", ""]
    lines += [described(row) for row in table["hypers"]]
    for row in table["options"]:
        choices, default = ", ".join(row["choices"]), row["choices"][row["standard"]]
        lines.append(f"{row['name']} (-): {row['meaning']}; {choices}, default {default}.")
    return "\n".join([*lines, *more, "", f"Source: {table['source']}. Cost: {table['cost']}."])
