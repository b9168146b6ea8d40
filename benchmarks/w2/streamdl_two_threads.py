"""W2 with streamdl on two threads, two cores: same bits, less time."""

from benchmarks.common.protocol import Competitor
from benchmarks.common.streamdl_learner import describe, one_by_one
from benchmarks.common.workloads import Workload

__all__ = ["CORES", "VARIANTS", "build", "describe"]

CORES = 2
VARIANTS = ("step",)


def build(variant: str, workload: Workload) -> Competitor:
    return one_by_one(workload, threads=2)
