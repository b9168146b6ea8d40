"""One part of an experiment: a method, its setting and a seed, from first task to last."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streamdl.diagnostics import weight_magnitude
from streamdl.experiments.catalogue import Experiment
from streamdl.experiments.configuration import Configuration, NetworkConfiguration
from streamdl.experiments.methods import Values
from streamdl.streams import DeepTracking, Stream, Tracking1992

# Examples per call of step_many: long enough to forget the call, short enough to stay in cache.
BLOCK = 1024

# What `step_many` says of an example on which the learner would leave the finite numbers.
OVERFLOW = "got an overflow; nothing was learned"

Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """Which method, which value of each key that it sweeps, and which seed."""

    method: str
    seed: int
    values: Values = ()

    @property
    def setting(self) -> str:
        """The values as words: key=value, key=value."""
        return ", ".join(f"{key}={value}" for key, value in self.values)

    def __str__(self) -> str:
        return ", ".join([self.method, *filter(None, [self.setting]), f"seed {self.seed}"])


def run_part(
    experiment: Experiment,
    config: Configuration,
    part: Part,
    progress: Callable[[int], None],
) -> list[Row]:
    """Learn the whole stream once, example by example; one row per `tasks_per_row` tasks.

    The measures of plasticity in a row are taken before its first example is learned, on the
    first inputs of the task to come; the metric is online: every prediction precedes its update.
    Step sizes are those after the row's last example.

    A learner that refuses an example because its numbers would overflow has diverged: the rows
    from there on have no metric (NaN), and say in `diverged_at` after how many examples.

    Args:
        progress: called with the number of examples learned since its last call.
    """
    stream = experiment.stream(config, part.seed)
    learner = experiment.learner(config, part.method, part.values, part.seed, stream)
    rows: list[Row] = []
    while stream.position != stream.length:
        task = stream.position // stream.task_length
        row = {"method": part.method, "setting": part.setting, "seed": part.seed, "task": task}
        row |= _measures(learner, stream, config)
        row |= _learn_or_skip(learner, stream, config.tasks_per_row * stream.task_length, progress)
        row |= _step_sizes(learner, stream)
        row |= {
            "examples": stream.position,
            "diverged_at": learner.steps if _diverged(learner, stream) else None,
            "replacements": _replacements(learner),
        }
        rows.append(row)
    return rows


def _diverged(learner: Any, stream: Stream) -> bool:
    """Whether the learner has refused an example of those given so far."""
    return bool(learner.steps < stream.position)


def _learn_or_skip(
    learner: Any, stream: Stream, examples: int, progress: Callable[[int], None]
) -> Row:
    """Learn the next examples, or move past them once the learner has diverged."""
    start = stream.position
    if not _diverged(learner, stream):
        try:
            return _learn(learner, stream, examples, progress)
        except ValueError as error:
            if OVERFLOW not in str(error):
                raise
    end = start + examples
    stream.seek(end if stream.length is None else min(end, stream.length))
    return _summed(stream, math.nan, math.nan, 0.0, stream.position - start)


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
    return _summed(stream, metric, loss, seconds, learned)


def _summed(stream: Stream, metric: float, loss: float, seconds: float, learned: int) -> Row:
    name = "accuracy" if stream.loss == "cross_entropy" else "error"
    return {
        name: metric / learned,
        "loss": loss / learned,
        "seconds": seconds,
        "examples_per_second": learned / seconds if seconds > 0 else math.nan,
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
    if isinstance(config, NetworkConfiguration) and config.hidden:
        xs, _ = stream.peek(config.measured_examples)
        row |= _plasticity(learner, xs, config.hidden)
    return row


def _plasticity(learner: Any, xs: NDArray[Any], hidden: tuple[int, ...]) -> Row:
    """Over the hidden layers: the share of all units that is dormant, and the mean ranks.

    NaN where these inputs would overflow the network.
    """
    report: dict[str, list[float]] = defaultdict(lambda: [math.nan] * len(hidden))
    try:
        report |= learner.diagnose(xs)
    except ValueError as error:
        if OVERFLOW not in str(error):
            raise
    return {
        "dormant_fraction": float(np.average(report["dormant_fraction"], weights=hidden)),
        "stable_rank": float(np.mean(report["stable_rank"])),
        "effective_rank": float(np.mean(report["effective_rank"])),
        "approximate_rank": float(np.mean(report["approximate_rank"])),
        "dormant_fraction_per_layer": list(report["dormant_fraction"]),
        "stable_rank_per_layer": list(report["stable_rank"]),
    }


def _step_sizes(learner: Any, stream: Stream) -> Row:
    """Of tracking tasks: mean step sizes from the inputs that matter, and from the others."""
    if not isinstance(stream, Tracking1992 | DeepTracking):
        return {}
    steps = np.asarray(learner.step_sizes["0.weight"], np.float64)  # row j: from input j
    if _diverged(learner, stream):
        steps = np.full_like(steps, math.nan)
    return {
        "relevant_step_size": float(steps[: stream.relevant].mean()),
        "irrelevant_step_size": float(steps[stream.relevant :].mean()),
    }


def _replacements(learner: Any) -> int:
    """Units regenerated so far, in all layers."""
    return int(np.sum(learner.replacements))
