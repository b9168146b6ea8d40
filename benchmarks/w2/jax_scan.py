"""W2 in JAX: many steps, one update each, in one compiled call."""

from benchmarks.common import jax_network
from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload

VARIANTS = ("scan",)


def build(variant: str, workload: Workload) -> Competitor:
    return jax_network.scan(workload)
