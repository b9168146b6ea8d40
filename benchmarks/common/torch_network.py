"""A dense ReLU network in PyTorch: eager with torch.optim.SGD, and a whole step compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.common import reference
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
    """SGD with its "foreach" or "fused" kernels; `size` 0: one example."""
    net = network(workload)
    optimizer = torch.optim.SGD(net.parameters(), lr=workload.step_size, **{variant: True})
    return _loop(workload, net, optimizer, size, "sgd")


# Rule -> torch's optimizer from parameters and a step size, with the fastest kernels it has. The keys and the
# hyper-parameters are those of streamdl_learner.RULES.
OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda p, a: torch.optim.SGD(p, lr=a, fused=True),
    "momentum": lambda p, a: torch.optim.SGD(p, lr=a, momentum=0.9, fused=True),
    "rmsprop": lambda p, a: torch.optim.RMSprop(p, lr=a / 30, foreach=True),
    "adam": lambda p, a: torch.optim.Adam(p, lr=a / 30, fused=True),
    "adamw": lambda p, a: torch.optim.AdamW(p, lr=a / 30, fused=True),
}


def eager_rule(workload: Workload, rule: str) -> Competitor:
    """Another rule, one example at a time; its losses are checked where the reference knows it."""
    net = network(workload)
    optimizer = OPTIMIZERS[rule](net.parameters(), workload.step_size)
    return _loop(workload, net, optimizer, 0, rule if rule in reference.RULES else None)


def _loop(workload: Workload, net: Any, optimizer: Any, size: int, rule: str | None) -> Competitor:
    """The textbook loop."""

    def call(x: Any, y: Any) -> torch.Tensor:
        optimizer.zero_grad()
        loss = loss_of(workload, net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    if size:
        return Competitor(call, blocks(workload, size), size, rule=rule)
    return Competitor(call, examples(workload), rule=rule)


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
