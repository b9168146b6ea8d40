"""What it costs to call an empty step(x, y) from Python: x a float32 array, y a float."""

from benchmarks.common.protocol import Ratio, Scenario

SCENARIO = Scenario(
    name="call_overhead",
    title="an empty step(x, y): the array is checked, one of its numbers read, a float returned",
    workloads=("call",),
    competitors=("python", "c_api", "nanobind", "pybind11", "ctypes_call"),
    ratios=(
        Ratio("call", "nanobind", "c_api"),
        Ratio("call", "pybind11", "c_api"),
        Ratio("call", "ctypes_call", "c_api"),
    ),
    seconds_per_round=0.05,
    warm_up_examples=2000,
    unit="ns/call",
)
