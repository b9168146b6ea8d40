"""W1 with streamdl: `step` from Python per example, and `step_many`."""

from benchmarks.common.protocol import Competitor
from benchmarks.common.streamdl_learner import describe, many, one_by_one
from benchmarks.common.workloads import Workload

__all__ = ["VARIANTS", "build", "describe"]

VARIANTS = ("step", "step_many")


def build(variant: str, workload: Workload) -> Competitor:
    return one_by_one(workload) if variant == "step" else many(workload)
