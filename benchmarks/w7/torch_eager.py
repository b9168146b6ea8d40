"""W7 in PyTorch, eager: tensors of all features or of the active ones, written in place, no autograd."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.common.protocol import Competitor, Skipped
from benchmarks.w7.workload import workload_of

VARIANTS = ("in_place",)


def build(variant: str, name: str) -> Competitor:
    work = workload_of(name)
    if work.rule not in ("sgd", "idbd"):
        raise Skipped("not written")
    torch.set_num_threads(1)
    w, h = torch.zeros(work.weights), torch.zeros(work.weights)
    a = torch.full((work.weights,), work.step_size)
    theta, step_size, sparse = work.meta_step_size, work.step_size, work.sparse

    @torch.inference_mode()
    def sgd(j: Any, x: Any, y: float) -> float:
        delta = float(torch.dot(w[j] if sparse else w, x)) - y
        if sparse:
            w.index_add_(0, j, x, alpha=-step_size * delta)
        else:
            w.add_(x, alpha=-step_size * delta)
        return 0.5 * delta * delta

    @torch.inference_mode()
    def idbd(j: Any, x: Any, y: float) -> float:
        w_, a_, h_ = (w[j], a[j], h[j]) if sparse else (w, a, h)
        delta = float(torch.dot(w_, x)) - y
        g = x * delta
        a_.mul_(torch.exp_(torch.mul(g, h_).mul_(-theta)))
        h_.mul_((a_ * x).mul_(x).neg_().add_(1).clamp_(min=0))
        g.mul_(a_)
        h_.sub_(g)
        w_.sub_(g)
        if sparse:
            w[j], a[j], h[j] = w_, a_, h_
        return 0.5 * delta * delta

    call = sgd if work.rule == "sgd" else idbd
    indices, values = (torch.from_numpy(array) for array in work.inputs_and_one)
    inputs = zip(indices, values, strict=True) if sparse else [(None, x) for x in values]
    return Competitor(
        lambda x, y: call(x[0], x[1], y), list(zip(inputs, work.targets.tolist(), strict=True)),
        rule=None, expected=work.expected,
    )  # fmt: skip
