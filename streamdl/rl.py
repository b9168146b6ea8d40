"""Streaming reinforcement learning: linear prediction, its classes made from csrc/rules/td, and above a network."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from streamdl import _core, _state
from streamdl._tables import chosen, described, number
from streamdl.learner import Learner

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


class LastLayer(_core.LastLayer):
    """A linear temporal-difference learner above a network whose outputs are its features.

    phi' = body(x');  v = w.phi';  the head learns from (phi', reward) by its rule, with its TD error
    delta;  body: theta += alpha delta sum_k w_k d phi_k(x) / d theta

    x is the observation before x' and w the head's weights before its update. The body's gradient is
    that of -delta v(x), not through v(x'), taken at the body's weights as they are when x' arrives;
    its sensitivities (IDBD, Autostep) start from w_k^2. phi(x), the head's input, was computed before
    the body's update of the call before, and traces hold features as they were: they are the head's
    alone, the body has none. The body's learning of an episode's last observation comes with end().

    body: an `sdl.Learner` with the loss squared_error, its optimizer any without traces (not ObGD,
    AdaptiveObGD, Intentional); its outputs are the features, so let it end with an activation.
    head: a learner of `sdl.rl` with as many features and the same dtype, not within an episode.
    learns: False for a body that stays as it is.

    v = layer.step(x, reward) and all else is as in `LinearTD`; x is what the body takes. Body and
    head are no copies: layer.body and layer.head are the objects given, to be looked at and written
    to as ever, but stepped only here. A bad observation raises ValueError, and neither body nor head
    has changed then. Arrays are called "body.<name>", "head.<name>" and "input", the observation
    before, as a vector. Source: semi-gradient TD, Sutton and Barto, 2018, section 9.3, with the
    head's rule in place of its last layer's. Cost: the head's and, of the body, two predictions and
    an update; one prediction where it does not learn.
    """

    _spec: dict[str, Any]

    def __init__(self, body: Learner, head: LinearTD, learns: bool = True) -> None:
        if not isinstance(body, Learner):
            raise ValueError(f"body: expected an sdl.Learner, got {body!r}")
        if not isinstance(head, LinearTD):
            names = ", ".join(_RULES)
            raise ValueError(f"head: expected a learner of sdl.rl ({names}), got {head!r}")
        if not isinstance(learns, bool):
            raise ValueError(f"learns: expected True or False, got {learns!r}")
        self._join(body, head, learns, None)

    def _join(self, body: Learner, head: LinearTD, learns: bool, checkpoint: Any) -> None:
        self._body, self._head = body, head
        self._spec = {"body": body._spec, "head": head._spec, "learns": learns}
        super().__init__(body, head, learns, checkpoint)

    @property
    def body(self) -> Learner:
        """The network below, the object given."""
        return self._body

    @property
    def head(self) -> LinearTD:
        """The linear learner above it, the object given."""
        return self._head

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Views of the weights: "body.0.weight", ..., "head.0.weight"."""
        return _state.Views(self, [name for name, parameter in self._entries() if parameter])

    @property
    def state(self) -> Mapping[str, Array]:
        """Views of everything that a checkpoint holds."""
        return _state.Views(self, [name for name, _ in self._entries()])

    @property
    def hyperparameters(self) -> _state.Hyperparameters:
        """The current hyper-parameters, "body.step_size" and the like; assign to change one."""
        return _state.Hyperparameters(self)

    @property
    def step_sizes(self) -> Mapping[str, Array]:
        """The step size of every weight; copies where they are not stored as they are."""
        parts = (("body", self._body), ("head", self._head))
        return {f"{of}.{name}": a for of, part in parts for name, a in part.step_sizes.items()}

    def _metadata(self) -> dict[str, str]:
        return {"streamdl.spec": json.dumps(self._spec)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint (safetensors), atomically; the file before it stays as <path>.previous."""
        self._save(os.fspath(path), self._metadata())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LastLayer:
        """Read a checkpoint; the continuation is bit-identical. Raises ValueError or OSError."""
        return cls._restore(_core.Checkpoint.read(os.fspath(path)))

    @classmethod
    def _restore(cls, checkpoint: Any) -> LastLayer:
        with _state.damage_is_told():
            spec = _state.description(checkpoint)
            body, head, learns = spec["body"], spec["head"], spec["learns"]
            rule = _RULES[head["rule"]]
            layer = cls.__new__(cls)
            layer._join(
                _state.rebuilt(Learner, _core.Learner, body, checkpoint.part("body.")),
                _state.rebuilt(rule, _core.LinearTD, head, checkpoint.part("head.")),
                learns,
                checkpoint,
            )
        return layer

    @classmethod
    def _from_bytes(cls, data: bytes) -> LastLayer:
        return cls._restore(_core.Checkpoint.parse(data))

    def clone(self) -> LastLayer:
        """An independent copy, of body and head, too, with the same future."""
        return type(self)._from_bytes(self._to_bytes(self._metadata()))

    __copy__ = clone

    def __deepcopy__(self, memo: Any) -> LastLayer:
        return self.clone()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._from_bytes, (self._to_bytes(self._metadata()),)

    def __repr__(self) -> str:
        still = "" if self._spec["learns"] else ", body still"
        return f"<sdl.rl.LastLayer of {self._body!r} and {self._head!r}{still}>"


__all__ = ["LastLayer", "LinearTD", *_RULES]


def __getattr__(name: str) -> type[LinearTD]:
    raise AttributeError(f"streamdl.rl has no {name!r}; it has {', '.join(__all__)}")
