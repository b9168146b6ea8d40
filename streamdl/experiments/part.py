"""One part of an experiment: one method with one seed, from the first task to the last."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streamdl.diagnostics import weight_magnitude
from streamdl.experiments.catalogue import Experiment
from streamdl.experiments.configuration import Configuration, NetworkConfiguration
from streamdl.streams import Stream, Tracking1992

# Examples per call of step_many: long enough to forget the call, short enough to stay in cache.
BLOCK = 1024

Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """Which method and which seed."""

    method: str
    seed: int

    def __str__(self) -> str:
        return f"{self.method}, seed {self.seed}"


def run_part(
    experiment: Experiment,
    config: Configuration,
    part: Part,
    progress: Callable[[int], None],
) -> list[Row]:
    """Learn the whole stream once, example by example; one row per `tasks_per_row` tasks.

    The measures of plasticity in a row are taken before its first example is learned, on the
    first inputs of the task to come; the metric is online: every prediction precedes its update.

    Args:
        progress: called with the number of examples learned since its last call.
    """
    stream = experiment.stream(config, part.seed)
    learner = experiment.learner(config, part.method, part.seed, stream)
    rows: list[Row] = []
    while stream.position != stream.length:
        task = stream.position // stream.task_length
        row = {"method": part.method, "seed": part.seed, "task": task}
        row |= _measures(learner, stream, config)
        row |= _learn(learner, stream, config.tasks_per_row * stream.task_length, progress)
        row |= {"examples": stream.position, "replacements": _replacements(learner)}
        rows.append(row)
    return rows


def _learn(learner: Any, stream: Stream, examples: int, progress: Callable[[int], None]) -> Row:
    """Learn the next examples; their mean loss and metric, and the speed of `step_many` alone."""
    seconds, loss, metric, learned = 0.0, 0.0, 0.0, 0
    for xs, ys in stream.blocks(BLOCK, limit=examples):
        start = time.perf_counter()
        losses, outputs = learner.step_many(xs, ys, outputs=True)
        seconds += time.perf_counter() - start
        loss += float(np.sum(losses, dtype=np.float64))
        metric += _sum_of_metric(stream, outputs, ys)
        learned += len(xs)
        progress(len(xs))
    name = "accuracy" if stream.loss == "cross_entropy" else "error"
    return {
        name: metric / learned,
        "loss": loss / learned,
        "seconds": seconds,
        "examples_per_second": learned / max(seconds, 1e-9),
    }


def _sum_of_metric(stream: Stream, outputs: NDArray[Any], ys: NDArray[Any]) -> float:
    """Right answers, or squared errors in float64."""
    if stream.loss == "cross_entropy":
        return float(np.count_nonzero(outputs.argmax(axis=1) == ys))
    errors = outputs.reshape(ys.shape).astype(np.float64) - ys
    return float(np.sum(errors * errors))


def _measures(learner: Any, stream: Stream, config: Configuration) -> Row:
    weights = [w for name, w in learner.parameters.items() if name.endswith(".weight")]
    row: Row = {"weight_magnitude": weight_magnitude(weights)}
    if isinstance(stream, Tracking1992):
        row |= _step_sizes(learner, stream)
    if isinstance(config, NetworkConfiguration) and config.hidden:
        xs, _ = stream.peek(config.measured_examples)
        row |= _plasticity(learner.diagnose(xs), config.hidden)
    return row


def _plasticity(report: dict[str, list[float]], hidden: tuple[int, ...]) -> Row:
    """Over the hidden layers: the share of all units that is dormant, and the mean ranks."""
    return {
        "dormant_fraction": float(np.average(report["dormant_fraction"], weights=hidden)),
        "stable_rank": float(np.mean(report["stable_rank"])),
        "effective_rank": float(np.mean(report["effective_rank"])),
        "approximate_rank": float(np.mean(report["approximate_rank"])),
        "dormant_fraction_per_layer": list(report["dormant_fraction"]),
        "stable_rank_per_layer": list(report["stable_rank"]),
    }


def _step_sizes(learner: Any, stream: Tracking1992) -> Row:
    """Mean step sizes of the inputs that matter and of those that do not."""
    steps = np.asarray(learner.step_sizes["0.weight"], np.float64).reshape(-1)
    return {
        "relevant_step_size": float(steps[: stream.relevant].mean()),
        "irrelevant_step_size": float(steps[stream.relevant :].mean()),
    }


def _replacements(learner: Any) -> int:
    """Units regenerated so far, in all layers."""
    return int(np.sum(learner.replacements))
