"""W1 in PyTorch: module, autograd and torch.optim.SGD, called once per example."""

from benchmarks.common import torch_network
from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload

VARIANTS = ("foreach", "fused")


def build(variant: str, workload: Workload) -> Competitor:
    return torch_network.eager(workload, variant)
