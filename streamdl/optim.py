"""Update rules. Every class here is made from the tables of csrc/rules/optimizers."""

from __future__ import annotations

from typing import Any

from streamdl import _core
from streamdl._tables import chosen, described, number


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
        self.sensitivity = chosen(
            f"{name}.sensitivity", kwargs.pop("sensitivity", "diagonal"), ["diagonal", "exact"]
        )
        reason = self._table["no_weight_decay"]
        if reason is not None and kwargs.get("weight_decay", 0) != 0:
            raise ValueError(f"{name}.weight_decay: {reason}, got {kwargs['weight_decay']!r}")
        self.options: dict[str, str] = {}
        for row in options:
            value = kwargs.get(row["name"], row["choices"][row["standard"]])
            value = str(value) if isinstance(value, bool) else value
            self.options[row["name"]] = chosen(f"{name}.{row['name']}", value, row["choices"])
        self.hyperparameters: dict[str, float] = {
            row["name"]: number(name, row, kwargs.get(row["name"])) for row in table
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


def _documentation(table: dict[str, Any]) -> str:
    lines = [table["title"], "", table["equation"], ""]
    lines += [described(row) for row in table["hypers"]]
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
