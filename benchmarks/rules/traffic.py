"""What every rule reads and writes per example, from its formulas: the passes over its arrays."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.common.protocol import NotOffered

FLOAT = 4  # bytes


@dataclass(frozen=True)
class Pass:
    """One pass over the rows of all layers: of active inputs alone, or of all.

    Arrays are letters: w is the weights, the others are the rule's fields. What is changed is read, too.
    """

    changes: str = ""
    reads: str = ""
    active_only: bool = False

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
        return (Pass(reads="w", active_only=True), *self.passes)

    def bytes_per_weight(self, active_only: bool) -> int:
        """Of the passes over active rows alone, or of those over all."""
        passes = [p for p in self.all_passes if p.active_only == active_only]
        return sum(p.bytes_per_weight for p in passes)


def _one(arrays: str) -> Traffic:
    """All arrays of all rows are changed, in one pass."""
    return Traffic(arrays, (Pass(arrays),))


def _active(arrays: str) -> Traffic:
    """Silent rows rest."""
    return Traffic(arrays, (Pass(arrays, active_only=True),))


def _summed(fields: str, noise: bool = False) -> Traffic:
    """`measure` changes the fields and reads w for the deltas below; `apply` changes w."""
    first, second = Pass(fields, reads="w"), Pass("w", reads=fields[0])
    return Traffic("w" + fields, (first, second), noise)


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


# Without noise a silent weight's utility decays, and the weight rests.
_UPGD = Traffic("wu", (Pass("u", reads="w"), Pass("w", reads="u", active_only=True)))

# The keys are those of streamdl_learner.RULES.
TRAFFIC = {
    "sgd": _active("w"),
    "momentum": _one("wb"),
    "pgd": Traffic("w", (Pass("w"),), noise=True),
    "rmsprop": _one("wv"),
    "adam": _one("wmv"),
    "adamw": _one("wmv"),
    "idbd": _active("wah"),
    "autostep": Traffic(
        "wavh", (Pass("av", reads="wh", active_only=True), Pass("wah", active_only=True))
    ),
    "hypergradient": _summed("u"),
    "hypergradient_per_weight": _one("wau"),
    "meta_scalar_sgd": _one("wh"),
    "meta_scalar_adamw": _one("whmv"),
    "meta_weightwise_sgd": _one("wha"),
    "upgd": _UPGD,
    "upgd_noisy": _summed("u", noise=True),
    "upgd_local": _UPGD,
    "continual_backprop": _active("w"),
    "redo": _active("w"),
    "self_normalized_reset": _active("w"),
    "imprinting": _active("w"),
    "shrink_and_perturb": Traffic("w", (Pass("w", active_only=True), Pass("w")), noise=True),
    "l2_init": Traffic("wo", (Pass("w", reads="o"),)),
    "weight_clipping": _active("w"),
    "ewc": _one("wmf"),
    "mas": Traffic("wmo", (Pass(reads="w", active_only=True), Pass("wmo"))),
    "si": _one("wmbgc"),
    "rwalk": _one("wmbfr"),
    "nidbd": _one("wahn"),
    "normalized_idbd": Traffic(
        "wah", (Pass("a", reads="wh", active_only=True), Pass("wah", active_only=True))
    ),
    "hare_and_tortoise": Traffic("ws", (Pass("w", active_only=True), Pass("s", reads="w"))),
    "normalize_and_project": Traffic(
        "w", (Pass("w", active_only=True), Pass(reads="w"), Pass("w"))
    ),
    "selective_weight_reinit": Traffic("wu", (Pass("w", active_only=True),)),  # between two looks
    "continuous_continual_backprop": _active("w"),  # likewise
    "obgd": _of_one_output("e"),
    "adaptive_obgd": _of_one_output("ev"),
    "intentional": _of_one_output("ev"),
    "sig_idbd": Traffic(
        "wahk",
        (Pass("a", reads="whk", active_only=True), Pass("whk", reads="a", active_only=True)),
        one_output=True,
    ),
}
