"""An empty Python function: what the interpreter itself takes."""

from typing import Any

from benchmarks.call_overhead.arguments import pairs
from benchmarks.common.protocol import Competitor

VARIANTS = ("empty",)


def build(variant: str, workload: Any) -> Competitor:
    def step(x: Any, y: float) -> float:
        return y

    return Competitor(step, pairs(), rule=None)
