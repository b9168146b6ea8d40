"""The MNIST digits: found on disk or downloaded once, and verified either way."""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import tempfile
import urllib.request
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"

# File name -> (MD5 of the unpacked file, its IDX shape).
FILES: dict[str, tuple[str, tuple[int, ...]]] = {
    "train-images-idx3-ubyte.gz": ("6bbc9ace898e44ae57da46a324031adb", (60000, 28, 28)),
    "train-labels-idx1-ubyte.gz": ("a25bea736e30d166cdddb491f175f624", (60000,)),
    "t10k-images-idx3-ubyte.gz": ("2646ac647ad5339dbf082846283269ea", (10000, 28, 28)),
    "t10k-labels-idx1-ubyte.gz": ("27ae3e4e09519cfbb04c329615203637", (10000,)),
}


def load_mnist(split: str = "train") -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, 784) and labels (n,), as the files hold them (LeCun, Cortes & Burges, 1998).

    Args:
        split: "train" (60,000 digits) or "test" (10,000).

    Raises:
        ValueError: a file's checksum is wrong; names the file, what was expected and what came.
        FileNotFoundError: no file, and the download failed; says where to put the files.
    """
    prefixes = {"train": "train", "test": "t10k"}
    if split not in prefixes:
        raise ValueError(f"split: expected train or test, got {split!r}")
    images = _read(f"{prefixes[split]}-images-idx3-ubyte.gz")
    labels = _read(f"{prefixes[split]}-labels-idx1-ubyte.gz")
    return images.reshape(len(images), -1), labels


def cache_folder() -> Path:
    """Where downloads are kept, by the custom of the operating system."""
    if sys.platform == "win32":
        parent = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        parent = Path.home() / "Library" / "Caches"
    else:
        parent = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return parent / "streamdl" / "mnist"


def _read(name: str) -> NDArray[np.uint8]:
    """The array in one IDX file, from STREAMDL_DATA, the cache or the mirror, in that order."""
    folders = [cache_folder()]
    if data := os.environ.get("STREAMDL_DATA"):
        folders.insert(0, Path(data) / "mnist")
    for folder in folders:
        if (folder / name).is_file():
            return _unpack((folder / name).read_bytes(), name, str(folder / name))
    packed = _download(name)
    array = _unpack(packed, name, MIRROR + name)  # verified before it may enter the cache
    _keep(packed, cache_folder() / name)
    return array


def _unpack(packed: bytes, name: str, where: str) -> NDArray[np.uint8]:
    """Unzip, compare with the checksum, and strip the IDX header."""
    expected, shape = FILES[name]
    try:
        raw = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{where}: not a whole gzip file ({error}); delete it") from None
    got = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if got != expected:
        raise ValueError(f"{where}: damaged, expected MD5 {expected}, got {got}; delete it")
    header = 4 + 4 * len(shape)  # the magic number, then one 32-bit length per dimension
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def _download(name: str) -> bytes:
    try:
        with urllib.request.urlopen(MIRROR + name, timeout=60) as answer:
            return bytes(answer.read())
    except OSError as error:
        raise FileNotFoundError(
            f"{name} is neither in $STREAMDL_DATA/mnist nor in {cache_folder()}, and the download "
            f"from {MIRROR} failed ({error}); put the four files in one of these folders"
        ) from None


def _keep(packed: bytes, target: Path) -> None:
    """Write whole or not at all; a cache that cannot be written only costs the next download."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            file.write(packed)
        os.replace(file.name, target)
    except OSError:
        return
