"""Slowly-changing regression against its equation, in both published readings of each choice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamdl.streams import SlowlyChangingRegression


def slow_bits(stream: SlowlyChangingRegression, tasks: int) -> Any:
    """The slow bits seen in each task, after checking that they hold for the whole task."""
    seen = []
    for task in range(tasks):
        stream.seek(task * stream.task_length)
        xs, _ = next(stream.blocks(stream.task_length))
        assert (xs[:, : stream.slow_bits] == xs[0, : stream.slow_bits]).all(), f"task {task}"
        seen.append(xs[0, : stream.slow_bits])
    return np.array(seen)


def test_flip_one_flips_exactly_one_bit_per_task() -> None:
    bits = slow_bits(SlowlyChangingRegression(seed=1, flip_every=30), 60)
    changes = (bits[1:] != bits[:-1]).sum(axis=1)
    assert (changes == 1).all(), changes
    assert len(set((bits[1:] != bits[:-1]).argmax(axis=1))) > 10  # not always the same bit


def test_resample_all_draws_all_slow_bits_anew() -> None:
    stream = SlowlyChangingRegression(seed=1, flip_every=30, variant="resample_all")
    bits = slow_bits(stream, 200)
    share = (bits[1:] != bits[:-1]).mean()
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(199 * 15), share  # four standard errors


def test_fast_bits_are_fair_coins() -> None:
    stream = SlowlyChangingRegression(seed=2, flip_every=20000)
    xs, _ = next(stream.blocks(20000))
    assert set(np.unique(xs)) == {0.0, 1.0}
    assert (abs(xs[:, 15:].mean(axis=0) - 0.5) < 4 * 0.5 / np.sqrt(20000)).all()


@pytest.mark.parametrize("thresholds", ["paper", "published_program"])
def test_targets_follow_the_equation(thresholds: str) -> None:
    """One example at a time, with the sums written out."""
    stream = SlowlyChangingRegression(seed=3, flip_every=50, thresholds=thresholds)
    v, b, c = stream._weights, stream._biases, stream._output_weights
    assert set(np.unique(np.concatenate([v.ravel(), b, c]))) == {-1.0, 1.0}
    for _, (x, y) in zip(range(120), stream, strict=False):
        expected = stream._output_bias
        for i in range(100):
            if thresholds == "paper":
                s = sum(v[i, j] == -1 for j in range(20)) + (b[i] == -1)
            else:
                s = (20 - v[i].sum() + b[i]) / 2
            if sum(v[i, j] * x[j] for j in range(20)) + b[i] > 21 * 0.7 - s:
                expected += c[i]
        assert y[0] == expected and float(y[0]).is_integer()


def test_a_paper_unit_is_on_when_enough_inputs_agree_with_their_weights() -> None:
    """With S_i over all m + 1 weights the condition counts agreeing inputs: more than 14.7."""
    stream = SlowlyChangingRegression(seed=4, flip_every=200)
    xs, _ = next(stream.blocks(200))
    on = xs @ stream._weights.T > stream._limits
    bits = np.concatenate([xs, np.ones((200, 1))], axis=1)
    weights = np.concatenate([stream._weights, stream._biases[:, None]], axis=1)
    agreeing = (bits[:, None, :] == (weights > 0)[None]).sum(axis=2)
    np.testing.assert_array_equal(on, agreeing >= 15)


def test_the_two_threshold_readings_differ() -> None:
    ys = [
        next(SlowlyChangingRegression(seed=5, thresholds=t).blocks(1000))[1]
        for t in ("paper", "published_program")
    ]
    assert (ys[0] != ys[1]).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "flip"}, "variant: expected one of flip_one, resample_all, got 'flip'"),
        ({"thresholds": "x"}, "thresholds: expected one of paper, published_program"),
        ({"slow_bits": 21}, "slow_bits: expected at most bits = 20, got 21"),
        ({"beta": 1.5}, "beta: expected 0 to 1, got 1.5"),
        ({"flip_every": 0}, "flip_every: expected at least 1"),
    ],
)
def test_a_bad_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SlowlyChangingRegression(**arguments)
