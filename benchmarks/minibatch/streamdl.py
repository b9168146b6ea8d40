"""streamdl, one example and one update at a time: `step_many`."""

from benchmarks.common.protocol import Competitor
from benchmarks.common.streamdl_learner import describe, many
from benchmarks.common.workloads import Workload

__all__ = ["VARIANTS", "build", "describe"]

VARIANTS = ("step_many",)


def build(variant: str, workload: Workload) -> Competitor:
    return many(workload)
