"""PyTorch, minibatches: module, autograd and torch.optim.SGD."""

from benchmarks.common import torch_network
from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload

VARIANTS = ("8", "32", "128", "512")


def build(variant: str, workload: Workload) -> Competitor:
    return torch_network.eager(workload, "foreach", int(variant))
