"""The shape that every competitor and every scenario file has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


class Skipped(Exception):
    """A competitor cannot run here; the message is the reason that the table prints."""


class NotOffered(Exception):
    """A variant has nothing to do with a workload: no row, no reason."""


def nothing() -> None:
    """The `finish` of competitors whose calls are done when they return."""


@dataclass
class Competitor:
    """One learner, built and ready to be called.

    A competitor file offers `VARIANTS: tuple[str, ...]`, `build(variant, workload) -> Competitor`
    and, where it needs more than one core, `CORES: int`.
    """

    call: Callable[[Any, Any], Any]  # learns from one pair of arguments, returns its loss(es)
    arguments: Sequence[tuple[Any, Any]]  # the pairs in order; the worker cycles through them
    examples_per_call: int = 1
    finish: Callable[[], None] = nothing  # waits for work that a call may have queued
    # The rule that `benchmarks.common.reference` replays to check the losses; None: not checked,
    # unless `expected` gives what the first so many examples must return.
    rule: str | None = "sgd"
    expected: Callable[[int], Any] | None = None


@dataclass(frozen=True)
class Ratio:
    """One line of the verdict: time per example of `above` over that of `below`.

    An entry is "competitor:variant", or "competitor" for the fastest of its variants.
    """

    workload: str
    above: str
    below: str
    at_least: float | None = None
    at_most: float | None = None
    aim: float | None = None
    words: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text under heads, for the terminal."""

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclass(frozen=True)
class Account:
    """What a scenario makes of its entries: tables in place of the usual ones, and what is kept."""

    tables: list[Table]
    notes: list[str]
    kept: Any  # for the JSON


@dataclass(frozen=True)
class Scenario:
    """What one folder measures; its `__init__.py` names it SCENARIO."""

    name: str
    title: str
    workloads: tuple[str, ...]
    competitors: tuple[str, ...]
    ratios: tuple[Ratio, ...] = ()
    seconds_per_round: float = 0.12  # a round of one entry ends at the first of these two limits
    examples_per_round: int = 1_000_000
    rounds: int = 7
    warm_up_examples: int = 200
    unit: str = "us/example"  # or "ns/call", or "GB/s"
    # Time of the processor, not of the wall: long calls of one thread are then comparable on a busy machine, too.
    processor_time: bool = False
    # The bytes that one call on this workload moves, for "GB/s".
    bytes_per_call: Callable[[str], float] | None = None
    # From a runner.Result; None: the usual tables.
    account: Callable[[Any], Account] | None = None
    only: dict[str, tuple[str, ...]] = field(default_factory=dict)  # competitor -> its workloads
