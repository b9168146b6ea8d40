"""Reading the recorded runs, and judging arrays against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FOLDER = Path(__file__).parent
CASES: list[dict[str, Any]] = json.loads((FOLDER / "cases.json").read_text())
NAMES = [case["name"] for case in CASES]


@cache
def arrays(file: str) -> Mapping[str, NDArray[Any]]:
    """All arrays of one recording."""
    with np.load(FOLDER / file) as stored:
        return {key: stored[key] for key in stored.files}


def arguments(description: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """The keyword arguments in a description: everything but its own labels."""
    return {key: value for key, value in description.items() if key not in without}


def relative_error(got: ArrayLike, expected: ArrayLike) -> float:
    """max |got - expected| / max |expected|; infinite where a NaN or another shape came."""
    a, b = np.asarray(got, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if a.shape != b.shape:
        return float("inf")
    if b.size == 0 or np.array_equal(a, b):
        return 0.0
    scale = float(np.max(np.abs(b)))
    error = float(np.max(np.abs(a - b))) / scale if scale > 0 else float("inf")
    return error if np.isfinite(error) else float("inf")


class Report:
    """Collects the arrays that miss their tolerance, to show them all at once."""

    def __init__(self, case: str) -> None:
        self.case = case
        self.lines: list[str] = []
        self.worst = 0.0

    def compare(self, array: str, got: ArrayLike, expected: ArrayLike, limit: float) -> None:
        """Note `array` if its relative error exceeds `limit` (0: every element equal)."""
        error = relative_error(got, expected)
        self.worst = max(self.worst, error)
        if error <= limit:
            return
        a, b = np.asarray(got, dtype=np.float64), np.asarray(expected, dtype=np.float64)
        if a.shape != b.shape:
            self.lines.append(f"{self.case} {array}: shape {a.shape}, expected {b.shape}")
            return
        distance = np.nan_to_num(np.abs(a - b), nan=np.inf)
        at = np.unravel_index(int(np.argmax(distance)), a.shape)
        # In a record of steps the first wrong one tells more than the worst one.
        wrong = distance > limit * float(np.max(np.abs(b)))
        first = int(np.argwhere(wrong)[0][0]) if a.ndim else 0
        self.lines.append(
            f"{self.case} {array}{list(map(int, at))}: got {a[at]!r}, expected {b[at]!r}, "
            f"max error {error:.3g} > {limit:.3g}, first wrong row {first}"
        )

    def require(self, what: str, got: object, expected: object) -> None:
        """Note a plain difference."""
        if got != expected:
            self.lines.append(f"{self.case} {what}: got {got!r}, expected {expected!r}")

    def check(self) -> None:
        """Fail with everything noted."""
        assert not self.lines, "\n" + "\n".join(self.lines)
