"""What it saves that rows of silent inputs and units wait for their updates: the same steps, the same bits."""

from benchmarks.common.protocol import Ratio, Scenario

RULES = ("momentum", "weight_decay", "rmsprop", "l2_init", "nidbd")

SCENARIO = Scenario(
    name="lazy",
    title='step_many with silent_rows="lazy" and without',
    workloads=("W4", "W2"),
    competitors=("streamdl",),
    ratios=tuple(
        Ratio(
            workload, f"streamdl:{rule}_lazy", f"streamdl:{rule}", words=f"{rule}, lazy / visited"
        )
        for workload in ("W4", "W2")
        for rule in RULES
    ),
)
