"""Damaged, foreign and hostile checkpoints raise ValueError or OSError: no crash, no large allocation."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamdl as sdl
from learners import TABLE, Case

Random = np.random.Generator

LONG = os.environ.get("STREAMDL_LONG") == "1"
MUTATIONS = 20_000 if LONG else 2_000  # of each kind
MOST_MEGABYTES = 64  # that reading hostile files of a few kilobytes may add
NO_CHECKSUM = b"0" * 64


@cache
def checkpoints() -> list[bytes]:
    """Real ones, with and without every kind of part."""
    found = []
    for network, plasticity in [
        ("norms_and_dropout", "adaptable_contribution"), ("relu", "contribution"),
        ("linear", "none"), ("norm_first", "shrink"), ("no_bias", "weight"),
    ]:  # fmt: skip
        case = next(c for c in TABLE if (c.network, c.plasticity) == (network, plasticity))
        found.append(_saved(case))
    return found


def _saved(case: Case) -> bytes:
    learner = case.build()
    learner.step_many(*case.examples(20))
    return learner._to_bytes(learner._metadata())


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the tensors' bytes."""
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def signed(header: dict[str, Any], tensors: bytes) -> bytes:
    """A file whose checksum is right, whatever else is wrong with it."""
    header = copy.deepcopy(header)
    header["__metadata__"]["streamdl.checksum"] = NO_CHECKSUM.decode()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = struct.pack("<Q", len(text)) + text + tensors
    return data.replace(NO_CHECKSUM, hashlib.sha256(data).hexdigest().encode(), 1)


# ---------------------------------------------------------------------------- mutations

HOSTILE: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 2**31 - 1, 2**31, 2**32 + 3, 2**63, 2**64, 10**30, -(2**40),
    2**31 - 17, 2**24, 0.5, -0.5, 1.5, 1e308, -1e308, 1e-320, float("nan"), float("inf"), "", "SGD",
    "Adam", "IDBD", "relu", "zeros", "sparse", "weight", "adaptation", "cross_entropy", "linear",
    "layer_norm", "dropout", "activation", "ContinualBackprop", "x" * 1000, "\ud83d\ude00", "\x00",
    [], {}, [[]], [{}], [1.0], [0.1] * 100, {"name": "SGD"}, [None], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
]  # fmt: skip


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every container and key of a JSON value."""
    items: list[tuple[Any, Any]] = []
    keys = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
    for key in keys:
        items.append((node, key))
        items += places(node[key])
    return items


def change(node: Any, random: Random) -> None:
    """Replace, remove, add, repeat or swap something in a JSON value, in place."""
    found = places(node)
    if not found:
        return
    container, key = found[random.integers(len(found))]
    hostile = copy.deepcopy(HOSTILE[random.integers(len(HOSTILE))])
    kind = random.integers(8)
    if kind == 0:
        del container[key]
    elif kind == 1 and isinstance(container, dict):
        container[str(hostile)[:50]] = copy.deepcopy(container[key])
    elif kind == 1:
        container += copy.deepcopy(container) * int(random.integers(1, 40))
    elif kind == 2:
        other, other_key = found[random.integers(len(found))]
        try:
            container[key] = copy.deepcopy(other[other_key])
        except (KeyError, IndexError):
            pass
    elif kind == 3 and isinstance(container[key], int | float):
        container[key] = type(container[key])(
            container[key] * int(random.choice([-1, 0, 2, 10, 1000]))
        )
    else:
        container[key] = hostile


def damaged(data: bytes, random: Random) -> bytes:
    """Bytes flipped, cut off, doubled or moved; the checksum is not made good."""
    mutable = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        at, kind = int(random.integers(len(mutable) or 1)), random.integers(5)
        if kind < 2 and mutable:
            near = at if random.integers(2) else at % min(len(mutable), 2000)  # often the header
            mutable[near] ^= 1 << random.integers(8)
        elif kind == 2:
            del mutable[at:]
        elif kind == 3:
            mutable[at:at] = mutable[at : at + int(random.integers(100))]
        else:
            mutable += random.bytes(int(random.integers(20)))
    return bytes(mutable)


def hostile_spec(data: bytes, random: Random) -> bytes:
    """Another description of the learner, over the same tensors, signed."""
    header, tensors = split(data)
    spec = json.loads(header["__metadata__"]["streamdl.spec"])
    for _ in range(int(random.integers(1, 4))):
        change(spec, random)
    header["__metadata__"]["streamdl.spec"] = json.dumps(spec)
    return signed(header, tensors)


def hostile_header(data: bytes, random: Random) -> bytes:
    """Other tensors' names, shapes, types and places, signed."""
    header, tensors = split(data)
    for _ in range(int(random.integers(1, 4))):
        change(header, random)
    if not isinstance(header.get("__metadata__"), dict):
        header["__metadata__"] = {"streamdl.format": "1"}
    try:
        return signed(header, tensors)
    except UnicodeEncodeError:
        return data[:100]


def hostile_numbers(data: bytes, random: Random) -> bytes:
    """The numbers of the state overwritten, signed: it may load, then it has to bear steps."""
    header, tensors = split(data)
    mutable = bytearray(tensors)
    words = [b"\xff" * 8, b"\0" * 8, struct.pack("<d", np.nan), struct.pack("<d", -np.inf)]
    words += [struct.pack("<d", 1e308), struct.pack("<ff", 3e38, -3e38), struct.pack("<Q", 2**63)]
    for _ in range(int(random.integers(1, 20))):
        # The first kilobyte holds the counters and the hyper-parameters.
        reach = len(mutable) if random.integers(2) else min(1024, len(mutable))
        at = int(random.integers(reach)) // 8 * 8
        mutable[at : at + 8] = (words + [random.bytes(8)])[random.integers(len(words) + 1)]
    return signed(header, bytes(mutable[: len(tensors)]))


KINDS: dict[str, Callable[[bytes, Random], bytes]] = {
    "damaged": damaged,
    "hostile_spec": hostile_spec,
    "hostile_header": hostile_header,
    "hostile_numbers": hostile_numbers,
}


# ---------------------------------------------------------------------------- the worker


def most_memory() -> int:
    """The most memory that this process has used, in kilobytes (getrusage counts its parent's too)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def use(learner: sdl.Learner) -> None:
    """What a user would do next. Refusing is allowed, crashing is not."""
    inputs = math.prod(learner._spec["inputs"])
    outputs = learner._layer_sizes[-1]
    if inputs > 10_000:
        return
    for x in (np.zeros(inputs), np.full(inputs, 0.25)):
        try:
            for _ in range(3):
                learner.step(
                    x, 0 if learner._spec["loss"] == "cross_entropy" else np.zeros(outputs)
                )
        except ValueError:
            pass
    learner.state_hash()
    assert learner.utilities is not None and learner.ages is not None
    repr(learner)


def read_all(kind: str, first: int, count: int, note: str) -> None:
    """Read `count` mutations; the number of the one being read stands in the file `note`."""
    real, loaded = checkpoints(), 0
    for data in real:
        use(sdl.Learner._from_bytes(data))
    before = most_memory()
    file = os.open(note, os.O_WRONLY | os.O_CREAT)
    for number in range(first, first + count):
        os.pwrite(file, b"%9d" % number, 0)
        random = np.random.default_rng([number, len(kind)])
        data = KINDS[kind](real[number % len(real)], random)
        try:
            learner = sdl.Learner._from_bytes(data)
        except (ValueError, OSError):
            continue
        assert kind != "damaged" or data in real, "a damaged file was read"
        loaded += 1
        use(learner)
    grown = most_memory() - before
    print(json.dumps({"loaded": loaded, "megabytes": grown // 1024}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_checkpoint_raises_and_allocates_little(kind: str, tmp_path: Path) -> None:
    first, crashes = 0, []
    while first < MUTATIONS:
        arguments = f"{kind!r}, {first}, {MUTATIONS - first}, {str(tmp_path / 'note')!r}"
        code = f"import test_checkpoint_fuzz; test_checkpoint_fuzz.read_all({arguments})"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
        )
        if done.returncode == 0:
            report = json.loads(done.stdout)
            print(f"{kind}: {MUTATIONS} files, {report}")
            assert report["megabytes"] < MOST_MEGABYTES, report
            assert kind == "damaged" or report["loaded"] > 0, "no mutation came past the checksum"
            break
        number = int((tmp_path / "note").read_text())
        crashes.append((number, done.returncode, done.stderr.strip().splitlines()[-1:]))
        first = number + 1
        if len(crashes) == 10:
            break
    assert not crashes, f"{len(crashes)} of {first} files (number, exit status, error): {crashes}"


# ---------------------------------------------------------------------------- by hand

WORDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no hyper-parameters": lambda s: s["optimizer"].update(hyper=[]),
    "too many hyper-parameters": lambda s: s["optimizer"].update(hyper=[0.1] * 100_000),
    "hyper-parameters that are no numbers": lambda s: s["optimizer"].update(hyper=["a"] * 5),
    "an unknown optimizer": lambda s: s["optimizer"].update(name="Nothing"),
    "an unknown kind of layer": lambda s: s["layers"][0].update(kind="attention"),
    "an unknown plasticity method": lambda s: s["plasticity"][0].update(name="Magic"),
    "the largest layer": lambda s: s["layers"][0].update(outputs=2**31 - 1),
    "the largest input": lambda s: s.update(inputs=2**31 - 1),
    "a negative layer": lambda s: s["layers"][0].update(outputs=-5),
    "a hundred thousand layers": lambda s: s["layers"].extend([s["layers"][0]] * 100_000),
    "no layers": lambda s: s.update(layers=[]),
    "more than everything sparse": lambda s: s["layers"][0].update(init="sparse", sparsity=50.0),
    "dropout of everything": lambda s: s["layers"].insert(1, {"kind": "dropout", "rate": 1.0}),
    "a list for a layer": lambda s: s["layers"].__setitem__(0, [1]),
    "no loss": lambda s: s.pop("loss"),
    "sixteen million threads": lambda s: s.update(threads=1 << 24),
    "no thread": lambda s: s.update(threads=0),
    "a seed below 0": lambda s: s.update(seed=-1),
    "nan": lambda s: s["layers"][0].update(sparsity=float("nan")),
}


def hand_made(words: str) -> bytes:
    header, tensors = split(checkpoints()[1])
    spec = json.loads(header["__metadata__"]["streamdl.spec"])
    WORDS[words](spec)
    header["__metadata__"]["streamdl.spec"] = json.dumps(spec)
    return signed(header, tensors)


@pytest.mark.parametrize("words", WORDS)
def test_hostile_descriptions_by_hand(words: str) -> None:
    code = f"""
import test_checkpoint_fuzz as fuzz, streamdl as sdl
data = fuzz.hand_made({words!r})
before = fuzz.most_memory()
try:
    fuzz.use(sdl.Learner._from_bytes(data))
    print("loaded")
except ValueError as error:
    grown = fuzz.most_memory() - before
    assert grown < {MOST_MEGABYTES} * 1024 + 20 * len(data) / 1024, grown
    print("refused", error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-500:])
    assert done.stdout.startswith("refused"), done.stdout


def test_nested_deeply_foreign_and_missing_files(tmp_path: Path) -> None:
    header, tensors = split(checkpoints()[0])
    for spec in ("[" * 100_000, '{"a":' * 100_000, "[" * 10**5 + "]" * 10**5, "null", "", "{", "3"):
        header["__metadata__"]["streamdl.spec"] = spec
        with pytest.raises(ValueError):
            sdl.Learner._from_bytes(signed(header, tensors))
    del header["__metadata__"]["streamdl.spec"]
    with pytest.raises(ValueError):
        sdl.Learner._from_bytes(signed(header, tensors))
    for data in (b"", b"\0" * 8, b"\xff" * 100, b"PK\x03\x04", b"\x08" + b"\0" * 7 + b"{}      "):
        (tmp_path / "bad").write_bytes(data)
        with pytest.raises(ValueError):
            sdl.Learner.load(tmp_path / "bad")
    for missing in (tmp_path / "missing", tmp_path, tmp_path / "a" / "b"):
        with pytest.raises(OSError):
            sdl.Learner.load(missing)


def test_what_is_signed_by_the_test_is_what_the_learner_reads() -> None:
    """The test's own writer makes good files: what it makes is refused for what is wrong in it."""
    for data in checkpoints():
        assert (
            sdl.Learner._from_bytes(signed(*split(data)))._to_bytes(
                sdl.Learner._from_bytes(data)._metadata()
            )
            == data
        )


@pytest.mark.parametrize("units", [2**30 + 1, 2**31 - 1])
def test_more_units_than_can_be_counted_are_refused(units: int) -> None:
    for build in (
        lambda: sdl.MLP(units, [], 1), lambda: sdl.MLP(1, [units], 1), lambda: sdl.MLP(1, [], units)
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"(inputs|outputs): expected at most .*{units}"):
            sdl.Learner(build(), "huber", sdl.optim.SGD(0.1))
