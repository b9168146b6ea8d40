"""W7: step sizes per weight at scale, 100 or all of 10,000 features active."""

from benchmarks.common.protocol import Ratio, Scenario

WORKLOADS = (
    "W7s", "W7d", "W7s-sgd", "W7d-sgd", "W7s-autostep", "W7d-autostep", "W7s-tidbd", "W7d-tidbd",
    "W7s-swift_td", "W7d-swift_td", "W7s-td", "W7d-td", "W7s-true_online_td", "W7d-true_online_td",
    "W7s-auto_tidbd", "W7d-auto_tidbd",
)  # fmt: skip

SCENARIO = Scenario(
    name="w7",
    title="linear, 10,000 features: s 100 active, d all; IDBD where no rule is named",
    workloads=WORKLOADS,
    competitors=("streamdl", "numba_loop", "numpy_in_place", "torch_eager"),
    ratios=(
        Ratio("W7s", "numba_loop", "streamdl:step", at_least=2.0, aim=3.0),
        Ratio("W7s", "numpy_in_place", "streamdl:step", at_least=10.0),
        Ratio("W7d", "numpy_in_place", "streamdl:step", at_least=7.0, aim=8.0),
        Ratio("W7d", "numba_loop", "streamdl:step"),
        *(
            Ratio(workload, rival, "streamdl:step")
            for workload in WORKLOADS[2:]
            for rival in ("numba_loop", "numpy_in_place")
        ),
        Ratio("W7s", "torch_eager", "streamdl:step"),
        Ratio("W7d", "torch_eager", "streamdl:step"),
    ),
    seconds_per_round=0.05,
    warm_up_examples=600,
)
