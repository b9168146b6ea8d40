"""W4: a robot controller's network; what each rule costs beside plain SGD."""

from benchmarks.common.protocol import Ratio, Scenario

SCENARIO = Scenario(
    name="w4",
    title="64-256-256-8, ReLU, squared error, Gaussian inputs",
    workloads=("W4",),
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
    ratios=(
        Ratio("W4", "numba_loop", "streamdl:step_many", at_least=2.0, aim=2.4),
        Ratio("W4", "numpy_blas", "streamdl:step_many", at_least=5.0),
        Ratio("W4", "eigen", "streamdl:step_many"),
        Ratio("W4", "jax_scan", "streamdl:step_many"),
        Ratio("W4", "jax_jit", "streamdl:step"),
        Ratio("W4", "torch_compiled", "streamdl:step"),
        Ratio("W4", "torch_eager", "streamdl:step"),
        Ratio("W4", "streamdl:continual_backprop", "streamdl:step_many", at_most=1.06),
        Ratio("W4", "streamdl:idbd", "streamdl:step_many", at_most=2.6),
        Ratio("W4", "streamdl:momentum", "streamdl:step_many"),
        Ratio("W4", "streamdl:weight_decay", "streamdl:step_many"),
        Ratio("W4", "streamdl:idbd_continual_backprop", "streamdl:step_many"),
    ),
    seconds_per_round=0.12,
    examples_per_round=20_000,  # the share of silent units moves with learning: bound the lead
    warm_up_examples=1000,
)
