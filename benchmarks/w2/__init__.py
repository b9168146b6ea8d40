"""W2: the Nature paper's network on real permuted MNIST."""

from benchmarks.common.protocol import Ratio, Scenario

SCENARIO = Scenario(
    name="w2",
    title="784-2000-2000-2000-10, ReLU, cross entropy, SGD 0.003, permuted MNIST",
    workloads=("W2",),
    competitors=(
        "streamdl",
        "streamdl_two_threads",
        "numba_loop",
        "numpy_blas",
        "jax_jit",
        "jax_scan",
        "torch_eager",
        "torch_compiled",
        "eigen",
    ),
    ratios=(
        Ratio("W2", "numba_loop", "streamdl:step", at_least=1.8, aim=2.3),
        Ratio("W2", "numpy_blas", "streamdl:step", at_least=4.0),
        Ratio("W2", "eigen", "streamdl:step"),
        Ratio("W2", "jax_scan", "streamdl:step"),
        Ratio("W2", "jax_jit", "streamdl:step"),
        Ratio("W2", "torch_compiled", "streamdl:step"),
        Ratio("W2", "torch_eager", "streamdl:step"),
        Ratio("W2", "streamdl:continual_backprop", "streamdl:step", at_most=1.06),
        Ratio("W2", "streamdl:idbd", "streamdl:step"),
        Ratio("W2", "streamdl:momentum", "streamdl:step"),
        Ratio("W2", "streamdl:weight_decay", "streamdl:step"),
        Ratio("W2", "streamdl:step", "streamdl_two_threads:step", at_least=1.5, aim=1.7),
    ),
    seconds_per_round=3.0,
    # Every competitor takes the same examples: which units are silent depends on how many it took.
    # Short rounds, so that both sides of a ratio meet the same machine; the first four examples or so of
    # each find the caches full of another's weights.
    examples_per_round=16,
    rounds=21,
    warm_up_examples=40,
)
