"""Diagnostics against their definitions, written out plainly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from streamdl import diagnostics


def activations(seed: int, examples: int, units: int) -> NDArray[np.float64]:
    """ReLU activations of a random layer with some silent units and some that depend on others."""
    random = np.random.default_rng(seed)
    hidden = np.maximum(random.normal(size=(examples, units)), 0.0)
    hidden[:, random.uniform(size=units) < 0.3] = 0.0
    if units > 3:
        hidden[:, 0] = 2 * hidden[:, 1]
    return hidden


shapes = st.tuples(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 25))


def singular_values(matrix: NDArray[Any]) -> list[float]:
    """By the eigenvalues of the Gram matrix of rows, not by the routine under test."""
    eigenvalues = np.linalg.eigvalsh(matrix @ matrix.T)[::-1]
    return [math.sqrt(max(value, 0.0)) for value in eigenvalues]


@settings(deadline=None, max_examples=150)
@given(shapes)
def test_ranks_follow_their_definitions(shape: tuple[int, int, int]) -> None:
    matrix = activations(*shape)
    values = [value for value in singular_values(matrix) if value > 1e-6]
    if not values:
        assert diagnostics.stable_rank(matrix) == diagnostics.approximate_rank(matrix) == 0
        assert diagnostics.effective_rank(matrix) == diagnostics.rank(matrix) == 0
        return
    for measure, power in ((diagnostics.stable_rank, 1), (diagnostics.approximate_rank, 2)):
        total, prefix, k = sum(v**power for v in values), 0.0, 0
        while prefix / total < 0.99:
            prefix += values[k] ** power
            k += 1
        assert measure(matrix) == k, measure.__name__
    entropy = -sum(v / sum(values) * math.log(v / sum(values)) for v in values)
    assert diagnostics.effective_rank(matrix) == pytest.approx(math.exp(entropy), rel=1e-5)
    assert diagnostics.rank(matrix) == len(values)


@settings(deadline=None, max_examples=100)
@given(shapes, st.sampled_from([0.0, 0.01, 0.1, 0.5]))
def test_dormant_units_are_counted_one_by_one(
    shape: tuple[int, int, int], threshold: float
) -> None:
    matrix = activations(*shape)
    examples, units = matrix.shape
    dormant = 0
    for j in range(units):
        fires = sum(matrix[i, j] != 0 for i in range(examples))
        dormant += fires <= threshold * examples
    assert diagnostics.dormant_fraction(matrix, threshold) == pytest.approx(dormant / units)


def test_ranks_of_known_matrices() -> None:
    identity = np.eye(100)
    assert diagnostics.stable_rank(identity) == 99  # 99 equal values make 99 % of the total
    assert diagnostics.effective_rank(identity) == pytest.approx(100)
    assert diagnostics.rank(identity) == 100
    outer = np.outer(np.arange(1.0, 9.0), np.ones(5))
    for measure in (diagnostics.stable_rank, diagnostics.approximate_rank, diagnostics.rank):
        assert measure(outer) == 1
    # Singular values 9 and 1: the first has .9 of the sum but .988 of the squares.
    assert diagnostics.stable_rank(np.diag([9.0, 1.0])) == 2
    assert diagnostics.approximate_rank(np.diag([10.0, 1.0])) == 1


def test_stable_rank_is_not_the_ratio_of_norms() -> None:
    matrix = activations(1, 60, 20)
    ratio = np.linalg.norm(matrix) ** 2 / np.linalg.norm(matrix, 2) ** 2
    assert diagnostics.stable_rank(matrix) > 2 * ratio


def test_a_unit_that_fires_negatively_is_not_dormant() -> None:
    assert diagnostics.dormant_fraction([[-1.0, 0.0], [0.0, 0.0]]) == 0.5


def test_weight_magnitude_counts_every_weight_once() -> None:
    weights = [np.array([[1.0, -3.0]]), np.array([[2.0], [0.0], [0.0], [0.0]])]
    assert diagnostics.weight_magnitude(weights) == 1.0  # 6 / 6, not the mean of 2 and 0.5
    assert diagnostics.weight_magnitude(weights[0]) == 2.0


def test_report_is_the_single_measures_layer_by_layer() -> None:
    layers = [activations(2, 50, 12).astype(np.float32), activations(3, 50, 7).astype(np.float32)]
    weights = [np.full((3, 12), -0.5), np.full((12, 7), 0.25)]
    report = diagnostics.report(layers, weights)
    assert report["weight_magnitude"] == [0.5, 0.25]
    for name in ("dormant_fraction", "stable_rank", "effective_rank", "approximate_rank"):
        expected = [getattr(diagnostics, name)(layer) for layer in layers]
        assert report[name] == pytest.approx(expected), name


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros(3), r"expected \(examples, units\), got shape \(3,\)"),
        (np.zeros((0, 3)), r"got shape \(0, 3\)"),
        (np.array([[np.nan]]), "expected finite values"),
    ],
)
def test_bad_activations_are_refused(bad: NDArray[Any], message: str) -> None:
    for measure in (diagnostics.stable_rank, diagnostics.dormant_fraction):
        with pytest.raises(ValueError, match=message):
            measure(bad)


def test_other_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"threshold: expected 0 to below 1, got 1\.0"):
        diagnostics.dormant_fraction(np.ones((2, 2)), 1.0)
    with pytest.raises(ValueError, match="at least one weight"):
        diagnostics.weight_magnitude([])
