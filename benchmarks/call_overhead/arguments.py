"""The arguments of every empty call: new arrays and floats, as an environment would give."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


def pairs() -> list[tuple[Any, float]]:
    rng = np.random.default_rng(0)
    xs = rng.standard_normal((1024, 20)).astype(np.float32)
    return list(zip(xs, rng.standard_normal(1024).tolist(), strict=True))


def load_extension(name: str, library: Path) -> ModuleType:
    """Import a freshly compiled extension module from its file."""
    spec = importlib.util.spec_from_file_location(name, library)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
