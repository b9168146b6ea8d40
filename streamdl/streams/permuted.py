"""Online permuted images: one fresh permutation, of the pixels or of the labels, per task."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray
from streamdl.streams.base import Block, Stream
from streamdl.streams.draws import (
    PERMUTATIONS,
    checked_choice,
    checked_count,
    checked_flag,
    generator,
)
from streamdl.streams.mnist import load_mnist

_Data = tuple[NDArray[np.uint8], NDArray[np.int64], int]  # images, labels, the brightest pixel


class _Images(Stream):
    """Task t shows images[order_t[i]], each image at most once, under a permutation of its own.

    Both permutations of a task are drawn afresh from (seed, t). Composing each one with those
    before it, as published programs do, gives the same distribution but cannot be sought.
    """

    loss = "cross_entropy"
    outputs = 10

    def __init__(
        self,
        data: str,
        *,
        seed: SupportsIndex,
        tasks: SupportsIndex | None,
        task_length: tuple[str, SupportsIndex],  # what the argument is called, and its value
        normalise: bool,
        arguments: Mapping[str, Any],
    ) -> None:
        self._images, self._labels, self._brightest = _LOADERS[data]()
        name, length = task_length[0], checked_count(*task_length, 1)
        if length > len(self._images):
            raise ValueError(
                f"{name}: there are {len(self._images)} images, each shown once per task; "
                f"got {length}"
            )
        self.normalise = checked_flag("normalise", normalise)
        super().__init__(
            seed=seed,
            tasks=tasks,
            task_length=length,
            arguments={**arguments, name: length, "normalise": self.normalise},
        )
        self.inputs = self._images.shape[1]
        self._drawn_task = -1
        self._order = np.empty(0, np.int64)
        self._permutation = np.empty(0, np.int64)

    @abstractmethod
    def _permuted(self) -> int:
        """How many things the permutation of a task is over."""

    def permutation(self, task: SupportsIndex) -> NDArray[np.int64]:
        """The permutation of a task, an array of the caller's own."""
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
        self._permutation = random.permutation(self._permuted())
        self._order = random.permutation(len(self._images))[: self.task_length]
        self._drawn_task = task

    def _scaled(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        xs = np.divide(pixels, self._brightest, dtype=np.float32)
        return (xs - np.float32(0.5)) / np.float32(0.5) if self.normalise else xs


class _PermutedImages(_Images):
    """x = pixels[order_t[i], permutation_t], scaled: `permutation` has a pixel for each input."""

    def _permuted(self) -> int:
        return self.inputs

    def _draw(self, task: int, start: int, stop: int) -> Block:
        self._enter(task)
        rows = self._order[start:stop]
        # Gathering bytes and dividing last moves a quarter of the memory that floats would.
        pixels = self._images[rows].take(self._permutation, axis=1)
        return self._scaled(pixels), self._labels[rows]


class PermutedMNIST(_PermutedImages):
    """Online permuted MNIST: 60,000 digits of 28 x 28, permuted anew in every task.

    x = pixels / 255 in [0, 1], (784,) float32; y the digit. The files come from
    $STREAMDL_DATA/mnist, else from the user's cache, else from a checksummed download
    (Dohare et al., "Loss of plasticity in deep continual learning", Nature 2024). With
    task_length=5000 and normalise=True it is the input-permuted MNIST of Elsayed & Mahmood,
    "Addressing loss of plasticity and catastrophic forgetting in continual learning", ICLR 2024.

    Args:
        seed: decides permutations and orders, 0 <= seed < 2**64.
        tasks: number of tasks, None for an endless stream.
        task_length: examples per task, 1 to 60,000, without repetition inside a task.
        normalise: x = (pixels / 255 - 0.5) / 0.5 in [-1, 1] instead.

    Raises:
        ValueError: an argument is out of range, or a data file is damaged.
        FileNotFoundError: the data is nowhere and cannot be downloaded.
    """

    def __init__(
        self,
        seed: SupportsIndex = 0,
        tasks: SupportsIndex | None = None,
        task_length: SupportsIndex = 60000,
        normalise: bool = False,
    ) -> None:
        super().__init__(
            "mnist",
            seed=seed,
            tasks=tasks,
            task_length=("task_length", task_length),
            normalise=normalise,
            arguments={},
        )


class PermutedDigits(_PermutedImages):
    """Online permuted digits: the 1,797 digits of 8 x 8 of the UCI set, permuted in every task.

    x = pixels / 16 in [0, 1], (64,) float32; y the digit. The data ships with scikit-learn
    (Alpaydin & Kaynak, "Optical recognition of handwritten digits", UCI 1998); the protocol is
    that of `PermutedMNIST`.

    Args:
        seed: decides permutations and orders, 0 <= seed < 2**64.
        tasks: number of tasks, None for an endless stream.
        task_length: examples per task, 1 to 1,797, without repetition inside a task.
        normalise: x = (pixels / 16 - 0.5) / 0.5 in [-1, 1] instead.

    Raises:
        ValueError: an argument is out of range.
        ImportError: scikit-learn is not installed.
    """

    def __init__(
        self,
        seed: SupportsIndex = 0,
        tasks: SupportsIndex | None = None,
        task_length: SupportsIndex = 1797,
        normalise: bool = False,
    ) -> None:
        super().__init__(
            "digits",
            seed=seed,
            tasks=tasks,
            task_length=("task_length", task_length),
            normalise=normalise,
            arguments={},
        )


class LabelPermuted(_Images):
    """Images whose labels are remapped: y = permutation_t[label], permuted anew in every task.

    x = pixels / brightest in [0, 1], float32. Every task begins with another mapping of labels,
    the first one too, and shows the first `change_every` images of a fresh shuffle of the whole
    set (the label-permuted tasks of Elsayed & Mahmood, ICLR 2024). There each mapping is composed
    with those before it; drawn afresh, as here, mappings have the same distribution, and any task
    can be sought.

    Args:
        seed: decides mappings and orders, 0 <= seed < 2**64.
        tasks: number of tasks, None for an endless stream.
        data: "mnist", the 60,000 digits of `PermutedMNIST`, or "digits", the 1,797 of
            `PermutedDigits`.
        change_every: examples per task, 1 to as many as there are images (fewer than the default
            for "digits"), without repetition inside a task.
        normalise: x = (pixels / brightest - 0.5) / 0.5 in [-1, 1] instead.

    Raises:
        ValueError: an argument is out of range, or a data file is damaged.
        FileNotFoundError: the data is nowhere and cannot be downloaded.
        ImportError: "digits" without scikit-learn.
    """

    def __init__(
        self,
        seed: SupportsIndex = 0,
        tasks: SupportsIndex | None = None,
        data: str = "mnist",
        change_every: SupportsIndex = 2500,
        normalise: bool = False,
    ) -> None:
        self.data = checked_choice("data", data, tuple(_LOADERS))
        super().__init__(
            self.data,
            seed=seed,
            tasks=tasks,
            task_length=("change_every", change_every),
            normalise=normalise,
            arguments={"data": self.data},
        )

    def _permuted(self) -> int:
        return self.outputs

    def _draw(self, task: int, start: int, stop: int) -> Block:
        self._enter(task)
        rows = self._order[start:stop]
        return self._scaled(self._images[rows]), self._permutation[self._labels[rows]]


# The images are read once per process and shared by its streams, which only read them.


@functools.cache
def _load_train() -> _Data:
    images, labels = load_mnist("train")
    return images, labels.astype(np.int64), 255


@functools.cache
def _load_digits() -> _Data:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError(
            "the digits come with scikit-learn: pip install 'streamdl[experiments]'"
        ) from None
    digits: Any = load_digits()
    return digits.data.astype(np.uint8), digits.target.astype(np.int64), 16


_LOADERS: dict[str, Callable[[], _Data]] = {"mnist": _load_train, "digits": _load_digits}
