"""The least that a dense step of this size can cost: its bytes at the measured bandwidth."""

from typing import Any

from benchmarks.bandwidth.probe import passes
from benchmarks.common.protocol import Competitor
from benchmarks.scaling import WIDTHS

VARIANTS = ("passes",)


def build(variant: str, workload: Any) -> Competitor:
    weights = 3 * WIDTHS[workload] ** 2
    # As many repeats as fill a call; small nets stay in the cache from step to step, too.
    repeats = max(1, 1_000_000 // (4 * weights))
    return Competitor(passes(4 * weights), [(None, repeats)], repeats, rule=None)
