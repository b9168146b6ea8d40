"""W2 whose hidden layers keep a tenth of their weights, beside the dense network of equal width."""

from benchmarks.common.protocol import Ratio, Scenario

SCENARIO = Scenario(
    name="sparse",
    title="784-2000-2000-2000-10 with SparseLinear hidden layers at 10 % density, beside dense ones",
    workloads=("W2",),
    competitors=("streamdl",),
    ratios=(
        Ratio("W2", "streamdl:edges", "streamdl:dense", at_most=0.4),
        Ratio("W2", "streamdl:blocks", "streamdl:dense", at_most=0.4, aim=0.2),
        Ratio("W2", "streamdl:edges_set", "streamdl:edges"),
        Ratio("W2", "streamdl:edges_rigl", "streamdl:edges"),
        Ratio("W2", "streamdl:edges_utility", "streamdl:edges"),
        Ratio("W2", "streamdl:blocks_set", "streamdl:blocks"),
        Ratio("W2", "streamdl:blocks_rigl", "streamdl:blocks"),
        Ratio("W2", "streamdl:blocks_utility", "streamdl:blocks"),
    ),
    seconds_per_round=3.0,
    examples_per_round=40,
    rounds=21,
    warm_up_examples=80,
)
