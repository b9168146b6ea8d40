"""The table of methods: what each one gives to `Learner` beyond what all of them share."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamdl as sdl
from streamdl.experiments.configuration import (
    Configuration,
    DeepTrackingConfiguration,
    NetworkConfiguration,
    PermutationConfiguration,
    SparseConfiguration,
    TrackingConfiguration,
)

Arguments = dict[str, Any]  # optimizer and plasticity
Values = tuple[tuple[str, float], ...]  # one value for each key that a method sweeps


@dataclass(frozen=True)
class Method:
    """One way to learn: its name in full, its colour in figures, and its part of the learner.

    `arguments` takes the configuration and, by name, one value of each key in `sweeps`.
    """

    title: str
    colour: str
    arguments: Callable[..., Arguments]
    sweeps: tuple[str, ...] = ("step_size",)
    sparse: bool = False  # its hidden layers are SparseLinear


def variants(config: Configuration, method: str) -> list[Values]:
    """What a method runs with: each combination of one value from every key that it sweeps."""
    keys = METHODS[method].sweeps
    return list(itertools.product(*([(key, v) for v in getattr(config, key)] for key in keys)))


def _backprop(config: Configuration, step_size: float) -> Arguments:
    return {"optimizer": sdl.optim.SGD(step_size=step_size)}


def _decaying(config: Configuration, step_size: float) -> Arguments:
    return {"optimizer": sdl.optim.SGD(step_size=step_size, weight_decay=config.weight_decay)}


def _shrink_and_perturb(config: NetworkConfiguration, step_size: float) -> Arguments:
    method = sdl.plasticity.ShrinkAndPerturb(shrink=config.shrink, noise=config.noise)
    return {**_backprop(config, step_size), "plasticity": [method]}


def _continual_backprop(config: NetworkConfiguration, step_size: float) -> Arguments:
    method = sdl.plasticity.ContinualBackprop(
        replacement_rate=config.replacement_rate,
        maturity=config.maturity,
        utility=config.utility,
    )
    return {**_backprop(config, step_size), "plasticity": [method]}


def _adam(config: PermutationConfiguration, adam_step_size: float) -> Arguments:
    optimizer = sdl.optim.AdamW(
        step_size=adam_step_size,
        beta1=config.adam_beta1,
        beta2=config.adam_beta2,
        decoupled_weight_decay=config.adam_weight_decay,
    )
    return {"optimizer": optimizer}


def _upgd(config: PermutationConfiguration, upgd_step_size: float) -> Arguments:
    optimizer = sdl.optim.UPGD(
        step_size=upgd_step_size,
        utility_decay=config.upgd_utility_decay,
        noise=config.upgd_noise,
        scope="global",
        decoupled_weight_decay=config.upgd_weight_decay,
    )
    return {"optimizer": optimizer}


def _sparse(config: SparseConfiguration, sparse_step_size: float) -> Arguments:
    return {"optimizer": sdl.optim.SGD(step_size=sparse_step_size)}


def _rewired(name: str) -> Callable[..., Arguments]:
    def arguments(config: SparseConfiguration, sparse_step_size: float) -> Arguments:
        method = getattr(sdl.plasticity, name)(config.period, config.fraction)
        return {**_sparse(config, sparse_step_size), "plasticity": [method]}

    return arguments


def _idbd(
    config: TrackingConfiguration, initial_step_size: float, meta_step_size: float
) -> Arguments:
    optimizer = sdl.optim.IDBD(step_size=initial_step_size, meta_step_size=meta_step_size)
    return {"optimizer": optimizer}


def _autostep(
    config: DeepTrackingConfiguration, initial_step_size: float, autostep_meta_step_size: float
) -> Arguments:
    optimizer = sdl.optim.Autostep(
        step_size=initial_step_size,
        meta_step_size=autostep_meta_step_size,
        tau=config.autostep_tau,
    )
    return {"optimizer": optimizer}


# Colours of Okabe & Ito (2008), which stay apart for colour-blind readers and in print.
METHODS: dict[str, Method] = {
    "backprop": Method("Backprop", "#D55E00", _backprop),
    "l2": Method("L2 regularisation", "#E69F00", _decaying),
    "shrink-and-perturb": Method("Shrink and Perturb", "#009E73", _shrink_and_perturb),
    "continual-backprop": Method("Continual Backprop", "#0072B2", _continual_backprop),
    "sgd": Method("SGD", "#D55E00", _decaying),
    "adam": Method("Adam", "#E69F00", _adam, ("adam_step_size",)),
    "upgd": Method("UPGD", "#009E73", _upgd, ("upgd_step_size",)),
    "sparse": Method("Sparse, as drawn", "#E69F00", _sparse, ("sparse_step_size",), sparse=True),
    "set": Method("SET", "#009E73", _rewired("SET"), ("sparse_step_size",), sparse=True),
    "rigl": Method("RigL", "#0072B2", _rewired("RigL"), ("sparse_step_size",), sparse=True),
    "edge-utility": Method(
        "Edge utility", "#CC79A7", _rewired("EdgeUtility"), ("sparse_step_size",), sparse=True
    ),
    "idbd": Method("IDBD", "#0072B2", _idbd, ("initial_step_size", "meta_step_size")),
    "autostep": Method(
        "Autostep", "#009E73", _autostep, ("initial_step_size", "autostep_meta_step_size")
    ),
}
