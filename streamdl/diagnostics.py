"""Measures of a network's plasticity, by their published definitions.

The functions take the activations of one hidden layer over some inputs, a matrix of shape
(examples, units), or the weights of one or several layers. `Learner.diagnose` calls `report`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Share of the total that the counted singular values must reach (Yang et al., 2019; Dohare et al.).
RANK_SHARE = 0.99


def dormant_fraction(activations: ArrayLike, threshold: float = 0.0) -> float:
    """Share of units that are active on no more than a share `threshold` of the examples.

    With threshold 0 a unit j counts iff sum_i |h_ij| = 0, the definition used for permuted MNIST;
    0.01 is the one used for reinforcement learning (Dohare et al., Nature 2024).

    Args:
        activations: h, (examples, units).
        threshold: 0 to below 1.

    Raises:
        ValueError: not a matrix with examples and units, values not finite, or a threshold out of
            range.
    """
    if not 0.0 <= threshold < 1.0:
        raise ValueError(f"threshold: expected 0 to below 1, got {threshold}")
    active = np.count_nonzero(_matrix(activations), axis=0)  # examples on which each unit fires
    examples = len(np.asarray(activations))
    return float(np.mean(active <= threshold * examples))


def stable_rank(activations: ArrayLike) -> int:
    """Smallest k with sum_{i<=k} sigma_i / sum_i sigma_i >= 0.99, singular values descending.

    The "stable rank" of Dohare et al. (Nature 2024). It is not |A|_F^2 / |A|_2^2, which other
    papers call by this name. A matrix of zeros has rank 0.

    Args:
        activations: (examples, units).

    Raises:
        ValueError: not a matrix with examples and units, or values not finite.
    """
    return _count_to_share(_singular_values(activations))


def approximate_rank(activations: ArrayLike) -> int:
    """Smallest k with sum_{i<=k} sigma_i^2 / sum_i sigma_i^2 >= 0.99 (Yang et al., 2019).

    A matrix of zeros has rank 0.

    Args:
        activations: (examples, units).

    Raises:
        ValueError: not a matrix with examples and units, or values not finite.
    """
    return _count_to_share(_singular_values(activations) ** 2)


def effective_rank(activations: ArrayLike) -> float:
    """exp(-sum_i p_i ln p_i) with p_i = sigma_i / sum_i sigma_i (Roy & Vetterli, 2007).

    From 1 to the number of units; a matrix of zeros has rank 0.

    Args:
        activations: (examples, units).

    Raises:
        ValueError: not a matrix with examples and units, or values not finite.
    """
    return _entropy_rank(_singular_values(activations))


def rank(activations: ArrayLike) -> int:
    """Number of singular values above max(n, m) * epsilon * sigma_1, the usual numerical zero.

    Args:
        activations: (n examples, m units); epsilon is that of its dtype (float64 for whole
            numbers).

    Raises:
        ValueError: not a matrix with examples and units, or values not finite.
    """
    given = np.asarray(activations)
    values = _singular_values(activations)
    kind = given.dtype if np.issubdtype(given.dtype, np.floating) else np.dtype(np.float64)
    smallest = values[0] * max(given.shape) * np.finfo(kind).eps
    return int(np.count_nonzero(values > smallest))


def weight_magnitude(weights: ArrayLike | Sequence[NDArray[Any]]) -> float:
    """Mean |w| over all weights: sum |w| / number of weights (Dohare et al., Nature 2024).

    Args:
        weights: one array of any shape, or a list of arrays, which count as one set.

    Raises:
        ValueError: there are no weights.
    """
    arrays = weights if isinstance(weights, list | tuple) else [weights]
    total = sum(float(np.abs(np.asarray(w, np.float64)).sum()) for w in arrays)
    count = sum(np.asarray(w).size for w in arrays)
    if count == 0:
        raise ValueError("weights: expected at least one weight, got none")
    return total / count


def report(
    activations: Sequence[NDArray[Any]], weights: Sequence[NDArray[Any]]
) -> dict[str, list[float]]:
    """Every measure for every layer; one singular value decomposition per layer.

    Args:
        activations: (examples, units) for each hidden layer.
        weights: one array per layer with weights, in the same order.

    Returns:
        dormant_fraction, stable_rank, effective_rank, approximate_rank: a value per activation
        matrix; weight_magnitude: a value per weight array.

    Raises:
        ValueError: as the single measures.
    """
    spectra = [_singular_values(layer) for layer in activations]
    return {
        "dormant_fraction": [dormant_fraction(layer) for layer in activations],
        "stable_rank": [float(_count_to_share(values)) for values in spectra],
        "effective_rank": [_entropy_rank(values) for values in spectra],
        "approximate_rank": [float(_count_to_share(values**2)) for values in spectra],
        "weight_magnitude": [weight_magnitude(layer) for layer in weights],
    }


def _matrix(activations: ArrayLike) -> NDArray[np.float64]:
    matrix = np.asarray(activations, np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"activations: expected (examples, units), got shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("activations: expected finite values")
    return matrix


def _singular_values(activations: ArrayLike) -> NDArray[np.float64]:
    """Singular values, descending; units that are silent throughout are left out (they add 0s)."""
    matrix = _matrix(activations)
    matrix = matrix[:, matrix.any(axis=0)]
    if matrix.shape[1] == 0:
        return np.zeros(1)
    return np.asarray(np.linalg.svd(matrix, compute_uv=False), np.float64)


def _count_to_share(values: NDArray[np.float64]) -> int:
    sums = np.cumsum(values)
    if sums[-1] == 0.0:
        return 0
    return int(np.count_nonzero(sums / sums[-1] < RANK_SHARE)) + 1


def _entropy_rank(values: NDArray[np.float64]) -> float:
    total = values.sum()
    if total == 0.0:
        return 0.0
    shares = values[values > 0.0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))
