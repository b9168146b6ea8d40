"""Update rules. Every class here is made from the tables of csrc/rules/optimizers."""

from __future__ import annotations

import math
from typing import Any

from streamdl import _core


class Optimizer:
    """How one weight and its fields change. The arguments are the rule's hyper-parameters."""

    _table: tuple[Any, ...]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name, table = self._table[0], self._table[5]
        sensitive = self._table[6]
        names = [row[0] for row in table]
        if len(args) > len(names):
            raise TypeError(f"{name} takes at most {len(names)} arguments, got {len(args)}")
        for key, value in zip(names, args, strict=False):
            if key in kwargs:
                raise TypeError(f"{name} got {key} twice")
            kwargs[key] = value
        sensitivity = kwargs.pop("sensitivity", "diagonal") if sensitive else "diagonal"
        if sensitivity not in ("diagonal", "exact"):
            raise ValueError(
                f'{name}.sensitivity: expected "diagonal" or "exact", got {sensitivity!r}'
            )
        for key in kwargs:
            if key not in names:
                raise TypeError(f"{name} has no argument {key!r}; it takes {', '.join(names)}")
        if kwargs.get("weight_decay", 0) != 0 and self._table[7] is not None:
            raise ValueError(
                f"{name}.weight_decay: {self._table[7]}, got {kwargs['weight_decay']!r}"
            )
        self.hyperparameters: dict[str, float] = {}
        for key, standard, low, high, low_open, high_open, _, _, flag in table:
            value = kwargs.get(key, standard)
            if isinstance(value, float) and math.isnan(value) and key not in kwargs:
                raise TypeError(f"{name} needs {key}")
            try:
                number = float(value)
            except (TypeError, ValueError):
                raise ValueError(f"{name}.{key}: expected a number, got {value!r}") from None
            ok = (number > low if low_open else number >= low) and (
                number < high if high_open else number <= high
            )
            if not ok or (flag and number not in (0, 1)):
                interval = f"{'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"
                raise ValueError(f"{name}.{key}: expected a number in {interval}, got {value!r}")
            self.hyperparameters[key] = number
        self.sensitivity = sensitivity

    def __repr__(self) -> str:
        parts = [f"{k}={v!r}" for k, v in self.hyperparameters.items()]
        if self._table[6]:
            parts.append(f"sensitivity={self.sensitivity!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Optimizer) and self._spec() == other._spec()

    def __hash__(self) -> int:
        return hash(repr(self))

    def _spec(self) -> dict[str, Any]:
        return {
            "name": self._table[0],
            "hyper": list(self.hyperparameters.values()),
            "exact_sensitivity": self.sensitivity == "exact",
        }


def _make(table: tuple[Any, ...]) -> type[Optimizer]:
    name, title, equation, source, cost, hypers, *_ = table
    lines = [title, "", equation, ""]
    for key, standard, low, high, low_open, high_open, letter, meaning, _ in hypers:
        interval = f"{'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"
        default = "required" if math.isnan(standard) else f"default {standard:g}"
        lines.append(f"{key} ({letter or '-'}): {meaning}; {interval}, {default}.")
    lines += ["", f"Source: {source}. Cost: {cost}."]
    return type(name, (Optimizer,), {"_table": table, "__doc__": "\n".join(lines)})


_RULES = {table[0]: _make(table) for table in _core.optimizers()}
globals().update(_RULES)
__all__ = ["Optimizer", *_RULES]


def __getattr__(name: str) -> type[Optimizer]:
    raise AttributeError(f"streamdl.optim has no {name!r}; it has {', '.join(_RULES)}")
