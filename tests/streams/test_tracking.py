"""Sutton's tracking task: relevant inputs, flips, targets."""

from __future__ import annotations

import numpy as np
import pytest
from streamdl.streams import Tracking1992, tracking


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
