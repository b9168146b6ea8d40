"""streamdl through its public interface alone: a learner per rule, called in two ways."""

from __future__ import annotations

from typing import Any

import streamdl as sdl

from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload


def learner(workload: Workload, rule: str = "sgd", threads: int = 1) -> Any:
    """A learner with the workload's first weights; `rule` is a key of RULES."""
    make_optimizer, make_plasticity = RULES[rule]
    inputs, *hidden, outputs = workload.sizes
    made = sdl.Learner(
        sdl.MLP(inputs, hidden, outputs, activation="relu"),
        loss=workload.loss,
        optimizer=make_optimizer(workload.step_size),
        plasticity=make_plasticity(),
        threads=threads,
    )
    for index, (w, b) in enumerate(zip(workload.weights, workload.biases, strict=True)):
        made.parameters[f"{index}.weight"][...] = w
        made.parameters[f"{index}.bias"][...] = b
    return made


def _none() -> None:
    return None


def _continual_backprop() -> Any:
    return sdl.plasticity.ContinualBackprop(utility="contribution")


def _sgd(step_size: float) -> Any:
    return sdl.optim.SGD(step_size=step_size)


def _idbd(step_size: float) -> Any:
    return sdl.optim.IDBD(step_size=step_size, meta_step_size=1e-3)


# rule -> (optimizer from a step size, plasticity)
RULES: dict[str, tuple[Any, Any]] = {
    "sgd": (_sgd, _none),
    "momentum": (lambda a: sdl.optim.SGD(step_size=a, momentum=0.9), _none),
    "weight_decay": (lambda a: sdl.optim.SGD(step_size=a, weight_decay=1e-4), _none),
    "continual_backprop": (_sgd, _continual_backprop),
    "idbd": (_idbd, _none),
    "idbd_continual_backprop": (_idbd, _continual_backprop),
}
# What the float64 reference replays. No unit matures within its steps, so that Continual Backprop
# must print plain SGD's losses; IDBD's definition is tested by the conformance cases instead.
CHECKED_AS = {
    "sgd": "sgd",
    "momentum": "momentum",
    "weight_decay": "weight_decay",
    "continual_backprop": "sgd",
    "idbd": None,
    "idbd_continual_backprop": None,
}


def one_by_one(workload: Workload, rule: str = "sgd", threads: int = 1) -> Competitor:
    """`step`, once per example, from Python; a single real target is a Python float."""
    xs, ys = workload.examples
    targets: Any = ys
    if workload.classification:
        targets = ys.tolist()
    elif workload.sizes[-1] == 1:
        targets = ys[:, 0].tolist()
    call = learner(workload, rule, threads).step
    return Competitor(call, list(zip(xs, targets, strict=True)), rule=CHECKED_AS[rule])


def many(workload: Workload, rule: str = "sgd", threads: int = 1) -> Competitor:
    """`step_many`, `workload.block` examples per call."""
    block = workload.block
    xs, ys = workload.examples
    starts = range(0, workload.count - block + 1, block)
    arguments = [(xs[i : i + block], ys[i : i + block]) for i in starts]
    call = learner(workload, rule, threads).step_many
    return Competitor(call, arguments, block, rule=CHECKED_AS[rule])


def describe() -> dict[str, Any]:
    """The instruction set that ran, for the record."""
    return {"info": {key: str(value) for key, value in sdl.info().items()}}
