"""The learner: predict, then learn, one example at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from streamdl import _core, plasticity
from streamdl._state import Hyperparameters, Views, restore
from streamdl.gauges import Gauges, Readings
from streamdl.networks import Network
from streamdl.optim import Optimizer

Array = np.ndarray[Any, Any]


def _all_of(value: float, parameter: Array) -> Array:
    return np.full(parameter.shape, value, parameter.dtype)


class Learner(_core.Learner):
    """A network that learns from every example once, in one fused pass over its weights.

    network: `sdl.MLP` or `sdl.Network`. loss: squared_error, cross_entropy, binary_cross_entropy or huber.
    optimizer: of `sdl.optim`. plasticity: one method of `sdl.plasticity`, a list, or None. seed: 0 to
    2^64 - 1. dtype: float32 or float64. threads: 1 to 64, the same bits whatever their number; more than
    one pays above some 50 microseconds per step. silent_rows: "visited", or "lazy": where decay or momentum moves
    weights whose input is 0, they make up for it when the input comes back; the same bits, less traffic; or
    "closed_form": at once, by a formula, also for traces and noise; the same numbers but for rounding, of noise the
    same distribution, and looking decides which. gauges: True or `sdl.Gauges(...)` starts them. Raises
    ValueError naming the argument and what is allowed.
    """

    def __init__(
        self,
        network: Network,
        loss: str = "cross_entropy",
        optimizer: Optimizer | None = None,
        plasticity: plasticity.Plasticity | Sequence[plasticity.Plasticity] | None = None,
        seed: int = 0,
        dtype: Any = "float32",
        threads: int = 1,
        device: str = "cpu",
        gauges: Gauges | bool = False,
        silent_rows: str = "visited",
    ) -> None:
        if not isinstance(gauges, Gauges | bool):
            raise ValueError(f"gauges: expected True, False or sdl.Gauges, got {gauges!r}")
        super().__init__(
            self._check(
                network, loss, optimizer, plasticity, seed, dtype, threads, device, silent_rows
            )
        )
        if gauges is not False:
            self.gauges.start(None if gauges is True else gauges)

    def _check(
        self, network: Any, loss: Any, optimizer: Any, methods: Any, seed: Any, dtype: Any,
        threads: Any, device: Any, silent_rows: Any,
    ) -> dict[str, Any]:  # fmt: skip
        if not isinstance(network, Network):
            raise ValueError(f"network: expected sdl.MLP or sdl.Network, got {network!r}")
        if loss not in _core.losses():
            raise ValueError(
                f"loss: {loss!r} is not known; expected one of {', '.join(_core.losses())}"
            )
        if not isinstance(optimizer, Optimizer):
            raise ValueError(f"optimizer: expected an optimizer of sdl.optim, got {optimizer!r}")
        if methods is None:
            methods = []
        elif isinstance(methods, plasticity.Plasticity):
            methods = [methods]
        for method in methods:
            if not isinstance(method, plasticity.Plasticity):
                raise ValueError(f"plasticity: expected methods of sdl.plasticity, got {method!r}")
        kind = np.dtype(dtype)
        if kind not in (np.float32, np.float64):
            raise ValueError(f"dtype: expected float32 or float64, got {dtype!r}")
        if isinstance(seed, bool) or not 0 <= int(seed) < 2**64:
            raise ValueError(f"seed: expected 0 to 2^64 - 1, got {seed!r}")
        if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 64:
            raise ValueError(f"threads: expected 1 to 64, got {threads!r}")
        if device != "cpu":
            raise RuntimeError(f"device: {device!r} is not available; this build has the cpu alone")
        if silent_rows not in ("visited", "lazy", "closed_form"):
            raise ValueError(
                f'silent_rows: expected "visited", "lazy" or "closed_form", got {silent_rows!r}'
            )
        spec: dict[str, Any] = {
            **network._spec(),
            "loss": loss,
            "optimizer": optimizer._spec(),
            "plasticity": [method._spec() for method in methods],
            "seed": int(seed),
            "twice": kind == np.float64,
            "threads": threads,
            "silent_rows": silent_rows,
        }
        self._spec = spec
        return spec

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Views of weights and biases; a weight has shape (inputs, outputs)."""
        return Views(self, [name for name, parameter in self._entries() if parameter])

    @property
    def state(self) -> Mapping[str, Array]:
        """Views of everything that a checkpoint holds."""
        return Views(self, [name for name, _ in self._entries()])

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The current hyper-parameters, by name; assign to change one (schedules)."""
        return Hyperparameters(self)

    @property
    def step_sizes(self) -> Mapping[str, Array]:
        """The step size of every weight, one array per parameter; copies where one is shared."""
        names = {name for name, _ in self._entries()}
        shared = f"{self._spec['optimizer']['name']}.step_size"
        sizes = {}
        for name, parameter in self.parameters.items():
            own = f"{name}.step_size"
            if own in names:
                size = self._view(own)
                sizes[name] = size if size.shape == parameter.shape else _all_of(size[0], parameter)
            elif shared in names:
                sizes[name] = _all_of(self._view(shared)[0], parameter)
            else:
                sizes[name] = _all_of(self._hyper()["step_size"], parameter)
        return sizes

    @property
    def utilities(self) -> list[Array]:
        """Continual Backprop's bias-corrected utilities, one array per hidden layer."""
        if not self._has_utilities:
            return []
        return [np.array(self._utilities(h)) for h in range(self._hidden)]

    @property
    def ages(self) -> list[Array]:
        """Steps since each unit was born, one array per hidden layer."""
        return [np.array(self._ages(h), np.int64) for h in range(self._hidden)]

    @property
    def replacements(self) -> list[int]:
        """Units regenerated so far, per hidden layer."""
        return [self._replacements(h) for h in range(self._hidden)]

    @property
    def gauges(self) -> Readings:
        """Who is active, ranks, clones, how far updates go: start() switches them on, at any time."""
        return Readings(self)

    def regenerate(self, layer: int, unit: int) -> None:
        """Regenerate one unit by hand: incoming weights drawn anew, outgoing zero, all fields reset."""
        sizes = self._layer_sizes[:-1]
        if not 0 <= layer < len(sizes):
            raise ValueError(f"layer: expected 0 to {len(sizes) - 1}, got {layer!r}")
        if not 0 <= unit < sizes[layer]:
            raise ValueError(f"unit: expected 0 to {sizes[layer] - 1}, got {unit!r}")
        self._regenerate(layer, unit)

    def reset_outputs(self, indices: Sequence[int] | None = None, to: str = "draw") -> None:
        """A task switch: output weights drawn anew (or to="zeros"), biases 0, their fields reset."""
        if to not in ("draw", "zeros"):
            raise ValueError(f'to: expected "draw" or "zeros", got {to!r}')
        outputs = self._layer_sizes[-1]
        chosen = list(range(outputs)) if indices is None else [int(i) for i in indices]
        for i in chosen:
            if not 0 <= i < outputs:
                raise ValueError(f"indices: expected 0 to {outputs - 1}, got {i}")
        self._reset_outputs(chosen, to == "draw")

    def diagnose(self, xs: Any) -> dict[str, list[float]]:
        """Dormant fraction, stable rank, ... of every hidden layer over the given inputs."""
        from streamdl import diagnostics

        weights = [np.array(w) for name, w in self.parameters.items() if w.ndim == 2]
        return diagnostics.report(self.activations(xs), weights)

    def _metadata(self) -> dict[str, str]:
        return {"streamdl.spec": json.dumps(self._spec)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint (safetensors), atomically; the file before it stays as <path>.previous."""
        self._save(os.fspath(path), self._metadata())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Learner:
        """Read a checkpoint; the continuation is bit-identical. Raises ValueError or OSError."""
        return cls._restore(_core.Checkpoint.read(os.fspath(path)))

    @classmethod
    def _restore(cls, checkpoint: Any) -> Learner:
        learner: Learner = restore(cls, _core.Learner, checkpoint)
        return learner

    @classmethod
    def _from_bytes(cls, data: bytes) -> Learner:
        return cls._restore(_core.Checkpoint.parse(data))

    def clone(self) -> Learner:
        """An independent copy with the same future."""
        return type(self)._from_bytes(self._to_bytes(self._metadata()))

    __copy__ = clone

    def __deepcopy__(self, memo: Any) -> Learner:
        return self.clone()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._from_bytes, (self._to_bytes(self._metadata()),)

    def __repr__(self) -> str:
        sizes = ["x".join(map(str, self._spec["inputs"])), *map(str, self._layer_sizes)]
        return f"<streamdl.Learner {'-'.join(sizes)}, {self.steps} steps>"


_core._quicken(Learner)
