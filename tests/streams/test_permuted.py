"""Images under permuted pixels or labels, against the raw data."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from streamdl.streams import LabelPermuted, PermutedDigits, PermutedMNIST, load_mnist

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


def test_normalising_maps_the_pixels_to_minus_one_and_one() -> None:
    plain, _ = next(PermutedDigits(seed=4).blocks(300))
    normalised, _ = next(PermutedDigits(seed=4, normalise=True).blocks(300))
    np.testing.assert_array_equal(normalised, (plain - np.float32(0.5)) / np.float32(0.5))
    assert normalised.dtype == np.float32 and normalised.min() == -1.0 and normalised.max() == 1.0


def test_a_task_remaps_the_labels_and_leaves_the_pixels() -> None:
    raw = load_digits()
    stream = LabelPermuted(seed=1, tasks=4, data="digits", change_every=900)
    for task in range(4):
        xs, ys = next(stream.blocks(900))
        order = stream.order(task)
        assert len(set(order)) == 900, "an image is repeated"
        np.testing.assert_array_equal(xs, (raw.data[order] / 16).astype(np.float32))
        for label in range(10):
            mapped = set(ys[raw.target[order] == label])
            assert mapped == {stream.permutation(task)[label]}, f"task {task}, label {label}"


def test_labels_are_mapped_uniformly_and_orders_are_fresh_in_every_task() -> None:
    """Each label goes to each of 10 with probability 1 / 10: also in the first task, over seeds."""
    stream = LabelPermuted(seed=2, data="digits", change_every=100)
    over_tasks = [stream.permutation(task) for task in range(2000)]
    over_seeds = [
        LabelPermuted(seed=seed, data="digits", change_every=100).permutation(0)
        for seed in range(2000)
    ]
    for mappings in (np.array(over_tasks), np.array(over_seeds)):
        assert (np.sort(mappings, axis=1) == np.arange(10)).all()
        counts = np.stack([(mappings == digit).mean(axis=0) for digit in range(10)])
        assert abs(counts - 0.1).max() < 5 * np.sqrt(0.1 * 0.9 / 2000), counts
    assert len({tuple(stream.order(task)) for task in range(20)}) == 20


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"data": "letters"}, ValueError, "data: expected one of mnist, digits, got 'letters'"),
        ({"data": "digits"}, ValueError, r"change_every: there are 1797 images.*got 2500"),
        ({"change_every": 0, "data": "digits"}, ValueError, "change_every: expected at least 1"),
        (
            {"change_every": 9, "data": "digits", "normalise": "False"},
            TypeError,
            "normalise: expected True or False, got 'False'",
        ),
    ],
)
def test_a_bad_argument_is_named(
    arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        LabelPermuted(**arguments)


@needs_mnist
def test_label_permuted_mnist_by_default_changes_every_2500_examples() -> None:
    images, labels = load_mnist("train")
    stream = LabelPermuted(seed=3, normalise=True)
    stream.seek(2500)
    xs, ys = next(stream.blocks(5000))
    assert len(xs) == stream.task_length == 2500 and stream.task == 1
    rows = stream.order(1)
    np.testing.assert_array_equal(ys, stream.permutation(1)[labels[rows]])
    expected = (images[rows].astype(np.float64) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(xs, expected, atol=1e-7)
    assert len(set(rows)) == 2500 and max(rows) > 50000  # of the whole set


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
