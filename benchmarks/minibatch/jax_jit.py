"""JAX, minibatches: one compiled call per minibatch, parameters donated."""

from benchmarks.common import jax_network
from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload

VARIANTS = ("8", "32", "128", "512")


def build(variant: str, workload: Workload) -> Competitor:
    return jax_network.minibatch(workload, int(variant))
