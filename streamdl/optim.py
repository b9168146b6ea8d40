"""Update rules. Every class here is made from the tables of csrc/rules/optimizers."""

from __future__ import annotations

from typing import Any

from streamdl import _core
from streamdl._tables import Described, Table, chosen, documentation


class Optimizer(Described):
    """How one weight and its fields change. The arguments are the rule's hyper-parameters and options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name, reason = self._table["name"], self._table["no_weight_decay"]
        sensitivity = "diagonal"
        if self._table["uses_sensitivity"]:
            sensitivity = kwargs.pop("sensitivity", sensitivity)
        self.sensitivity = chosen(f"{name}.sensitivity", sensitivity, ["diagonal", "exact"])
        if reason is not None and kwargs.get("weight_decay", 0) != 0:
            raise ValueError(f"{name}.weight_decay: {reason}, got {kwargs['weight_decay']!r}")
        super().__init__(*args, **kwargs)

    def _arguments(self) -> list[str]:
        sensitive = self._table["uses_sensitivity"]
        return super()._arguments() + [f"sensitivity={self.sensitivity!r}"] * sensitive

    def _spec(self) -> Table:
        return super()._spec() | {"exact_sensitivity": self.sensitivity == "exact"}


def _make(table: Table) -> type[Optimizer]:
    more = []
    if table["uses_sensitivity"]:
        more = ["sensitivity (d): diagonal (one pass back for all outputs) or exact (one each)."]
    body = {"_table": table, "__doc__": documentation(table, *more)}
    return type(table["name"], (Optimizer,), body)


_RULES = {table["name"]: _make(table) for table in _core.optimizers()}
globals().update(_RULES)
__all__ = ["Optimizer", *_RULES]


def __getattr__(name: str) -> type[Optimizer]:
    raise AttributeError(f"streamdl.optim has no {name!r}; it has {', '.join(_RULES)}")
