"""The networks, examples and first weights that every competitor of a scenario shares."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common.protocol import Skipped

Array = npt.NDArray[np.float32]


PIXELS = 784


@dataclass(frozen=True)
class Workload:
    """A dense ReLU network, its loss and a stream of examples drawn from a fixed seed."""

    name: str
    sizes: tuple[int, ...]  # inputs, hidden layers, outputs
    loss: str  # "squared_error": 1/2 sum (output - y)^2, or "cross_entropy" on a class index
    step_size: float
    count: int  # distinct examples; a competitor cycles through them
    block: int  # examples per call of the many-steps-in-one-call competitors

    @property
    def classification(self) -> bool:
        return self.loss == "cross_entropy"

    @cached_property
    def weights(self) -> list[Array]:
        """Kaiming-uniform first weights, one (inputs, outputs) matrix per layer."""
        rng = np.random.default_rng(1)
        layers = []
        for index, (fan_in, fan_out) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            gain = 1.0 if index == len(self.sizes) - 2 else np.sqrt(2.0)
            bound = gain * np.sqrt(3.0 / fan_in)
            layers.append(rng.uniform(-bound, bound, (fan_in, fan_out)).astype(np.float32))
        return layers

    @cached_property
    def biases(self) -> list[Array]:
        return [np.zeros(size, np.float32) for size in self.sizes[1:]]

    @cached_property
    def examples(self) -> tuple[Array, npt.NDArray[np.generic]]:
        """Inputs (count, inputs) and targets: (count,) classes, or (count, outputs) reals."""
        if self.classification:
            return permuted_mnist(self.count)
        if self.sizes[0] == PIXELS:
            pixels, digits = permuted_mnist(self.count)
            return pixels, (digits[:, None] / 10).astype(np.float32)
        return gaussian(self.count, self.sizes[0], self.sizes[-1])


def gaussian(count: int, inputs: int, outputs: int) -> tuple[Array, Array]:
    """Standard normal inputs; targets are the tanh of a fixed random linear map."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((inputs, outputs)) / np.sqrt(inputs)
    xs = rng.standard_normal((count, inputs))
    return xs.astype(np.float32), np.tanh(xs @ mixing).astype(np.float32)


def permuted_mnist(count: int) -> tuple[Array, npt.NDArray[np.int64]]:
    """The first `count` training digits, pixels in [0, 1] and in one fixed random order."""
    folder = os.environ.get("STREAMDL_DATA")
    if not folder:
        raise Skipped("needs the MNIST digits: set STREAMDL_DATA")
    images = Path(folder) / "mnist" / "train-images-idx3-ubyte.gz"
    labels = Path(folder) / "mnist" / "train-labels-idx1-ubyte.gz"
    if not images.is_file() or not labels.is_file():
        raise Skipped(f"no mnist/{images.name} under STREAMDL_DATA")
    with gzip.open(images) as file:
        file.read(16)
        pixels = np.frombuffer(file.read(PIXELS * count), np.uint8).reshape(count, PIXELS)
    with gzip.open(labels) as file:
        file.read(8)
        classes = np.frombuffer(file.read(count), np.uint8).astype(np.int64)
    order = np.random.default_rng(0).permutation(PIXELS)
    return np.ascontiguousarray(pixels[:, order], np.float32) / np.float32(255), classes


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1", (20, 20, 1), "squared_error", 0.003, 4096, 1024),
        Workload("W1b", (21, 5, 1), "squared_error", 0.003, 4096, 1024),
        Workload("W2", (784, 2000, 2000, 2000, 10), "cross_entropy", 0.003, 4096, 20),
        Workload("W4", (64, 256, 256, 8), "squared_error", 0.003, 4096, 256),
        # With one output, for rules that follow the gradient of one.
        Workload("W2o", (784, 2000, 2000, 2000, 1), "squared_error", 0.003, 4096, 20),
        Workload("W4o", (64, 256, 256, 1), "squared_error", 0.003, 4096, 256),
    )
}
