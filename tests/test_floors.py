"""The floors of ARCHITECTURE.md: each source file includes or imports only what lies below it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
FLOORS = ["math", "rules", "kernels", "learner", "agents", "bindings"]
SOURCES = sorted(p for p in (TOP / "csrc").rglob("*") if p.suffix in (".h", ".cpp"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: str(p.relative_to(TOP / "csrc")))
def test_a_source_includes_only_its_own_floor_and_those_below(source: Path) -> None:
    floor = source.relative_to(TOP / "csrc").parts[0]
    allowed = FLOORS[: FLOORS.index(floor) + 1]
    for line in re.findall(r'^#include "([^"]+)"', source.read_text(), re.MULTILINE):
        assert line.split("/")[0] in allowed, f"{floor} includes {line}"
        assert (TOP / "csrc" / line).is_file(), line


def test_the_learner_never_sees_a_lane() -> None:
    for source in SOURCES:
        if source.relative_to(TOP / "csrc").parts[0] in ("learner", "agents", "bindings"):
            assert "math/lanes" not in source.read_text(), source


@pytest.mark.parametrize("module", sorted((TOP / "streamdl").glob("*.py")), ids=lambda p: p.stem)
def test_the_core_modules_import_neither_streams_nor_experiments(module: Path) -> None:
    if module.stem in ("cli", "bench", "__main__", "__init__"):  # the command line stands on top
        return
    for node in ast.walk(ast.parse(module.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{a.name}" for a in node.names]
        assert not [n for n in names if "experiments" in n or "torch" in n], module.name
