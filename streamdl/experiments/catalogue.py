"""The experiments that `streamdl run` knows."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamdl as sdl
from streamdl.experiments.configuration import (
    Configuration,
    DeepTrackingConfiguration,
    NetworkConfiguration,
    PermutationConfiguration,
    RegressionConfiguration,
    SparseConfiguration,
    TrackingConfiguration,
)
from streamdl.experiments.errors import UsageError
from streamdl.experiments.methods import METHODS, Values
from streamdl.streams import (
    DeepTracking,
    LabelPermuted,
    PermutedDigits,
    PermutedMNIST,
    SlowlyChangingRegression,
    Stream,
    Tracking1992,
)


@dataclass(frozen=True)
class Panel:
    """One panel of the figure: a column of the results, scaled, under a title.

    It shows one curve per method, that of its best setting, against the tasks; with `sweep`, all
    settings: the mean of the column over the last half, against the last key that is swept.
    """

    column: str
    title: str
    scale: float = 1.0
    sweep: bool = False


@dataclass(frozen=True)
class Experiment:
    """A stream, the learners to compare on it, and what to show of them."""

    name: str
    summary: str
    configuration: Any  # the defaults, an instance of Configuration
    stream: Callable[[Any, int], Stream]  # from a configuration and a seed
    network: Callable[[Any, Stream], Any]
    metric: str  # "accuracy" (higher is better) or "error" (lower is better)
    panels: tuple[Panel, ...]
    requires: tuple[str, ...] = ()  # modules beyond those that every experiment needs
    seeds: int = 3  # runs of each method and setting, unless one asks for another number
    baseline: str = ""  # the method that the others are compared with in words, if any

    def configure(self, settings: list[str]) -> Configuration:
        """The defaults with `key=value` settings applied.

        Raises:
            UsageError: an unknown key or method (names those allowed), or a bad value.
        """
        config: Configuration = self.configuration.changed(settings)
        for method in config.methods:
            if method not in self.configuration.methods:
                allowed = ", ".join(self.configuration.methods)
                raise UsageError(f"methods: {self.name} has {allowed}; got {method!r}")
        return config

    def learner(
        self, config: Configuration, method: str, values: Values, seed: int, stream: Stream
    ) -> Any:
        """The learner of one method and setting; those of one seed start from the same weights."""
        network = self.network(config, stream)
        return sdl.Learner(
            _thinned(network, config) if METHODS[method].sparse else network,
            loss=stream.loss,
            seed=seed,
            dtype=config.dtype,
            threads=config.threads,
            **METHODS[method].arguments(config, **dict(values)),
        )


def find(name: str) -> Experiment:
    """The experiment of this name.

    Raises:
        UsageError: there is none; names the nearest one, or all.
    """
    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    near = difflib.get_close_matches(name, EXPERIMENTS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(EXPERIMENTS)}"
    raise UsageError(f"no experiment {name!r}; {hint}")


# ---- streams and networks -----------------------------------------------------------------------


def _digits(config: NetworkConfiguration, seed: int) -> Stream:
    return PermutedDigits(seed=seed, tasks=config.tasks, task_length=config.task_length)


def _mnist(config: NetworkConfiguration, seed: int) -> Stream:
    return PermutedMNIST(seed=seed, tasks=config.tasks, task_length=config.task_length)


def _label_permuted(config: NetworkConfiguration, seed: int) -> Stream:
    return LabelPermuted(
        seed=seed, tasks=config.tasks, change_every=config.task_length, normalise=True
    )


def _input_permuted(config: NetworkConfiguration, seed: int) -> Stream:
    return PermutedMNIST(
        seed=seed, tasks=config.tasks, task_length=config.task_length, normalise=True
    )


def _regression(config: RegressionConfiguration, seed: int) -> Stream:
    return SlowlyChangingRegression(
        seed=seed,
        tasks=config.tasks,
        variant=config.variant,
        thresholds=config.thresholds,
        flip_every=config.task_length,
        dtype=config.dtype,
    )


def _tracking(config: TrackingConfiguration, seed: int) -> Stream:
    return Tracking1992(
        seed=seed, tasks=config.tasks, flip_every=config.task_length, dtype=config.dtype
    )


def _deep_tracking(config: TrackingConfiguration, seed: int) -> Stream:
    return DeepTracking(
        seed=seed, tasks=config.tasks, flip_every=config.task_length, dtype=config.dtype
    )


def _hidden_layers(config: NetworkConfiguration | DeepTrackingConfiguration, stream: Stream) -> Any:
    return sdl.MLP(
        stream.inputs,
        list(config.hidden),
        stream.outputs,
        activation=config.activation,
        init=config.init,
    )


def _thinned(network: sdl.Network, config: Any) -> sdl.Network:
    """The same with sparse hidden layers."""
    *hidden, last = network.layers
    layers = [
        sdl.nn.SparseLinear(layer.outputs, config.density, block=config.block, init=layer.init)
        if isinstance(layer, sdl.nn.Linear)
        else layer
        for layer in hidden
    ]
    return sdl.Network([*layers, last], network.inputs)


def _linear(config: TrackingConfiguration, stream: Stream) -> Any:
    return sdl.MLP(stream.inputs, [], stream.outputs, init="zeros", bias=False)


# ---- the experiments ----------------------------------------------------------------------------

PLASTICITY_METHODS = ("backprop", "l2", "shrink-and-perturb", "continual-backprop")

PLASTICITY_PANELS = (
    Panel("dormant_fraction", "Dormant units (%)", 100.0),
    Panel("stable_rank", "Stable rank of the hidden layers"),
    Panel("weight_magnitude", "Average weight magnitude"),
)

TRACKING_PANELS = (
    Panel("error", "Squared error"),
    Panel("error", "Error of the last half by (meta) step size", sweep=True),
    Panel("relevant_step_size", "Step size of the relevant inputs"),
    Panel("irrelevant_step_size", "Step size of the irrelevant inputs"),
)

UPGD_METHODS = ("sgd", "adam", "continual-backprop", "upgd")

_ALL = (
    Experiment(
        name="permuted-digits",
        summary="Online permuted 8 x 8 digits: loss of plasticity in a minute, no download",
        configuration=NetworkConfiguration(
            tasks=400,
            methods=PLASTICITY_METHODS,
            step_size=(0.01,),
            task_length=1797,
            tasks_per_row=1,
            hidden=(64, 64, 64),
            weight_decay=1e-4,
            shrink=1e-6,
            noise=1e-4,
        ),
        stream=_digits,
        network=_hidden_layers,
        metric="accuracy",
        panels=(Panel("accuracy", "Online accuracy (%)", 100.0), *PLASTICITY_PANELS),
        requires=("sklearn",),
    ),
    Experiment(
        name="permuted-mnist",
        summary="Online permuted MNIST at the sizes of Dohare et al. (2024): hours to days",
        configuration=NetworkConfiguration(
            tasks=800,
            methods=PLASTICITY_METHODS,
            step_size=(0.003,),
            task_length=60000,
            tasks_per_row=1,
            hidden=(2000, 2000, 2000),
            weight_decay=1e-5,
            shrink=3e-8,
            noise=1e-5,
            replacement_rate=1e-6,
            utility="adaptable_contribution",
        ),
        stream=_mnist,
        network=_hidden_layers,
        metric="accuracy",
        panels=(Panel("accuracy", "Online accuracy (%)", 100.0), *PLASTICITY_PANELS),
    ),
    Experiment(
        name="sparse-permuted-mnist",
        summary="Permuted MNIST with a tenth of the weights, that stay or move: SET, RigL, utilities",
        configuration=SparseConfiguration(
            tasks=5,
            methods=("backprop", "sparse", "set", "rigl", "edge-utility"),
            step_size=(0.003, 0.01),
            task_length=60000,
            tasks_per_row=1,
            hidden=(2000, 2000, 2000),
            sparse_step_size=(0.01, 0.02),
        ),
        stream=_mnist,
        network=_hidden_layers,
        metric="accuracy",
        panels=(Panel("accuracy", "Online accuracy (%)", 100.0), *PLASTICITY_PANELS),
        seeds=1,
    ),
    Experiment(
        name="slowly-changing-regression",
        summary="Bit-flipping regression with five hidden units (Dohare et al., 2024)",
        configuration=RegressionConfiguration(
            tasks=300,
            methods=PLASTICITY_METHODS,
            step_size=(0.01,),
            task_length=10000,
            tasks_per_row=2,
            hidden=(5,),
            weight_decay=1e-4,
            shrink=1e-6,
            noise=1e-4,
        ),
        stream=_regression,
        network=_hidden_layers,
        metric="error",
        panels=(Panel("error", "Squared error"), *PLASTICITY_PANELS),
    ),
    Experiment(
        name="label-permuted-mnist",
        summary="MNIST whose labels are permuted every 2,500 examples (Elsayed & Mahmood, 2024)",
        configuration=PermutationConfiguration(
            tasks=400,
            methods=UPGD_METHODS,
            step_size=(0.01,),
            task_length=2500,
            tasks_per_row=1,
            hidden=(300, 150),
            init="default",
            weight_decay=1e-4,
            adam_step_size=(1e-4,),
            adam_beta1=0.0,
            adam_beta2=0.9999,
            adam_weight_decay=0.1,
            upgd_step_size=(0.01,),
            upgd_utility_decay=0.9,
            upgd_noise=0.001,
            upgd_weight_decay=0.0,
        ),
        stream=_label_permuted,
        network=_hidden_layers,
        metric="accuracy",
        panels=(Panel("accuracy", "Online accuracy (%)", 100.0), *PLASTICITY_PANELS),
        seeds=5,
    ),
    Experiment(
        name="input-permuted-mnist",
        summary="MNIST whose pixels are permuted every 5,000 examples (Elsayed & Mahmood, 2024)",
        configuration=PermutationConfiguration(
            tasks=200,
            methods=UPGD_METHODS,
            step_size=(0.001,),
            task_length=5000,
            tasks_per_row=1,
            hidden=(300, 150),
            init="default",
            weight_decay=0.001,
            adam_step_size=(1e-4,),
            adam_beta1=0.0,
            adam_beta2=0.99,
            adam_weight_decay=0.0,
            upgd_step_size=(0.01,),
            upgd_utility_decay=0.9999,
            upgd_noise=0.1,
            upgd_weight_decay=0.01,
        ),
        stream=_input_permuted,
        network=_hidden_layers,
        metric="accuracy",
        panels=(Panel("accuracy", "Online accuracy (%)", 100.0), *PLASTICITY_PANELS),
        seeds=5,
    ),
    Experiment(
        name="tracking-1992",
        summary="Tracking with 5 relevant inputs of 20: IDBD against fixed steps (Sutton, 1992)",
        configuration=TrackingConfiguration(
            tasks=25000,
            methods=("sgd", "idbd"),
            step_size=(0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1),
            task_length=20,
            tasks_per_row=250,
            initial_step_size=(0.05,),
            meta_step_size=(0.001, 0.01),
        ),
        stream=_tracking,
        network=_linear,
        metric="error",
        panels=TRACKING_PANELS,
        seeds=5,
        baseline="sgd",
    ),
    Experiment(
        name="deep-tracking",
        summary="Tracking through a network, 5 relevant inputs of 100: are their steps longer?",
        configuration=DeepTrackingConfiguration(
            tasks=100,
            methods=("sgd", "idbd", "autostep"),
            step_size=(0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05),
            task_length=1000,
            tasks_per_row=1,
            initial_step_size=(0.002, 0.005, 0.01, 0.02),
            meta_step_size=(0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0),
            autostep_meta_step_size=(0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0),
        ),
        stream=_deep_tracking,
        network=_hidden_layers,
        metric="error",
        panels=TRACKING_PANELS,
        seeds=5,
        baseline="sgd",
    ),
)

EXPERIMENTS = {experiment.name: experiment for experiment in _ALL}
