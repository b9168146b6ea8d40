"""Online permuted images: one fresh permutation of the pixels per task."""

from __future__ import annotations

import functools
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray
from streamdl.streams.base import Block, Stream
from streamdl.streams.draws import PERMUTATIONS, checked_count, generator
from streamdl.streams.mnist import load_mnist


class _PermutedImages(Stream):
    """Task t shows x = pixels[order_t[i], permutation_t] / brightest, each image at most once.

    Both permutations of a task are drawn afresh from (seed, t). Composing each one with those
    before it, as the published program does, gives the same distribution but cannot be sought.
    """

    loss = "cross_entropy"
    outputs = 10

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        brightest: int,
        *,
        seed: SupportsIndex,
        tasks: SupportsIndex | None,
        task_length: SupportsIndex,
    ) -> None:
        examples = checked_count("task_length", task_length, 1)
        super().__init__(
            seed=seed, tasks=tasks, task_length=examples, arguments={"task_length": examples}
        )
        if self.task_length > len(images):
            raise ValueError(
                f"task_length: there are {len(images)} images, each shown once per task; "
                f"got {self.task_length}"
            )
        self.inputs = images.shape[1]
        self._images = images
        self._labels = labels
        self._brightest = np.float32(brightest)
        self._drawn_task = -1
        self._order = np.empty(0, np.int64)
        self._permutation = np.empty(0, np.int64)

    def permutation(self, task: SupportsIndex) -> NDArray[np.int64]:
        """Which pixel of the image each input of a task shows, (inputs,)."""
        self._enter(int(task))
        return self._permutation.copy()

    def order(self, task: SupportsIndex) -> NDArray[np.int64]:
        """Index of the image behind each example of a task, (task_length,)."""
        self._enter(int(task))
        return self._order.copy()

    def _enter(self, task: int) -> None:
        if task == self._drawn_task:
            return
        random = generator(self.seed, task, PERMUTATIONS)
        self._permutation = random.permutation(self.inputs)
        self._order = random.permutation(len(self._images))[: self.task_length]
        self._drawn_task = task

    def _draw(self, task: int, start: int, stop: int) -> Block:
        self._enter(task)
        rows = self._order[start:stop]
        # Gathering bytes and dividing last moves a quarter of the memory that floats would.
        pixels = self._images[rows].take(self._permutation, axis=1)
        return np.divide(pixels, self._brightest, dtype=np.float32), self._labels[rows]


class PermutedMNIST(_PermutedImages):
    """Online permuted MNIST: 60,000 digits of 28 x 28, permuted anew in every task.

    x = pixels / 255 in [0, 1], (784,) float32; y the digit. The files come from
    $STREAMDL_DATA/mnist, else from the user's cache, else from a checksummed download
    (Dohare et al., "Loss of plasticity in deep continual learning", Nature 2024).

    Args:
        seed: decides permutations and orders, 0 <= seed < 2**64.
        tasks: number of tasks, None for an endless stream.
        task_length: examples per task, 1 to 60,000, without repetition inside a task.

    Raises:
        ValueError: an argument is out of range, or a data file is damaged.
        FileNotFoundError: the data is nowhere and cannot be downloaded.
    """

    def __init__(
        self,
        seed: SupportsIndex = 0,
        tasks: SupportsIndex | None = None,
        task_length: SupportsIndex = 60000,
    ) -> None:
        images, labels = _load_train()
        super().__init__(images, labels, 255, seed=seed, tasks=tasks, task_length=task_length)


class PermutedDigits(_PermutedImages):
    """Online permuted digits: the 1,797 digits of 8 x 8 of the UCI set, permuted in every task.

    x = pixels / 16 in [0, 1], (64,) float32; y the digit. The data ships with scikit-learn
    (Alpaydin & Kaynak, "Optical recognition of handwritten digits", UCI 1998); the protocol is
    that of `PermutedMNIST`.

    Args:
        seed: decides permutations and orders, 0 <= seed < 2**64.
        tasks: number of tasks, None for an endless stream.
        task_length: examples per task, 1 to 1,797, without repetition inside a task.

    Raises:
        ValueError: an argument is out of range.
        ImportError: scikit-learn is not installed.
    """

    def __init__(
        self,
        seed: SupportsIndex = 0,
        tasks: SupportsIndex | None = None,
        task_length: SupportsIndex = 1797,
    ) -> None:
        images, labels = _load_digits()
        super().__init__(images, labels, 16, seed=seed, tasks=tasks, task_length=task_length)


# The images are read once per process and shared by its streams, which only read them.


@functools.cache
def _load_train() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images, labels = load_mnist("train")
    return images, labels.astype(np.int64)


@functools.cache
def _load_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError(
            "PermutedDigits needs scikit-learn: pip install 'streamdl[experiments]'"
        ) from None
    digits: Any = load_digits()
    return digits.data.astype(np.uint8), digits.target.astype(np.int64)
