"""W2 in JAX: one compiled call per example, parameters donated."""

from benchmarks.common import jax_network
from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload

VARIANTS = ("donated",)


def build(variant: str, workload: Workload) -> Competitor:
    return jax_network.jit(workload)
