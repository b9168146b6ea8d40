"""The command line: what it prints, and one line with exit code 2 for what it cannot do."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamdl as sdl
from streamdl.cli import main
from streamdl.experiments import EXPERIMENTS


def test_list_names_every_experiment_and_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for experiment in EXPERIMENTS.values():
        assert experiment.name in printed
        assert f"{experiment.summary}; {experiment.seeds} seeds" in printed
        for key in experiment.configuration.as_dict():
            assert f"{key}=" in printed


def test_info_prints_what_the_function_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    for name in sdl.info():
        assert name in printed
    assert str(sdl.info()["isa"]) in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "permuted-digit"], "no experiment 'permuted-digit'; did you mean permuted-digits"),
        (["run", "permuted-digits", "--set", "lr=1"], "no key 'lr'; there are tasks"),
        (["run", "permuted-digits", "--set", "tasks=x"], "expected a whole number"),
        (["run", "permuted-digits", "--seeds", "0"], "seeds: expected at least 1, got 0"),
        (["run", "permuted-digits", "--jobs", "0"], "jobs: expected at least 1, got 0"),
        (["plot", "nowhere"], "nowhere holds no results"),
    ],
)
def test_a_bad_request_is_one_line_and_exit_code_2(
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("streamdl: error: ") and error.count("\n") == 1
    assert message in error
    assert list(tmp_path.iterdir()) == []  # nothing was made on the way


def test_settings_come_in_one_or_several_options(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    commands = importlib.import_module("streamdl.experiments.commands")
    monkeypatch.setattr(commands, "run", lambda *arguments: given.append(arguments))
    words = ["run", "x", "--set", "a=1", "b=2", "--set", "c=3", "--out", "o", "--seeds", "5"]
    assert main(words) == 0
    assert main(["run", "y"]) == 0  # then the experiment's own number of seeds
    assert given == [
        ("x", ["a=1", "b=2", "c=3"], 5, Path("o"), None),
        ("y", [], None, None, None),
    ]


@pytest.mark.parametrize("missing", ["pyarrow", "rich", "matplotlib", "sklearn"])
def test_a_missing_package_names_the_extra(
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    found = importlib.util.find_spec

    def hide(name: str, package: str | None = None) -> Any:
        return None if name == missing else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", hide)
    assert main(["run", "permuted-digits", "--out", str(tmp_path / "out")]) == 2
    expected = f"this needs {missing}: pip install 'streamdl[experiments]'"
    assert expected in capsys.readouterr().err


def test_bench_passes_its_words_on(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = SimpleNamespace(main=lambda words: len(words))
    monkeypatch.setitem(sys.modules, "streamdl.bench", bench)
    assert main(["bench", "w1", "--quick", "--help"]) == 3


def test_an_interrupted_run_says_that_it_can_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    commands = importlib.import_module("streamdl.experiments.commands")
    monkeypatch.setattr(commands, "run", interrupt)
    assert main(["run", "permuted-digits"]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streamdl", "run", "nothing"], capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.startswith("streamdl: error: no experiment")


def test_the_command_imports_nothing_heavy() -> None:
    """Listing and importing must not load the packages of the extra."""
    heavy = ["sklearn", "matplotlib", "pyarrow", "rich", "torch", "scipy"]
    script = (
        "import sys, streamdl.streams, streamdl.experiments, streamdl.diagnostics, streamdl.cli\n"
        "assert streamdl.cli.main(['list']) == 0\n"
        f"print('heavy:', [m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.endswith("heavy: []\n"), done.stdout[-200:] + done.stderr
