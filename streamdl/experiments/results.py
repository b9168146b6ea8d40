"""The folder of one experiment's results: parts as they finish, merged into one Parquet file.

config.json             the experiment, its configuration, and the versions it ran with
parts/METHOD-SETTING-seedN.parquet   the rows of one finished part; a run that was killed keeps these
results.parquet         all parts: one row per measurement, each with the full configuration
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamdl as sdl
from streamdl.experiments.catalogue import find
from streamdl.experiments.configuration import Configuration
from streamdl.experiments.errors import UsageError
from streamdl.experiments.part import Part, Row

# Rows of results are sorted by these columns.
ORDER = ("method", "setting", "seed", "task")


@dataclass(frozen=True)
class Folder:
    """A results folder and what its config.json says."""

    path: Path
    experiment: str
    configuration: dict[str, Any]  # the keys that all parts share: all but `methods`
    versions: dict[str, str]

    @property
    def results(self) -> Path:
        return self.path / "results.parquet"

    def part_file(self, part: Part) -> Path:
        words = [part.method, *filter(None, [part.setting.replace(" ", "")]), f"seed{part.seed}"]
        return self.path / "parts" / f"{'-'.join(words)}.parquet"

    def has(self, part: Part) -> bool:
        """Whether this part was finished, now or by an earlier run."""
        return self.part_file(part).is_file()

    def keep(self, part: Part, rows: list[Row]) -> None:
        """Write the rows of a finished part, whole or not at all."""
        configuration = self.configuration | self._swept(part)
        shared: Row = {
            "experiment": self.experiment,
            **{f"config.{key}": _flat(value) for key, value in configuration.items()},
            "configuration": json.dumps(configuration, sort_keys=True),
            **{f"version.{key}": value for key, value in self.versions.items()},
        }
        _write_table([shared | row for row in rows], self.part_file(part))

    def _swept(self, part: Part) -> Row:
        """The one value that this part has of each swept key, None of those it does not use."""
        keys = type(find(self.experiment).configuration).sweeps()
        return dict.fromkeys(keys) | dict(part.values)

    def merge(self) -> list[Row]:
        """Write results.parquet from all parts in the folder, and return its rows.

        Raises:
            UsageError: a part cannot be read; names its file.
        """
        files = sorted((self.path / "parts").glob("*.parquet"))
        rows = [row for file in files for row in _read_table(file)]
        rows.sort(key=lambda row: tuple(row[key] for key in ORDER))
        if rows:
            _write_table(rows, self.results)
        return rows


def create_or_resume(path: Path, experiment: str, config: Configuration) -> Folder:
    """The folder for this experiment and configuration, new or left by an earlier run of it.

    Raises:
        UsageError: the folder holds other results; names what differs.
    """
    identity = config.identity()
    if (path / "config.json").exists():
        folder = open_folder(path)
        _refuse_difference(folder, experiment, identity)
        return folder
    if (path / "results.parquet").exists() or (path / "parts").exists():
        raise UsageError(f"{path} holds results but no config.json; choose another --out")
    path.mkdir(parents=True, exist_ok=True)
    folder = Folder(path, experiment, identity, _versions())
    content = {
        "experiment": experiment,
        "configuration": identity,
        "versions": folder.versions,
    }
    write_whole(path / "config.json", json.dumps(content, indent=2).encode() + b"\n")
    return folder


def open_folder(path: Path) -> Folder:
    """The folder that an earlier run left.

    Raises:
        UsageError: there is no readable config.json.
    """
    try:
        content = json.loads((path / "config.json").read_text())
        return Folder(path, content["experiment"], content["configuration"], content["versions"])
    except FileNotFoundError:
        raise UsageError(f"{path} holds no results: there is no config.json") from None
    except (ValueError, KeyError, TypeError, NotADirectoryError) as error:
        raise UsageError(f"{path / 'config.json'} cannot be read: {error!r}") from None


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step: after a crash it is the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(unfinished, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _refuse_difference(folder: Folder, experiment: str, identity: dict[str, Any]) -> None:
    where = f"{folder.path} holds results"
    if folder.experiment != experiment:
        raise UsageError(f"{where} of {folder.experiment}, not {experiment}; choose another --out")
    for key in sorted(identity.keys() | folder.configuration.keys()):
        here, there = identity.get(key), folder.configuration.get(key)
        if here != there:
            raise UsageError(
                f"{where} of another configuration: {key} is {there} there and {here} here; "
                "choose another --out"
            )


def _versions() -> dict[str, str]:
    info = sdl.info()
    return {
        "streamdl": str(info["version"]),
        "isa": str(info["isa"]),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _flat(value: Any) -> Any:
    """A value that fits one cell: lists become words separated by commas."""
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _write_table(rows: list[Row], path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    write_whole(path, buffer.getvalue().to_pybytes())


def _read_table(path: Path) -> list[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        rows: list[Row] = pyarrow.parquet.ParquetFile(path).read().to_pylist()
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise UsageError(f"{path} cannot be read ({error}); delete it and run again") from None
    return rows
