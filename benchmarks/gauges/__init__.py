"""What a learner's gauges cost: the same steps with them and without."""

from benchmarks.common.protocol import Ratio, Scenario

SCENARIO = Scenario(
    name="gauges",
    title="step_many with gauges and without, plain SGD",
    workloads=("W4", "W2"),
    competitors=("streamdl",),
    ratios=tuple(
        Ratio(workload, "streamdl:on", "streamdl:off", at_most=1.02, words="with gauges / without")
        for workload in ("W4", "W2")
    ),
    seconds_per_round=0.06,
    rounds=41,  # what is sought is small: a median needs many pairs
)
