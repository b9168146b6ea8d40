"""Slowly-changing regression: the smallest problem on which backprop loses its plasticity."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray
from streamdl.streams.base import Block, Stream, as_targets
from streamdl.streams.draws import (
    CHANGES,
    INPUTS,
    TARGETS,
    checked_choice,
    checked_count,
    checked_float,
    generator,
)

VARIANTS = ("flip_one", "resample_all")
THRESHOLDS = ("paper", "published_program")


class SlowlyChangingRegression(Stream):
    """Bit-flipping regression on a fixed target network of linear threshold units.

    x holds m = `bits` bits: the first f = `slow_bits` change only every T = `flip_every` examples,
    the others are fresh fair coins. The target is

        y = sum_i c_i [ sum_j v_ij x_j + b_i > theta_i ] + d,    theta_i = (m + 1) beta - S_i,

    with all of v, b, c, d drawn from {-1, +1}, so y is an integer (Dohare et al., Nature 2024,
    Extended Data Fig. 2). One task is the T examples between two changes.

    Args:
        seed: decides the target network, the changes and the inputs, 0 <= seed < 2**64.
        tasks: number of tasks, None for an endless stream.
        variant: "flip_one" flips one of the slow bits at each change (the paper's text);
            "resample_all" draws all f anew (the configuration behind the published figure).
        thresholds: how S_i is counted. "paper": the -1s among the m + 1 weights of the unit, b_i
            being the weight of a constant bit; then a unit is on iff more than (m + 1) beta of its
            inputs agree with the sign of their weight. "published_program": the -1s among the m
            input weights, plus b_i / 2, as the authors' program computes it.
        flip_every: T, examples per task, >= 1.
        bits: m, length of x, >= 1.
        slow_bits: f, 1 to m.
        target_units: threshold units in the target network, >= 1.
        beta: share of agreeing inputs above which a unit is on, 0 to 1.
        dtype: of x and y, float32 or float64; the values are the same.

    Raises:
        ValueError: an argument is out of range; names it.
    """

    loss = "squared_error"
    outputs = 1

    def __init__(
        self,
        seed: SupportsIndex = 0,
        tasks: SupportsIndex | None = None,
        variant: str = "flip_one",
        thresholds: str = "paper",
        flip_every: SupportsIndex = 10000,
        bits: SupportsIndex = 20,
        slow_bits: SupportsIndex = 15,
        target_units: SupportsIndex = 100,
        beta: float = 0.7,
        dtype: DTypeLike = "float32",
    ) -> None:
        self.variant = checked_choice("variant", variant, VARIANTS)
        self.thresholds = checked_choice("thresholds", thresholds, THRESHOLDS)
        self.inputs = checked_count("bits", bits, 1)
        self.slow_bits = checked_count("slow_bits", slow_bits, 1)
        units = checked_count("target_units", target_units, 1)
        self._dtype = checked_float("dtype", dtype)
        if self.slow_bits > self.inputs:
            raise ValueError(f"slow_bits: expected at most bits = {self.inputs}, got {slow_bits}")
        if not 0.0 <= beta <= 1.0:
            raise ValueError(f"beta: expected 0 to 1, got {beta}")
        super().__init__(
            seed=seed,
            tasks=tasks,
            task_length=checked_count("flip_every", flip_every, 1),
            arguments={
                "variant": variant,
                "thresholds": thresholds,
                "flip_every": int(flip_every),
                "bits": self.inputs,
                "slow_bits": self.slow_bits,
                "target_units": units,
                "beta": float(beta),
                "dtype": self._dtype.name,
            },
        )
        self._build_target(units, float(beta))
        self._drawn_task = -1
        self._slow = np.empty(0, np.uint8)
        self._fast = np.empty((0, 0), np.uint8)

    def _build_target(self, units: int, beta: float) -> None:
        random = generator(self.seed, 0, TARGETS)
        signs = random.integers(0, 2, size=units * (self.inputs + 2) + 1) * 2.0 - 1.0
        self._weights = signs[: units * self.inputs].reshape(units, self.inputs)  # v[i, j]
        self._biases, self._output_weights = signs[units * self.inputs : -1].reshape(2, units)
        self._output_bias = signs[-1]
        negative = (self._weights < 0).sum(axis=1)
        if self.thresholds == "paper":
            counted = negative + (self._biases < 0)  # S_i
        else:
            counted = negative + self._biases / 2
        self._limits = (self.inputs + 1) * beta - counted - self._biases  # theta_i - b_i

    def slow_part(self, task: SupportsIndex) -> NDArray[np.uint8]:
        """The slowly-changing bits of a task, (slow_bits,)."""
        number = int(task)
        if self.variant == "resample_all":
            return self._coins(number, CHANGES, self.slow_bits)
        bits = self._coins(0, CHANGES, self.slow_bits)
        # The k-th change flips bit floor(f u_k): one word per change, so a longer draw only
        # appends, and task t is reached by counting the flips of each bit.
        uniform = generator(self.seed, 1, CHANGES).random(number)
        flipped = (uniform * self.slow_bits).astype(np.int64)
        parity = np.bincount(flipped, minlength=self.slow_bits) % 2
        return bits ^ parity.astype(np.uint8)

    def _coins(self, task: int, purpose: int, count: int) -> NDArray[np.uint8]:
        return generator(self.seed, task, purpose).integers(0, 2, size=count, dtype=np.uint8)

    def _enter(self, task: int) -> None:
        if task == self._drawn_task:
            return
        fast = self.inputs - self.slow_bits
        self._slow = self.slow_part(task)
        self._fast = self._coins(task, INPUTS, self.task_length * fast).reshape(-1, fast)
        self._drawn_task = task

    def _draw(self, task: int, start: int, stop: int) -> Block:
        self._enter(task)
        xs = np.empty((stop - start, self.inputs), np.float64)
        xs[:, : self.slow_bits] = self._slow
        xs[:, self.slow_bits :] = self._fast[start:stop]
        on = xs @ self._weights.T > self._limits
        ys = on @ self._output_weights + self._output_bias
        return xs.astype(self._dtype), as_targets(ys, self._dtype)
