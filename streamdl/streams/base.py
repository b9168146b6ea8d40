"""A stream: examples in order, one at a time or in blocks, from any position."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Self, SupportsIndex

import numpy as np
from numpy.typing import NDArray
from streamdl.streams.draws import checked_count, checked_seed

Block = tuple[NDArray[Any], NDArray[Any]]

# Examples that plain iteration draws at once: enough to make the drawing cheap per example.
LOOKAHEAD = 256


class Stream(ABC):
    """Examples (x, y) in order; everything is decided by the arguments and the position.

    A stream is cut into tasks of `task_length` examples and goes on for ever, or for `tasks` tasks.
    Iterate it for single examples, or call `blocks` for arrays; both move the same position.

    Attributes:
        inputs: length of x.
        outputs: outputs that a network for this stream needs.
        loss: the loss to learn it with, a name that `Learner` knows.
        task_length: examples in one task.
        tasks: number of tasks, None for an endless stream.
        seed: what all random draws depend on, 0 <= seed < 2**64.
    """

    inputs: int
    outputs: int
    loss: str

    def __init__(
        self,
        *,
        seed: SupportsIndex,
        tasks: SupportsIndex | None,
        task_length: SupportsIndex,
        arguments: Mapping[str, Any],
    ) -> None:
        self.seed = checked_seed(seed)
        self.tasks = None if tasks is None else checked_count("tasks", tasks, 1)
        self.task_length = checked_count("task_length", task_length, 1)
        self._arguments = {"seed": self.seed, "tasks": self.tasks, **arguments}
        self._position = 0
        self._ahead: Block | None = None  # examples drawn for plain iteration ...
        self._ahead_start = 0  # ... and the position of the first of them

    @abstractmethod
    def _draw(self, task: int, start: int, stop: int) -> Block:
        """Examples start <= i < stop of a task: xs (n, inputs) and ys, in arrays of their own."""

    # ---- where we are -----------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Examples given so far."""
        return self._position

    @property
    def task(self) -> int:
        """Task of the example given last (0 before the first)."""
        return max(self._position - 1, 0) // self.task_length

    @property
    def length(self) -> int | None:
        """Examples in the whole stream, None when it is endless."""
        return None if self.tasks is None else self.tasks * self.task_length

    def seek(self, position: SupportsIndex) -> None:
        """Go on as if `position` examples had been given; the cost does not grow with examples.

        Raises:
            ValueError: `position` is negative or beyond the end of the stream.
        """
        place = checked_count("position", position, 0)
        if self.length is not None and place > self.length:
            raise ValueError(f"position: the stream has {self.length} examples, got {place}")
        self._position = place

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on from here: small and fit for JSON."""
        return {"stream": type(self).__name__, **self._arguments, "position": self._position}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to the position saved by `state` of a stream built with the same arguments.

        Raises:
            ValueError: the state is of another stream; names the argument that differs.
        """
        mine = self.state()
        for name in sorted(mine.keys() | state.keys()):
            if name not in state or name not in mine:
                raise ValueError(f"state: {name!r} is only on one side; it is of another stream")
            if name != "position" and state[name] != mine[name]:
                raise ValueError(f"state: {name} is {state[name]!r} there, {mine[name]!r} here")
        self.seek(state["position"])

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self._arguments.items())
        return f"{type(self).__name__}({arguments})"

    # ---- examples ---------------------------------------------------------------------------

    def __iter__(self) -> Iterator[tuple[NDArray[Any], Any]]:
        return self

    def __next__(self) -> tuple[NDArray[Any], Any]:
        offset = self._position - self._ahead_start
        if self._ahead is None or not 0 <= offset < len(self._ahead[0]):
            self._ahead, self._ahead_start, offset = self.peek(LOOKAHEAD), self._position, 0
        xs, ys = self._ahead
        if len(xs) == 0:
            raise StopIteration
        self._position += 1
        y = ys[offset]
        return xs[offset], int(y) if self.loss == "cross_entropy" else y

    def blocks(self, size: SupportsIndex, limit: SupportsIndex | None = None) -> Iterator[Block]:
        """Yield the examples from here on as blocks (xs, ys) of up to `size` examples.

        A block never crosses a task boundary: the last block of a task may be shorter, so that
        `stream.task` is the task of every example in the block just given.

        Args:
            size: most examples in a block, >= 1.
            limit: stop after this many examples; None goes on to the end of the stream.

        Yields:
            xs (n, inputs), and ys (n,) class indices or (n, outputs) targets.
        """
        most = checked_count("size", size, 1)
        left = None if limit is None else checked_count("limit", limit, 0)
        return self._blocks(most, left)

    def _blocks(self, most: int, left: int | None) -> Iterator[Block]:
        while left is None or left > 0:
            xs, ys = self.peek(most if left is None else min(most, left))
            if len(xs) == 0:
                return
            self._position += len(xs)
            left = None if left is None else left - len(xs)
            yield xs, ys

    def peek(self, count: SupportsIndex) -> Block:
        """The next examples of the task that comes next, at most `count`, without moving on.

        At a task boundary this looks at the new task. At the end of the stream the arrays are
        empty.
        """
        most = checked_count("count", count, 0)
        task, start = divmod(self._position, self.task_length)
        if self._position == self.length:
            task, start, most = task - 1, self.task_length, 0
        return self._draw(task, start, min(start + most, self.task_length))

    def copy(self) -> Self:
        """An independent stream at the same position."""
        twin = type(self)(**self._arguments)
        twin.seek(self._position)
        return twin


def as_targets(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values (n,) as the targets (n, 1) of a network with one output."""
    return values.astype(dtype).reshape(-1, 1)
