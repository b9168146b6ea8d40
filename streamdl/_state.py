"""What learners and agents have in common in Python: views of the state, hyper-parameters, checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from streamdl import _core

Array = np.ndarray[Any, Any]


class Views(Mapping[str, Array]):
    """Zero-copy views of arrays in the state, by name."""

    def __init__(self, owner: Any, names: Sequence[str]) -> None:
        self._owner, self._names = owner, tuple(names)

    def __getitem__(self, name: str) -> Array:
        if name not in self._names:
            raise KeyError(name)
        view: Array = self._owner._view(name)
        return view

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Hyperparameters(Mapping[str, float]):
    """Readable and writable between steps."""

    def __init__(self, owner: Any) -> None:
        self._owner = owner

    def __getitem__(self, name: str) -> float:
        value: float = self._owner._hyper()[name]
        return value

    def __setitem__(self, name: str, value: float) -> None:
        self._owner._set_hyper(name, float(value))

    def __iter__(self) -> Iterator[str]:
        return iter(self._owner._hyper())

    def __len__(self) -> int:
        return len(self._owner._hyper())


@contextmanager
def damage_is_told() -> Iterator[None]:
    """What a hostile description can lead to becomes a ValueError."""
    _core.instruction_set()  # a wrong STREAMDL_ISA is not the file's fault
    try:
        yield
    except (
        KeyError, TypeError, OverflowError, RecursionError, RuntimeError, MemoryError
    ) as error:  # fmt: skip
        raise ValueError(f"checkpoint: its description is damaged ({error})") from None


def description(checkpoint: Any) -> Any:
    """What a checkpoint says of whom it holds."""
    text = checkpoint.metadata["streamdl.spec"]
    if len(text) > 2**20:
        raise ValueError("checkpoint: its description is longer than 1 MiB")
    return json.loads(text)


def rebuilt(cls: Any, base: Any, spec: Any, checkpoint: Any) -> Any:
    """A `cls`, derived from the engine's `base`, as described, with the arrays of a checkpoint."""
    made = cls.__new__(cls)
    made._spec = spec
    base.__init__(made, spec, checkpoint)
    return made


def restore(cls: Any, base: Any, checkpoint: Any) -> Any:
    """The `cls` that a checkpoint holds; ValueError where it holds none."""
    with damage_is_told():
        return rebuilt(cls, base, description(checkpoint), checkpoint)
