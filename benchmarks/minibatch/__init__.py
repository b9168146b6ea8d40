"""Learning one example at a time beside rivals that learn in batches: examples per second."""

from benchmarks.common.protocol import Ratio, Scenario

SCENARIO = Scenario(
    name="minibatch",
    title="W4 and W2: streamdl one at a time; PyTorch and JAX with minibatches of 8 to 512",
    workloads=("W4", "W2"),
    competitors=("streamdl", "torch_eager", "jax_jit"),
    ratios=(
        Ratio("W4", "torch_eager:512", "streamdl:step_many", at_least=0.95, aim=1.0),
        Ratio("W4", "jax_jit:512", "streamdl:step_many", aim=1.0),
        Ratio("W2", "torch_eager:512", "streamdl:step_many"),
        Ratio("W2", "jax_jit:512", "streamdl:step_many"),
    ),
    seconds_per_round=0.15,
    rounds=5,
    warm_up_examples=40,
)
