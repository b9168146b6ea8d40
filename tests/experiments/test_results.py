"""The results folder: atomic, resumable, and closed to other results."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from streamdl.experiments import UsageError, find, results
from streamdl.experiments.configuration import Configuration
from streamdl.experiments.part import Part
from streamdl.experiments.results import Folder, create_or_resume, open_folder, write_whole

NAME = "permuted-digits"


def configured(*settings: str) -> Configuration:
    return find(NAME).configure(list(settings))


def rows_of(part: Part, accuracy: float) -> list[dict[str, Any]]:
    shared = {"method": part.method, "setting": part.setting, "seed": part.seed}
    return [{**shared, "task": task, "accuracy": accuracy} for task in range(2)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return create_or_resume(tmp_path / "out", NAME, configured())


def test_parts_are_merged_in_order_with_the_full_configuration(folder: Folder) -> None:
    for part in (Part("l2", 1), Part("backprop", 0), Part("l2", 0)):
        assert not folder.has(part)
        folder.keep(part, rows_of(part, 0.5))
        assert folder.has(part)
    folder.merge()
    table = pyarrow.parquet.read_table(folder.results).to_pylist()
    order = [(row["method"], row["seed"], row["task"]) for row in table]
    assert order == [(m, s, t) for m, s in [("backprop", 0), ("l2", 0), ("l2", 1)] for t in (0, 1)]
    for row in table:
        assert row["experiment"] == NAME and row["config.hidden"] == "64,64,64"
        assert json.loads(row["configuration"]) == {**configured().identity(), "step_size": None}
        assert row["version.streamdl"] == folder.versions["streamdl"]


def test_each_setting_of_a_sweep_has_a_file_and_its_own_number_in_the_rows(
    folder: Folder,
) -> None:
    parts = [Part("l2", 0, (("step_size", value),)) for value in (0.1, 0.02)]
    for part in parts:
        folder.keep(part, rows_of(part, 0.5))
    names = sorted(file.name for file in (folder.path / "parts").iterdir())
    assert names == [f"l2-step_size={value}-seed0.parquet" for value in ("0.02", "0.1")]
    rows = folder.merge()
    assert [row["setting"] for row in rows] == ["step_size=0.02"] * 2 + ["step_size=0.1"] * 2
    assert [row["config.step_size"] for row in rows] == [0.02, 0.02, 0.1, 0.1]
    assert json.loads(rows[-1]["configuration"])["step_size"] == 0.1


def test_the_same_configuration_is_resumed_even_with_other_methods(folder: Folder) -> None:
    folder.keep(Part("l2", 0), rows_of(Part("l2", 0), 0.5))
    again = create_or_resume(folder.path, NAME, configured("methods=l2"))
    assert again == folder and again.has(Part("l2", 0))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("tasks=3", "tasks is 400 there and 3 here"),
        ("step_size=0.02", r"step_size is \[0.01\] there and \[0.02\] here"),
        ("hidden=64,64", r"hidden is \[64, 64, 64\] there and \[64, 64\] here"),
    ],
)
def test_another_configuration_is_refused_by_its_key(
    folder: Folder, setting: str, message: str
) -> None:
    before = (folder.path / "config.json").read_bytes()
    with pytest.raises(UsageError, match=message):
        create_or_resume(folder.path, NAME, configured(setting))
    assert (folder.path / "config.json").read_bytes() == before


def test_another_experiment_is_refused(folder: Folder) -> None:
    mnist = find("permuted-mnist")
    with pytest.raises(UsageError, match="results of permuted-digits, not permuted-mnist"):
        create_or_resume(folder.path, mnist.name, mnist.configuration)


def test_results_of_unknown_origin_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results.parquet").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"holds results but no config\.json"):
        create_or_resume(tmp_path, NAME, configured())
    assert (tmp_path / "results.parquet").read_bytes() == b"mine"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"experiment": "permuted-digits"}'])
def test_a_damaged_config_is_refused(folder: Folder, content: str) -> None:
    (folder.path / "config.json").write_text(content)
    with pytest.raises(UsageError, match=r"config\.json cannot be read"):
        open_folder(folder.path)


def test_a_damaged_part_is_named(folder: Folder) -> None:
    part = Part("l2", 0)
    folder.keep(part, rows_of(part, 0.5))
    file = folder.part_file(part)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(UsageError, match=r"l2-seed0\.parquet cannot be read"):
        folder.merge()


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    write_whole(file, b"old")

    def full_disk(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_whole(file, b"new")
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]  # nothing half-written stays behind
