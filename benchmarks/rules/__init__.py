"""What every update rule costs beside plain SGD, and what its bytes and instructions allow."""

from benchmarks.common.protocol import Scenario
from benchmarks.rules.costs import account

SCENARIO = Scenario(
    name="rules",
    title="every update rule by step_many, as a multiple of plain SGD",
    workloads=("W4", "W2", "W4o", "W2o"),
    competitors=("streamdl", "probe", "torch_eager"),
    seconds_per_round=3.0,
    # A network that has learned for longer has other units silent: on W2 all see as many examples, and are on average
    # as old as the one whose active rows the probe goes through.
    examples_per_round=60,
    rounds=9,
    warm_up_examples=60,
    processor_time=True,
    account=account,
)
