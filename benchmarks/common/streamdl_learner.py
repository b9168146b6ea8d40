"""streamdl through its public interface alone: a learner per rule, called in two ways."""

from __future__ import annotations

from typing import Any

import streamdl as sdl

from benchmarks.common.protocol import Competitor
from benchmarks.common.workloads import Workload


def learner(workload: Workload, rule: str = "sgd", threads: int = 1, **settings: Any) -> Any:
    """A learner with the workload's first weights; `rule` is a key of RULES, `settings` of sdl.Learner."""
    make_optimizer, make_plasticity = RULES[rule]
    inputs, *hidden, outputs = workload.sizes
    made = sdl.Learner(
        sdl.MLP(inputs, hidden, outputs, activation="relu"),
        loss=workload.loss,
        optimizer=make_optimizer(workload.step_size),
        plasticity=make_plasticity(),
        threads=threads,
        **settings,
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


def _meta_optimize(step_size: float, base: str, blocks: str) -> Any:
    return sdl.optim.MetaOptimize(
        step_size, meta_step_size=1e-4, discount=0.999, base=base, meta="SGD", blocks=blocks
    )


# rule -> (optimizer from a step size, plasticity)
RULES: dict[str, tuple[Any, Any]] = {
    "sgd": (_sgd, _none),
    "momentum": (lambda a: sdl.optim.SGD(step_size=a, momentum=0.9), _none),
    "weight_decay": (lambda a: sdl.optim.SGD(step_size=a, weight_decay=1e-4), _none),
    "continual_backprop": (_sgd, _continual_backprop),
    "idbd": (_idbd, _none),
    "idbd_continual_backprop": (_idbd, _continual_backprop),
    "pgd": (lambda a: sdl.optim.PGD(step_size=a, noise=1e-3), _none),
    "rmsprop": (lambda a: sdl.optim.RMSprop(step_size=a / 30), _none),
    "adam": (lambda a: sdl.optim.Adam(step_size=a / 30), _none),
    "adamw": (lambda a: sdl.optim.AdamW(step_size=a / 30), _none),
    "autostep": (lambda a: sdl.optim.Autostep(step_size=a, meta_step_size=1e-3), _none),
    "hypergradient": (lambda a: sdl.optim.HypergradientDescent(a, 1e-9), _none),
    "hypergradient_per_weight": (
        lambda a: sdl.optim.HypergradientDescent(a, 1e-6, per_weight=True),
        _none,
    ),
    "meta_scalar_sgd": (lambda a: _meta_optimize(a, "SGD", "scalar"), _none),
    "meta_scalar_adamw": (lambda a: _meta_optimize(a / 30, "AdamW", "scalar"), _none),
    "meta_weightwise_sgd": (lambda a: _meta_optimize(a, "SGD", "weightwise"), _none),
    "upgd": (lambda a: sdl.optim.UPGD(a, noise=0), _none),
    "upgd_noisy": (lambda a: sdl.optim.UPGD(a), _none),
    "upgd_local": (lambda a: sdl.optim.UPGD(a, noise=0, scope="local"), _none),
    "redo": (_sgd, lambda: sdl.plasticity.ReDo()),
    "self_normalized_reset": (_sgd, lambda: sdl.plasticity.SelfNormalizedReset()),
    "imprinting": (_sgd, lambda: sdl.plasticity.Imprinting()),
    "shrink_and_perturb": (_sgd, lambda: sdl.plasticity.ShrinkAndPerturb(1e-6, 1e-5)),
    "l2_init": (_sgd, lambda: sdl.plasticity.L2Init(1e-4)),
    "weight_clipping": (_sgd, lambda: sdl.plasticity.WeightClipping(10.0)),
    "ewc": (lambda a: sdl.optim.EWC(a, strength=1e-3), _none),
    "mas": (lambda a: sdl.optim.MAS(a, strength=1e-3), _none),
    "si": (lambda a: sdl.optim.SI(a, strength=1e-4), _none),
    "rwalk": (lambda a: sdl.optim.RWalk(a, strength=1e-3), _none),
    "nidbd": (lambda a: sdl.optim.NIDBD(a, meta_step_size=1e-3), _none),
    "obgd": (lambda a: sdl.optim.ObGD(), _none),
    "adaptive_obgd": (lambda a: sdl.optim.AdaptiveObGD(), _none),
    "intentional": (lambda a: sdl.optim.Intentional(), _none),
    "normalized_idbd": (lambda a: sdl.optim.NormalizedIDBD(a, meta_step_size=1e-3), _none),
    "sig_idbd": (lambda a: sdl.optim.SigIDBD(meta_step_size=1e-3), _none),
    "hare_and_tortoise": (_sgd, lambda: sdl.plasticity.HareAndTortoise(10_000)),
    "normalize_and_project": (_sgd, lambda: sdl.plasticity.NormalizeAndProject()),
    "selective_weight_reinit": (
        _sgd,
        lambda: sdl.plasticity.SelectiveWeightReinit(1e-5, period=1000),
    ),
    "continuous_continual_backprop": (
        _sgd,
        lambda: sdl.plasticity.ContinuousContinualBackprop(),
    ),
}
# What the float64 reference replays. No unit matures within its steps, so that Continual Backprop
# must print plain SGD's losses; other rules' definitions are tested by the conformance cases instead.
CHECKED_AS = {
    "sgd": "sgd",
    "momentum": "momentum",
    "weight_decay": "weight_decay",
    "continual_backprop": "sgd",
}


def made_of(workload: Workload, rule: str) -> tuple[str, dict[str, Any]]:
    """The class that a rule is about, and its arguments."""
    make_optimizer, make_plasticity = RULES[rule]
    made = make_plasticity() or make_optimizer(workload.step_size)
    return type(made).__name__, {**made.hyperparameters, **made.options}


def one_by_one(workload: Workload, rule: str = "sgd", threads: int = 1) -> Competitor:
    """`step`, once per example, from Python; a single real target is a Python float."""
    xs, ys = workload.examples
    targets: Any = ys
    if workload.classification:
        targets = ys.tolist()
    elif workload.sizes[-1] == 1:
        targets = ys[:, 0].tolist()
    call = learner(workload, rule, threads).step
    return Competitor(call, list(zip(xs, targets, strict=True)), rule=CHECKED_AS.get(rule))


def many(workload: Workload, rule: str = "sgd", threads: int = 1, **settings: Any) -> Competitor:
    """`step_many`, `workload.block` examples per call."""
    return in_blocks(learner(workload, rule, threads, **settings), workload, CHECKED_AS.get(rule))


def in_blocks(made: Any, workload: Workload, checked_as: str | None = None) -> Competitor:
    """The same of a learner that was made elsewhere."""
    block = workload.block
    xs, ys = workload.examples
    starts = range(0, workload.count - block + 1, block)
    arguments = [(xs[i : i + block], ys[i : i + block]) for i in starts]
    return Competitor(made.step_many, arguments, block, rule=checked_as)


def describe() -> dict[str, Any]:
    """The instruction set that ran, for the record."""
    return {"info": {key: str(value) for key, value in sdl.info().items()}}
