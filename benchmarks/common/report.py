"""Tables for the terminal and the JSON that is kept."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.common.protocol import Table
from benchmarks.common.runner import OURS, Result, Row, Verdict, fastest

WIDTH = 120  # columns that the tables with boxes need


def show(result: Result, plain: bool = False) -> None:
    """The scenario's own tables, or one of entries and one of ratios; and what is missing from them.

    With rich, when it is installed and the terminal is wide enough; else in plain text.
    """
    narrow = not sys.stdout.isatty() or shutil.get_terminal_size().columns < WIDTH
    table = _plain_table if plain or narrow else _rich_table
    tables, notes = _usual(result), []
    if result.scenario.account is not None:
        account = result.scenario.account(result)
        tables, notes = account.tables, account.notes
    for content in tables:
        table(content.title, content.heads, content.rows)
    for note in notes:
        print(note)
    for workload, entry, reason in _missing(result):
        print(f"{workload} {entry}: {reason}")


def _usual(result: Result) -> list[Table]:
    scenario = result.scenario
    unit = scenario.unit
    heads = ("workload", "entry", unit, "p99", "p99.9", "per second", "/ streamdl", "loss check")
    rows = [_cells(result, row) for row in _in_order(result)]
    tables = [Table(f"{scenario.name}: {scenario.title}", heads, rows)]
    if result.verdicts:
        tables.append(
            Table(
                f"{scenario.name}: ratios within this run (median of the rounds)",
                ("workload", "ratio", "measured", "rounds from..to", "asked", "aim", ""),
                [_verdict_cells(verdict) for verdict in result.verdicts],
            )
        )
    return tables


def _in_order(result: Result) -> list[Row]:
    """By workload in the scenario's order, fastest first."""
    measured = [row for row in result.rows if row.summary is not None]
    order = {name: index for index, name in enumerate(result.scenario.workloads)}

    def key(row: Row) -> tuple[int, float]:
        assert row.summary is not None
        return order[row.workload], row.summary.median

    return sorted(measured, key=key)


def _missing(result: Result) -> list[tuple[str, str, str]]:
    """(workload, entry, reason); a competitor that is absent altogether takes one line."""
    seen: dict[tuple[str, str], list[str]] = {}
    for row in result.rows:
        if row.reason:
            seen.setdefault((row.label, row.reason), []).append(row.workload)
    return [(",".join(names), label, reason) for (label, reason), names in seen.items()]


def _cells(result: Result, row: Row) -> tuple[str, ...]:
    summary = row.summary
    assert summary is not None
    ours = fastest(result.rows, row.workload, OURS)
    against = "" if ours is None else f"{summary.median / ours.median:.2f}"
    checked = "" if row.deviation is None else f"{row.deviation:.0e}"
    unit, total = result.scenario.unit, result.scenario.bytes_per_call
    if unit == "GB/s" and total is not None:
        moved = total(row.workload)
        values = [f"{moved / t:.1f}" for t in (summary.median, summary.p99, summary.p999)]
        against = ""
    else:
        scale = 1.0 if unit.startswith("ns") else 1e-3
        values = [_figure(t * scale) for t in (summary.median, summary.p99, summary.p999)]
    rate = f"{1e9 / summary.median:,.0f}"
    return (row.workload, row.label, *values, rate, against, checked)


def _figure(value: float) -> str:
    digits = 3 if value < 10 else 2 if value < 100 else 1
    return f"{value:,.{digits}f}"


def _verdict_cells(verdict: Verdict) -> tuple[str, ...]:
    asked = verdict.ratio
    if asked.at_least is not None:
        bound = f">= {asked.at_least:g}"
    elif asked.at_most is not None:
        bound = f"<= {asked.at_most:g}"
    else:
        bound = ""
    aim = "" if asked.aim is None else f"{asked.aim:g}"
    judged = {True: "met", False: "MISSED", None: ""}[verdict.met]
    return (
        asked.workload,
        asked.words or f"{asked.above} / {asked.below}",
        f"{verdict.value:.2f}",
        f"{verdict.least:.2f}..{verdict.greatest:.2f}",
        bound,
        aim,
        judged,
    )


def _plain_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [
        max(len(head), *(len(row[index]) for row in rows)) if rows else len(head)
        for index, head in enumerate(heads)
    ]
    print(f"\n{title}")
    for row in (heads, ["-" * width for width in widths], *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _rich_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    try:
        from rich.console import Console
        from rich.table import Table as RichTable
    except ImportError:
        return _plain_table(title, heads, rows)
    table = RichTable(title=title, title_justify="left")
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if index < 2 else "right", overflow="fold")
    for row in rows:
        ours = row[1].startswith(OURS + ":")
        table.add_row(*row, style="bold" if ours else "red" if row[-1] == "MISSED" else None)
    Console().print(table)


def as_json(result: Result) -> dict[str, Any]:
    """Everything of one scenario: nanoseconds per example, medians of every round, ratios."""
    account = result.scenario.account
    return {
        "title": result.scenario.title,
        "account": None if account is None else account(result).kept,
        "entries": [
            {
                "workload": row.workload,
                "competitor": row.competitor,
                "variant": row.variant,
                "deviation_from_float64": row.deviation,
                "missing_because": row.reason or None,
                "ns_per_example": row.summary and dataclasses.asdict(row.summary),
            }
            for row in result.rows
        ],
        "ratios": [
            {
                **dataclasses.asdict(verdict.ratio),
                "measured": verdict.value,
                "least": verdict.least,
                "greatest": verdict.greatest,
                "met": verdict.met,
            }
            for verdict in result.verdicts
        ],
        "competitors": result.details,
    }
