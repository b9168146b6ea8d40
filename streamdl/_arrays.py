"""Converts what is not already an array of the right type, as np.asarray does, and says what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np


def convert(value: Any, kind: str, name: str) -> np.ndarray[Any, Any]:
    """Return `value` as a C-contiguous array: "float32", "float64", or "labels" (int64).

    Raises TypeError for complex numbers, strings and objects, ValueError for numbers that do not fit.
    """
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError, BufferError) as error:
        raise TypeError(f"{name}: expected an array of real numbers, got {_say(value)}") from error
    if array.dtype.kind == "O" and hasattr(value, "__dlpack__"):
        try:
            array = np.from_dlpack(value)
        except (ValueError, TypeError, RuntimeError, BufferError) as error:
            raise TypeError(
                f"{name}: expected an array in main memory, got {_say(value)}"
            ) from error
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name}: expected real numbers, got dtype {array.dtype} from {_say(value)}"
        )
    if kind == "labels":
        if array.dtype.kind not in "iu" and array.size:
            raise TypeError(f"{name}: expected integers, got dtype {array.dtype}")
        if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
            raise ValueError(f"{name}: expected integers below 2^63, got {array.max()}")
        return np.ascontiguousarray(array, np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        result = np.array(array, kind, order="C", copy=True)
    if kind == "float32" and array.dtype.kind != "b" and array.dtype != np.float32:
        lost = np.isinf(result) & np.isfinite(array)
        if lost.any():
            where = [int(i) for i in np.argwhere(lost)[0]]
            got = array[tuple(where)]
            raise ValueError(f"{name}{where}: expected a number that float32 can hold, got {got}")
    return result


def _say(value: Any) -> str:
    return type(value).__name__
