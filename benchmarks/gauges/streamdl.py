"""Plain SGD by `step_many`, with gauges as `gauges=True` starts them, and without."""

from benchmarks.common.protocol import Competitor
from benchmarks.common.streamdl_learner import describe, many
from benchmarks.common.workloads import Workload

__all__ = ["VARIANTS", "build", "describe"]

VARIANTS = ("off", "on")


def build(variant: str, workload: Workload) -> Competitor:
    return many(workload, gauges=variant == "on")
