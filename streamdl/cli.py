"""The command `streamdl`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from streamdl.experiments.errors import UsageError

# Exit codes: 1 for a run that failed, 2 for a request that cannot be met, 130 for Ctrl-C.
FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are one line on standard error."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["bench"]:  # its options are its own
        return _bench(words[1:])
    options = _parser().parse_args(words)
    try:
        return int(options.action(options))
    except UsageError as error:
        print(f"streamdl: error: {error}", file=sys.stderr)
        return MISUSED
    except RuntimeError as error:
        print(f"streamdl: failed: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(
            "streamdl: interrupted; finished runs are kept, the same command goes on from there",
            file=sys.stderr,
        )
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="streamdl", description="Streaming deep learning: experiments and benchmarks."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    command = commands.add_parser("list", help="the experiments and their keys")
    command.set_defaults(action=_list)

    command = commands.add_parser("run", help="run an experiment, or what is left of it")
    command.add_argument("experiment", metavar="EXPERIMENT", help="a name from `streamdl list`")
    command.add_argument("--seeds", type=int, help="runs per method and setting; see the list")
    command.add_argument(
        "--set",
        dest="settings",
        nargs="+",
        action="extend",
        default=[],
        metavar="key=value",
        help="change the configuration; keys from `streamdl list`, several numbers are a sweep",
    )
    command.add_argument("--out", type=Path, help="results folder (default results/EXPERIMENT)")
    command.add_argument("--jobs", type=int, help="processes (default: one per processor)")
    command.set_defaults(action=_run)

    command = commands.add_parser("plot", help="figure and table of a results folder")
    command.add_argument("folder", type=Path, metavar="DIR")
    command.add_argument("--format", choices=("png", "svg", "pdf"), default="png")
    command.set_defaults(action=_plot)

    commands.add_parser("bench", help="benchmarks; `streamdl bench --help` says more")

    command = commands.add_parser("info", help="version, instruction sets, CUDA, threads")
    command.set_defaults(action=_info)
    return parser


def _list(options: argparse.Namespace) -> int:
    from streamdl.experiments.catalogue import EXPERIMENTS

    for experiment in EXPERIMENTS.values():
        print(f"{experiment.name}\n    {experiment.summary}; {experiment.seeds} seeds")
        for key, value in experiment.configuration.as_dict().items():
            text = ",".join(map(str, value)) if isinstance(value, list) else value
            print(f"        {key}={text}")
    return 0


def _run(options: argparse.Namespace) -> int:
    from streamdl.experiments.commands import run

    run(options.experiment, options.settings, options.seeds, options.out, options.jobs)
    return 0


def _plot(options: argparse.Namespace) -> int:
    from streamdl.experiments.commands import plot

    plot(options.folder, options.format)
    return 0


def _info(options: argparse.Namespace) -> int:
    import streamdl as sdl

    information = sdl.info()
    width = max(map(len, information))
    for name, value in information.items():
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        print(f"{name:<{width}}  {text}")
    return 0


def _bench(arguments: list[str]) -> int:
    bench = importlib.import_module("streamdl.bench")
    return int(bench.main(arguments))
