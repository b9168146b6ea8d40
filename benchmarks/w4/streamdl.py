"""W4 with streamdl: `step`, `step_many`, and other rules by `step_many`."""

from benchmarks.common.protocol import Competitor
from benchmarks.common.streamdl_learner import describe, many, one_by_one
from benchmarks.common.workloads import Workload

__all__ = ["VARIANTS", "build", "describe"]

# Each rule's cost is read as a ratio to plain SGD's `step_many`.
RULES = ("continual_backprop", "idbd", "momentum", "weight_decay", "idbd_continual_backprop")
VARIANTS = ("step", "step_many", *RULES)


def build(variant: str, workload: Workload) -> Competitor:
    if variant == "step":
        return one_by_one(workload)
    return many(workload, "sgd" if variant == "step_many" else variant)
