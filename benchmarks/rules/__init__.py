"""What every update rule costs beside plain SGD, and the bytes that it moves per weight."""

from benchmarks.common.protocol import Ratio, Scenario

# Rule -> bytes per weight and example: of active rows alone, and of all rows. Reading a weight or a field is 4 bytes,
# changing it 8; the pass forward reads the weights of active rows.
BYTES = {
    "sgd": (12, 0),
    "momentum": (4, 16),
    "pgd": (4, 8),
    "rmsprop": (4, 16),
    "adam": (4, 24),
    "idbd": (28, 0),
    "autostep": (48, 0),
    "hypergradient": (4, 24),
    "hypergradient_per_weight": (4, 24),
    "meta_scalar_sgd": (4, 16),
    "meta_scalar_adamw": (4, 32),
    "meta_weightwise_sgd": (4, 24),
    "upgd": (4, 24),
    "upgd_noisy": (4, 24),
    "upgd_local": (4, 24),
    "l2_init": (4, 12),
    "weight_clipping": (12, 0),
}


def _words(rule: str) -> str:
    active, everywhere = BYTES[rule]
    return f"{rule} / sgd; bytes: {active} of active weights + {everywhere} of all, sgd 12 + 0"


SCENARIO = Scenario(
    name="rules",
    title="every update rule by step_many, as a multiple of plain SGD",
    workloads=("W4", "W2"),
    competitors=("streamdl",),
    ratios=tuple(
        Ratio(workload, f"streamdl:{rule}", "streamdl:sgd", words=_words(rule))
        for workload in ("W4", "W2")
        for rule in BYTES
        if rule != "sgd"
    ),
    seconds_per_round=0.12,
    examples_per_round=2000,
    warm_up_examples=60,
)
