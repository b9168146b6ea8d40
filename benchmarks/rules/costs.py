"""What the entries of the scenario say about each rule: times, bytes, bounds and verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.common.protocol import Account, Table
from benchmarks.common.runner import Result, Row, fastest
from benchmarks.common.summary import ratio
from benchmarks.common.workloads import WORKLOADS
from benchmarks.rules.traffic import BASE, TRAFFIC

COUNTED_ON = ("W4", "W4o")  # where arithmetic counts: their state lies in the second cache
GOAL = 1.25  # times the bound


@dataclass(frozen=True)
class Cost:
    """One rule on one workload; what was not measured is None. Times in microseconds per example."""

    workload: str
    rule: str
    of: str  # the class
    arguments: dict[str, Any]
    time: float
    times_base: float  # over plain SGD's, within each round
    bytes: float | None = None  # per example
    bytes_times_base: float | None = None
    bound: float | None = None  # its passes alone, over as much memory
    over_bound: float | None = None  # time / bound, within each round
    instructions: int | None = None
    instructions_times_base: float | None = None
    torch: float | None = None  # torch eager
    noise: bool = False

    @property
    def over_goal(self) -> float | None:
        """Time over what the goal is a multiple of: the bound; on W4 the larger of it and SGD's time by instructions."""
        if self.over_bound is None:
            return None
        if self.workload not in COUNTED_ON:
            return self.over_bound
        if self.instructions_times_base is None:
            return None
        return min(self.over_bound, self.times_base / self.instructions_times_base)

    @property
    def met(self) -> bool | None:
        """None where nothing is asked, or cannot be told."""
        if self.noise or self.over_goal is None:
            return None
        return self.over_goal <= GOAL


def costs(rows: Sequence[Row], details: dict[str, dict[str, Any]]) -> list[Cost]:
    """Every rule that was measured, workload by workload."""
    entries = list(rows)
    shares = details.get("probe", {}).get("active_share", {})
    counts = details.get("streamdl", {}).get("instructions", {})
    made = details.get("streamdl", {}).get("made", {})
    found = []
    for workload in dict.fromkeys(row.workload for row in entries):
        base = fastest(entries, workload, f"streamdl:{BASE}")
        for rule, traffic in TRAFFIC.items():
            ours = fastest(entries, workload, f"streamdl:{rule}")
            if ours is None or base is None:
                continue
            bound = fastest(entries, workload, f"probe:{rule}")
            torch = fastest(entries, workload, f"torch_eager:{rule}")
            moved = _bytes(workload, rule, shares.get(workload, {}))
            moved_base = _bytes(workload, BASE, shares.get(workload, {}))
            counted = counts.get(workload, {})
            found.append(
                Cost(
                    workload,
                    rule,
                    *made.get(rule, ("", {})),
                    time=ours.median / 1e3,
                    times_base=ratio(ours, base)[0],
                    bytes=moved,
                    bytes_times_base=moved / moved_base if moved and moved_base else None,
                    bound=bound and bound.median / 1e3,
                    over_bound=bound and ratio(ours, bound)[0],
                    instructions=counted.get(rule),
                    instructions_times_base=(
                        counted[rule] / counted[BASE]
                        if rule in counted and BASE in counted
                        else None
                    ),
                    torch=torch and torch.median / 1e3,
                    noise=traffic.noise,
                )
            )
    return found


def _bytes(workload: str, rule: str, shares: dict[str, float]) -> float | None:
    if rule not in shares:
        return None
    sizes, traffic = WORKLOADS[workload].sizes, TRAFFIC[rule]
    weights = sum(m * n for m, n in zip(sizes, sizes[1:], strict=False))
    share = shares[rule]
    active, silent = traffic.bytes_per_weight(True), traffic.bytes_per_weight(False)
    return weights * (active * share + silent * (1 - share))


HEADS = (
    "rule", "us", "/ sgd", "bytes / sgd", "bound us", "GB/s", "us / bound", "instr / sgd", "over goal", "goal",
    "torch us", "torch / ours",
)  # fmt: skip


def _cells(cost: Cost) -> tuple[str, ...]:
    def figure(value: float | None, digits: int = 2) -> str:
        return "" if value is None else f"{value:,.{digits}f}"

    speed = cost.bytes / cost.bound / 1e3 if cost.bytes and cost.bound else None
    judged = {True: "met", False: "MISSED", None: ""}[cost.met]
    return (
        cost.rule,
        figure(cost.time),
        figure(cost.times_base),
        figure(cost.bytes_times_base),
        figure(cost.bound),
        figure(speed, 0),
        figure(cost.over_bound),
        figure(cost.instructions_times_base),
        "" if cost.noise else figure(cost.over_goal),
        judged,
        figure(cost.torch, 0),
        figure(cost.torch / cost.time if cost.torch else None, 0),
    )


def account(result: Result) -> Account:
    """One table per workload, and one of the rules that draw noise per weight."""
    found = costs(result.rows, result.details)
    tables, notes = [], []
    for workload in result.scenario.workloads:
        of_workload = [cost for cost in found if cost.workload == workload]
        for noise, title in (
            (False, f"rules on {workload}: goal: at most {GOAL} x " + _goal(workload)),
            (True, f"rules on {workload} that draw a normal number per weight: listed, not judged"),
        ):
            rows = [_cells(cost) for cost in of_workload if cost.noise == noise]
            if rows:
                tables.append(Table(title, HEADS, rows))
    if found:
        how = result.details.get("streamdl", {}).get("instructions_how", "")
        notes = [
            "bound: the rule's passes alone (read; read, change, write) over memory of the size and layout of its "
            "state, for the rows that its network has active; GB/s: its bytes in that time",
            f"instr: instructions of one example on {' and '.join(COUNTED_ON)}: {how}",
        ]
    kept = [
        {**dataclasses.asdict(cost), "over_goal": cost.over_goal, "met": cost.met} for cost in found
    ]
    return Account(tables, notes, kept)


def _goal(workload: str) -> str:
    if workload not in COUNTED_ON:
        return "the bound"
    return "the larger of the bound and sgd's time by its instructions"
