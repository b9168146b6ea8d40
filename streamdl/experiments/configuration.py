"""Configurations of the experiments: frozen, flat, and settable from the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from streamdl.experiments.errors import UsageError

C = TypeVar("C", bound="Configuration")


@dataclass(frozen=True)
class Configuration:
    """What every experiment has; each field is a key of `--set`.

    A key of several numbers is a sweep: a method that uses it runs once with each of them.
    """

    tasks: int  # tasks in the stream
    methods: tuple[str, ...]  # which learners to compare, names of the table of methods
    step_size: tuple[float, ...]  # alpha, for all methods without a key of their own for it
    task_length: int  # examples in a task
    tasks_per_row: int  # tasks that one row of results sums up
    dtype: str = "float32"  # of the learners' state, or float64
    threads: int = 1  # of one learner; runs go in parallel processes as well
    weight_decay: float = 0.0  # l2, sgd: adds weight_decay * w to the gradient

    def __post_init__(self) -> None:
        for name in ("tasks", "task_length", "tasks_per_row", "threads"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not self.methods:
            raise UsageError("methods: expected at least one name, got none")
        if len(set(self.methods)) < len(self.methods):
            raise UsageError(f"methods: a name comes twice in {','.join(self.methods)}")
        for key in self.sweeps():
            self._check_sweep(key, getattr(self, key))

    @classmethod
    def sweeps(cls) -> list[str]:
        """The keys that take several numbers."""
        return [key for key, kind in get_type_hints(cls).items() if kind == tuple[float, ...]]

    @staticmethod
    def _check_sweep(key: str, values: tuple[float, ...]) -> None:
        if not values:
            raise UsageError(f"{key}: expected at least one number, got none")
        if len(set(values)) < len(values):
            raise UsageError(f"{key}: a number comes twice in {','.join(map(str, values))}")

    def changed(self: C, settings: Iterable[str]) -> C:
        """This configuration with `key=value` settings applied, values read by the key's type.

        Raises:
            UsageError: no such key (names those allowed), or a value of the wrong kind.
        """
        kinds = get_type_hints(type(self))
        values: dict[str, Any] = {}
        for setting in settings:
            key, equals, text = setting.partition("=")
            if not equals:
                raise UsageError(f"--set {setting}: expected key=value")
            if key not in kinds:
                raise UsageError(f"--set {setting}: no key {key!r}; there are {', '.join(kinds)}")
            values[key] = _parse(setting, kinds[key], text)
        return dataclasses.replace(self, **values)

    def as_dict(self) -> dict[str, Any]:
        """Keys and values fit for JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self).items()
        }

    def identity(self) -> dict[str, Any]:
        """The keys on which one run of one method and seed depends: all but `methods`."""
        return {key: value for key, value in self.as_dict().items() if key != "methods"}


@dataclass(frozen=True)
class NetworkConfiguration(Configuration):
    """A network with hidden layers, whose plasticity is measured and kept alive."""

    hidden: tuple[int, ...] = ()  # units of each hidden layer
    activation: str = "relu"
    init: str = "kaiming_uniform"  # of the weights, a name that `MLP` knows
    measured_examples: int = 2000  # inputs of the coming task behind each plasticity measure
    shrink: float = 0.0  # shrink-and-perturb: w = (1 - shrink) w + noise N(0, 1) after an update
    noise: float = 0.0
    replacement_rate: float = 1e-4  # continual-backprop: rho, share of mature units per step
    maturity: int = 100  # continual-backprop: m, steps before a unit may be replaced
    utility: str = "contribution"  # continual-backprop: how a unit's worth is measured


@dataclass(frozen=True)
class SparseConfiguration(NetworkConfiguration):
    """Dense hidden layers beside sparse ones, whose edges may move."""

    density: float = 0.1  # edges of a unit over the units of the next layer
    block: int = 16  # edges that lie together: 1 or 16
    sparse_step_size: tuple[float, ...] = (0.01,)
    period: int = 1000  # examples between two looks at a unit's edges
    fraction: float = 0.1  # of them that is moved


@dataclass(frozen=True)
class RegressionConfiguration(NetworkConfiguration):
    """Slowly-changing regression; `SlowlyChangingRegression` explains both readings."""

    variant: str = "flip_one"  # or resample_all
    thresholds: str = "paper"  # or published_program


@dataclass(frozen=True)
class PermutationConfiguration(NetworkConfiguration):
    """Labels or pixels of MNIST permuted anew in every task, with the methods compared there."""

    adam_step_size: tuple[float, ...] = (1e-4,)
    adam_beta1: float = 0.0  # decay of the mean of the gradient, 0 for no momentum
    adam_beta2: float = 0.999  # decay of the mean of its square
    adam_weight_decay: float = 0.0  # decoupled
    upgd_step_size: tuple[float, ...] = (0.01,)
    upgd_utility_decay: float = 0.9
    upgd_noise: float = 0.001  # standard deviation of what is added to the gradient
    upgd_weight_decay: float = 0.0  # decoupled


@dataclass(frozen=True)
class TrackingConfiguration(Configuration):
    """Tracking tasks: fixed step sizes against learned ones."""

    initial_step_size: tuple[float, ...] = (0.05,)  # idbd, autostep: where step sizes start
    meta_step_size: tuple[float, ...] = (0.001,)  # idbd: theta


@dataclass(frozen=True)
class DeepTrackingConfiguration(TrackingConfiguration):
    """Tracking through a network, for learners with hidden layers."""

    hidden: tuple[int, ...] = (40,)  # units of each hidden layer
    activation: str = "relu"
    init: str = "kaiming_uniform"  # of the weights, a name that `MLP` knows
    autostep_meta_step_size: tuple[float, ...] = (0.01,)  # autostep: mu
    autostep_tau: float = 1e4  # autostep: steps over which its normaliser forgets


def _parse(setting: str, kind: Any, text: str) -> Any:
    words = {
        int: "a whole number",
        float: "a number",
        str: "a word",
        tuple[int, ...]: "whole numbers separated by commas",
        tuple[float, ...]: "numbers separated by commas",
    }
    try:
        if kind in (int, float, str):
            return kind(text)
        item = kind.__args__[0]  # tuple[item, ...]
        return tuple(item(word) for word in text.split(",") if word)
    except ValueError:
        raise UsageError(f"--set {setting}: expected {words[kind]}") from None
