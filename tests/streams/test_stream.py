"""Promises that every stream keeps: one table of streams, one list of promises."""

from __future__ import annotations

import copy
import itertools
import json
import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from streamdl.streams import (
    DeepTracking,
    LabelPermuted,
    PermutedDigits,
    PermutedMNIST,
    SlowlyChangingRegression,
    Stream,
    Tracking1992,
)

Make = Callable[..., Stream]

# Short tasks, so that a few hundred examples cross several boundaries.
STREAMS: dict[str, Make] = {
    "digits": lambda **a: PermutedDigits(task_length=70, **a),
    "mnist": lambda **a: PermutedMNIST(task_length=70, **a),
    "mnist_normalised": lambda **a: PermutedMNIST(task_length=70, normalise=True, **a),
    "labels_mnist": lambda **a: LabelPermuted(change_every=70, **a),
    "labels_digits": lambda **a: LabelPermuted(data="digits", change_every=70, normalise=True, **a),
    "flip_one": lambda **a: SlowlyChangingRegression(flip_every=70, **a),
    "resample_all": lambda **a: SlowlyChangingRegression(
        variant="resample_all", flip_every=70, **a
    ),
    "tracking": lambda **a: Tracking1992(**a),
    "tracking_double": lambda **a: Tracking1992(dtype="float64", **a),
    "deep_tracking": lambda **a: DeepTracking(flip_every=70, **a),
    "deep_tracking_double": lambda **a: DeepTracking(flip_every=70, dtype="float64", **a),
}
EXAMPLES = 333


@pytest.fixture(params=STREAMS)
def make(request: pytest.FixtureRequest) -> Make:
    if "mnist" in request.param and not os.environ.get("STREAMDL_DATA"):
        pytest.skip("STREAMDL_DATA does not name a folder with the MNIST files")
    return STREAMS[request.param]


def take(stream: Stream, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The next examples by plain iteration, stacked."""
    xs, ys = zip(*itertools.islice(stream, count), strict=True)
    return np.stack(xs), np.stack(ys)


def take_blocks(stream: Stream, size: int, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    xs, ys = zip(*stream.blocks(size, limit=count), strict=True)
    return np.concatenate(xs), np.concatenate(ys)


def test_seed_decides_every_example(make: Make) -> None:
    xs, ys = take(make(seed=5), EXAMPLES)
    again_xs, again_ys = take(make(seed=5), EXAMPLES)
    other_xs, other_ys = take(make(seed=6), EXAMPLES)
    np.testing.assert_array_equal(xs, again_xs)
    np.testing.assert_array_equal(ys, again_ys)
    assert (xs != other_xs).any() and (ys != other_ys).any()


@pytest.mark.parametrize("size", [1, 7, 64, 70, 1000])
def test_blocks_are_the_examples_in_order(make: Make, size: int) -> None:
    xs, ys = take(make(seed=1), EXAMPLES)
    block_xs, block_ys = take_blocks(make(seed=1), size, EXAMPLES)
    np.testing.assert_array_equal(xs, block_xs)
    np.testing.assert_array_equal(ys, block_ys)


def test_blocks_never_cross_a_task_boundary(make: Make) -> None:
    stream = make(seed=2)
    stream.seek(11)
    for xs, _ in stream.blocks(64, limit=EXAMPLES):
        first = (stream.position - len(xs)) // stream.task_length
        assert first == (stream.position - 1) // stream.task_length == stream.task
    assert stream.position == 11 + EXAMPLES


@pytest.mark.parametrize("position", [0, 1, 69, 70, 71, 139, 140, 256, 300])
def test_any_position_can_be_sought(make: Make, position: int) -> None:
    straight = make(seed=3)
    if position:
        take(straight, position)
    jumped = make(seed=3)
    take(jumped, 5)  # whatever was drawn before must not matter
    jumped.seek(position)
    assert jumped.position == straight.position == position
    assert jumped.task == straight.task
    for one, two in zip(take(straight, 150), take(jumped, 150), strict=True):
        np.testing.assert_array_equal(one, two)


def test_state_goes_through_json_and_resumes(make: Make) -> None:
    stream = make(seed=4, tasks=9)
    take(stream, 101)
    saved = json.loads(json.dumps(stream.state()))
    resumed = make(seed=4, tasks=9)
    resumed.restore(saved)
    for one, two in zip(take(stream, 60), take(resumed, 60), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_state_of_another_stream_is_refused(make: Make) -> None:
    stream = make(seed=4)
    with pytest.raises(ValueError, match="seed is 5 there, 4 here"):
        stream.restore(make(seed=5).state())
    with pytest.raises(ValueError, match="only on one side"):
        stream.restore({**stream.state(), "colour": 1})


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda s: s.copy(), pickle.dumps])
def test_copies_go_their_own_way(make: Make, duplicate: Callable[[Stream], Any]) -> None:
    stream = make(seed=6)
    take(stream, 75)
    twin = duplicate(stream)
    twin = pickle.loads(twin) if isinstance(twin, bytes) else twin
    expected = take(stream, 80)
    for one, two in zip(expected, take(twin, 80), strict=True):
        np.testing.assert_array_equal(one, two)


def test_iteration_and_blocks_share_one_position(make: Make) -> None:
    xs, _ = take(make(seed=7), 40)
    mixed = make(seed=7)
    first, _ = take(mixed, 3)
    second, _ = take_blocks(mixed, 4, 9)
    third, _ = take(mixed, 28)
    np.testing.assert_array_equal(xs, np.concatenate([first, second, third]))


def test_peek_shows_the_coming_task_and_moves_nothing(make: Make) -> None:
    stream = make(seed=8)
    take(stream, stream.task_length)
    xs, _ = stream.peek(10**6)
    assert stream.position == stream.task_length == len(xs)
    np.testing.assert_array_equal(xs, take(stream, stream.task_length)[0])


def test_a_finite_stream_ends(make: Make) -> None:
    stream = make(seed=9, tasks=3)
    assert stream.length == 3 * stream.task_length
    assert sum(1 for _ in stream) == stream.length
    assert stream.position == stream.length and stream.task == 2
    assert list(stream.blocks(10)) == [] and len(stream.peek(5)[0]) == 0
    with pytest.raises(StopIteration):
        next(stream)


def test_given_examples_belong_to_the_caller(make: Make) -> None:
    stream = make(seed=10)
    expected = take(make(seed=10), 30)[0]
    for xs, _ in stream.blocks(10, limit=10):
        xs[:] = 99
    stream.seek(0)
    np.testing.assert_array_equal(take(stream, 30)[0], expected)


def test_shapes_are_those_that_the_stream_states(make: Make) -> None:
    stream = make(seed=11)
    xs, ys = next(stream.blocks(5))
    assert xs.shape == (5, stream.inputs) and xs.flags.c_contiguous
    assert ys.shape == ((5,) if stream.loss == "cross_entropy" else (5, stream.outputs))
    x, y = next(stream)
    assert x.shape == (stream.inputs,)
    assert isinstance(y, int) if stream.loss == "cross_entropy" else y.shape == (1,)


def test_repr_can_be_pasted_back(make: Make) -> None:
    stream = make(seed=12, tasks=4)
    assert repr(eval(repr(stream))) == repr(stream)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed: expected at least 0, got -1"),
        ({"seed": 2**64}, "seed: expected below"),
        ({"seed": 1.5}, "seed: expected a whole number, got 1.5"),
        ({"tasks": 0}, "tasks: expected at least 1, got 0"),
        ({"tasks": True}, "tasks: expected a whole number, got True"),
    ],
)
def test_a_bad_argument_is_named(make: Make, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        make(**arguments)


def test_a_bad_position_or_size_is_named(make: Make) -> None:
    stream = make(seed=0, tasks=1)
    with pytest.raises(ValueError, match=f"the stream has {stream.length} examples"):
        stream.seek(stream.task_length + 1)
    with pytest.raises(ValueError, match="size: expected at least 1, got 0"):
        stream.blocks(0)
