"""The rules that torch.optim has, eager: module, autograd and optimizer, called once per example."""

from benchmarks.common import torch_network
from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload
from benchmarks.rules.traffic import offer

VARIANTS = tuple(torch_network.OPTIMIZERS)


def build(variant: str, workload: Workload) -> Competitor:
    offer(variant, workload.name)
    return torch_network.eager_rule(workload, variant)
