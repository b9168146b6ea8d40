"""pybind11: an array_t argument."""

import importlib
from pathlib import Path
from typing import Any

from benchmarks.call_overhead.arguments import load_extension, pairs
from benchmarks.common.compiled import extension_suffix, python_headers, shared_library
from benchmarks.common.protocol import Competitor

VARIANTS = ("array_t",)


def build(variant: str, workload: Any) -> Competitor:
    pybind11: Any = importlib.import_module("pybind11")
    source = Path(__file__).with_name("pybind11.cpp")
    flags = [python_headers(), f"-I{pybind11.get_include()}", "-fvisibility=hidden", "-DNDEBUG"]
    library = shared_library("pybind11_step", [source], flags, extension_suffix())
    return Competitor(load_extension("pybind11_step", library).step, pairs(), rule=None)
