"""Time per step from 1e5 to 1e7 dense weights, beside what the bytes alone cost."""

from benchmarks.common.protocol import Ratio, Scenario

# Width of a net of three equal layers: 3 x width^2 weights, none silent under leaky ReLU.
WIDTHS = {"1e5": 184, "3e5": 320, "1e6": 576, "3e6": 992, "1e7": 1824}

SCENARIO = Scenario(
    name="scaling",
    title="leaky ReLU, three equal layers; probe: 12 bytes per weight at the measured bandwidth",
    workloads=tuple(WIDTHS),
    competitors=("streamdl", "probe"),
    ratios=tuple(
        Ratio(
            workload,
            "streamdl:step",
            "probe:passes",
            at_most=1.35,
            words=f"{3 * width * width:,} weights: step / bytes over bandwidth",
        )
        for workload, width in WIDTHS.items()
    ),
    seconds_per_round=0.08,
    warm_up_examples=20,
)
