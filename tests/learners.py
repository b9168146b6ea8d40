"""One table of learners: every optimizer, plasticity method and kind of layer, in both precisions.

The tests of the learner's promises walk through it; every learner must keep every promise.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamdl as sdl
from numpy.typing import NDArray

INPUTS, OUTPUTS, MANY_OUTPUTS = 20, 5, 11  # few lie by output, many in rows
LOSSES = ["cross_entropy", "squared_error", "binary_cross_entropy", "huber"]

# Widths around the lane count, so that every kernel meets whole and partial blocks.
NETWORKS: dict[str, sdl.Network] = {
    "relu": sdl.MLP(INPUTS, [33, 17], MANY_OUTPUTS),
    "leaky_relu": sdl.MLP(INPUTS, [16, 31], OUTPUTS, activation="leaky_relu", init="default"),
    "linear": sdl.MLP(INPUTS, [], OUTPUTS),
    "no_bias": sdl.MLP(INPUTS, [15], OUTPUTS, activation="gelu", bias=False, init="lecun_uniform"),
    "norms_and_dropout": sdl.Network(
        [
            sdl.nn.Linear(24, init="xavier_uniform"), sdl.nn.LayerNorm(), sdl.nn.ReLU(),
            sdl.nn.Dropout(0.2), sdl.nn.Linear(17, init="sparse", sparsity=0.5),
            sdl.nn.LayerNorm(affine=False), sdl.nn.Tanh(), sdl.nn.Linear(OUTPUTS),
        ],
        inputs=(4, 5),
    ),
    "norm_first": sdl.Network(
        [
            sdl.nn.LayerNorm(), sdl.nn.Linear(18, init="kaiming_normal"), sdl.nn.ELU(),
            sdl.nn.Dropout(0.1), sdl.nn.Linear(OUTPUTS), sdl.nn.LayerNorm(),
        ],
        inputs=INPUTS,
    ),
    "single": sdl.MLP(INPUTS, [33], 1),
    "features": sdl.Network(
        [
            sdl.nn.InputNorm(decay=0.9),
            sdl.nn.Linear(18), sdl.nn.OnlineNorm(), sdl.nn.CReLU(), sdl.nn.Linear(17),
            sdl.nn.OnlineNorm(affine=False), sdl.nn.PReLU(), sdl.nn.Linear(8), sdl.nn.AdaLin("silu", 0.1), sdl.nn.Linear(9), sdl.nn.Fourier(),
            sdl.nn.Linear(OUTPUTS),
        ],
        inputs=INPUTS,
    ),
    "sparse": sdl.Network(
        [
            sdl.nn.SparseLinear(33, edges=17), sdl.nn.ReLU(),
            sdl.nn.SparseLinear(48, edges=16, block=16), sdl.nn.LayerNorm(), sdl.nn.LeakyReLU(),
            sdl.nn.SparseLinear(32, density=0.2, init="default"), sdl.nn.ReLU(),
            sdl.nn.SparseLinear(OUTPUTS, edges=3, bias=False),
        ],
        inputs=INPUTS,
    ),
    "images": sdl.Network(
        [
            sdl.nn.Conv2d(18, 2), sdl.nn.ReLU(), sdl.nn.MaxPool2d(2), sdl.nn.Conv2d(3, 1, bias=False),
            sdl.nn.Tanh(), sdl.nn.AvgPool2d(1), sdl.nn.Flatten(), sdl.nn.LayerNorm(),
            sdl.nn.Linear(17), sdl.nn.LeakyReLU(), sdl.nn.Linear(OUTPUTS),
        ],
        inputs=(1, 4, 5),
    ),
}  # fmt: skip

OPTIMIZERS: dict[str, sdl.optim.Optimizer] = {
    "sgd": sdl.optim.SGD(step_size=0.02),  # at 0.03 the deeper layers may fall silent
    "sgd_decay": sdl.optim.SGD(step_size=0.03, weight_decay=1e-3, decoupled_weight_decay=1e-3),
    "momentum": sdl.optim.SGD(step_size=0.01, momentum=0.9),
    "nesterov": sdl.optim.SGD(step_size=0.01, momentum=0.8, nesterov=True, weight_decay=1e-3),
    "adam": sdl.optim.Adam(step_size=0.003),
    "adam_decay": sdl.optim.Adam(step_size=0.003, decoupled_weight_decay=1e-2),
    "adamw": sdl.optim.AdamW(step_size=0.003),
    "rmsprop": sdl.optim.RMSprop(step_size=0.003),
    "rmsprop_decay": sdl.optim.RMSprop(step_size=0.003, decay=0.9, weight_decay=1e-3),
    "idbd": sdl.optim.IDBD(step_size=0.02, meta_step_size=0.01),
    "idbd_exact": sdl.optim.IDBD(step_size=0.02, meta_step_size=0.01, sensitivity="exact"),
    "nidbd": sdl.optim.NIDBD(0.02, 0.01, normalizer_decay=0.99, epsilon=1e-3),
    "nidbd_gradient": sdl.optim.NIDBD(
        0.02, 0.01, normalize="gradient", normalizer_decay=0.9, sensitivity="exact"
    ),
    "nidbd_deviation": sdl.optim.NIDBD(0.02, 0.02, normalize="deviation", normalizer_decay=0.99),
    "normalized_idbd": sdl.optim.NormalizedIDBD(step_size=0.05, meta_step_size=0.01),
    "sig_idbd": sdl.optim.SigIDBD(meta_step_size=0.01, rate_meta_step_size=0.05, epsilon=1e-2),
    "autostep": sdl.optim.Autostep(step_size=0.02, meta_step_size=0.01, tau=100),
    "autostep_bounded": sdl.optim.Autostep(
        step_size=0.1, meta_step_size=0.01, sensitivity="exact", weight_decay=1e-3
    ),
    "hypergradient": sdl.optim.HypergradientDescent(0.01, 1e-5, momentum=0.5),
    "hypergradient_adam": sdl.optim.HypergradientDescent(0.003, 1e-6, base="adam"),
    "hypergradient_per_weight": sdl.optim.HypergradientDescent(
        0.01, 1e-3, momentum=0.5, per_weight=True, decoupled_weight_decay=1e-3
    ),
    "hypergradient_adam_per_weight": sdl.optim.HypergradientDescent(
        0.003, 1e-6, base="adam", per_weight=True
    ),
    "meta_scalar": sdl.optim.MetaOptimize(step_size=0.003, discount=0.99, weight_decay=1e-3),
    "meta_layerwise": sdl.optim.MetaOptimize(
        step_size=0.01, base="SGDm", meta="Adam", blocks="layerwise", discount=0.99
    ),
    "meta_weightwise": sdl.optim.MetaOptimize(
        step_size=0.003, base="RMSProp", meta="RMSProp", blocks="weightwise", discount=0.99
    ),
    "obgd": sdl.optim.ObGD(decoupled_weight_decay=1e-3),
    "adaptive_obgd": sdl.optim.AdaptiveObGD(),
    "intentional": sdl.optim.Intentional(normalize_td_error=True, clip=1, clip_decay=0.9),
    "upgd": sdl.optim.UPGD(step_size=0.02, utility_decay=0.9),
    "upgd_local_adaptive": sdl.optim.UPGD(
        step_size=0.003, noise=0, scope="local", adaptive=True, weight_decay=1e-3
    ),
    "pgd": sdl.optim.PGD(step_size=0.02, noise=0.1),
    "ewc": sdl.optim.EWC(step_size=0.02, strength=0.1, average_decay=0.9, weight_decay=1e-3),
    "mas": sdl.optim.MAS(step_size=0.01, strength=0.1, importance_decay=0.9),
    "si": sdl.optim.SI(step_size=0.01, strength=0.01, decoupled_weight_decay=1e-3),
    "rwalk": sdl.optim.RWalk(step_size=0.01, strength=0.1, average_decay=0.99),
}
OF_WEIGHTS = ("images", "features", "sparse")  # methods that regenerate units refuse these networks
OF_ONE_OUTPUT = ("obgd", "adaptive_obgd", "intentional", "sig_idbd")


def _cbp(utility: str, **others: Any) -> sdl.plasticity.ContinualBackprop:
    return sdl.plasticity.ContinualBackprop(0.01, maturity=5, utility=utility, **others)


PLASTICITY: dict[str, list[sdl.plasticity.Plasticity]] = {
    "none": [],
    "contribution": [_cbp("contribution")],
    "weight": [_cbp("weight", transfer_bias=True)],
    "adaptation": [_cbp("adaptation")],
    "zero_contribution": [_cbp("zero_contribution", max_per_step=1)],
    "adaptable_contribution": [_cbp("adaptable_contribution", transfer_bias=True)],
    "feature_by_input": [_cbp("feature_by_input", max_per_step=1)],
    "shrink": [sdl.plasticity.ShrinkAndPerturb(1e-4, 1e-3)],
    "shrink_and_adaptation": [
        sdl.plasticity.ShrinkAndPerturb(1e-4, 1e-3),
        _cbp("adaptation", transfer_bias=True),
    ],
    "shrink_and_redo": [
        sdl.plasticity.ShrinkAndPerturb(1e-3, 1e-3),
        sdl.plasticity.ReDo(0.3, period=7),
    ],
    "redo": [sdl.plasticity.ReDo(0.3, period=7)],
    "resets": [sdl.plasticity.SelfNormalizedReset(0.1, minimum=5)],
    "resets_and_clipping": [
        sdl.plasticity.SelfNormalizedReset(0.1, minimum=5),
        sdl.plasticity.WeightClipping(1.0),
    ],
    "clipping_and_contribution": [sdl.plasticity.WeightClipping(1.0), _cbp("contribution")],
    "l2_init": [sdl.plasticity.L2Init(0.01)],
    "clipping": [sdl.plasticity.WeightClipping(1.0)],
    "set": [sdl.plasticity.SET(3, 0.3)],
    "rigl": [sdl.plasticity.RigL(3, 0.3), sdl.plasticity.HareAndTortoise(7, decay=0.9)],
    "edge_utility": [sdl.plasticity.WeightClipping(1.0), sdl.plasticity.EdgeUtility(3, 0.3, 0.9)],
    "imprinting": [sdl.plasticity.Imprinting(0.1, 0.9, join=0.5, maturity=5)],
    "shrink_to_initial_and_projection": [
        sdl.plasticity.ShrinkAndPerturb(0.3, 1e-3, period=7, toward="initial"),
        sdl.plasticity.NormalizeAndProject(period=3),
    ],
    "hare_and_tortoise": [
        _cbp("contribution"),
        sdl.plasticity.HareAndTortoise(7, decay=0.9),
    ],
    "reinit": [
        sdl.plasticity.SelectiveWeightReinit(0.01, period=2, decay=0.5, utility="gradient"),
        sdl.plasticity.HareAndTortoise(11, decay=0.5),
    ],
    "partial_resets": [
        sdl.plasticity.ContinuousContinualBackprop(0.1, period=9, decay=0.9, sharpness=2),
        sdl.plasticity.WeightClipping(1.0),
    ],
    "shrink_to_fresh": [sdl.plasticity.ShrinkAndPerturb(1e-3, 3e-3, toward="fresh")],
}


OF_EDGES = ("set", "rigl", "edge_utility")  # they need sparse layers
# Whose silent rows can wait for their updates.
WAITING = (
    "sgd", "sgd_decay", "momentum", "nesterov", "rmsprop", "rmsprop_decay",
    "idbd", "idbd_exact", "nidbd", "nidbd_gradient", "nidbd_deviation",
    "hypergradient_per_weight",
)  # fmt: skip
WAITED_FOR = (
    "none", "l2_init", "clipping", "clipping_and_contribution", "contribution", "redo",
    "resets",
)  # fmt: skip


# Whose silent rows have a closed form, and beside which methods.
LEAPING = (
    "sgd", "sgd_decay", "momentum", "nesterov", "rmsprop", "nidbd_deviation", "obgd", "pgd",
)  # fmt: skip
LEAPT_FOR = (*WAITED_FOR, "shrink", "shrink_and_redo")


def closed_form_refused(optimizer: str, plasticity: str) -> str:
    """Why a closed form is refused to this pair of LEAPING and LEAPT_FOR, in a word; or nothing."""
    perturbs = plasticity.startswith("shrink")
    if perturbs and optimizer not in ("sgd", "sgd_decay"):
        return "momentum"
    if "clipping" in plasticity and optimizer in ("pgd", "obgd"):
        return "leaves"
    if "contribution" in plasticity and optimizer == "pgd":
        return "sums"
    return ""


@dataclass(frozen=True)
class Case:
    """One learner of the table, with the examples that it can learn from."""

    network: str
    optimizer: str
    plasticity: str
    loss: str
    dtype: str
    silent_rows: str = "visited"

    @property
    def outputs(self) -> int:
        return {"single": 1, "relu": MANY_OUTPUTS}.get(self.network, OUTPUTS)

    def __str__(self) -> str:
        parts = [self.network, self.optimizer, self.plasticity, self.loss, self.dtype]
        return "-".join(parts + [self.silent_rows] * (self.silent_rows != "visited"))

    def build(self, seed: int = 7) -> sdl.Learner:
        return sdl.Learner(
            NETWORKS[self.network], self.loss, OPTIMIZERS[self.optimizer],
            PLASTICITY[self.plasticity], seed=seed, dtype=self.dtype, silent_rows=self.silent_rows,
        )  # fmt: skip

    def examples(self, count: int, seed: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
        """(count, inputs) with many zeros, and targets of the loss's kind."""
        random = np.random.default_rng(seed)
        xs = random.normal(size=(count, INPUTS)).astype(self.dtype)
        xs[random.uniform(size=xs.shape) < 0.6] = 0
        if self.loss == "cross_entropy":
            return xs, random.integers(self.outputs, size=count)
        ys = random.normal(size=(count, self.outputs)).astype(self.dtype)
        return xs, (ys > 0).astype(self.dtype) if self.loss == "binary_cross_entropy" else ys

    @property
    def may_be_looked_at(self) -> bool:
        """Whether looking changes no bit, as it does for all rules whose rows do not leap."""
        return self.silent_rows != "closed_form"

    @property
    def takes_minibatches(self) -> bool:
        by_example = ("imprinting", "rigl", "edge_utility")
        one_by_one = self.network == "features" or self.plasticity in by_example
        return self.optimizer not in OF_ONE_OUTPUT[:3] and not one_by_one

    @property
    def draws(self) -> bool:
        """Whether its future depends on its seed, once its weights are drawn."""
        noisy = self.plasticity.startswith(("shrink", "reinit")) or self.optimizer in (
            "upgd",
            "pgd",
        )
        regenerates = (
            self.plasticity not in ("none", "l2_init", "clipping", "rigl")
            and self.network != "linear"
        )
        return regenerates or noisy or self.network in ("norms_and_dropout", "norm_first")


def _table(optimizers: Sequence[str]) -> Iterator[Case]:
    # Every optimizer with every plasticity method; the rest takes its turn.
    of_units = [name for name in NETWORKS if name not in OF_WEIGHTS]
    networks, losses = itertools.cycle(of_units), itertools.cycle(LOSSES)

    def case(network: str, optimizer: str, plasticity: str, dtype: str) -> Case:
        if optimizer in OF_ONE_OUTPUT:
            return Case("single", optimizer, plasticity, "squared_error", dtype)
        loss = next(losses)
        if network == "single" and loss != "binary_cross_entropy":
            loss = "huber"  # one class teaches nothing, and these squares soon diverge
        return Case(network, optimizer, plasticity, loss, dtype)

    dtypes = itertools.cycle(["float32", "float64", "float32"])
    of_weights = itertools.cycle(
        [
            "l2_init",
            "shrink",
            "clipping",
            "shrink_to_fresh",
            "none",
            "shrink_to_initial_and_projection",
        ]
    )
    for plasticity in PLASTICITY:
        if plasticity in LATER_METHODS:
            continue
        for optimizer in optimizers:
            if plasticity in OF_EDGES:
                if optimizer not in OF_ONE_OUTPUT:
                    yield case("sparse", optimizer, plasticity, next(dtypes))
                continue
            if plasticity == "l2_init" and optimizer in OF_ONE_OUTPUT:
                continue  # it is refused
            yield case(next(networks), optimizer, plasticity, next(dtypes))
        next(networks)
    # Every optimizer with every network.
    for network, optimizer in itertools.product(NETWORKS, optimizers):
        method = "contribution" if network in ("relu", "norm_first") else "adaptable_contribution"
        if network in OF_WEIGHTS:
            method = next(of_weights)
            if network == "sparse" and method == "shrink_to_fresh":
                method = "shrink"  # it draws unit by unit, and is refused
            if optimizer in OF_ONE_OUTPUT:
                continue
        yield case(network, optimizer, method, next(dtypes))


def _waiting() -> Iterator[Case]:
    """Those whose silent rows can wait, with every method that lets them."""
    with_rows = [name for name in NETWORKS if name not in (*OF_WEIGHTS, "linear", "single")]
    dtypes, losses = itertools.cycle(["float32", "float64", "float32"]), itertools.cycle(LOSSES)
    for i, (plasticity, optimizer) in enumerate(itertools.product(WAITED_FOR, WAITING)):
        network = with_rows[(i + i // len(WAITING)) % len(with_rows)]
        yield Case(network, optimizer, plasticity, next(losses), next(dtypes), "lazy")


def _leaping() -> Iterator[Case]:
    """Those whose silent rows make up for several updates at once, by a closed form."""
    networks = itertools.cycle(["relu", "norms_and_dropout", "leaky_relu", "norm_first"])
    dtypes, losses = itertools.cycle(["float32", "float64", "float32"]), itertools.cycle(LOSSES)
    for plasticity, optimizer in itertools.product(LEAPT_FOR, LEAPING):
        if closed_form_refused(optimizer, plasticity) or (optimizer, plasticity) == (
            "obgd",
            "l2_init",
        ):
            continue
        network, loss = next(networks), next(losses)
        if optimizer in OF_ONE_OUTPUT:
            network, loss = "single", "squared_error"
        yield Case(network, optimizer, plasticity, loss, next(dtypes), "closed_form")


# Those that came later take turns by themselves: the others' learners stay what they were.
LATER = ("nidbd_deviation", "normalized_idbd", "sig_idbd")
LATER_METHODS = ("shrink_and_redo",)
TABLE = list(
    dict.fromkeys(
        [
            *_table([name for name in OPTIMIZERS if name not in LATER]),
            *_table(LATER),
            *_waiting(),
            *_leaping(),
        ]
    )
)


def print_hashes(steps: int, every: int = 1) -> None:
    """For a fresh process: its instruction set and the state hash of each learner, as JSON."""
    hashes = {}
    for case in TABLE[::every]:
        learner = case.build()
        end = ""
        try:
            learner.step_many(*case.examples(steps))
        except ValueError as error:  # a long run may diverge, on the same example everywhere
            end = str(error)
        hashes[str(case)] = learner.state_hash() + end
    json.dump({"isa": sdl.info()["isa"], "hashes": hashes}, sys.stdout)
