"""Layers on images. One image has the shape (channels, rows, columns) and passes as a flat vector.

Every layer states once which inputs each of its windows sees; the rest follows from that table.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reference.network import Layer, Shape

Array = NDArray[np.float64]


def image(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ValueError(f"{type(layer).__name__} takes images, not inputs of shape {shape}")
    return shape[0], shape[1], shape[2]


def windows(shape: Shape, kernel: int, stride: int) -> NDArray[np.intp]:
    """The flat index of every input of every window: (channels, rows, columns, kernel, kernel) with
    the rows and columns of the output. An incomplete window at the edge is dropped."""
    index = np.arange(math.prod(shape)).reshape(shape)
    seen = np.lib.stride_tricks.sliding_window_view(index, (kernel, kernel), axis=(1, 2))
    return seen[:, ::stride, ::stride]


class Conv2d(Layer):
    """Cross-correlation, the kernel not flipped, no padding: with P[p, i] the input i of the window
    at position p, a[p, :] = P[p, :] W + b. Weight: (in channels, kernel, kernel, out channels).

    dL/dW = sum over positions of P[p, i] delta[p, k]; diagonal d the same with both squared.
    """

    def __init__(self, out_channels: int, kernel: int, stride: int = 1, bias: bool = True) -> None:
        self.out_channels, self.kernel, self.stride = out_channels, kernel, stride
        self.bias = bias

    def build(self, shape: Shape) -> Shape:
        channels, rows, columns = image(self, shape)
        if self.kernel > min(rows, columns):
            raise ValueError(f"a kernel of {self.kernel} does not fit into {rows} x {columns}")
        self.inputs = math.prod(shape)
        seen = windows(shape, self.kernel, self.stride)
        rows, columns = seen.shape[1:3]
        self.fan_in = channels * self.kernel**2
        # sources[p, i]: where input i of the window at position p lies; i = (channel, row, column)
        self.sources = seen.transpose(1, 2, 0, 3, 4).reshape(rows * columns, self.fan_in)
        kernels = (channels, self.kernel, self.kernel, self.out_channels)
        self.parameters = {"weight": np.zeros(kernels)}
        if self.bias:
            self.parameters["bias"] = np.zeros(self.out_channels)
        return (self.out_channels, rows, columns)

    @property
    def matrix(self) -> Array:
        """W with one row per input of a window: (fan in, out channels)."""
        return self.parameters["weight"].reshape(-1, self.out_channels)

    def forward(self, x: Array) -> Array:
        self.patches = x[self.sources]  # P
        a = self.patches @ self.matrix + self.parameters.get("bias", 0.0)
        return np.asarray(a.T.reshape(-1))  # channel, position

    def jacobian(self) -> Array:
        positions = len(self.sources)
        J = np.zeros((self.inputs, self.out_channels, positions))
        for p in range(positions):
            J[self.sources[p], :, p] = self.matrix
        return J.reshape(self.inputs, -1)

    def gradients(self, delta: Array) -> dict[str, Array]:
        return self._over_positions(self.patches, delta)

    def sensitivities(self, s: Array) -> dict[str, Array]:
        return self._over_positions(self.patches**2, s)

    def _over_positions(self, inputs: Array, outputs: Array) -> dict[str, Array]:
        """Sums over positions of inputs[p, i] outputs[k, p], and of outputs[k, p] for the bias."""
        by_channel = outputs.reshape(self.out_channels, -1)
        sums = {
            "weight": (inputs.T @ by_channel.T).reshape(self.parameters["weight"].shape),
            "bias": by_channel.sum(axis=1),
        }
        return {name: sums[name] for name in self.parameters}


class Pool2d(Layer):
    """What every window of k x k with stride k sees."""

    def __init__(self, k: int) -> None:
        self.k = k

    def build(self, shape: Shape) -> Shape:
        channels, rows, columns = image(self, shape)
        if self.k > min(rows, columns):
            raise ValueError(f"windows of {self.k} do not fit into {rows} x {columns}")
        self.parameters = {}
        self.inputs = math.prod(shape)
        seen = windows(shape, self.k, self.k)
        self.sources = seen.reshape(-1, self.k**2)  # of each output, in row order
        return (channels, *seen.shape[1:3])


class MaxPool2d(Pool2d):
    """The largest of every window; ties go to the first in row order."""

    def forward(self, x: Array) -> Array:
        values = x[self.sources]
        self.chosen = self.sources[np.arange(len(values)), np.argmax(values, axis=1)]
        return np.asarray(x[self.chosen])

    def jacobian(self) -> Array:
        """Routes: 1 from the chosen input to its output."""
        J = np.zeros((self.inputs, len(self.chosen)))
        J[self.chosen, np.arange(len(self.chosen))] = 1.0
        return J


class AvgPool2d(Pool2d):
    """The mean of every window."""

    def forward(self, x: Array) -> Array:
        return np.asarray(x[self.sources].mean(axis=1))

    def jacobian(self) -> Array:
        J = np.zeros((self.inputs, len(self.sources)))
        for output, sources in enumerate(self.sources):
            J[sources, output] = 1.0 / self.k**2
        return J


class Flatten(Layer):
    """channel, row, column: the order in which values pass anyway."""

    def build(self, shape: Shape) -> Shape:
        self.parameters = {}
        self.inputs = math.prod(shape)
        return (self.inputs,)

    def forward(self, x: Array) -> Array:
        return x

    def jacobian(self) -> Array:
        return np.eye(self.inputs)
