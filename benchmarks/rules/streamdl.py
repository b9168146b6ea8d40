"""Every rule by `step_many`; rules that follow one output have no place on these workloads."""

from benchmarks.common.protocol import Competitor
from benchmarks.common.streamdl_learner import describe, many
from benchmarks.common.workloads import Workload
from benchmarks.rules import BYTES

__all__ = ["VARIANTS", "build", "describe"]

VARIANTS = tuple(BYTES)


def build(variant: str, workload: Workload) -> Competitor:
    return many(workload, variant)
