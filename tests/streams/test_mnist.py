"""The MNIST files: where they are looked for, and that a damaged one is refused."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from streamdl.streams import mnist


@pytest.fixture
def small_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror folder with two training images of 28 x 28; no data folder, an empty cache."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    pixels = (np.arange(2 * 784) % 256).astype(np.uint8)
    contents = {
        "train-images-idx3-ubyte.gz": (struct.pack(">4I", 2051, 2, 28, 28) + pixels.tobytes()),
        "train-labels-idx1-ubyte.gz": struct.pack(">2I", 2049, 2) + bytes([3, 7]),
    }
    shapes = {"train-images-idx3-ubyte.gz": (2, 28, 28), "train-labels-idx1-ubyte.gz": (2,)}
    files = {}
    for name, raw in contents.items():
        (mirror / name).write_bytes(gzip.compress(raw))
        files[name] = (hashlib.md5(raw).hexdigest(), shapes[name])
    monkeypatch.setattr(mnist, "FILES", files)
    monkeypatch.setattr(mnist, "MIRROR", mirror.as_uri() + "/")
    monkeypatch.setattr(mnist, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("STREAMDL_DATA", raising=False)
    return mirror


def test_a_download_is_kept_and_read_from_the_cache(small_set: Path, tmp_path: Path) -> None:
    images, labels = mnist.load_mnist()
    assert images.shape == (2, 784) and images[0, 255] == 255 and list(labels) == [3, 7]
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == sorted(mnist.FILES)
    for file in small_set.iterdir():
        file.unlink()  # the second time nothing may be fetched
    np.testing.assert_array_equal(mnist.load_mnist()[0], images)


def test_the_data_folder_comes_before_the_cache(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    small_set.rename(tmp_path / "data" / "mnist")
    monkeypatch.setenv("STREAMDL_DATA", str(tmp_path / "data"))
    assert list(mnist.load_mnist()[1]) == [3, 7]
    assert not (tmp_path / "cache").exists()


def test_one_changed_byte_is_refused(small_set: Path, tmp_path: Path) -> None:
    mnist.load_mnist()
    file = tmp_path / "cache" / "train-labels-idx1-ubyte.gz"
    expected = mnist.FILES[file.name][0]
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:-1] + bytes([8])))
    with pytest.raises(ValueError, match=f"{file.name}: damaged, expected MD5 {expected}, got"):
        mnist.load_mnist()


@pytest.mark.parametrize("keep", [0, 5, 30])
def test_a_cut_file_is_refused(small_set: Path, tmp_path: Path, keep: int) -> None:
    mnist.load_mnist()
    file = tmp_path / "cache" / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"train-images.*(not a whole gzip file|damaged)"):
        mnist.load_mnist()


def test_a_damaged_download_never_enters_the_cache(small_set: Path, tmp_path: Path) -> None:
    (small_set / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"an error page"))
    with pytest.raises(ValueError, match="damaged"):
        mnist.load_mnist()
    assert not (tmp_path / "cache" / "train-images-idx3-ubyte.gz").exists()


def test_without_network_the_error_says_where_to_put_the_files(
    small_set: Path, tmp_path: Path
) -> None:
    (small_set / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"STREAMDL_DATA/mnist.*cache.*download"):
        mnist.load_mnist()
