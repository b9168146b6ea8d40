"""Tracking tasks, linear and deep: relevant inputs, flips, targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamdl.streams import DeepTracking, Tracking1992, tracking


def test_one_relevant_sign_flips_per_task() -> None:
    stream = Tracking1992(seed=1)
    weights = np.array([stream.weights(task) for task in range(500)])
    assert set(np.unique(weights[:, :5])) == {-1.0, 1.0}
    assert (weights[:, 5:] == 0).all()
    flips = weights[1:] != weights[:-1]
    assert (flips.sum(axis=1) == 1).all()
    share = flips[:, :5].mean(axis=0)
    assert (abs(share - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 499)).all(), share


def test_flips_go_on_across_the_chunks_they_are_drawn_in(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [Tracking1992(seed=2).weights(task) for task in range(60)]
    monkeypatch.setattr(tracking, "CHUNK", 7)
    stream = Tracking1992(seed=2)
    for task in (*range(60), 3, 59, 0, 13, 14):
        np.testing.assert_array_equal(stream.weights(task), whole[task], err_msg=f"task {task}")


def test_targets_are_the_weighted_sum_of_the_inputs() -> None:
    stream = Tracking1992(seed=3, dtype="float64")
    for _, (x, y) in zip(range(100), stream, strict=False):
        assert y[0] == pytest.approx(x @ stream.weights(stream.task), abs=1e-14)


def test_single_precision_is_the_same_stream_rounded() -> None:
    double = next(Tracking1992(seed=4, dtype="float64", flip_every=100).blocks(100))
    single = next(Tracking1992(seed=4, dtype="float32", flip_every=100).blocks(100))
    np.testing.assert_array_equal(single[0], double[0].astype(np.float32))
    np.testing.assert_allclose(single[1], double[1], atol=1e-6)


def test_inputs_are_standard_normal() -> None:
    xs, _ = next(Tracking1992(seed=5, flip_every=50000).blocks(50000))
    assert (abs(xs.mean(axis=0)) < 4 / np.sqrt(50000)).all()
    assert (abs(xs.std(axis=0) - 1) < 4 / np.sqrt(2 * 50000)).all()


def test_one_sign_of_the_deep_task_flips_at_every_change() -> None:
    stream = DeepTracking(seed=1)
    signs = np.array([stream.signs(task) for task in range(500)])
    assert signs.shape == (500, 5) and set(np.unique(signs)) == {-1.0, 1.0}
    flips = signs[1:] != signs[:-1]
    assert (flips.sum(axis=1) == 1).all()
    share = flips.mean(axis=0)
    assert (abs(share - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 499)).all(), share


def test_deep_targets_follow_the_equation() -> None:
    """One example at a time, with the sums written out, across four flips."""
    stream = DeepTracking(seed=3, flip_every=25, dtype="float64")
    v, c = stream._input_weights, stream._output_weights
    assert v.shape == (5, 20) and c.shape == (20,)
    for place, (x, y) in zip(range(100), stream, strict=False):
        signs = stream.signs(place // 25)
        expected = sum(
            c[k] * np.tanh(sum(v[j, k] * signs[j] * x[j] for j in range(5))) for k in range(20)
        )
        assert y[0] == pytest.approx(expected, abs=1e-12), f"example {place}"


def test_single_precision_of_the_deep_task_is_the_same_stream_rounded() -> None:
    double = next(DeepTracking(seed=4, dtype="float64").blocks(1000))
    stream = DeepTracking(seed=4, dtype="float32")
    single = next(stream.blocks(1000))
    np.testing.assert_array_equal(single[0], double[0].astype(np.float32))
    # y is rounded once, and belongs to the rounded x.
    exact = stream.target(single[0][:, :5].astype(np.float64) * stream.signs(0))
    np.testing.assert_array_equal(single[1][:, 0], exact.astype(np.float32))


def test_deep_targets_have_variance_one_for_every_seed() -> None:
    for seed in range(10):
        xs, ys = next(DeepTracking(seed=seed, flip_every=50000).blocks(50000))
        # Both this variance and the measured scale have an error of about one percent.
        assert abs(ys.var() - 1) < 0.06, f"seed {seed}: variance {ys.var()}"
    assert abs(xs.std() - 1) < 0.01 and xs.shape == (50000, 100)


def test_weights_into_the_target_units_have_variance_one_over_the_inputs() -> None:
    weights = [DeepTracking(seed=seed)._input_weights for seed in range(100)]
    assert np.var(weights) * 5 == pytest.approx(1, abs=4 * np.sqrt(2 / 10000))


@pytest.mark.parametrize("stream", [Tracking1992, DeepTracking])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": 4}, "relevant: expected at most inputs = 4, got 5"),
        ({"inputs": 0}, "inputs: expected at least 1, got 0"),
        ({"relevant": 0}, "relevant: expected at least 1, got 0"),
        ({"flip_every": 0}, "flip_every: expected at least 1, got 0"),
        ({"dtype": "int32"}, "dtype: expected float32 or float64, got 'int32'"),
    ],
)
def test_a_bad_argument_is_named(stream: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stream(**arguments)


def test_a_target_network_without_units_is_refused() -> None:
    with pytest.raises(ValueError, match="target_units: expected at least 1, got 0"):
        DeepTracking(target_units=0)
