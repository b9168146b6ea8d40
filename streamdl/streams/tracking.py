"""Tracking tasks: which of the inputs matter is constant, how they matter is not."""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray
from streamdl.streams.base import Block, Stream, as_targets
from streamdl.streams.draws import (
    CHANGES,
    INPUTS,
    TARGETS,
    checked_count,
    checked_float,
    generator,
)

# Sign flips drawn at once: reaching the next task must not replay all tasks before it.
CHUNK = 4096

# Inputs over which the target of `DeepTracking` is scaled: its variance is 1 within some percent.
SCALING_INPUTS = 20000


class SignFlips:
    """`count` signs per task, (count,) of +1 and -1; one drawn at random flips at every change."""

    def __init__(self, seed: int, count: int) -> None:
        self._seed, self._count = seed, count
        self._chunk = -1
        self._signs = np.empty((0, 0), np.float64)  # of the chunk's tasks: row t, signs of task t

    def at(self, task: SupportsIndex) -> NDArray[np.float64]:
        """The signs of a task, an array of the caller's own."""
        chunk, row = divmod(int(task), CHUNK)
        if chunk != self._chunk:
            self._draw(chunk)
        signs: NDArray[np.float64] = self._signs[row].copy()
        return signs

    def _draw(self, chunk: int) -> None:
        """Signs of all tasks of a chunk, by replaying the flips since task 0 in one sweep."""
        first = generator(self._seed, 0, CHANGES).integers(0, 2, size=self._count) * 2.0 - 1.0
        # One word per flip, so that a longer draw only appends to a shorter one.
        last = (chunk + 1) * CHUNK
        uniform = generator(self._seed, 1, CHANGES).random(last - 1)
        flipped = (uniform * self._count).astype(np.int64)
        start = np.bincount(flipped[: chunk * CHUNK], minlength=self._count) % 2
        steps = np.zeros((CHUNK, self._count), np.int64)  # row t: the flip that opens task t
        steps[np.arange(1, CHUNK), flipped[chunk * CHUNK :]] = 1
        self._signs = first * (1.0 - 2.0 * ((start + steps.cumsum(axis=0)) % 2))
        self._chunk = chunk


class Tracking1992(Stream):
    """Linear tracking with few relevant inputs, y = sum_i s_i x_i over the relevant inputs.

    x_i ~ N(0, 1); the first `relevant` of the weights s are +1 or -1, the others 0, and one
    relevant sign, drawn at random, flips every `flip_every` examples (Sutton, "Adapting bias by
    gradient descent: an incremental version of delta-bar-delta", AAAI 1992). One task is the
    examples between two flips.

    Args:
        seed: decides inputs, first signs and flips, 0 <= seed < 2**64.
        tasks: number of tasks, None for an endless stream.
        inputs: length of x, >= 1.
        relevant: inputs with a weight, 1 to `inputs`.
        flip_every: examples per task, >= 1.
        dtype: of x and y, float32 or float64 (then y is exact up to its last rounding).

    Raises:
        ValueError: an argument is out of range; names it.
    """

    loss = "squared_error"
    outputs = 1

    def __init__(
        self,
        seed: SupportsIndex = 0,
        tasks: SupportsIndex | None = None,
        inputs: SupportsIndex = 20,
        relevant: SupportsIndex = 5,
        flip_every: SupportsIndex = 20,
        dtype: DTypeLike = "float32",
    ) -> None:
        self.inputs = checked_count("inputs", inputs, 1)
        self.relevant = checked_relevant(relevant, self.inputs)
        self._dtype = checked_float("dtype", dtype)
        super().__init__(
            seed=seed,
            tasks=tasks,
            task_length=checked_count("flip_every", flip_every, 1),
            arguments={
                "inputs": self.inputs,
                "relevant": self.relevant,
                "flip_every": int(flip_every),
                "dtype": self._dtype.name,
            },
        )
        self._flips = SignFlips(self.seed, self.relevant)
        self._drawn_task = -1
        self._xs = np.empty((0, 0), np.float64)

    def weights(self, task: SupportsIndex) -> NDArray[np.float64]:
        """The target weights s of a task, (inputs,)."""
        weights = np.zeros(self.inputs)
        weights[: self.relevant] = self._flips.at(task)
        return weights

    def _draw(self, task: int, start: int, stop: int) -> Block:
        if task != self._drawn_task:
            shape = (self.task_length, self.inputs)
            self._xs = _normal_inputs(self.seed, task, shape, self._dtype)
            self._drawn_task = task
        xs = self._xs[start:stop]
        # A row's products are added in one order whatever the block: a matrix product's order
        # may depend on the number of rows, and with it the last bit of y.
        ys = (xs * self.weights(task)).sum(axis=1)
        return xs.astype(self._dtype), as_targets(ys, self._dtype)


class DeepTracking(Stream):
    """Tracking through a network: few inputs are relevant, and one of their signs flips at times.

    x_j ~ N(0, 1). The first r = `relevant` of the inputs, each with its sign s_j, enter a random
    network of n = `target_units` units that never changes, the others enter nothing:

        y = sum_k c_k tanh( sum_j v_jk s_j x_j ),    v_jk ~ N(0, 1 / r),    c_k ~ N(0, 1) / z

    The sums in tanh have variance 1 on average; z is the standard deviation that the sum over
    units would have without it, so that y has variance 1 for every seed (z is measured on 20,000
    inputs; flips do not change it). The first signs are fair coins, and one of them, drawn at
    random, flips every `flip_every` examples: the deep form of `Tracking1992` (Sutton, 1992). One
    task is the examples between two flips.

    Args:
        seed: decides target network, inputs, first signs and flips, 0 <= seed < 2**64.
        tasks: number of tasks, None for an endless stream.
        inputs: length of x, >= 1.
        relevant: r, inputs on which the target depends, 1 to `inputs`.
        target_units: n, units of the target network, >= 1.
        flip_every: examples per task, >= 1.
        dtype: of x and y, float32 or float64 (then y is exact up to rounding).

    Raises:
        ValueError: an argument is out of range; names it.
    """

    loss = "squared_error"
    outputs = 1

    def __init__(
        self,
        seed: SupportsIndex = 0,
        tasks: SupportsIndex | None = None,
        inputs: SupportsIndex = 100,
        relevant: SupportsIndex = 5,
        target_units: SupportsIndex = 20,
        flip_every: SupportsIndex = 1000,
        dtype: DTypeLike = "float32",
    ) -> None:
        self.inputs = checked_count("inputs", inputs, 1)
        self.relevant = checked_relevant(relevant, self.inputs)
        self.target_units = checked_count("target_units", target_units, 1)
        self._dtype = checked_float("dtype", dtype)
        super().__init__(
            seed=seed,
            tasks=tasks,
            task_length=checked_count("flip_every", flip_every, 1),
            arguments={
                "inputs": self.inputs,
                "relevant": self.relevant,
                "target_units": self.target_units,
                "flip_every": int(flip_every),
                "dtype": self._dtype.name,
            },
        )
        self._flips = SignFlips(self.seed, self.relevant)
        self._build_target()
        self._drawn_task = -1
        self._xs = np.empty((0, 0), np.float64)
        self._ys = np.empty(0, np.float64)

    def _build_target(self) -> None:
        random = generator(self.seed, 0, TARGETS)
        weights = random.standard_normal((self.relevant, self.target_units))
        self._input_weights = weights / np.sqrt(self.relevant)  # v[j, k]
        self._output_weights = random.standard_normal(self.target_units)  # c[k]
        xs = random.standard_normal((SCALING_INPUTS, self.relevant))
        self._output_weights /= self.target(xs).std()

    def signs(self, task: SupportsIndex) -> NDArray[np.float64]:
        """The signs s of the relevant inputs in a task, (relevant,)."""
        return self._flips.at(task)

    def target(self, signed: NDArray[np.float64]) -> NDArray[np.float64]:
        """y (n,) for relevant inputs (n, relevant) that have been multiplied by their signs."""
        ys: NDArray[np.float64] = np.tanh(signed @ self._input_weights) @ self._output_weights
        return ys

    def _draw(self, task: int, start: int, stop: int) -> Block:
        if task != self._drawn_task:
            shape = (self.task_length, self.inputs)
            self._xs = _normal_inputs(self.seed, task, shape, self._dtype)
            # For the whole task: a matrix product's last bits may depend on its number of rows.
            self._ys = self.target(self._xs[:, : self.relevant] * self.signs(task))
            self._drawn_task = task
        xs, ys = self._xs[start:stop], self._ys[start:stop]
        return xs.astype(self._dtype), as_targets(ys, self._dtype)


def checked_relevant(relevant: SupportsIndex, inputs: int) -> int:
    """A number of relevant inputs that is among the inputs there are."""
    count = checked_count("relevant", relevant, 1)
    if count > inputs:
        raise ValueError(f"relevant: expected at most inputs = {inputs}, got {count}")
    return count


def _normal_inputs(
    seed: int, task: int, shape: tuple[int, int], dtype: np.dtype[Any]
) -> NDArray[np.float64]:
    """The inputs of a task, rounded before a target is formed: y belongs to the x one sees."""
    drawn = generator(seed, task, INPUTS).standard_normal(shape)
    return drawn.astype(dtype).astype(np.float64)
