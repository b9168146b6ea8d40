"""Every rule by `step_many`, and the instructions that one example takes on W4."""

from __future__ import annotations

from typing import Any

from benchmarks.common import streamdl_learner
from benchmarks.common.protocol import Competitor, Skipped
from benchmarks.common.workloads import Workload
from benchmarks.rules import instructions
from benchmarks.rules.costs import COUNTED_ON
from benchmarks.rules.traffic import TRAFFIC, offer

VARIANTS = tuple(TRAFFIC)
LEARNED = 300  # examples before the one that is counted, as in the probe

_made: dict[str, tuple[str, dict[str, Any]]] = {}
_counts: dict[str, dict[str, int]] = {}
_reasons: set[str] = set()


def _count(workload: Workload, rule: str) -> int:
    taught = streamdl_learner.learner(workload, rule)
    xs, ys = workload.examples
    taught.step_many(xs[:LEARNED], ys[:LEARNED])

    def learn(examples: int) -> object:
        start = taught.steps
        return taught.step_many(xs[start : start + examples], ys[start : start + examples])

    return instructions.of_one_example(learn)


def build(variant: str, workload: Workload) -> Competitor:
    noise = offer(variant, workload.name).noise
    _made[variant] = streamdl_learner.made_of(workload, variant)
    if workload.name in COUNTED_ON and not noise:
        try:
            _counts.setdefault(workload.name, {})[variant] = _count(workload, variant)
        except Skipped as error:
            _reasons.add(str(error))
    return streamdl_learner.many(workload, variant)


def describe() -> dict[str, Any]:
    how = instructions.HOW if _counts else "; ".join(sorted(_reasons))
    counted = {"instructions": _counts, "instructions_how": how}
    return streamdl_learner.describe() | counted | {"made": _made}
