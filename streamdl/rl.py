"""Streaming reinforcement learning. Linear prediction: the classes are made from csrc/rules/td."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from streamdl import _core, _state
from streamdl._tables import chosen, described, number

Array = np.ndarray[Any, Any]


class LinearTD(_core.LinearTD):
    """Predicts the discounted sum of future rewards, linearly in x, one observation at a time.

    v = learner.step(x, reward): `reward` arrived with x; v is the prediction for x before the update. x: an array
    of `features` numbers, or (indices, values) of those that are not 0. learner.end(reward) learns from an
    episode's last reward and clears the traces. A bad observation raises ValueError and changes nothing.
    """

    _table: dict[str, Any]
    _spec: dict[str, Any]

    def __init__(
        self,
        features: int,
        *args: Any,
        dtype: Any = "float32",
        gradient: str = "semi",
        **kwargs: Any,
    ) -> None:
        rule, rows = self._table["name"], self._table["hypers"]
        has_gradient = self._table["has_gradient"]
        names = [row["name"] for row in rows]
        if len(args) > len(names):
            raise TypeError(f"{rule} takes at most {len(names) + 1} arguments, got {len(args) + 1}")
        for key, value in zip(names, args, strict=False):
            if key in kwargs:
                raise TypeError(f"{rule} got {key} twice")
            kwargs[key] = value
        allowed = ["features", *names, "dtype", *(["gradient"] if has_gradient else [])]
        if gradient != "semi" and not has_gradient:
            kwargs["gradient"] = gradient
        for key in kwargs:
            if key not in names:
                raise TypeError(f"{rule} has no argument {key!r}; it takes {', '.join(allowed)}")
        try:
            count = operator.index(features)
        except TypeError:
            count = 0
        if isinstance(features, bool) or not 1 <= count <= 2**30:
            raise ValueError(f"{rule}.features: expected 1 to {2**30}, got {features!r}")
        kind = np.dtype(dtype)
        if kind not in (np.float32, np.float64):
            raise ValueError(f"{rule}.dtype: expected float32 or float64, got {dtype!r}")
        chosen(f"{rule}.gradient", gradient, ["semi", "ordinary"])
        self._spec = {
            "rule": rule,
            "features": count,
            "hyper": [
                number(rule, row, row["name"] in kwargs, kwargs.get(row["name"])) for row in rows
            ],
            "ordinary": gradient == "ordinary",
            "twice": kind == np.float64,
        }
        super().__init__(self._spec)

    @property
    def parameters(self) -> Mapping[str, Array]:
        """View of the weights: "0.weight", (features, 1)."""
        return _state.Views(self, [name for name, parameter in self._entries() if parameter])

    @property
    def state(self) -> Mapping[str, Array]:
        """Views of everything that a checkpoint holds."""
        return _state.Views(self, [name for name, _ in self._entries()])

    @property
    def hyperparameters(self) -> _state.Hyperparameters:
        """The current hyper-parameters, by name; assign to change one (schedules)."""
        return _state.Hyperparameters(self)

    @property
    def step_sizes(self) -> Mapping[str, Array]:
        """The step size of every weight; a copy where it is not stored as it is."""
        names, stem = [name for name, _ in self._entries()], "0.weight"
        if f"{stem}.step_size" in names:
            return {stem: self._view(f"{stem}.step_size")}
        weight = self._view(stem)
        if f"{stem}.relative_step_size" in names:
            return {stem: self._view(f"{stem}.relative_step_size") * self._view("step_size_scale")}
        return {stem: np.full(weight.shape, self._hyper()["step_size"], weight.dtype)}

    def _metadata(self) -> dict[str, str]:
        return {"streamdl.spec": json.dumps(self._spec)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint (safetensors), atomically; the file before it stays as <path>.previous."""
        self._save(os.fspath(path), self._metadata())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LinearTD:
        """Read a checkpoint; the continuation is bit-identical. Raises ValueError or OSError."""
        return cls._restore(_core.Checkpoint.read(os.fspath(path)))

    @classmethod
    def _restore(cls, checkpoint: Any) -> LinearTD:
        learner: LinearTD = _state.restore(cls, _core.LinearTD, checkpoint)
        if learner._spec["rule"] != cls._table["name"]:
            raise ValueError(
                f"checkpoint: of {learner._spec['rule']}, expected {cls._table['name']}"
            )
        return learner

    @classmethod
    def _from_bytes(cls, data: bytes) -> LinearTD:
        return cls._restore(_core.Checkpoint.parse(data))

    def clone(self) -> LinearTD:
        """An independent copy with the same future."""
        return type(self)._from_bytes(self._to_bytes(self._metadata()))

    __copy__ = clone

    def __deepcopy__(self, memo: Any) -> LinearTD:
        return self.clone()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._from_bytes, (self._to_bytes(self._metadata()),)

    def __repr__(self) -> str:
        return f"<sdl.rl.{self._table['name']} of {self._spec['features']} features, {self.steps} steps>"


def _make(table: dict[str, Any]) -> type[LinearTD]:
    lines = [table["title"], "", table["equation"], "", f"For: {table['when']}", ""]
    lines.append("features: how many numbers x has; 1 to 2^30.")
    lines += [described(row) for row in table["hypers"]]
    if table["has_gradient"]:
        lines.append('gradient: "semi" or "ordinary", see p; default "semi".')
    lines += ['dtype: "float32" or "float64".', ""]
    lines.append(
        "Raises ValueError naming the argument, or of a bad x or reward; nothing is learned then."
    )
    lines.append(
        f"Source: {table['source']}. Cost: {table['cost']}; features at rest cost nothing."
    )
    made = type(table["name"], (LinearTD,), {"_table": table, "__doc__": "\n".join(lines)})
    _core._quicken_td(made)
    return made


_RULES = {table["name"]: _make(table) for table in _core.td_rules()}
globals().update(_RULES)
__all__ = ["LinearTD", *_RULES]


def __getattr__(name: str) -> type[LinearTD]:
    raise AttributeError(f"streamdl.rl has no {name!r}; it has {', '.join(_RULES)}")
