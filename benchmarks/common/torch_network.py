"""A dense ReLU network in PyTorch: eager with torch.optim.SGD, and a whole step compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload

torch.set_num_threads(1)


def network(workload: Workload) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for w, b in zip(workload.weights, workload.biases, strict=True):
        linear = torch.nn.Linear(w.shape[0], w.shape[1])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T.copy()))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def loss_of(workload: Workload, output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The mean over the examples; a single example comes without a batch dimension."""
    if workload.classification:
        return F.cross_entropy(output, y)
    share = 0.5 if output.ndim == 1 else 0.5 / len(output)
    return share * F.mse_loss(output, y, reduction="sum")


def examples(workload: Workload) -> list[tuple[torch.Tensor, torch.Tensor]]:
    xs, ys = (torch.from_numpy(np.asarray(a)) for a in workload.examples)
    return list(zip(xs, ys, strict=True))


def blocks(workload: Workload, size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    xs, ys = (torch.from_numpy(np.asarray(a)) for a in workload.examples)
    starts = range(0, workload.count - size + 1, size)
    return [(xs[i : i + size], ys[i : i + size]) for i in starts]


def eager(workload: Workload, variant: str, size: int = 0) -> Competitor:
    """The textbook loop, with SGD's "foreach" or "fused" kernels; `size` 0: one example."""
    net = network(workload)
    optimizer = torch.optim.SGD(net.parameters(), lr=workload.step_size, **{variant: True})

    def call(x: Any, y: Any) -> torch.Tensor:
        optimizer.zero_grad()
        loss = loss_of(workload, net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    if size:
        return Competitor(call, blocks(workload, size), size)
    return Competitor(call, examples(workload))


def compiled(workload: Workload) -> Competitor:
    """Forward, gradients and the update in place as one graph, through torch.compile."""
    net = network(workload)
    params = {name: p.detach().clone() for name, p in net.named_parameters()}

    def step(params: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        def loss_at(params: dict[str, torch.Tensor]) -> torch.Tensor:
            return loss_of(workload, torch.func.functional_call(net, params, (x,)), y)

        gradients, loss = torch.func.grad_and_value(loss_at)(params)
        for name, p in params.items():
            p.sub_(gradients[name], alpha=workload.step_size)
        return loss

    fast = torch.compile(step, fullgraph=True, dynamic=False)

    def call(x: Any, y: Any) -> Any:
        with torch.no_grad():
            return fast(params, x, y)

    return Competitor(call, examples(workload))
