"""What it saves that rows of silent inputs and units wait for their updates: the same steps; with "lazy", the same bits."""

from benchmarks.common.protocol import Ratio, Scenario

# (workload, rule, how its rows wait)
WAYS = tuple(
    (workload, rule, way)
    for workload in ("W4", "W2")
    for rule, way in (
        ("momentum", "lazy"),
        ("momentum", "closed_form"),
        ("weight_decay", "lazy"),
        ("weight_decay", "closed_form"),
        ("rmsprop", "lazy"),
        ("l2_init", "lazy"),
        ("nidbd", "lazy"),
        ("pgd", "closed_form"),
        ("shrink_and_perturb", "closed_form"),
    )
) + tuple((workload, "obgd", "closed_form") for workload in ("W4o", "W2o"))

SCENARIO = Scenario(
    name="lazy",
    title='step_many with silent_rows="lazy" or "closed_form" and without',
    workloads=("W4", "W2", "W4o", "W2o"),
    competitors=("streamdl",),
    ratios=tuple(
        Ratio(
            workload,
            f"streamdl:{rule}-{way}",
            f"streamdl:{rule}",
            words=f"{rule}, {way} / visited",
        )
        for workload, rule, way in WAYS
    ),
)
