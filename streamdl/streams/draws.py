"""Random generators of the streams, keyed so that any task can be drawn without those before."""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

# One number per purpose: two draws of one seed and task for different purposes share no words.
PERMUTATIONS = 1
TARGETS = 2
INPUTS = 3
CHANGES = 4


def generator(seed: int, task: int, purpose: int) -> np.random.Generator:
    """Philox keyed by (seed, task), its counter starting at the purpose's own quarter of 2^256.

    The generator depends on its three arguments alone, so seeking costs one key, and streams of
    different seeds are independent (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
    2011).
    """
    return np.random.Generator(np.random.Philox(key=[seed, task], counter=[0, 0, 0, purpose]))


def checked_count(name: str, value: SupportsIndex, least: int) -> int:
    """`value` as an int of at least `least`; TypeError or ValueError naming the argument."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: expected a whole number, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected a whole number, got {value!r}") from None
    if number < least:
        raise ValueError(f"{name}: expected at least {least}, got {number}")
    return number


def checked_seed(seed: SupportsIndex) -> int:
    """A seed that fits the generator's 64-bit key."""
    number = checked_count("seed", seed, 0)
    if number >= 2**64:
        raise ValueError(f"seed: expected below 2**64, got {number}")
    return number


def checked_choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """`value` if it is one of `allowed`; ValueError naming the argument and the choices."""
    if value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")
    return value


def checked_float(name: str, dtype: DTypeLike) -> np.dtype[Any]:
    """float32 or float64 as a dtype; ValueError naming the argument."""
    kind = np.dtype(dtype)
    if kind not in (np.float32, np.float64):
        raise ValueError(f"{name}: expected float32 or float64, got {dtype!r}")
    return kind


def checked_flag(name: str, value: bool) -> bool:
    """True or False; TypeError naming the argument for anything else, "False" among it."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: expected True or False, got {value!r}")
    return bool(value)
