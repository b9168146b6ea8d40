"""The table of methods: what each one gives to `Learner` beyond what all of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamdl as sdl
from streamdl.experiments.configuration import (
    Configuration,
    NetworkConfiguration,
    TrackingConfiguration,
)

Arguments = dict[str, Any]  # optimizer and plasticity


@dataclass(frozen=True)
class Method:
    """One way to learn: its name in full, its colour in figures, and its part of the learner."""

    title: str
    colour: str
    arguments: Callable[[Any], Arguments]


def _backprop(config: Configuration) -> Arguments:
    return {"optimizer": sdl.optim.SGD(step_size=config.step_size)}


def _l2(config: NetworkConfiguration) -> Arguments:
    optimizer = sdl.optim.SGD(step_size=config.step_size, weight_decay=config.weight_decay)
    return {"optimizer": optimizer}


def _shrink_and_perturb(config: NetworkConfiguration) -> Arguments:
    method = sdl.plasticity.ShrinkAndPerturb(shrink=config.shrink, noise=config.noise)
    return {**_backprop(config), "plasticity": [method]}


def _continual_backprop(config: NetworkConfiguration) -> Arguments:
    method = sdl.plasticity.ContinualBackprop(
        replacement_rate=config.replacement_rate,
        maturity=config.maturity,
        utility=config.utility,
    )
    return {**_backprop(config), "plasticity": [method]}


def _idbd(config: TrackingConfiguration) -> Arguments:
    optimizer = sdl.optim.IDBD(
        step_size=config.initial_step_size, meta_step_size=config.meta_step_size
    )
    return {"optimizer": optimizer}


# Colours of Okabe & Ito (2008), which stay apart for colour-blind readers and in print.
METHODS: dict[str, Method] = {
    "backprop": Method("Backprop", "#D55E00", _backprop),
    "l2": Method("L2 regularisation", "#E69F00", _l2),
    "shrink-and-perturb": Method("Shrink and Perturb", "#009E73", _shrink_and_perturb),
    "continual-backprop": Method("Continual Backprop", "#0072B2", _continual_backprop),
    "sgd": Method("SGD", "#D55E00", _backprop),
    "idbd": Method("IDBD", "#0072B2", _idbd),
}
