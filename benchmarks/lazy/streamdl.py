"""Rules under which silent weights move, by `step_many`, with rows that wait and rows that are visited."""

from benchmarks.common.protocol import Competitor
from benchmarks.common.streamdl_learner import describe, many
from benchmarks.common.workloads import Workload
from benchmarks.lazy import RULES

__all__ = ["VARIANTS", "build", "describe"]

VARIANTS = tuple(name for rule in RULES for name in (rule, f"{rule}_lazy"))


def build(variant: str, workload: Workload) -> Competitor:
    lazy = variant.endswith("_lazy")
    return many(workload, variant.removesuffix("_lazy"), silent_rows="lazy" if lazy else "visited")
