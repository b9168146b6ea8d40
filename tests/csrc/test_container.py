"""The public safetensors library opens what the C++ container writes, and finds the same numbers."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample file of test_safetensors.cpp, written by that test."""
    if COMPILER is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("container")
    sources = [ROOT / "tests/csrc/learner/test_safetensors.cpp", ROOT / "csrc/learner/sha256.cpp"]
    sources += sorted((ROOT / "csrc/learner").glob("safetensors*.cpp"))
    includes = ["-I", str(ROOT / "csrc"), "-I", str(ROOT / "tests/csrc")]
    helper = folder / "helper"
    command = [COMPILER, "-std=c++20", "-O1", *includes, *map(str, sources), "-o", str(helper)]
    subprocess.run(command, check=True)
    subprocess.run([str(helper), "--write", str(folder / "sample.safetensors")], check=True)
    return folder / "sample.safetensors"


EXPECTED = {
    "0.weight": np.array([[1.5, -2.0], [0.0, 3.25], [1e-40, -0.0]], np.float32),
    "utility": np.array([[0.1, -7.0]]),
    "ages": np.array([0, 1, 2**64 - 1], np.uint64),
    'quote"\x01é': np.array(-5, np.int64),
    "flags": np.array([1, 2, 3, 4, 255], np.uint8),
    "empty": np.zeros((4, 0, 2), np.float32),
}


def test_the_public_library_reads_names_numbers_and_metadata(sample: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    with safetensors.safe_open(sample, framework="numpy") as file:
        assert set(file.keys()) == set(EXPECTED)
        for name, expected in EXPECTED.items():
            got = file.get_tensor(name)
            assert got.dtype == expected.dtype, name
            assert got.shape == expected.shape, name
            assert got.tobytes() == expected.tobytes(), name
        metadata = file.metadata()
    assert metadata["spec"] == '{"inputs": 3,\n\t"path": "a\\b"}'
    assert metadata["unicode"] == "grüß \U0001f40d"
    assert metadata["streamdl.format"] == "1"


def test_the_checksum_is_what_the_header_says(sample: Path) -> None:
    import hashlib
    import json

    data = sample.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    checksum = header["__metadata__"]["streamdl.checksum"].encode()
    assert data.count(checksum) == 1
    assert hashlib.sha256(data.replace(checksum, b"0" * 64)).hexdigest().encode() == checksum
