"""Where and with what a figure was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

PACKAGES = (
    "streamdl", "numpy", "scipy", "numba", "llvmlite", "jax", "jaxlib", "torch", "nanobind",
    "pybind11",
)  # fmt: skip


def describe() -> dict[str, Any]:
    """Processor, instruction sets, caches, memory and the installed versions."""
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "instruction_sets": _instruction_sets(),
        "caches": _caches(),
        "cores": os.cpu_count(),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_at_start": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": versions(),
    }


def processor() -> str:
    """Its name, with family and model where the name says little."""
    name = _first("/proc/cpuinfo", "model name") or platform.processor()
    family, model = _first("/proc/cpuinfo", "cpu family"), _first("/proc/cpuinfo", "model")
    return f"{name} (family {family}, model {model})" if family else name


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _first(file: str, key: str) -> str:
    try:
        for line in Path(file).read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    except OSError:
        pass
    return ""


def _instruction_sets() -> list[str]:
    flags = set((_first("/proc/cpuinfo", "flags") or _first("/proc/cpuinfo", "Features")).split())
    return [name for name in ("avx2", "fma", "avx512f", "asimd") if name in flags]


def _caches() -> dict[str, str]:
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = (
                (folder / name).read_text().strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found
