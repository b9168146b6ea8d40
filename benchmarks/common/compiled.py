"""Small C++ sources, compiled when they are needed and kept in a cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.machine import processor
from benchmarks.common.protocol import Skipped


def compiler() -> str:
    """The C++ compiler: $CXX, else the first of c++, g++, clang++."""
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if name and shutil.which(name):
            return name
    raise Skipped("no C++ compiler found")


def cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(root) / "streamdl" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def shared_library(
    name: str, sources: Sequence[Path], flags: Sequence[str] = (), suffix: str = ".so"
) -> Path:
    """Compile `sources` with -O3 -march=native into NAME<suffix>; reuse an equal earlier result.

    The library's folder is named by a digest of the sources, the flags and the compiler, so that
    the file itself can keep the name that an extension module must have.
    """
    command = [compiler(), "-std=c++20", "-O3", "-march=native", "-shared", "-fPIC", *flags]
    digest = hashlib.sha256(" ".join(command).encode())
    digest.update(repr(processor()).encode())  # -march=native means this processor alone
    for source in sources:
        digest.update(source.read_bytes())
    folder = cache_folder() / digest.hexdigest()[:16]
    library = folder / f"{name}{suffix}"
    if library.is_file():
        return library
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        result = Path(scratch) / library.name
        done = subprocess.run(
            [*command, *map(str, sources), "-o", str(result)], capture_output=True, text=True
        )
        if done.returncode:
            raise Skipped("does not compile: " + done.stderr.strip().splitlines()[0][:200])
        result.replace(library)  # whole or not at all, also beside a second worker
    return library


def extension_suffix() -> str:
    return str(sysconfig.get_config_var("EXT_SUFFIX"))


def python_headers() -> str:
    folder = sysconfig.get_paths()["include"]
    if not (Path(folder) / "Python.h").is_file():
        raise Skipped("no Python.h: install the interpreter's headers")
    return f"-I{folder}"
