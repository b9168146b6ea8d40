"""Streaming deep learning: every example learned from once."""

from __future__ import annotations

from typing import Any

from streamdl import _core, diagnostics, gauges, nn, optim, plasticity, rl, streams
from streamdl._core import BusyError
from streamdl.gauges import Gauges
from streamdl.learner import Learner
from streamdl.networks import MLP, Network

__version__ = "0.1.0"
__all__ = [
    "MLP",
    "BusyError",
    "Gauges",
    "Learner",
    "Network",
    "diagnostics",
    "gauges",
    "info",
    "nn",
    "optim",
    "plasticity",
    "rl",
    "streams",
]


def info() -> dict[str, Any]:
    """Version, instruction set in use and those available, CUDA, threads."""
    import os

    return {
        "version": __version__,
        "isa": _core.instruction_set(),
        "isas": _core.instruction_sets(),
        "cuda": False,
        "threads": os.cpu_count() or 1,
    }
