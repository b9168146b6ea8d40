"""The package is typed: its stubs, made by the build, agree with the sources."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import streamdl
from streamdl import _core


def stub() -> str:
    place = Path(_core.__file__).parent / "_core.pyi"
    return place.read_text()


def test_the_stub_names_everything_that_the_module_has() -> None:
    text = stub()
    for name in dir(_core):
        if not name.startswith("__"):
            assert f"def {name}(" in text or f"class {name}" in text, name
    for name in {**vars(_core.Learner), **vars(_core.LinearTD), **vars(_core.LastLayer)}:
        if not name.startswith("__"):
            assert f"def {name}(" in text, name


def test_mypy_is_content(tmp_path: Path) -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    # Sources and stub in one place, as a wheel has them; an editable install keeps them apart.
    shutil.copytree(
        Path(streamdl.__file__).parent,
        tmp_path / "streamdl",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )
    (tmp_path / "streamdl" / "_core.pyi").write_text(stub())
    shutil.copy(Path(__file__).parent.parent / "pyproject.toml", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "-p", "streamdl"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
