"""W2 with streamdl on one thread: `step`, `step_many`, and other rules by `step`."""

from benchmarks.common.protocol import Competitor
from benchmarks.common.streamdl_learner import describe, many, one_by_one
from benchmarks.common.workloads import Workload

__all__ = ["VARIANTS", "build", "describe"]

# Each rule's cost is read as a ratio to plain SGD's `step`.
RULES = ("continual_backprop", "idbd", "momentum", "weight_decay")
VARIANTS = ("step_many", "step", *RULES)


def build(variant: str, workload: Workload) -> Competitor:
    if variant == "step_many":
        return many(workload)
    return one_by_one(workload, "sgd" if variant == "step" else variant)
