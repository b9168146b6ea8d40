"""Gauges of a learner: what its units and updates are like, readable between any two steps.

`learner.gauges` reads them. Counting costs O(units) per example; what a reading computes, it computes
when it is asked for. Gauges change no bit of the learner, and are no part of it: they are neither
saved, hashed nor cloned, and begin empty at every start.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from streamdl import diagnostics

Array = NDArray[Any]
# Units whose activations point in directions this close, as a cosine, are clones.
CLONE_COSINE = 0.99
BINS_PER_DECADE = 4


@dataclass(frozen=True)
class Gauges:
    """Settings of a learner's gauges.

    window: examples that activity is counted over, 1 to 65,536. every: one example in so many is kept
    in the sample, drawn by its number, 1 to 2^20; one in 32 `every` has its update measured. rows: how
    many examples the sample holds, 0 to 65,536; 4 bytes for each of them and each hidden unit.
    """

    window: int = 1000
    every: int = 16
    rows: int = 1000

    def __post_init__(self) -> None:
        limits = {"window": (1, 2**16), "every": (1, 2**20), "rows": (0, 2**16)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not whole or not low <= value <= high:
                raise ValueError(f"Gauges.{name}: expected {low} to {high}, got {value!r}")


class Readings(Mapping[str, Any]):
    """The gauges of one learner, by name: `learner.gauges["stable_rank"]`, or as methods with arguments.

    A reading of hidden layers is a list, one entry per layer: the units that a Linear layer gets from the one
    before it, as in `learner.activations`; with dropout, as they were when the example was learned. Before the first example is counted,
    shares are NaN and ranks 0. While the gauges are off, reading raises RuntimeError.
    """

    def __init__(self, learner: Any) -> None:
        self._learner = learner

    # ------------------------------------------------------------------------ on and off

    @property
    def running(self) -> bool:
        """Whether the gauges are on."""
        running: bool = self._learner._has_gauges
        return running

    def start(self, settings: Gauges | None = None, **changes: int) -> None:
        """Switch the gauges on, empty; `start(window=100)` is short for `start(sdl.Gauges(window=100))`."""
        if settings is not None and (changes or not isinstance(settings, Gauges)):
            raise ValueError(f"settings: expected sdl.Gauges or keywords, got {settings!r}")
        chosen = settings or Gauges(**changes)
        self._learner._start_gauges(int(chosen.window), int(chosen.every), int(chosen.rows))

    def stop(self) -> None:
        """Switch the gauges off; what they counted is lost."""
        self._learner._stop_gauges()

    # ------------------------------------------------------------------------ counts

    @property
    def examples(self) -> int:
        """Examples since the start."""
        examples: int = self._learner._gauge_totals()["examples"]
        return examples

    def activity(self, positive: bool = False) -> list[Array]:
        """Of each unit, the share of the last `window` examples with h != 0; or, if positive, h > 0.

        A unit that was regenerated counts from the examples of its predecessor, too, until they have
        left the window.
        """
        totals = self._learner._gauge_totals()
        examples = min(totals["examples"], totals["window"])
        key = "positive" if positive else "active"
        return [_share(counts[key], examples) for counts in self._counts()]

    def dormant_fraction(self, threshold: float = 0.0, positive: bool = False) -> list[float]:
        """Share of units that are active on no more than a share `threshold` of the last `window` examples.

        0: never (permuted MNIST); 0.01 with positive=True: reinforcement learning (Dohare et al., Nature
        2024). threshold: 0 to below 1.
        """
        if not 0.0 <= threshold < 1.0:
            raise ValueError(f"threshold: expected 0 to below 1, got {threshold}")
        return [_mean(share <= threshold, share) for share in self.activity(positive)]

    def zero_fraction(self) -> list[float]:
        """Share of activations that are 0 over the last `window` examples (Elsayed & Mahmood, 2024)."""
        return [_mean(1.0 - share, share) for share in self.activity()]

    def silence_p_value(self) -> list[Array]:
        """Of each unit, how likely a silence as long as its present one is under its own record.

        `silence_p_value` has the formula. The record begins with the gauges, or when the unit was born.
        """
        return [
            silence_p_value(counts["silence"], counts["firings"], counts["record"])
            for counts in self._counts()
        ]

    # ------------------------------------------------------------------------ the sample

    def sample(self) -> list[Array]:
        """The activations that are held, the oldest first: (examples, units) in float32."""
        return [self._learner._gauge_sample(h) for h in range(self._hidden)]

    def activity_score(self) -> list[Array]:
        """s_j = mean |h_j| / its mean over the layer, over the sample; ReDo's dormant units have s_j <= tau."""
        scores = []
        for sample in self.sample():
            mean = _share(np.abs(sample, dtype=np.float64).sum(axis=0), len(sample))
            scores.append(mean / (mean.mean() + 1e-9))
        return scores

    def ranks(self, rows: int | None = None) -> dict[str, list[float]]:
        """stable_rank, effective_rank, approximate_rank of the sample; of its latest `rows`.

        The definitions of sdl.diagnostics, exact for these activations, each as it was when its example
        was learned. A rank is at most the number of rows. O(rows * units * min(rows, units)) per layer.
        """
        if rows is not None and rows < 1:
            raise ValueError(f"rows: expected at least 1, got {rows}")
        spectra = [_spectrum(sample[-rows:] if rows else sample) for sample in self.sample()]
        return {
            "stable_rank": [float(diagnostics._count_to_share(s)) for s in spectra],
            "effective_rank": [diagnostics._entropy_rank(s) for s in spectra],
            "approximate_rank": [float(diagnostics._count_to_share(s**2)) for s in spectra],
        }

    def clones(
        self, cosine: float = CLONE_COSINE, xs: Any = None
    ) -> list[list[tuple[int, int, float]]]:
        """Pairs of units that do the same up to scale: (i, j, cosine of their activations), i < j.

        Pairs with |cosine| >= `cosine` over the sample; units that are silent throughout have no clones.
        With xs, inputs (n, ...), only pairs of which this also holds over them with the weights as they are
        now, and their cosine there. cosine: above 0 to 1. O(rows * units^2) per layer.
        """
        if not 0.0 < cosine <= 1.0:
            raise ValueError(f"cosine: expected above 0 to 1, got {cosine}")
        pairs = [_clones(sample, cosine) for sample in self.sample()]
        if xs is None:
            return pairs
        now = self._learner.activations(xs)
        return [_verified(p, layer, cosine) for p, layer in zip(pairs, now, strict=True)]

    # ------------------------------------------------------------------------ weights and updates

    def update_to_weight(self) -> dict[str, float]:
        """|change of w in one update| / |w|, of each dense layer's weights, by name.

        The root of the mean square over the last 64 or so updates that were measured, by one row of
        weights each: exact for plain SGD, an estimate without bias of the square for every other rule,
        and for minibatches. What plasticity methods do after an update is not part of it. NaN before the first one.
        """
        ratios = {}
        for name, norm in self._learner._gauge_totals()["update_norms"].items():
            size = np.linalg.norm(np.asarray(self._learner.parameters[name], np.float64))
            ratios[name] = float(norm / size) if size else math.nan
        return ratios

    def step_size_histogram(
        self, bins_per_decade: int = BINS_PER_DECADE
    ) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Counts and edges of the step sizes that are above 0, one histogram per parameter.

        Edges lie at whole multiples of 1 / bins_per_decade in log10, whatever the step sizes, so that
        histograms of different times have bins in common. Needs no counting: works while off.
        """
        if bins_per_decade < 1:
            raise ValueError(f"bins_per_decade: expected at least 1, got {bins_per_decade}")
        sizes = self._learner.step_sizes
        return {name: _log_histogram(array, bins_per_decade) for name, array in sizes.items()}

    def utility(self) -> list[Array]:
        """`learner.utilities`: Continual Backprop's, else empty. Works while off."""
        utilities: list[Array] = self._learner.utilities
        return utilities

    # ------------------------------------------------------------------------ by name

    _BY_NAME = (
        "activity", "dormant_fraction", "zero_fraction", "silence_p_value", "activity_score",
        "clones", "update_to_weight", "step_size_histogram", "utility",
    )  # fmt: skip
    _RANKS = ("stable_rank", "effective_rank", "approximate_rank")

    def __getitem__(self, name: str) -> Any:
        if name in self._RANKS:
            return self.ranks()[name]
        if name not in self._BY_NAME:
            raise KeyError(name)
        return getattr(self, name)()

    def __iter__(self) -> Iterator[str]:
        return iter((*self._BY_NAME, *self._RANKS))

    def __len__(self) -> int:
        return len(self._BY_NAME) + len(self._RANKS)

    def read(self) -> dict[str, Any]:
        """Every reading, by name; quicker than one after the other."""
        return {name: self[name] for name in self._BY_NAME} | self.ranks()

    def __repr__(self) -> str:
        state = f"{self.examples} examples" if self.running else "off"
        return f"<streamdl gauges, {state}>"

    @property
    def _hidden(self) -> int:
        return len(self._learner._layer_sizes) - 1

    def _counts(self) -> list[dict[str, NDArray[np.uint64]]]:
        return [self._learner._gauge_counts(h) for h in range(self._hidden)]


def silence_p_value(
    silence: ArrayLike, firings: ArrayLike, record: ArrayLike
) -> NDArray[np.float64]:
    """P(A >= a): how likely a unit is silent for at least as long as it has been now.

    A unit that fires in each example with a chance p of its own has P(A >= a | p) = (1 - p)^a, the
    geometric tail. With f firings in the record of n examples that ended with the last of them,
    and no p preferred beforehand, its mean is

        P(A >= a) = integral (1 - p)^a Beta(p; f + 1, n - f + 1) dp = B(f + 1, n - f + 1 + a) / B(f + 1, n - f + 1),

    which is the plain tail (1 - f/n)^a for long records, and 1 / (a + 1) for a unit that never fired.
    The idea of self-normalised resets (Farias & Jozefiak, 2025), whose own histograms make no such
    assumption: for units that fire in bursts this value is too small.

    Args:
        silence: a, examples since the last firing; firings: f; record: n, at least f.
    """
    a, f, n = (np.asarray(v, np.float64) for v in (silence, firings, record))
    if (a < 0).any() or (f < 0).any() or (n < f).any():
        raise ValueError("silence_p_value: expected counts with 0 <= firings <= record")
    log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])
    log_p = (
        log_gamma(n - f + 1 + a) - log_gamma(n - f + 1) + log_gamma(n + 2) - log_gamma(n + 2 + a)
    )
    return np.asarray(np.exp(np.minimum(log_p, 0.0)), np.float64)


def _share(counts: Array, examples: int) -> NDArray[np.float64]:
    return np.asarray(counts / examples if examples else np.full(len(counts), np.nan), np.float64)


def _mean(values: Array, shares: Array) -> float:
    """Of values that are made from shares; NaN where those are."""
    return math.nan if np.isnan(shares).any() else float(np.mean(values))


def _spectrum(sample: Array) -> NDArray[np.float64]:
    """Singular values, descending, from the smaller matrix of products: many times as quick."""
    matrix = np.asarray(sample, np.float64)
    matrix = matrix[:, matrix.any(axis=0)]
    if matrix.size == 0:
        return np.zeros(1)
    products = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    squares = np.linalg.eigvalsh(products)[::-1]
    smallest = squares[0] * max(matrix.shape) * np.finfo(np.float64).eps
    return np.asarray(np.sqrt(np.where(squares > smallest, squares, 0.0)), np.float64)


def _directions(activations: Array) -> NDArray[np.float64]:
    """Columns of length 1, or of zeros."""
    matrix = np.asarray(activations, np.float64)
    lengths = np.linalg.norm(matrix, axis=0)
    return np.asarray(matrix / np.where(lengths > 0.0, lengths, 1.0), np.float64)


def _clones(activations: Array, least: float) -> list[tuple[int, int, float]]:
    directions = _directions(activations)
    cosines = np.triu(directions.T @ directions, 1)
    # Rounding must not cost a perfect clone its place.
    found = np.argwhere(np.abs(cosines) >= least - 1e-12)
    return [(int(i), int(j), float(np.clip(cosines[i, j], -1, 1))) for i, j in found]


def _verified(
    pairs: list[tuple[int, int, float]], activations: Array, least: float
) -> list[tuple[int, int, float]]:
    directions = _directions(activations)
    now = ((i, j, float(np.clip(directions[:, i] @ directions[:, j], -1, 1))) for i, j, _ in pairs)
    return [pair for pair in now if abs(pair[2]) >= least - 1e-12]


def _log_histogram(
    values: Array, bins_per_decade: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    positive = np.asarray(values, np.float64).ravel()
    positive = positive[(positive > 0.0) & np.isfinite(positive)]
    if positive.size == 0:
        return np.zeros(0, np.int64), np.zeros(1)
    places = np.floor(np.log10(positive) * bins_per_decade).astype(np.int64)
    first = places.min()
    counts = np.bincount(places - first)
    edges = 10.0 ** (np.arange(first, first + len(counts) + 1) / bins_per_decade)
    return counts.astype(np.int64), edges
