"""Runs a scenario: every competitor in its own process, one core, interleaved in rounds."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.common.processes import Worker
from benchmarks.common.protocol import Ratio, Scenario
from benchmarks.common.summary import Summary, ratio, summarize

# The order of a run without names: cheap and telling first.
SCENARIOS = (
    "w1", "w4", "w2", "w7", "rules", "gauges", "lazy", "sparse", "minibatch", "scaling", "call_overhead", "bandwidth",
)  # fmt: skip
OURS = "streamdl"


@dataclass
class Row:
    """One entry of the table: a variant of a competitor on a workload, or why there is none."""

    workload: str
    competitor: str
    variant: str
    summary: Summary | None = None
    deviation: float | None = None  # from the float64 losses; None: not checked
    reason: str = ""

    @property
    def label(self) -> str:
        return f"{self.competitor}:{self.variant}" if self.variant else self.competitor


@dataclass
class Verdict:
    """A ratio as measured, beside what was asked of it."""

    ratio: Ratio
    value: float
    least: float
    greatest: float

    @property
    def met(self) -> bool | None:
        """None where nothing was asked."""
        if self.ratio.at_least is not None:
            return self.value >= self.ratio.at_least
        if self.ratio.at_most is not None:
            return self.value <= self.ratio.at_most
        return None


@dataclass
class Result:
    """All rows and verdicts of one scenario, and what each competitor said of itself."""

    scenario: Scenario
    rows: list[Row] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    details: dict[str, dict[str, object]] = field(default_factory=dict)


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds (None: the scenario's own) and the length of one."""

    rounds: int | None = None
    share: float = 1.0  # of the scenario's seconds and examples per round


def load(name: str) -> Scenario:
    scenario = importlib.import_module(f"benchmarks.{name}").SCENARIO
    assert isinstance(scenario, Scenario)
    return scenario


def run(
    scenario: Scenario,
    rivals: Collection[str] | None = None,
    effort: Effort = Effort(),
    progress: Callable[[str], None] = lambda text: None,
) -> Result:
    """Measure `scenario`; `rivals`, when given, are the only competitors beside our own."""
    result = Result(scenario)
    wanted = [
        name
        for name in scenario.competitors
        if rivals is None or name in rivals or name.startswith((OURS, "probe"))
    ]
    workers: dict[str, Worker] = {}
    try:
        _start(scenario, wanted, workers, result, progress)
        ready = [row for row in result.rows if not row.reason]
        _measure(scenario, ready, workers, effort, progress)
    finally:
        for worker in workers.values():
            worker.close()
    result.verdicts = verdicts(scenario.ratios, result.rows)
    return result


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _start(
    scenario: Scenario,
    names: list[str],
    workers: dict[str, Worker],
    result: Result,
    progress: Callable[[str], None],
) -> None:
    """Start and build all competitors, one per core at a time, then move them to the last core."""
    cores = _cores()
    free = list(cores)

    def start(name: str) -> list[Row]:
        core = free.pop()
        try:
            workers[name] = worker = Worker(scenario.name, name, core)
            progress(f"{scenario.name}: building {name}")
            return _build(scenario, worker, cores, result)
        finally:
            free.append(core)

    with ThreadPoolExecutor(len(cores)) as pool:
        for rows in pool.map(start, names):
            result.rows.extend(rows)


def _build(scenario: Scenario, worker: Worker, cores: list[int], result: Result) -> list[Row]:
    name = worker.competitor
    workloads = scenario.only.get(name, scenario.workloads)
    offer = worker.ask(None)
    if "variants" not in offer:
        return [Row(workload, name, "", reason=_reason(offer)) for workload in workloads]
    if offer["cores"] > len(cores):
        reason = f"skipped (needs {offer['cores']} cores)"
        return [Row(workload, name, "", reason=reason) for workload in workloads]
    rows = []
    for workload in workloads:
        for variant in offer["variants"]:
            answer = worker.ask(
                {
                    "do": "build",
                    "workload": workload,
                    "variant": variant,
                    "warm_up": scenario.warm_up_examples,
                }
            )
            if "not_offered" in answer:
                continue
            row = Row(workload, name, variant, deviation=answer.get("deviation"))
            if answer.get("wrong"):
                row.reason = f"WRONG losses: off by {row.deviation:.1e} of their mean"
            elif "group" not in answer:
                row.reason = _reason(answer)
            rows.append(row)
    details = worker.ask({"do": "pin", "cores": cores[-offer["cores"] :]})
    result.details[name] = details
    return rows


def _reason(answer: dict[str, str]) -> str:
    if "skipped" in answer:
        return f"skipped ({answer['skipped']})"
    return f"FAILED: {answer.get('failed', 'no answer')}"


def _measure(
    scenario: Scenario,
    rows: list[Row],
    workers: dict[str, Worker],
    effort: Effort,
    progress: Callable[[str], None],
) -> None:
    """A B C A B C ...: one short turn each per round, workload by workload."""
    rounds = effort.rounds or scenario.rounds
    samples: list[list[list[float]]] = [[] for _ in rows]
    for turn in range(rounds):
        for workload in scenario.workloads:
            for row, kept in zip(rows, samples, strict=True):
                if row.workload != workload or row.reason:
                    continue
                progress(f"{scenario.name}: round {turn + 1}/{rounds} {workload} {row.label}")
                answer = workers[row.competitor].ask(
                    {
                        "do": "round",
                        "workload": workload,
                        "variant": row.variant,
                        "seconds": scenario.seconds_per_round * effort.share,
                        "processor_time": scenario.processor_time,
                        "examples": int(scenario.examples_per_round * effort.share),
                    }
                )
                if "samples" in answer:
                    kept.append(answer["samples"])
                else:
                    row.reason = _reason(answer)
    for row, kept in zip(rows, samples, strict=True):
        if not row.reason:
            row.summary = summarize(kept)


def fastest(rows: list[Row], workload: str, entry: str) -> Summary | None:
    """The summary of "competitor:variant", or of the fastest variant of "competitor"."""
    competitor, _, variant = entry.partition(":")
    found = [
        row.summary
        for row in rows
        if row.workload == workload
        and row.competitor == competitor
        and (not variant or row.variant == variant)
        and row.summary is not None
    ]
    return min(found, key=lambda summary: summary.median, default=None)


def verdicts(ratios: Collection[Ratio], rows: list[Row]) -> list[Verdict]:
    """The ratios of which both sides were measured."""
    found = []
    for wanted in ratios:
        above = fastest(rows, wanted.workload, wanted.above)
        below = fastest(rows, wanted.workload, wanted.below)
        if above is not None and below is not None:
            found.append(Verdict(wanted, *ratio(above, below)))
    return found
