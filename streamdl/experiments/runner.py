"""Run the parts of an experiment in parallel processes and keep each as it finishes."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from streamdl.experiments.catalogue import Experiment, find
from streamdl.experiments.configuration import Configuration
from streamdl.experiments.errors import UsageError
from streamdl.experiments.methods import variants
from streamdl.experiments.part import Part, Row, run_part
from streamdl.experiments.results import Folder

# Seconds between two looks at the workers, and examples between two reports of one worker.
LOOK_EVERY = 0.1
REPORT_EVERY = 20_000

# Each worker computes on one thread; the parallelism is that of the processes.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


# What building a stream or a learner raises; AttributeError where the core lacks an optimizer.
CANNOT_BE_BUILT = (ValueError, TypeError, OSError, ImportError, RuntimeError, AttributeError)


class Listener(Protocol):
    """What a caller wants to hear while the parts run."""

    def learned(self, examples: int) -> None:
        """Examples learned by some worker since the last call."""

    def finished(self, part: Part, rows: list[Row]) -> None:
        """A part was finished and kept."""


@dataclass(frozen=True)
class Failure:
    """A part that stopped with an error, and its message."""

    part: Part
    message: str


def all_parts(config: Configuration, seeds: int) -> list[Part]:
    """Seed by seed, so that an early look at the results compares all methods."""
    settings = [
        (method, values) for method in config.methods for values in variants(config, method)
    ]
    return [Part(method, seed, values) for seed in range(seeds) for method, values in settings]


def check(experiment: Experiment, config: Configuration) -> None:
    """Build the stream and every learner once, so that what is wrong is said before the run.

    Raises:
        UsageError: a value is out of range, data is missing or a package is.
    """
    try:
        stream = experiment.stream(config, 0)
        for part in all_parts(config, seeds=1):
            experiment.learner(config, part.method, part.values, part.seed, stream)
    except CANNOT_BE_BUILT as error:
        raise UsageError(str(error)) from error


def run_parts(
    experiment: Experiment,
    config: Configuration,
    parts: list[Part],
    folder: Folder,
    jobs: int,
    listener: Listener,
) -> list[Failure]:
    """Run the parts in up to `jobs` processes; a failing part does not stop the others.

    Each worker writes the part it finished before it says so: what was kept stays kept when any
    process is killed.
    """
    context = multiprocessing.get_context("spawn")
    reports: Any = context.Queue()
    failures: list[Failure] = []
    with (
        _one_thread_each(),
        ProcessPoolExecutor(
            max_workers=jobs, mp_context=context, initializer=_start_worker, initargs=(reports,)
        ) as pool,
    ):
        futures = {
            pool.submit(_work, experiment.name, config, part, folder): part for part in parts
        }
        try:
            _listen(futures, reports, failures, listener)
        except BaseException:
            _stop(pool)
            raise
    return failures


def _listen(
    futures: dict[Future[list[Row]], Part],
    reports: Any,
    failures: list[Failure],
    listener: Listener,
) -> None:
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, timeout=LOOK_EVERY)
        for examples in _drain(reports):
            listener.learned(examples)
        for future in done:
            part = futures[future]
            try:
                listener.finished(part, future.result())
            except BrokenProcessPool:
                failures.append(Failure(part, "its process was killed or never came up"))
            except Exception as error:
                failures.append(Failure(part, f"{type(error).__name__}: {error}"))


def _drain(reports: Any) -> Iterator[int]:
    while True:
        try:
            yield reports.get_nowait()
        except queue.Empty:
            return


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the workers now: on Ctrl-C nobody wants to wait for the parts in progress."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Workers inherit these variables when they start; ours are put back afterwards."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# ---- in the worker ------------------------------------------------------------------------------

_reports: Any = None


def _start_worker(reports: Any) -> None:
    global _reports
    _reports = reports
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for its next part for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(name: str, config: Configuration, part: Part, folder: Folder) -> list[Row]:
    rows = run_part(find(name), config, part, _reporter(_reports.put))
    folder.keep(part, rows)
    return rows


def _reporter(put: Callable[[int], None]) -> Callable[[int], None]:
    """Gather examples into a few larger reports, so that reporting costs the learning nothing."""
    gathered = 0

    def report(examples: int) -> None:
        nonlocal gathered
        gathered += examples
        if gathered >= REPORT_EVERY:
            put(gathered)
            gathered = 0

    return report
