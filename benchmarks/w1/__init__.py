"""W1 and W1b: networks so small that the call itself is most of the cost."""

from benchmarks.common.protocol import Ratio, Scenario

SCENARIO = Scenario(
    name="w1",
    title="20-20-1 (W1) and 21-5-1 (W1b), ReLU, squared error, SGD, y a Python float",
    workloads=("W1", "W1b"),
    competitors=(
        "streamdl",
        "numba_loop",
        "numpy_blas",
        "jax_jit",
        "jax_scan",
        "torch_eager",
        "torch_compiled",
        "eigen",
    ),
    only={"torch_compiled": ("W1",)},  # its compile time buys no second insight
    ratios=(
        Ratio("W1", "numba_loop", "streamdl:step", at_least=3.0, aim=3.5),
        Ratio("W1", "numba_loop:arguments", "streamdl:step"),
        Ratio("W1", "numpy_blas", "streamdl:step", at_least=22.0),
        Ratio("W1", "jax_scan", "streamdl:step_many", at_least=4.0),
        Ratio("W1", "jax_jit", "streamdl:step"),
        Ratio("W1", "torch_compiled", "streamdl:step"),
        Ratio("W1", "torch_eager", "streamdl:step"),
        Ratio("W1", "eigen", "streamdl:step_many"),
        Ratio("W1b", "numba_loop", "streamdl:step"),
        Ratio("W1b", "numpy_blas", "streamdl:step"),
        Ratio("W1b", "jax_scan", "streamdl:step_many"),
    ),
    seconds_per_round=0.1,
    warm_up_examples=2000,
)
