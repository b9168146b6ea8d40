"""`streamdl bench`: runs the folder `benchmarks/` of a source checkout and keeps the figures."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# What `--quick` measures: enough to see the main ratios, nothing that compiles for long.
QUICK_SCENARIOS = ("w1", "w4", "w2", "scaling")
QUICK_RIVALS = ("numba_loop", "numpy_blas")
QUICK_ROUNDS = 3
QUICK_SHARE = 0.25


def find_benchmarks() -> Path | None:
    """The folder `benchmarks/` above the current directory or beside this package; else None."""
    here = Path.cwd().resolve()
    for folder in (here, *here.parents, *Path(__file__).resolve().parents):
        if (folder / "benchmarks" / "common" / "worker.py").is_file():
            return folder / "benchmarks"
    return None


def load_benchmarks(folder: Path) -> None:
    """Import `folder` as the package `benchmarks`, whatever else sys.path may offer."""
    spec = importlib.util.spec_from_file_location(
        "benchmarks", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {folder}")
    package = importlib.util.module_from_spec(spec)
    sys.modules["benchmarks"] = package
    spec.loader.exec_module(package)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of `streamdl bench`."""
    parser = argparse.ArgumentParser(
        prog="streamdl bench",
        description="Measure streamdl beside its rivals: own processes, one core, interleaved.",
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="all when none is named")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default: the scenario's)")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where the figures are kept")
    parser.add_argument("--rivals", metavar="A,B", help="only these competitors beside streamdl")
    parser.add_argument("--quick", action="store_true", help="under a minute: few rivals, rounds")
    parser.add_argument("--plain", action="store_true", help="tables without colours and boxes")
    return parser.parse_args(argv)


def _progress(text: str) -> None:
    """One line that overwrites itself; silent where the output is not a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def main(argv: Sequence[str]) -> int:
    """Run the named scenarios, print their tables, keep the JSON.

    Returns 0; 1 when a competitor failed or its losses were wrong; 2 on bad arguments or when no
    `benchmarks/` is in reach. A missed ratio is shown, and is no error: machines differ.
    """
    arguments = parse(argv)
    folder = find_benchmarks()
    if folder is None:
        print("streamdl bench: run it inside a source checkout, which holds benchmarks/")
        return 2
    load_benchmarks(folder)
    # Imported by name: the folder is not part of the package, and type checkers need not see it.
    runner: Any = importlib.import_module("benchmarks.common.runner")
    report: Any = importlib.import_module("benchmarks.common.report")
    machine: Any = importlib.import_module("benchmarks.common.machine")
    compiled: Any = importlib.import_module("benchmarks.common.compiled")

    names = tuple(arguments.scenarios)
    unknown = [name for name in names if name not in runner.SCENARIOS]
    if unknown:
        print(f"streamdl bench: unknown {unknown[0]!r}; choose from {', '.join(runner.SCENARIOS)}")
        return 2
    rivals = arguments.rivals.split(",") if arguments.rivals else None
    effort = runner.Effort(rounds=arguments.rounds)
    if arguments.quick:
        names = names or QUICK_SCENARIOS
        rivals = rivals or list(QUICK_RIVALS)
        effort = runner.Effort(arguments.rounds or QUICK_ROUNDS, QUICK_SHARE)

    began = time.time()
    kept: dict[str, Any] = {"machine": machine.describe(), "command": list(argv), "scenarios": {}}
    print(f"{kept['machine']['processor']}, {' '.join(kept['machine']['instruction_sets'])}")
    good = True
    for name in names or runner.SCENARIOS:
        result = runner.run(runner.load(name), rivals, effort, _progress)
        _progress("")
        report.show(result, arguments.plain)
        kept["scenarios"][name] = report.as_json(result)
        good = good and not any(row.reason[:5] in ("WRONG", "FAILE") for row in result.rows)
    kept["seconds"] = round(time.time() - began, 1)
    out = arguments.out or compiled.cache_folder() / time.strftime("bench-%Y%m%d-%H%M%S.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"\n{kept['seconds']} s; figures kept in {out}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
