"""From samples to the numbers of the table: medians, tails, ratios over interleaved rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Summary:
    """Nanoseconds per example of one entry; `rounds` holds the median of every round."""

    median: float
    p10: float
    p99: float
    p999: float
    samples: int
    rounds: tuple[float, ...]


def summarize(rounds: Sequence[Sequence[float]]) -> Summary:
    """The median of the rounds' medians (a slow round counts once); tails over all samples."""
    medians = tuple(float(np.median(samples)) for samples in rounds)
    pooled = np.concatenate([np.asarray(samples, np.float64) for samples in rounds])
    p10, p99, p999 = (float(q) for q in np.percentile(pooled, (10, 99, 99.9)))
    return Summary(float(np.median(medians)), p10, p99, p999, pooled.size, medians)


def ratio(above: Summary, below: Summary) -> tuple[float, float, float]:
    """The median, least and greatest over the rounds of above / below within one round.

    Neighbours in time are compared with each other, so that a machine that slows down for a
    while slows both sides of a ratio.
    """
    quotients = [a / b for a, b in zip(above.rounds, below.rounds, strict=True)]
    return float(np.median(quotients)), min(quotients), max(quotients)
