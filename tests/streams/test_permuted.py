"""Online permuted images against the raw data."""

from __future__ import annotations

import os

import numpy as np
import pytest
from sklearn.datasets import load_digits
from streamdl.streams import PermutedDigits, PermutedMNIST, load_mnist

needs_mnist = pytest.mark.skipif(
    not os.environ.get("STREAMDL_DATA"),
    reason="STREAMDL_DATA does not name a folder with the MNIST files",
)


def test_a_task_is_the_whole_set_permuted_and_reordered() -> None:
    raw = load_digits()
    stream = PermutedDigits(seed=1, tasks=3)
    seen = []
    for task in range(3):
        xs, ys = next(stream.blocks(1797))
        permutation, order = stream.permutation(task), stream.order(task)
        assert sorted(permutation) == list(range(64))
        assert sorted(order) == list(range(1797))
        expected = (raw.data[order][:, permutation] / 16).astype(np.float32)
        np.testing.assert_array_equal(xs, expected)
        np.testing.assert_array_equal(ys, raw.target[order])
        seen.append((tuple(permutation), tuple(order)))
    assert len({p for p, _ in seen}) == len({o for _, o in seen}) == 3


def test_a_short_task_repeats_no_image() -> None:
    stream = PermutedDigits(seed=2, task_length=500)
    assert len(set(stream.order(7))) == 500


def test_seeds_share_no_permutation() -> None:
    drawn = [tuple(PermutedDigits(seed=s).permutation(t)) for s in range(8) for t in range(8)]
    assert len(set(drawn)) == 64


def test_more_examples_than_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"1797 images.*got 1798"):
        PermutedDigits(task_length=1798)


@needs_mnist
def test_mnist_is_divided_by_255_and_permuted() -> None:
    images, labels = load_mnist("train")
    stream = PermutedMNIST(seed=3)
    stream.seek(60000 + 41000)
    xs, ys = next(stream.blocks(1000))
    rows, permutation = stream.order(1)[41000:42000], stream.permutation(1)
    expected = (images[rows][:, permutation].astype(np.float64) / 255).astype(np.float32)
    np.testing.assert_array_equal(xs, expected)
    np.testing.assert_array_equal(ys, labels[rows])
    assert xs.dtype == np.float32 and xs.min() == 0.0 and xs.max() == 1.0


@needs_mnist
def test_both_splits_have_their_sizes() -> None:
    assert [len(part) for part in (*load_mnist("train"), *load_mnist("test"))] == [
        60000, 60000, 10000, 10000,
    ]  # fmt: skip
