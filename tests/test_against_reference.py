"""100 freshly drawn learners of every optimizer walk 100 steps beside the float64 reference, step by step."""

from __future__ import annotations

import numpy as np
import pytest
import random_learners
import reference
import streamdl as sdl
from conformance.vectors import Report
from numpy.typing import NDArray

LIMIT = 1e-9
ATTEMPTS = 5


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("optimizer", random_learners.OPTIMIZERS)
def test_agrees_with_the_reference(optimizer: str, seed: int) -> None:
    agrees(optimizer, seed, wide=False)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("optimizer", random_learners.OPTIMIZERS)
def test_wide_layers_agree_with_the_reference(optimizer: str, seed: int) -> None:
    agrees(optimizer, seed, wide=True)


def agrees(optimizer: str, seed: int, wide: bool) -> None:
    for attempt in range(ATTEMPTS):
        report, truth, other = walk(*random_learners.pair(optimizer, seed, attempt, wide))
        if random_learners.is_judgeable(truth, other):
            break
    else:
        pytest.fail(f"{ATTEMPTS} configurations hung on rounding errors")
    print(f"largest error {report.worst:.3g}, regenerated {sum(truth.replacements)}")
    report.check()


def walk(
    configuration: random_learners.Configuration, learner: sdl.Learner, truth: reference.Learner
) -> tuple[Report, reference.Learner, reference.Learner]:
    """Both learn the same examples, and a third one beside the reference, its start moved a little;
    what differs between the first two."""
    other = random_learners.moved(configuration, truth)
    report = Report(str(configuration))
    parameters = learner.parameters
    regenerates = any(p["name"] in random_learners.OF_UNITS for p in configuration.plasticity)

    def drawn(layer: int, unit: int) -> NDArray[np.float64]:
        # streamdl has taken this step already, to its end
        return np.array(parameters[f"{layer}.weight"][:, unit]) / configuration.kept_of_draws()

    partial = [p for p in configuration.plasticity if p["name"] == "ContinuousContinualBackprop"]
    truth.draw = other.draw = drawn
    for method in truth.plasticity + other.plasticity:
        if isinstance(method, reference.SelectiveWeightReinit):
            method.draw_weight = lambda name, j, k: float(parameters[name][j, k])
    losses = np.zeros((2, len(configuration.xs)))
    outputs: list[list[NDArray[np.float64]]] = [[], []]
    for step in range(len(configuration.xs)):
        if partial and (step + 1) % partial[0]["period"] == 0:
            truth.draw = other.draw = drawn_whole(learner, configuration, step)
        losses[0, step] = learner.step(configuration.x(step), configuration.ys[step])
        losses[1, step] = truth.step(configuration.xs[step], configuration.ys[step])
        other.step(configuration.xs[step], configuration.ys[step])
        outputs[0].append(np.array(learner.output))
        outputs[1].append(truth.output)
        if regenerates:
            newborn = [
                (layer, int(unit))
                for layer, ages in enumerate(learner.ages)
                for unit in np.flatnonzero(np.asarray(ages) == 0)
            ]
            report.require(
                f"regenerated after step {step + 1}", newborn, sorted(set(truth.regenerated))
            )
            if report.lines:
                return report, truth, other
    report.compare("losses", losses[0], losses[1], LIMIT)
    report.compare("outputs", outputs[0], outputs[1], LIMIT)
    step_sizes = truth.step_sizes
    for name, w in truth.parameters.items():
        report.compare("parameters/" + name, parameters[name], w, LIMIT)
        report.compare("step_sizes/" + name, learner.step_sizes[name], step_sizes[name], LIMIT)
    for method in truth.plasticity:
        if isinstance(method, reference.HareAndTortoise):
            for name, slow in method.slow.items():
                report.compare(f"slow/{name}", learner.state[f"{name}.slow"], slow, LIMIT)
        if isinstance(method, reference.SelectiveWeightReinit):
            for name, u in method.u.items():
                report.compare(f"u/{name}", learner.state[f"{name}.reinit_utility"], u, LIMIT)
        if isinstance(method, reference.ContinuousContinualBackprop):
            for layer, u in enumerate(method.u):
                name = f"ContinuousContinualBackprop.{layer}.utility"
                report.compare(name, learner.state[name], u, LIMIT)
    for layer, utility in enumerate(truth.utilities):
        report.compare(f"utilities[{layer}]", learner.utilities[layer], utility, LIMIT)
        report.compare(f"ages[{layer}]", learner.ages[layer], truth.ages[layer], 0.0)
    if regenerates:
        report.require("replacements", [int(n) for n in learner.replacements], truth.replacements)
    return report, truth, other


def drawn_whole(
    learner: sdl.Learner, configuration: random_learners.Configuration, step: int
) -> reference.plasticity.Draw:
    """What a step draws for all units, from a twin that takes it whole instead of partially."""
    twin = learner.clone()
    twin.hyperparameters["ContinuousContinualBackprop.replacement_rate"] = 1.0
    twin.hyperparameters["ContinuousContinualBackprop.sharpness"] = 0.0
    twin.step(configuration.x(step), configuration.ys[step])
    return lambda layer, unit: np.array(twin.parameters[f"{layer}.weight"][:, unit])
