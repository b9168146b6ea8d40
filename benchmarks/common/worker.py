"""One competitor in a process of its own: builds, checks and times what the runner asks for.

Started by path, `python worker.py SCENARIO COMPETITOR CORE`; speaks one JSON object per line.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[1]
# Largest difference from the float64 losses, as a share of their mean, that rounding explains.
TOLERANCE = 2e-5


def load_benchmarks() -> None:
    """Make `benchmarks` this folder, and leave `streamdl` to the environment.

    Starting by path puts this file's folder first on sys.path, and the checkout's root would put
    an unbuilt `streamdl/` before the installed one: neither may stay there.
    """
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT / "common"]
    spec = importlib.util.spec_from_file_location(
        "benchmarks", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["benchmarks"] = package
    spec.loader.exec_module(package)


def pin(cores: list[int]) -> None:
    """Keep every thread of this process on these cores."""
    if not hasattr(os, "sched_setaffinity"):
        return
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), cores)


class Entry:
    """One variant of the competitor on one workload."""

    def __init__(self, module: ModuleType, variant: str, workload: Any, warm_up_examples: int):
        self.competitor = module.build(variant, workload)
        self.cycle: Iterator[tuple[Any, Any]] = itertools.cycle(self.competitor.arguments)
        self.deviation = self._check(workload)
        per_call = self.competitor.examples_per_call
        calls = max(3, warm_up_examples // per_call)
        began = time.perf_counter_ns()
        for x, y in itertools.islice(self.cycle, calls):
            self.competitor.call(x, y)
        self.competitor.finish()
        # Short calls are timed in groups of at least 5 us, so that reading the clock is below 2 %.
        estimate = max(1.0, (time.perf_counter_ns() - began) / calls)
        self.group = int(min(64, max(1, -(-5000 // estimate))))

    def _check(self, workload: Any) -> float | None:
        """The largest deviation of the first losses from the float64 reference."""
        import numpy as np

        from benchmarks.common import reference

        rule, per_call = self.competitor.rule, self.competitor.examples_per_call
        if self.competitor.expected:
            seen = self._first(50)
            wanted = self.competitor.expected(len(seen))
            return float(np.abs(seen - wanted).max() / np.abs(wanted).mean())
        if rule is None:
            return None
        small = sum(w.size for w in workload.weights) < 1_000_000
        updates = 50 if small else 20
        found: list[float] = []
        x, y = next(self.cycle)
        found.extend(np.ravel(np.asarray(self.competitor.call(x, y), np.float64)))
        # One loss from many examples: they were one minibatch, one update.
        per_update = per_call if len(found) == 1 else 1
        if per_update > 1:
            updates = 8 if small else max(2, 64 // per_update)
        while len(found) < updates:
            x, y = next(self.cycle)
            found.extend(np.ravel(np.asarray(self.competitor.call(x, y), np.float64)))
        expected = reference.cached_losses(workload, rule, per_update, updates)
        difference = np.abs(np.asarray(found[:updates]) - expected)
        return float(difference.max() / expected.mean())

    def _first(self, examples: int) -> Any:
        """What the first examples, and those in the same call, return."""
        import numpy as np

        found: list[float] = []
        while len(found) < examples:
            x, y = next(self.cycle)
            found.extend(np.ravel(np.asarray(self.competitor.call(x, y), np.float64)))
        return np.asarray(found)

    def round(self, seconds: float, examples: int, processor_time: bool) -> list[float]:
        """Nanoseconds per example, one sample per group of calls."""
        call, finish, group = self.competitor.call, self.competitor.finish, self.group
        per_sample = group * self.competitor.examples_per_call
        clock = time.process_time_ns if processor_time else time.perf_counter_ns
        samples: list[float] = []
        end = clock() + int(seconds * 1e9)
        budget = max(3, examples // per_sample)
        while len(samples) < budget and (len(samples) < 3 or clock() < end):
            chunk = list(itertools.islice(self.cycle, group))
            began = clock()
            for x, y in chunk:
                call(x, y)
            finish()
            samples.append((clock() - began) / per_sample)
        return samples


def blas_kernels() -> list[str]:
    """Which BLAS libraries run here, and the processor that they believe they run on."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return ["unknown (threadpoolctl not installed)"]
    return [
        f"{info['internal_api']} {info.get('version')} {info.get('architecture', '')}"
        f" threads={info['num_threads']}"
        for info in threadpool_info()
        if info["user_api"] == "blas"
    ]


def answer(module: ModuleType, entries: dict[Any, Entry], request: dict[str, Any]) -> Any:
    from benchmarks.common.workloads import WORKLOADS

    key = (request.get("variant"), request.get("workload"))
    if request["do"] == "build":
        workload = WORKLOADS.get(request["workload"], request["workload"])
        entry = entries[key] = Entry(module, request["variant"], workload, request["warm_up"])
        wrong = entry.deviation is not None and not entry.deviation <= TOLERANCE
        return {"deviation": entry.deviation, "wrong": wrong, "group": entry.group}
    if request["do"] == "round":
        keys = ("seconds", "examples", "processor_time")
        return {"samples": entries[key].round(*(request[k] for k in keys))}
    pin(request["cores"])
    details = {"blas": blas_kernels()}
    if hasattr(module, "describe"):
        details.update(module.describe())
    return details


def serve(scenario: str, competitor: str, requests: TextIO, replies: TextIO) -> None:
    """Answer the runner until it closes the pipe; a failure is an answer, too."""
    from benchmarks.common.protocol import NotOffered, Skipped

    def reply(content: Any) -> None:
        replies.write(json.dumps(content) + "\n")
        replies.flush()

    try:
        module = importlib.import_module(f"benchmarks.{scenario}.{competitor}")
    except ModuleNotFoundError as error:
        return reply({"skipped": f"not installed ({error.name})"})
    except Skipped as error:
        return reply({"skipped": str(error)})
    except Exception as error:
        return reply({"failed": f"{type(error).__name__}: {error}"})
    reply({"variants": list(module.VARIANTS), "cores": getattr(module, "CORES", 1)})
    gc.disable()
    entries: dict[Any, Entry] = {}
    for line in requests:
        try:
            reply(answer(module, entries, json.loads(line)))
        except ModuleNotFoundError as error:
            reply({"skipped": f"not installed ({error.name})"})
        except NotOffered:
            reply({"not_offered": True})
        except Skipped as error:
            reply({"skipped": str(error)})
        except Exception as error:
            reply({"failed": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    # What libraries print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    pin([int(sys.argv[3])])  # before any import: libraries size their thread pools by the cores
    load_benchmarks()
    serve(sys.argv[1], sys.argv[2], sys.stdin, answers)
