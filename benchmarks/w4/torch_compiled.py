"""W4 in PyTorch: the whole step, gradients and update included, compiled as one graph."""

from benchmarks.common import torch_network
from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload

VARIANTS = ("whole_step",)


def build(variant: str, workload: Workload) -> Competitor:
    return torch_network.compiled(workload)
