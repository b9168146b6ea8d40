"""Freshly drawn, well-conditioned learners: streamdl's and the reference's, with equal weights."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import reference
import streamdl as sdl
from conformance.vectors import arguments, relative_error
from descriptions import network_of
from numpy.typing import NDArray

Array = NDArray[np.float64]

ACTIVATIONS = list(reference.network.ACTIVATIONS)
OPTIMIZERS = [
    "SGD", "momentum", "Adam", "AdamW", "RMSprop", "IDBD", "NIDBD", "Autostep", "HypergradientDescent",
    "MetaOptimize", "ObGD", "AdaptiveObGD", "Intentional", "UPGD",
    "EWC", "MAS", "SI", "RWalk", "NormalizedIDBD", "SigIDBD",
]  # fmt: skip
OF_ONE_OUTPUT = ("ObGD", "AdaptiveObGD", "Intentional", "SigIDBD")  # with squared error
UTILITIES = [
    "contribution", "weight", "adaptation",
    "zero_contribution", "adaptable_contribution", "feature_by_input",
]  # fmt: skip
OF_UNITS = ("ContinualBackprop", "ReDo", "SelfNormalizedReset")
STEPS = 100
MOVE, MOVED = 1e-14, 1e-10  # a start moved by this may move the results by at most that
NEAR_TIE = 1e-7  # utilities nearer than this (relative), and a rounding error decides who goes
REDRAWS = 25


@dataclass(frozen=True)
class Configuration:
    """What a learner is built from, and the examples that it sees."""

    network: dict[str, Any]
    loss: str
    optimizer: dict[str, Any]
    plasticity: list[dict[str, Any]]
    xs: Array
    ys: NDArray[Any]
    pairs: bool  # feed the inputs as (indices, values)
    seed: int

    def __str__(self) -> str:
        return f"{self.network} {self.loss} {self.optimizer} {self.plasticity} seed {self.seed}"

    def streamdl(self) -> sdl.Learner:
        optimizer = getattr(sdl.optim, self.optimizer["name"])
        return sdl.Learner(
            network_of(self.network),
            loss=self.loss,
            optimizer=optimizer(**arguments(self.optimizer, "name")),
            plasticity=[
                getattr(sdl.plasticity, p["name"])(**arguments(p, "name")) for p in self.plasticity
            ],
            seed=self.seed,
            dtype="float64",
        )

    def reference(self, initial: dict[str, Array]) -> reference.Learner:
        optimizer = getattr(reference, self.optimizer["name"])
        learner = reference.Learner(
            reference.network_of(self.network),
            self.loss,
            optimizer(**arguments(self.optimizer, "name")),
            [getattr(reference, p["name"])(**arguments(p, "name")) for p in self.plasticity],
        )
        assert set(learner.parameters) == set(initial)
        for name, w in learner.parameters.items():
            w[...] = initial[name]
        return learner

    def kept_of_draws(self) -> float:
        """The share of a drawn weight that is left at the end of its step: methods that come
        after the one that drew it in the list shrink it once."""
        first = [p["name"] in OF_UNITS for p in self.plasticity].index(True)
        return float(np.prod([1.0 - p.get("shrink", 0.0) for p in self.plasticity[first:]]))

    def x(self, step: int) -> Any:
        """The input of a step as streamdl is given it."""
        x = self.xs[step]
        indices = np.flatnonzero(x)
        return (indices, x[indices]) if self.pairs else x


def _draw_optimizer(kind: str, random: np.random.Generator) -> dict[str, Any]:
    decays: dict[str, Any] = {}
    if random.uniform() < 0.3 and kind not in ("AdamW", *OF_ONE_OUTPUT):
        decays["weight_decay"] = float(random.uniform(0.001, 0.05))
    if random.uniform() < 0.3:
        decays["decoupled_weight_decay"] = float(random.uniform(0.001, 0.05))
    step_size = float(10 ** random.uniform(-2.5, -1.5))
    match kind:
        case "SGD":
            return {"name": "SGD", "step_size": step_size} | decays
        case "momentum":
            momentum = {"momentum": float(random.uniform(0.3, 0.9))}
            nesterov = {"nesterov": bool(random.integers(2))}
            return {"name": "SGD", "step_size": step_size / 3} | momentum | nesterov | decays
        case "RMSprop":
            decay = {"decay": float(random.choice([0.9, 0.99])), "epsilon": 1e-6}
            return {"name": "RMSprop", "step_size": step_size / 5} | decay | decays
        case "Adam" | "AdamW":
            betas = {"beta1": 0.9, "beta2": float(random.choice([0.99, 0.999])), "epsilon": 1e-6}
            return {"name": kind, "step_size": step_size / 5} | betas | decays
        case "HypergradientDescent":
            return _draw_hypergradient(step_size, random) | decays
        case "MetaOptimize":
            return _draw_meta_optimize(step_size, random)
        case "ObGD" | "AdaptiveObGD" | "Intentional":
            return _draw_of_one_output(kind, random) | (decays if kind != "Intentional" else {})
        case "UPGD":
            scope = {"scope": str(random.choice(["global", "local"])), "noise": 0.0}
            decay = {"utility_decay": float(random.choice([0.9, 0.99]))}
            corrected = {"corrected_max": bool(random.integers(2))}
            return {"name": "UPGD", "step_size": step_size} | scope | decay | corrected | decays
        case "EWC" | "MAS" | "SI" | "RWalk":
            return _draw_consolidation(kind, step_size, random) | decays
    sensitivity = str(random.choice(["diagonal", "exact"]))
    theta = {"meta_step_size": float(random.uniform(0.001, 0.02)), "sensitivity": sensitivity}
    if kind == "NIDBD":
        theta["normalize"] = str(random.choice(["meta_gradient", "gradient", "deviation"]))
        theta["normalizer_decay"] = float(random.choice([0.9, 0.99, 0.9995]))
        theta["epsilon"] = float(10 ** random.uniform(-4, -2))
        if theta["normalize"] == "deviation" and random.integers(2):
            theta["meta_step_size"], step_size = 0.1, 0.3  # often cut
    if kind == "SigIDBD":
        theta["rate"] = float(random.uniform(0.02, 0.3))
        theta["rate_meta_step_size"] = float(10 ** random.uniform(-3, -1))
        theta["epsilon"] = float(10 ** random.uniform(-3, 0))
    if kind == "NormalizedIDBD":
        step_size *= float(random.choice([1.0, 10.0]))
    if kind == "Autostep":
        # the upper end makes a unit's step sizes overshoot
        theta["tau"] = float(10 ** random.uniform(1.5, 4))
        step_size *= float(random.choice([1.0, 10.0]))
    return {"name": kind, "step_size": step_size} | theta | decays


def _draw_hypergradient(step_size: float, random: np.random.Generator) -> dict[str, Any]:
    theta = {"meta_step_size": float(10 ** random.uniform(-6, -4))}
    base = {"per_weight": bool(random.integers(2)), "base": "adam", "epsilon": 1e-6}
    if random.integers(2):
        base |= {"base": "sgd", "momentum": float(random.choice([0.0, 0.5]))}
        del base["epsilon"]
    else:
        step_size /= 5
    return {"name": "HypergradientDescent", "step_size": step_size} | theta | base


def _draw_meta_optimize(step_size: float, random: np.random.Generator) -> dict[str, Any]:
    base = str(random.choice(["SGD", "SGDm", "RMSProp", "AdamW", "Lion"]))
    return {
        "name": "MetaOptimize",
        "base": base,
        "meta": str(random.choice(["SGD", "RMSProp", "Adam", "Lion"])),
        "blocks": str(random.choice(["scalar", "layerwise", "weightwise"])),
        "step_size": step_size / (1 if base in ("SGD", "SGDm") else 10),
        "meta_step_size": float(random.uniform(0.001, 0.01)),
        "discount": float(random.choice([0.9, 0.99])),
        "weight_decay": float(random.choice([0.0, 0.01])),
    }


def _draw_consolidation(kind: str, step_size: float, random: np.random.Generator) -> dict[str, Any]:
    decays = {
        "average_decay": float(random.choice([0.0, 0.9, 0.999])),
        "importance_decay": float(random.choice([0.5, 0.9, 0.999])),
    }
    strength = {"strength": float(10 ** random.uniform(-2, 0))}
    epsilon = {"epsilon": float(10 ** random.uniform(-3, -1))} if kind in ("SI", "RWalk") else {}
    return {"name": kind, "step_size": step_size} | strength | decays | epsilon


def _draw_of_one_output(kind: str, random: np.random.Generator) -> dict[str, Any]:
    traces = {"discount": 0.9, "trace_decay": float(random.choice([0.0, 0.3, 0.8]))}
    if kind == "Intentional":
        others = {
            "fraction": float(random.uniform(0.05, 0.5)),
            "clip": float(random.choice([1.0, 20.0])),
            "clip_decay": 0.9,
            "norm_decay": 0.9,
            "normalize_td_error": bool(random.integers(2)),
        }
    else:
        others = {"step_size": float(random.choice([0.01, 1.0])), "kappa": 2.0}
    return {"name": kind} | traces | others


def _draw_plasticity(
    random: np.random.Generator, hidden: bool, of_one_output: bool, dense: bool
) -> list[dict[str, Any]]:
    methods: list[dict[str, Any]] = []
    shrinks = random.uniform() < 0.25
    if shrinks:
        methods.append(_draw_shrinking(random))
    if random.uniform() < 0.15:
        period, decay = int(random.integers(3, 40)), float(random.choice([0.5, 0.9, 0.99]))
        methods.append({"name": "HareAndTortoise", "period": period, "decay": decay})
    if random.uniform() < 0.15:
        methods.append({"name": "NormalizeAndProject", "period": int(random.integers(1, 5))})
    if random.uniform() < 0.2 and not of_one_output:
        methods.append({"name": "L2Init", "strength": float(random.uniform(0.001, 0.05))})
    if random.uniform() < 0.2:
        methods.append({"name": "WeightClipping", "bound": float(random.uniform(0.8, 2.5))})
    if random.uniform() < 0.15 and dense:
        random.shuffle(methods)
        return [*methods, _draw_partial_resets(random)]
    if random.uniform() < 0.15 and dense:
        # Last: what it drew is read off the weights at the end of the step.
        random.shuffle(methods)
        return [*methods, _draw_reinit(random)]
    # Of methods that regenerate units, one; two where none shrinks what they drew.
    count = int(hidden) * (1 + int(random.uniform() < 0.2 and not shrinks))
    for _ in range(count if random.uniform() < 0.8 else 0):
        method = _draw_unit_method(random)
        if method["name"] not in [m["name"] for m in methods]:
            methods.append(method)
    random.shuffle(methods)
    # What was drawn is read off the weights at the end of the step, unless shrunk towards 0.
    others = list(methods)
    methods.sort(key=lambda m: m["name"] in OF_UNITS or not _hides_draws(m, others))
    # ContinualBackprop reads weights. What was drawn before it on the same step is not to be had
    # afterwards, since it may have zeroed some of that.
    of_units = [i for i, m in enumerate(methods) if m["name"] in OF_UNITS]
    if len(of_units) == 2 and methods[of_units[1]]["name"] == "ContinualBackprop":
        i, j = of_units
        methods[i], methods[j] = methods[j], methods[i]
    return methods


def _hides_draws(method: dict[str, Any], among: list[dict[str, Any]]) -> bool:
    match method["name"]:
        case "ShrinkAndPerturb":
            return bool(method["toward"] != "zero" or method["period"] != 1)
        case "HareAndTortoise":  # its slow weights keep what others shrank or clipped since
            return any(m["name"] in ("ShrinkAndPerturb", "WeightClipping") for m in among)
    return bool(method["name"] == "NormalizeAndProject")


def _draw_shrinking(random: np.random.Generator) -> dict[str, Any]:
    method: dict[str, Any] = {"name": "ShrinkAndPerturb", "noise": 0.0}
    often = {"shrink": float(random.uniform(0.0005, 0.01)), "period": 1}
    seldom = {
        "shrink": float(random.uniform(0.1, 1.0)),
        "period": int(random.integers(2, 30)),
    }
    toward = {"toward": str(random.choice(["zero", "initial"]))}
    return method | (often if random.integers(2) else seldom) | toward


def _draw_partial_resets(random: np.random.Generator) -> dict[str, Any]:
    return {
        "name": "ContinuousContinualBackprop",
        "replacement_rate": float(10 ** random.uniform(-2, 0)),
        "period": int(random.integers(1, 40)),
        "decay": float(random.choice([0.0, 0.9, 0.99])),
        "sharpness": float(random.uniform(0, 16)),
        "threshold": float(random.uniform(0.5, 1.5)),
    }


def _draw_reinit(random: np.random.Generator) -> dict[str, Any]:
    pruning = str(random.choice(["proportional", "threshold"]))
    proportional = pruning == "proportional"
    return {
        "name": "SelectiveWeightReinit",
        "fraction": float(10 ** random.uniform(-3, -1)) * (1.0 if proportional else 3.0),
        "period": int(random.integers(1, 20)),
        "decay": float(random.choice([0.0, 0.9])),
        "utility": str(random.choice(["magnitude", "gradient"])),
        "pruning": pruning,
        "reinit": str(random.choice(["draw", "zero"])),
    }


def _draw_unit_method(random: np.random.Generator) -> dict[str, Any]:
    kind = random.uniform()
    if kind < 0.15:
        return {"name": "ReDo", "threshold": 0.3, "period": int(random.integers(5, 40))}
    if kind < 0.3:
        minimum = int(random.integers(3, 10))
        return {"name": "SelfNormalizedReset", "threshold": 0.15, "minimum": minimum}
    return {
        "name": "ContinualBackprop",
        # the upper end makes several units of a layer due at once
        "replacement_rate": float(10 ** random.uniform(-2.3, -0.6)),
        "maturity": int(random.integers(3, 25)),
        "decay": float(random.choice([0.9, 0.95, 0.99])),
        "utility": str(random.choice(UTILITIES)),
        "max_per_step": 1 if random.integers(2) else None,
        "transfer_bias": bool(random.integers(2)),
    }


def _draw_mlp(random: np.random.Generator, outputs: int) -> dict[str, Any]:
    return {
        "kind": "mlp",
        "inputs": int(random.integers(2, 20)),
        # Of two units layer norm leaves little but rounding errors.
        "hidden": [int(n) for n in random.integers(3, 20, size=random.integers(0, 4))],
        "outputs": outputs,
        "activation": str(random.choice(ACTIVATIONS)),
        "bias": bool(random.uniform() < 0.75),
        "layer_norm": bool(random.uniform() < 0.3),
    }


def _draw_wide(random: np.random.Generator, outputs: int) -> dict[str, Any]:
    """The rows of the first layer fill a cache."""
    return {**_draw_mlp(random, outputs), "inputs": 9, "hidden": [1100]}


def _draw_images(random: np.random.Generator, outputs: int) -> dict[str, Any]:
    """One or two convolutions, pools between them, and one or two dense layers behind."""

    def activation() -> list[Any]:
        return [str(random.choice(["ReLU", "LeakyReLU", "Tanh", "SiLU", "Softplus"]))]

    def convolution(kernel: int) -> list[Any]:
        bias = bool(random.integers(2))
        return ["Conv2d", int(random.integers(1, 5)), kernel, int(random.integers(1, 3)), bias]

    layers = [convolution(3), activation()]
    if random.integers(2):
        layers += [[str(random.choice(["MaxPool2d", "AvgPool2d"])), 2]]
    if random.integers(2):
        layers += [convolution(2), activation()]
    layers += [["Flatten"]]
    if random.integers(2):
        layers += [["LayerNorm", bool(random.integers(2))]] if random.integers(2) else []
        layers += [["Linear", int(random.integers(3, 20))], ["LayerNorm"], activation()]
    channels, rows, columns = int(random.integers(1, 3)), *random.integers(9, 12, size=2)
    inputs = [channels, int(rows), int(columns)]
    return {"kind": "network", "inputs": inputs, "layers": [*layers, ["Linear", outputs]]}


def _draw_features(random: np.random.Generator, outputs: int) -> dict[str, Any]:
    """Dense layers with what follows a stream, learns its slope or doubles its features between."""
    layers: list[list[Any]] = [["OnlineNorm", bool(random.integers(2)), 0.9, 0.8]] * int(
        random.uniform() < 0.2
    )
    for width in random.integers(3, 15, size=random.integers(1, 4)):
        layers += [["Linear", int(width), bool(random.integers(2))]]
        if random.integers(2):
            layers += [
                ["OnlineNorm", bool(random.integers(2)), 0.9, float(random.choice([0.5, 0.9]))]
            ]
        kinds = ["CReLU", "Fourier", "PReLU", "AdaLin", "ReLU", "Tanh"]
        between: list[Any] = [str(random.choice(kinds))]
        if between == ["AdaLin"]:
            between += [str(random.choice(ACTIVATIONS)), float(random.choice([0.0, 0.2]))]
        layers += [between]
    layers += [["Linear", outputs]]
    return {"kind": "network", "inputs": int(random.integers(2, 20)), "layers": layers}


def draw(optimizer: str, random: np.random.Generator, wide: bool = False) -> Configuration:
    """One configuration, not yet known to be well-conditioned; a wide one is plain and short."""
    single = optimizer in OF_ONE_OUTPUT
    loss = "squared_error" if single else str(random.choice(list(reference.LOSSES)))
    outputs = int(random.integers(2 if loss == "cross_entropy" else 1, 2 if single else 13))
    kind = random.choice([_draw_mlp, _draw_images, _draw_features], p=[0.6, 0.2, 0.2])
    network = (_draw_wide if wide else kind)(random, outputs)
    steps = STEPS // 8 if wide else STEPS
    regenerates = network["kind"] == "mlp" and bool(network["hidden"])
    xs = random.normal(size=(steps, math.prod(np.atleast_1d(network["inputs"]))))
    sparse = bool(random.integers(2))
    if sparse:
        xs[random.uniform(size=xs.shape) < 0.7] = 0.0
    ys: NDArray[Any] = random.normal(size=(steps, outputs))
    if loss == "cross_entropy":
        ys = random.integers(outputs, size=steps)
    elif loss == "binary_cross_entropy":
        ys = (ys > 0).astype(np.float64)
    return Configuration(
        network, loss, _draw_optimizer(optimizer, random),
        [] if wide else _draw_plasticity(random, regenerates, single, network["kind"] == "mlp"),
        xs, ys, sparse and bool(random.integers(2)), int(random.integers(2**31)),
    )  # fmt: skip


def _run(configuration: Configuration, initial: dict[str, Array]) -> tuple[list[Array], float]:
    """Everything a run of the reference ends with, and its nearest tie. Its draws are its own."""
    learner, random = configuration.reference(initial), np.random.default_rng(configuration.seed)

    def draw_weights(layer: int, unit: int) -> Array:
        return random.uniform(-0.5, 0.5, size=len(learner.parameters[f"{layer}.weight"]))

    learner.draw = draw_weights
    reinits = [m for m in learner.plasticity if isinstance(m, reference.SelectiveWeightReinit)]
    for method in reinits:
        method.draw_weight = lambda *_: float(random.uniform(-0.5, 0.5))
    with np.errstate(all="ignore"):
        losses = [
            learner.step(x, y) for x, y in zip(configuration.xs, configuration.ys, strict=True)
        ]
    results = [np.array(losses), *learner.parameters.values(), *learner.step_sizes.values()]
    kept = learner.continual_backprop
    margins = [method.margin for method in (kept, *reinits) if method]
    return results + learner.utilities, min(margins, default=np.inf)


def is_well_conditioned(configuration: Configuration, initial: dict[str, Array]) -> bool:
    """Judged by the reference alone: a start and examples moved a little end almost where the
    others do. Zeros among the inputs stay."""
    random = np.random.default_rng(configuration.seed + 1)
    moved = {name: w + _small_steps(random, w.shape) for name, w in initial.items()}
    xs = configuration.xs * (1.0 + _small_steps(random, configuration.xs.shape))
    plain, margin = _run(configuration, initial)
    other, _ = _run(replace(configuration, xs=xs), moved)
    return margin > NEAR_TIE and all(
        np.all(np.isfinite(a)) and relative_error(b, a) < MOVED
        for a, b in zip(plain, other, strict=True)
    )


def _small_steps(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return MOVE * random.choice([-1.0, 1.0], size=shape)


def moved(configuration: Configuration, truth: reference.Learner) -> reference.Learner:
    """The same learner, its parameters moved a little."""
    random, other = np.random.default_rng(configuration.seed + 1), copy.deepcopy(truth)
    for w in other.parameters.values():
        w += _small_steps(random, w.shape)
    return other


def is_judgeable(truth: reference.Learner, other: reference.Learner) -> bool:
    """On streamdl's draws, this time: whether nothing that was chosen hung on rounding errors, and
    the moved learner ended almost where the other did."""
    tie = any(getattr(m, "margin", np.inf) <= NEAR_TIE for m in truth.plasticity)
    ends = [
        [*learner.parameters.values(), *learner.step_sizes.values(), *learner.utilities]
        for learner in (truth, other)
    ]
    return not tie and all(relative_error(b, a) < MOVED for a, b in zip(*ends, strict=True))


def pair(
    optimizer: str, seed: int, attempt: int = 0, wide: bool = False
) -> tuple[Configuration, sdl.Learner, reference.Learner]:
    """A well-conditioned configuration as streamdl's learner and as the reference's."""
    random = np.random.default_rng([11, OPTIMIZERS.index(optimizer), seed, attempt])
    for _ in range(REDRAWS):
        configuration = draw(optimizer, random, wide)
        learner = configuration.streamdl()
        initial = {name: np.array(w) for name, w in learner.parameters.items()}
        if is_well_conditioned(configuration, initial):
            return configuration, learner, configuration.reference(initial)
    raise AssertionError(
        f"no well-conditioned configuration in {REDRAWS} draws of {optimizer}, seed {seed}"
    )
