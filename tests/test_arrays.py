"""Arrays of every kind give the same bits as their canonical copy, or a TypeError or ValueError."""

from __future__ import annotations

import array
import ctypes
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import streamdl as sdl
from numpy.typing import NDArray

Array = NDArray[Any]

SHAPE, OUTPUTS, EXAMPLES = (4, 5), 6, 3
KINDS = {
    "bool": "?", "int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8", "uint8": "u1",
    "uint16": "u2", "uint32": "u4", "uint64": "u8", "float16": "f2", "float32": "f4",
    "float64": "f8", "longdouble": "g", "complex128": "c16",
}  # fmt: skip
OTHERS = {"complex64": "c8", "bytes": "S2", "text": "U2", "object": "O", "time": "M8[s]"}


class Subclass(np.ndarray[Any, Any]):
    """Its methods are not asked; only its numbers count."""

    def sum(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("called")


class DLPackOnly:
    """An array of another library: nothing but DLPack."""

    def __init__(self, values: Array) -> None:
        self._values = values

    def __dlpack__(self, **options: Any) -> Any:
        return self._values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


class ArrayOnly:
    """Nothing but __array__."""

    def __init__(self, values: Array) -> None:
        self._values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self._values if dtype is None else self._values.astype(dtype)


def strided(a: Array) -> Array:
    wide = np.zeros((*a.shape[:-1], a.shape[-1] * 3), a.dtype)
    wide[..., ::3] = a
    return wide[..., ::3]


def misaligned(a: Array) -> Array:
    memory = np.zeros(a.nbytes + 1, np.uint8)
    shifted = memory[1:].view(a.dtype).reshape(a.shape) if a.nbytes else a
    shifted[...] = a
    return shifted


def read_only(a: Array) -> Array:
    a = a.copy()
    a.flags.writeable = False
    return a


def negative(a: Array) -> Array:
    return np.flip(np.flip(a).copy())


def ctypes_array(a: Array) -> Any:
    kind = {"f4": ctypes.c_float, "f8": ctypes.c_double, "i4": ctypes.c_int}[a.dtype.str[1:]]
    return (kind * a.size)(*a.ravel().tolist())


LAYOUTS: dict[str, Callable[[Array], Any]] = {
    "C": lambda a: np.array(a, order="C"),
    "Fortran": lambda a: np.array(a, order="F"),
    "transposed twice": lambda a: np.array(a.T, order="C").T,
    "strided": strided,
    "negative stride": negative,
    "broadcast": lambda a: np.broadcast_to(a.ravel()[:1], a.shape) if a.size else a,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder("S")),
    "read-only": read_only,
    "misaligned": misaligned,
    "subclass": lambda a: a.view(Subclass),
    "matrix": lambda a: np.asmatrix(a) if a.ndim == 2 else np.asmatrix(a.reshape(len(a), -1)),
    "masked": np.ma.masked_array,
    "memoryview": lambda a: memoryview(a),
    "strided memoryview": lambda a: memoryview(strided(a)),
    "list": lambda a: a.tolist(),
    "tuples": lambda a: tuple(map(tuple, a.tolist())) if a.ndim == 2 else tuple(a.tolist()),
    "list of arrays": list,
    "list of numbers": lambda a: list(a.ravel()),
    "array.array": lambda a: array.array(a.dtype.char, a.ravel().tolist()),
    "ctypes": ctypes_array,
    "bytearray": lambda a: bytearray(a.tobytes()),
    "DLPack only": DLPackOnly,
    "__array__ only": ArrayOnly,
    "0-d": lambda a: np.array(a.ravel()[0]),
    "scalar": lambda a: a.ravel()[0],
    "empty": lambda a: a.ravel()[:0],
    "empty rows": lambda a: a.reshape(a.shape[0], -1)[:, :0],
    "one more dimension": lambda a: a[None, ..., None],
}


def torch_tensor(a: Array) -> Any:
    return pytest.importorskip("torch").from_numpy(a.copy())


def torch_strided(a: Array) -> Any:
    return pytest.importorskip("torch").from_numpy(strided(a).copy().repeat(2, -1))[..., ::2]


def torch_gradient(a: Array) -> Any:
    tensor = torch_tensor(a)
    return tensor.requires_grad_(True)  # NumPy refuses to see it


TORCH = {"torch": torch_tensor, "torch strided": torch_strided, "torch gradient": torch_gradient}


def numbers(shape: tuple[int, ...], kind: str, seed: int) -> Array:
    """Small whole numbers and zeros, which every number type holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.random.default_rng(seed).integers(0, 3, size=shape).astype(kind)


def learner_of(loss: str, dtype: str) -> sdl.Learner:
    return sdl.Learner(
        sdl.Network(
            [sdl.nn.Linear(7), sdl.nn.Tanh(), sdl.nn.Linear(OUTPUTS)],
            inputs=SHAPE,
        ),
        loss=loss, optimizer=sdl.optim.SGD(step_size=0.01), dtype=dtype,
    )  # fmt: skip


XS = np.linspace(-1, 1, EXAMPLES * 20).reshape(EXAMPLES, 20)
YS = np.linspace(-1, 1, EXAMPLES * OUTPUTS).reshape(EXAMPLES, OUTPUTS)

# Where an array can be given: its shape, the loss, the call, and the argument that a message names.
PLACES: dict[str, tuple[tuple[int, ...], str, Callable[[sdl.Learner, Any], Any], str]] = {
    "step x": (SHAPE, "squared_error", lambda p, a: p.step(a, YS[0]), "x"),
    "step y": ((OUTPUTS,), "squared_error", lambda p, a: p.step(XS[0], a), "y"),
    "predict": (SHAPE, "squared_error", lambda p, a: p.predict(a).tobytes(), "x"),
    "values": (
        (OUTPUTS,), "squared_error", lambda p, a: p.step((range(OUTPUTS), a), YS[0]), "x",
    ),
    "xs": ((EXAMPLES, 20), "squared_error", lambda p, a: p.step_many(a, YS).tobytes(), "xs"),
    "shaped xs": (
        (EXAMPLES, *SHAPE), "squared_error", lambda p, a: p.step_minibatch(a, YS), "xs",
    ),
    "ys": ((EXAMPLES, OUTPUTS), "squared_error", lambda p, a: p.step_many(XS, a).tobytes(), "ys"),
    "predict_many": (
        (EXAMPLES, 20), "squared_error", lambda p, a: p.predict_many(a).tobytes(), "xs",
    ),
    "classes": ((EXAMPLES,), "cross_entropy", lambda p, a: p.step_many(XS, a).tobytes(), "ys"),
    "indices": ((3,), "squared_error", lambda p, a: p.step((a, [1, 2, 3]), YS[0]), "x"),
}  # fmt: skip


def canonical(value: Any, dtype: str, place: str) -> Array | None:
    """The plain copy that counts, or None where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if isinstance(value, DLPackOnly):
                value = np.from_dlpack(value)
            seen = np.asarray(value)
            if seen.dtype.kind not in "biuf":
                return None
            if place in ("classes", "indices"):
                return np.ascontiguousarray(seen, np.int64) if seen.dtype.kind in "iu" else None
            return np.array(seen, dtype, order="C")
        except (TypeError, ValueError, RuntimeError, BufferError):
            return None


def outcome(learner: sdl.Learner, call: Callable[[sdl.Learner, Any], Any], value: Any) -> Any:
    """What the call returned and left, or the error that it raised. `learner` is not changed."""
    twin = learner.clone()
    try:
        result = call(twin, value)
    except (TypeError, ValueError) as error:
        assert twin.state_hash() == learner.state_hash()
        return error
    return result, twin.state_hash()


def check(place: str, dtype: str, make: Callable[[Array], Any], kind: str) -> str:
    shape, loss, call, argument = PLACES[place]
    learner = learner_of(loss, dtype)
    plain = numbers(shape, kind, seed=len(place) + len(kind))
    if place == "indices":
        plain = np.array([4, 0, 2]).astype(kind)
    try:
        value = make(plain)
    except (TypeError, ValueError, BufferError, KeyError, RuntimeError):
        return "no such array"
    got, copy = outcome(learner, call, value), canonical(value, dtype, place)
    if isinstance(got, Exception):
        assert str(got).startswith((argument, "ys: expected as many")), got
        if copy is not None and not isinstance(outcome(learner, call, copy), Exception):
            raise AssertionError(f"refused although its plain copy is not: {got}")
        return "refused"
    assert copy is not None, f"{place}: {value!r} has no plain copy, but was accepted"
    expected = outcome(learner, call, copy)
    assert not isinstance(expected, Exception), f"accepted, but its plain copy is not: {expected}"
    assert got == expected, f"other bits than those of the plain copy {copy!r}"
    return "same bits"


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", [*LAYOUTS, *TORCH])
@pytest.mark.parametrize("place", PLACES)
def test_an_array_is_its_canonical_copy_or_refused(place: str, layout: str, dtype: str) -> None:
    make = LAYOUTS.get(layout) or TORCH[layout]
    results = {kind: check(place, dtype, make, KINDS[kind]) for kind in KINDS}
    results |= {kind: check(place, dtype, make, OTHERS[kind]) for kind in OTHERS}
    if layout in ("C", "Fortran", "strided", "negative stride", "byte-swapped", "misaligned"):
        real = [kind for kind in KINDS if kind != "complex128"]
        if place in ("classes", "indices"):
            real = [kind for kind in real if "int" in kind]
        assert all(results[kind] == "same bits" for kind in real), results
    assert results["complex64"] != "same bits" and results["text"] != "same bits"


def test_a_single_output_takes_a_scalar_of_any_kind() -> None:
    learner = sdl.Learner(sdl.MLP(3, [4], 1), "squared_error", sdl.optim.SGD(step_size=0.1))
    targets = [
        2, 2.0, np.float32(2), np.float64(2), np.int8(2), np.float16(2), np.array(2),
        np.array([2]), np.array([[2.0]]), [2], (2.0,), memoryview(np.array([2.0])),
    ]  # fmt: skip
    results = [outcome(learner, lambda p, y: p.step([1, 2, 3], y), y) for y in targets]
    assert not isinstance(results[0], Exception), results[0]
    assert results == [results[0]] * len(results)


def test_class_indices_of_any_kind() -> None:
    learner = learner_of("cross_entropy", "float32")
    classes: list[Any] = [2, np.int8(2), np.uint64(2), np.int32(2), np.array(2)]
    torch = pytest.importorskip("torch")
    classes.append(torch.tensor(2))
    results = [outcome(learner, lambda p, y: p.step(XS[0], y), y) for y in classes]
    assert not isinstance(results[0], Exception), results[0]
    assert results == [results[0]] * len(results)


def test_two_inputs_of_any_kind_of_number() -> None:
    """A tuple of two numbers is an input, not indices and values."""
    learner = sdl.Learner(sdl.MLP(2, [], 1), "squared_error", sdl.optim.SGD(step_size=0.1))
    pairs: list[Any] = [
        (1, 2), (1.0, 2.0), [1, 2], (np.float64(1), np.float64(2)), (np.float32(1), np.float32(2)),
        (np.int64(1), np.int64(2)), (np.array(1.0), np.array(2.0)),
    ]  # fmt: skip
    results = [outcome(learner, lambda p, x: p.step(x, 0.5), x) for x in pairs]
    assert not isinstance(results[0], Exception), results[0]
    for pair, result in zip(pairs, results, strict=True):
        assert result == results[0], f"{pair}: {result}"


def test_the_learners_own_arrays_are_inputs_like_any_other() -> None:
    learner = sdl.Learner(sdl.MLP(4, [4], 4), "squared_error", sdl.optim.SGD(step_size=0.1))
    twin = learner.clone()
    for _ in range(5):
        learner.step(learner.parameters["0.weight"][1], learner.parameters["1.bias"])
        twin.step(np.array(twin.parameters["0.weight"][1]), np.array(twin.parameters["1.bias"]))
        learner.step(learner.output, learner.output)
        twin.step(np.array(twin.output), np.array(twin.output))
    assert learner.state_hash() == twin.state_hash()


class Hostile:
    """Runs `act` while it is being read."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        self._act()
        return XS[0]


def test_an_array_that_raises_or_steps_the_learner_while_it_is_read() -> None:
    learner = learner_of("squared_error", "float32")
    now = learner.state_hash()

    def fail() -> None:
        raise KeyError("mine")

    for act in (fail, lambda: learner.step(XS[1], YS[1]), lambda: learner.save("unused")):
        with pytest.raises((KeyError, TypeError, ValueError, sdl.BusyError)):
            learner.step(Hostile(act), YS[0])
        assert learner.state_hash() == now
    learner.step(XS[0], YS[0])
    assert learner.steps == 1


@pytest.mark.filterwarnings("ignore:nanobind")  # it also says that the object was never made
def test_step_by_keyword_by_a_derived_class_and_on_an_unmade_object() -> None:
    x, y = np.ones(3, dtype=np.float32), 0.5

    class Counting(sdl.Learner):
        calls = 0

        def step(self, x: object, y: object) -> float:
            self.calls += 1
            return super().step(x, y)

    build = sdl.MLP(3, [4], 1), "squared_error", sdl.optim.SGD(0.1)
    one, other, derived = sdl.Learner(*build), sdl.Learner(*build), Counting(*build)
    losses = one.step(x, y), other.step(y=y, x=x), derived.step(x, y=y)
    assert len(set(losses)) == 1 and derived.calls == 1
    assert one.state_hash() == other.state_hash() == derived.state_hash()
    for wrong in ((x,), (x, y, y)):
        with pytest.raises(TypeError):
            one.step(*wrong)
    with pytest.raises(TypeError):
        sdl.Learner.__new__(sdl.Learner).step(x, y)
    with pytest.raises(TypeError):
        sdl.Learner.step(object(), x, y)  # type: ignore[arg-type]
    assert one.state_hash() == other.state_hash()
