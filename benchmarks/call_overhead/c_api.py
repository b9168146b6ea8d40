"""The raw C API, METH_FASTCALL: the least that a native call can cost."""

from pathlib import Path
from typing import Any

from benchmarks.call_overhead.arguments import load_extension, pairs
from benchmarks.common.compiled import extension_suffix, python_headers, shared_library
from benchmarks.common.protocol import Competitor

VARIANTS = ("fastcall",)


def build(variant: str, workload: Any) -> Competitor:
    source = Path(__file__).with_name("c_api.cpp")
    library = shared_library("c_api_step", [source], [python_headers()], extension_suffix())
    return Competitor(load_extension("c_api_step", library).step, pairs(), rule=None)
