"""What every rule reads and writes per example, from its formulas: the passes over its arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.common.protocol import NotOffered

FLOAT = 4  # bytes

Rows = Literal["all", "active", "silent"]


@dataclass(frozen=True)
class Pass:
    """One pass over the rows of all layers: of all inputs, or of the active or silent ones alone.

    Arrays are letters: w is the weights, the others are the rule's fields. What is changed is read, too.
    """

    changes: str = ""
    reads: str = ""
    rows: Rows = "all"

    @property
    def bytes_per_weight(self) -> int:
        return FLOAT * len(self.reads) + 2 * FLOAT * len(self.changes)


@dataclass(frozen=True)
class Traffic:
    """The arrays of a rule, as they lie in a row, and its passes after the one forward."""

    arrays: str
    passes: tuple[Pass, ...]
    noise: bool = False  # a normal draw per weight: its arithmetic is listed, and not judged
    one_output: bool = False  # for the workloads with one

    @property
    def all_passes(self) -> tuple[Pass, ...]:
        """The pass forward reads the weights of active rows."""
        return (Pass(reads="w", rows="active"), *self.passes)

    def bytes_per_weight(self, active: bool) -> int:
        """Of the passes over active rows, or over silent ones."""
        mine = ("all", "active" if active else "silent")
        return sum(p.bytes_per_weight for p in self.all_passes if p.rows in mine)


def _one(arrays: str) -> Traffic:
    """All arrays of all rows are changed, in one pass."""
    return Traffic(arrays, (Pass(arrays),))


def _active(arrays: str) -> Traffic:
    """Silent rows rest."""
    return Traffic(arrays, (Pass(arrays, rows="active"),))


def _fading(arrays: str, fields: str) -> Traffic:
    """Of silent rows some fields are changed."""
    return Traffic(arrays, (Pass(arrays, rows="active"), Pass(fields, rows="silent")))


def _summed(field: str, noise: bool = False) -> Traffic:
    """`measure` changes the field and reads w for the deltas below; `apply` changes w.

    A silent weight is not read for a delta; without noise, it rests.
    """
    first, last = Pass(field, reads="w", rows="active"), Pass(field, rows="silent")
    apply = Pass("w", reads=field, rows="all" if noise else "active")
    return Traffic("w" + field, (first, last, apply), noise)


def _of_one_output(fields: str) -> Traffic:
    """`measure` changes the fields and reads w for the deltas below; `apply` changes w by all of them."""
    passes = (Pass(fields, reads="w"), Pass("w", reads=fields))
    return Traffic("w" + fields, passes, one_output=True)


BASE = "sgd"
OF_ONE_OUTPUT = ("W4o", "W2o")


def offer(rule: str, workload: str) -> Traffic:
    """A rule's traffic, where a workload is one that the rule is measured on.

    Raises:
        NotOffered: elsewhere.
    """
    traffic = TRAFFIC[rule]
    if rule != BASE and traffic.one_output != (workload in OF_ONE_OUTPUT):
        raise NotOffered
    return traffic


# The keys are those of streamdl_learner.RULES.
TRAFFIC = {
    "sgd": _active("w"),
    "momentum": _one("wb"),
    "pgd": Traffic("w", (Pass("w"),), noise=True),
    "rmsprop": _fading("wv", "v"),
    "adam": _one("wmv"),
    "adamw": _one("wmv"),
    "idbd": _active("wah"),
    "autostep": Traffic(
        "wavh", (Pass("av", reads="wh", rows="active"), Pass("wah", rows="active"))
    ),
    "hypergradient": _summed("u"),
    "hypergradient_per_weight": _fading("wau", "u"),
    "meta_scalar_sgd": _fading("wh", "h"),
    "meta_scalar_adamw": _one("whmv"),
    "meta_weightwise_sgd": _fading("wha", "h"),
    "upgd": _summed("u"),
    "upgd_noisy": _summed("u", noise=True),
    "upgd_local": _summed("u"),
    "continual_backprop": _active("w"),
    "redo": _active("w"),
    "self_normalized_reset": _active("w"),
    "imprinting": _active("w"),
    "shrink_and_perturb": Traffic("w", (Pass("w", rows="active"), Pass("w")), noise=True),
    "l2_init": Traffic("wo", (Pass("w", reads="o"),)),
    "weight_clipping": _active("w"),
    "ewc": _one("wmf"),
    "mas": Traffic("wmo", (Pass(reads="w", rows="active"), Pass("wmo"))),
    "si": _one("wmbgc"),
    "rwalk": _one("wmbfr"),
    "nidbd": _fading("wahn", "n"),
    "normalized_idbd": Traffic(
        "wah", (Pass("a", reads="wh", rows="active"), Pass("wah", rows="active"))
    ),
    "hare_and_tortoise": Traffic("ws", (Pass("w", rows="active"), Pass("s", reads="w"))),
    "normalize_and_project": Traffic("w", (Pass("w", rows="active"), Pass(reads="w"), Pass("w"))),
    "selective_weight_reinit": Traffic("wu", (Pass("w", rows="active"),)),  # between two looks
    "continuous_continual_backprop": _active("w"),  # likewise
    "obgd": _of_one_output("e"),
    "adaptive_obgd": _of_one_output("ev"),
    "intentional": _of_one_output("ev"),
    "sig_idbd": Traffic(
        "wahk",
        (Pass("a", reads="whk", rows="active"), Pass("whk", reads="a", rows="active")),
        one_output=True,
    ),
}
