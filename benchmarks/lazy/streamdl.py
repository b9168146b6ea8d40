"""Rules under which silent weights move, by `step_many`, with rows that wait and rows that are visited."""

from benchmarks.common.protocol import Competitor, NotOffered
from benchmarks.common.streamdl_learner import describe, many
from benchmarks.common.workloads import Workload
from benchmarks.lazy import WAYS

__all__ = ["VARIANTS", "build", "describe"]

VARIANTS = tuple(dict.fromkeys(name for _, rule, way in WAYS for name in (rule, f"{rule}-{way}")))


def build(variant: str, workload: Workload) -> Competitor:
    rule, _, way = variant.partition("-")
    if (workload.name, rule) not in {(name, of) for name, of, _ in WAYS}:
        raise NotOffered
    return many(workload, rule, silent_rows=way or "visited")
