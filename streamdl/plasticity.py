"""Methods that keep a network able to learn. Every class here is made from the tables of csrc/rules/plasticity."""

from __future__ import annotations

from streamdl import _core
from streamdl._tables import Described, Table, documentation


class Plasticity(Described):
    """What is done beside the optimizer's step. The arguments are hyper-parameters and options."""


def _make(table: Table) -> type[Plasticity]:
    body = {"_table": table, "__doc__": documentation(table)}
    return type(table["name"], (Plasticity,), body)


_METHODS = {table["name"]: _make(table) for table in _core.methods()}
globals().update(_METHODS)
__all__ = ["Plasticity", *_METHODS]


def __getattr__(name: str) -> type[Plasticity]:
    raise AttributeError(f"streamdl.plasticity has no {name!r}; it has {', '.join(_METHODS)}")
