"""100 freshly drawn learners of every optimizer walk 100 steps beside the float64 reference, step by step."""

from __future__ import annotations

import numpy as np
import pytest
import random_learners
from conformance.vectors import Report
from numpy.typing import NDArray

LIMIT = 1e-9


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("optimizer", random_learners.OPTIMIZERS)
def test_agrees_with_the_reference(optimizer: str, seed: int) -> None:
    configuration, learner, truth = random_learners.pair(optimizer, seed)
    report = Report(str(configuration))
    parameters = learner.parameters
    regenerates = any(p["name"] in random_learners.OF_UNITS for p in configuration.plasticity)

    def drawn(layer: int, unit: int) -> NDArray[np.float64]:
        # streamdl has taken this step already, to its end
        return np.array(parameters[f"{layer}.weight"][:, unit]) / configuration.kept_of_draws()

    truth.draw = drawn
    losses = np.zeros((2, random_learners.STEPS))
    outputs: list[list[NDArray[np.float64]]] = [[], []]
    for step in range(random_learners.STEPS):
        losses[0, step] = learner.step(configuration.x(step), configuration.ys[step])
        losses[1, step] = truth.step(configuration.xs[step], configuration.ys[step])
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
            report.check()
    report.compare("losses", losses[0], losses[1], LIMIT)
    report.compare("outputs", outputs[0], outputs[1], LIMIT)
    step_sizes = truth.step_sizes
    for name, w in truth.parameters.items():
        report.compare("parameters/" + name, parameters[name], w, LIMIT)
        report.compare("step_sizes/" + name, learner.step_sizes[name], step_sizes[name], LIMIT)
    for layer, utility in enumerate(truth.utilities):
        report.compare(f"utilities[{layer}]", learner.utilities[layer], utility, LIMIT)
        report.compare(f"ages[{layer}]", learner.ages[layer], truth.ages[layer], 0.0)
    if regenerates:
        report.require("replacements", [int(n) for n in learner.replacements], truth.replacements)
    print(f"largest error {report.worst:.3g}, regenerated {sum(truth.replacements)}")
    report.check()
