"""Sutton's tracking task: which of the inputs matter is constant, how they matter is not."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray
from streamdl.streams.base import Block, Stream, as_targets
from streamdl.streams.draws import CHANGES, INPUTS, checked_count, generator

# Weight changes drawn at once: reaching the next task must not replay all tasks before it.
CHUNK = 4096


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
        self.relevant = checked_count("relevant", relevant, 1)
        self._dtype = np.dtype(dtype)
        if self.relevant > self.inputs:
            raise ValueError(f"relevant: expected at most inputs = {self.inputs}, got {relevant}")
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
        self._chunk = -1
        self._signs = np.empty((0, 0), np.float64)  # of the chunk's tasks: row t holds s of task t
        self._drawn_task = -1
        self._xs = np.empty((0, 0), np.float64)

    def weights(self, task: SupportsIndex) -> NDArray[np.float64]:
        """The target weights s of a task, (inputs,)."""
        number = int(task)
        chunk, row = divmod(number, CHUNK)
        if chunk != self._chunk:
            self._draw_signs(chunk)
        weights = np.zeros(self.inputs)
        weights[: self.relevant] = self._signs[row]
        return weights

    def _draw_signs(self, chunk: int) -> None:
        """Signs of all tasks of a chunk, by replaying the flips since task 0 in one sweep."""
        first = generator(self.seed, 0, CHANGES).integers(0, 2, size=self.relevant) * 2.0 - 1.0
        # One word per flip, so that a longer draw only appends to a shorter one.
        last = (chunk + 1) * CHUNK
        uniform = generator(self.seed, 1, CHANGES).random(last - 1)
        flipped = (uniform * self.relevant).astype(np.int64)
        before = flipped[: chunk * CHUNK]
        start = np.bincount(before, minlength=self.relevant) % 2
        steps = np.zeros((CHUNK, self.relevant), np.int64)  # row t: the flip that opens task t
        steps[np.arange(1, CHUNK), flipped[chunk * CHUNK :]] = 1
        self._signs = first * (1.0 - 2.0 * ((start + steps.cumsum(axis=0)) % 2))
        self._chunk = chunk

    def _draw(self, task: int, start: int, stop: int) -> Block:
        if task != self._drawn_task:
            random = generator(self.seed, task, INPUTS)
            # Rounded before the target is formed: y belongs to the x that the learner sees.
            drawn = random.standard_normal((self.task_length, self.inputs))
            self._xs = drawn.astype(self._dtype).astype(np.float64)
            self._drawn_task = task
        xs = self._xs[start:stop]
        # A row's products are added in one order whatever the block: a matrix product's order
        # may depend on the number of rows, and with it the last bit of y.
        ys = (xs * self.weights(task)).sum(axis=1)
        return xs.astype(self._dtype), as_targets(ys, self._dtype)
