"""nanobind: its typed ndarray argument, and the buffer protocol used by hand."""

import importlib
from pathlib import Path
from typing import Any

from benchmarks.call_overhead.arguments import load_extension, pairs
from benchmarks.common.compiled import extension_suffix, python_headers, shared_library
from benchmarks.common.protocol import Competitor

VARIANTS = ("ndarray", "buffer")


def build(variant: str, workload: Any) -> Competitor:
    nanobind: Any = importlib.import_module("nanobind")
    root = Path(nanobind.include_dir()).parent
    flags = [
        python_headers(),
        f"-I{nanobind.include_dir()}",
        f"-I{root / 'ext' / 'robin_map' / 'include'}",
        "-fvisibility=hidden",
        "-fno-strict-aliasing",
        "-DNDEBUG",
        "-DNB_COMPACT_ASSERTIONS",
    ]
    sources = [Path(__file__).with_name("nanobind.cpp"), root / "src" / "nb_combined.cpp"]
    library = shared_library("nanobind_step", sources, flags, extension_suffix())
    module = load_extension("nanobind_step", library)
    return Competitor(getattr(module, variant), pairs(), rule=None)
