"""What `streamdl run` and `streamdl plot` do, from a name and settings to table and figure."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from streamdl.experiments.catalogue import Experiment, find
from streamdl.experiments.comparison import comparison
from streamdl.experiments.configuration import Configuration
from streamdl.experiments.errors import UsageError
from streamdl.experiments.figure import draw
from streamdl.experiments.part import Part, Row
from streamdl.experiments.results import Folder, create_or_resume, open_folder
from streamdl.experiments.runner import Failure, all_parts, check, run_parts
from streamdl.experiments.table import table

NEEDED = ("rich", "pyarrow", "matplotlib")
HINT = "pip install 'streamdl[experiments]'"


def run(
    name: str,
    settings: list[str] | None = None,
    seeds: int | None = None,
    out: Path | None = None,
    jobs: int | None = None,
) -> Path:
    """Run an experiment, or what an earlier run of it left to do; return its results folder.

    Args:
        name: a name in the catalogue.
        settings: `key=value` changes to its configuration.
        seeds: seeds 0 to seeds - 1 of every method, >= 1, by default the experiment's number.
        out: folder for the results, by default results/NAME.
        jobs: processes, by default one per processor this process may use.

    Raises:
        UsageError: something that the caller can put right; one line.
        RuntimeError: parts failed while they ran; names them. What was finished is kept.
    """
    experiment = find(name)
    _require(*NEEDED, *experiment.requires)
    config = experiment.configure(settings or [])
    seeds = experiment.seeds if seeds is None else seeds
    if seeds < 1:
        raise UsageError(f"seeds: expected at least 1, got {seeds}")
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs: expected at least 1, got {jobs}")
    check(experiment, config)
    folder = create_or_resume(out or Path("results") / name, name, config)
    failures = _run_missing(experiment, config, seeds, folder, jobs or _processors())
    if rows := folder.merge():
        _present(experiment, rows, folder.path / f"{name}.png")
    if failures:
        raise RuntimeError("; ".join(f"{f.part}: {f.message}" for f in failures))
    return folder.path


def plot(path: Path, suffix: str = "png") -> Path:
    """Draw the figure and print the table of a results folder, complete or not.

    Raises:
        UsageError: the folder holds no results, or none that are finished.
    """
    _require(*NEEDED)
    folder = open_folder(path)
    experiment = find(folder.experiment)
    rows = folder.merge()
    if not rows:
        raise UsageError(f"{path} holds no finished part yet")
    target = path / f"{folder.experiment}.{suffix}"
    _present(experiment, rows, target)
    return target


def _run_missing(
    experiment: Experiment, config: Configuration, seeds: int, folder: Folder, jobs: int
) -> list[Failure]:
    parts = all_parts(config, seeds)
    missing = [part for part in parts if not folder.has(part)]
    if len(missing) < len(parts):
        print(f"{len(parts) - len(missing)} of {len(parts)} runs were finished before")
    if not missing:
        return []
    with _Bar(len(missing) * config.tasks * config.task_length, len(missing)) as bar:
        return run_parts(experiment, config, missing, folder, min(jobs, len(missing)), bar)


def _present(experiment: Experiment, rows: list[Row], target: Path) -> None:
    from rich.console import Console

    draw(experiment, rows, target)
    console = Console(width=None if os.isatty(1) else 120)
    console.print(table(experiment, rows))
    for line in comparison(experiment, rows):
        console.print(line, highlight=False, soft_wrap=True)
    print(f"figure   {target}\nresults  {target.parent / 'results.parquet'}")


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _require(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise UsageError(f"this needs {module}: {HINT}")


def _outcome(last: Row) -> str:
    """How a part ended, in a few words."""
    if last["diverged_at"] is not None:
        return f"diverged after {last['diverged_at']} examples"
    name = "accuracy" if "accuracy" in last else "error"
    return f"last {name} {last[name]:.3f}"


class _Bar:
    """A live bar over all examples of all parts."""

    def __init__(self, examples: int, parts: int) -> None:
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._parts, self._done = parts, 0
        self._bar = self._progress.add_task(self._title(), total=examples, speed="")

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._progress.stop()

    def learned(self, examples: int) -> None:
        speed = self._progress.tasks[0].speed
        text = f"{speed:,.0f} examples/s" if speed else ""
        self._progress.update(self._bar, advance=examples, speed=text)

    def finished(self, part: Part, rows: list[Row]) -> None:
        self._done += 1
        self._progress.console.print(f"{part}: {_outcome(rows[-1])}", highlight=False)
        self._progress.update(self._bar, description=self._title())
        if self._done == self._parts:  # the last few examples of each part are not reported
            self._progress.update(self._bar, completed=self._progress.tasks[0].total)

    def _title(self) -> str:
        return f"{self._done}/{self._parts} runs"
