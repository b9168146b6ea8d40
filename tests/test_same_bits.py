"""Every instruction set gives the same bits, the forced one is the one that runs, others are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamdl as sdl
from numpy.typing import NDArray

HERE = Path(__file__).parent
SETS = sdl.info()["isas"]
# Tests go through these in turn, as what the scalar set gives takes minutes.
VECTOR_SETS = [isa for isa in SETS if isa != "scalar"]
LONG = os.environ.get("STREAMDL_LONG") == "1"


def python(code: str, isa: str | None) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process that is told its instruction set."""
    environment = {k: v for k, v in os.environ.items() if k != "STREAMDL_ISA"}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE), environment.get("PYTHONPATH", "")])
    if isa is not None:
        environment["STREAMDL_ISA"] = isa
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=HERE, text=True, capture_output=True
    )


# Above the size where threads begin to share the work, and rows that fill a cache; few sections of rows, more than
# threads, fewer, and one. The scalar set takes minutes, and how work is shared does not depend on the set.
WIDE = """
import numpy as np, streamdl as sdl
random = np.random.default_rng(3)
xs = random.normal(size=(24, 400)) * (random.uniform(size=(24, 1)) < random.uniform(size=(24, 400)))
for optimizer in (
    sdl.optim.SGD(0.01), sdl.optim.IDBD(0.01, 0.01), sdl.optim.Adam(1e-3), sdl.optim.Autostep(0.1, 0.01),
    sdl.optim.UPGD(0.01, 0.9), sdl.optim.UPGD(0.01, 0.9, scope="local"),
    sdl.optim.MetaOptimize(1e-3), sdl.optim.HypergradientDescent(0.01, 1e-4),
):
    for threads in (1, 3) if sdl.info()["isa"] == "scalar" else (1, 2, 3, 7):
        learner = sdl.Learner(
            sdl.MLP(400, [2100, 300], 10), "cross_entropy", optimizer,
            sdl.plasticity.ContinualBackprop(0.01, maturity=5, utility="adaptable_contribution"),
            threads=threads,
        )
        learner.step_many(xs, np.arange(24) % 10)
        print(optimizer, learner.state_hash())
"""


def wide_hashes(isa: str) -> set[str]:
    done = python(WIDE, isa)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


def test_every_number_of_threads_gives_the_same_bits_on_every_set() -> None:
    expected = wide_hashes("scalar")
    assert len(expected) == 8, expected  # one for each optimizer
    for isa in VECTOR_SETS:
        assert wide_hashes(isa) == expected, isa


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_wide_layers_add_up_all_rows(threads: int) -> None:
    random = np.random.default_rng(1)
    learner = sdl.Learner(
        sdl.MLP(1500, [700], 300),
        "squared_error",
        sdl.optim.SGD(1.0),
        dtype="float64",
        threads=threads,
    )
    w0, b0, w1, b1 = (a.copy() for a in learner.parameters.values())
    for share in (0.05, 0.4, 1.0):
        x = random.normal(size=1500) * (random.uniform(size=1500) < share)
        expected = np.maximum(x @ w0 + b0, 0) @ w1 + b1
        np.testing.assert_allclose(learner.predict(x), expected, rtol=0, atol=1e-12)
    y = random.normal(size=300)
    learner.step(x, y)
    h = np.maximum(x @ w0 + b0, 0)
    delta = h @ w1 + b1 - y
    below = (w1 @ delta) * (h > 0)
    np.testing.assert_allclose(learner.parameters["1.weight"], w1 - np.outer(h, delta), atol=1e-10)
    np.testing.assert_allclose(learner.parameters["0.weight"], w0 - np.outer(x, below), atol=1e-10)


# Few outputs with few active sources, as inputs and as hidden units.
SPARSE = """
import numpy as np, streamdl as sdl
random = np.random.default_rng(3)
xs = random.normal(size=(400, 300)) * (random.uniform(size=(400, 300)) < 0.02)
for optimizer in (
    sdl.optim.SGD(0.01), sdl.optim.IDBD(0.01, 0.01), sdl.optim.Adam(1e-3), sdl.optim.Autostep(0.1, 0.01),
    sdl.optim.UPGD(0.01, 0.9), sdl.optim.HypergradientDescent(0.01, 1e-4),
):
    for hidden, outputs in ([], 1), ([350], 6):
        learner = sdl.Learner(
            sdl.MLP(300, hidden, outputs), "huber", optimizer,
            sdl.plasticity.ContinualBackprop(0.01, maturity=5, utility="contribution"),
        )
        learner.parameters["0.bias"][...] = -0.4 if hidden else 0
        learner.step_many(xs, random.normal(size=(400, outputs)))
        print(optimizer, hidden, learner.state_hash())
"""


def test_few_active_sources_give_the_same_bits() -> None:
    done = [python(SPARSE, isa) for isa in SETS]
    assert [d.returncode for d in done] == [0] * len(SETS), done[0].stderr
    assert len(set(done[0].stdout.splitlines())) == 12
    assert len({d.stdout for d in done}) == 1, [d.stdout for d in done]


def hashes(isa: str, steps: int, every: int) -> dict[str, str]:
    done = python(f"import learners; learners.print_hashes({steps}, {every})", isa)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["isa"] == isa, f"asked for {isa}, {report['isa']} ran"
    found: dict[str, str] = report["hashes"]
    return found


@pytest.mark.parametrize(
    ("steps", "every"),
    [(500, 1), (100_000, 8)] if LONG else [(300, 1), (5_000, 12)],
    ids=["all", "long run"],
)
def test_learners_end_with_the_same_bits_on_every_set(steps: int, every: int) -> None:
    expected = hashes("scalar", steps, every)
    assert len(set(expected.values())) > 0.9 * len(expected), "the learners are all alike"
    for isa in VECTOR_SETS:
        got = hashes(isa, steps, every)
        different = [name for name in expected if got[name] != expected[name]]
        assert not different, (
            f"{len(different)} of {len(expected)} differ on {isa}: {different[:5]}"
        )


def test_the_sets_are_scalar_and_those_of_this_processor() -> None:
    assert SETS[0] == "scalar"
    assert python("import streamdl as s; print(s.info()['isa'])", None).stdout.strip() == SETS[-1]


@pytest.mark.parametrize("isa", ["sse9", "AVX2", "scalar ", "neon" if "avx2" in SETS else "avx2"])
def test_an_unknown_or_absent_set_raises(isa: str) -> None:
    code = """
import streamdl as sdl
for call in (sdl.info, lambda: sdl.Learner(sdl.MLP(2, [], 1), "huber", sdl.optim.SGD(0.1))):
    try:
        call()
    except RuntimeError as error:
        print(error)
"""
    done = python(code, isa)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stdout + done.stderr
    for line in lines:
        assert f"'{isa}'" in line and all(name in line for name in SETS), line


def test_loading_under_an_unknown_set_raises_too(tmp_path: Path) -> None:
    path = tmp_path / "learner"
    sdl.Learner(sdl.MLP(2, [], 1), "huber", sdl.optim.SGD(0.1)).save(path)
    done = python(f"import streamdl; streamdl.Learner.load({str(path)!r})", "sse9")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("RuntimeError: STREAMDL_ISA"), done.stderr


# Spikes that grow up to overflow: the vector sets skip the look at every value where bounds allow it, the scalar set
# never does, so that a bound that is too low shows as other bits.
SPIKES = """
import numpy as np, streamdl as sdl
random = np.random.default_rng(5)
xs = random.normal(size=(3000, 12))
ys = random.normal(size=(3000, 3))
for array, decades in (xs, 10), (ys, 15):
    spiked = random.uniform(size=3000) < 0.02
    most = np.linspace(0, decades, 3000)[spiked]
    array[spiked] *= 10.0 ** random.uniform(0, most)[:, None]
for name, optimizer in {
    "momentum": sdl.optim.SGD(0.01, momentum=0.9), "nesterov": sdl.optim.SGD(0.01, 0.9, nesterov=True),
    "adam": sdl.optim.Adam(0.01), "adam without epsilon": sdl.optim.Adam(0.01, epsilon=0),
    "slow idbd": sdl.optim.IDBD(0.01, 1e-3), "idbd": sdl.optim.IDBD(0.01, 0.05),
    "wild idbd": sdl.optim.IDBD(0.3, 1.0), "decaying idbd": sdl.optim.IDBD(0.01, 0.05, weight_decay=1e-3),
    "decaying momentum": sdl.optim.SGD(0.01, momentum=0.9, weight_decay=1e-3),
    "autostep": sdl.optim.Autostep(0.05, 0.01), "hypergradient": sdl.optim.HypergradientDescent(0.01, 1e-3),
    "upgd": sdl.optim.UPGD(0.01), "local upgd": sdl.optim.UPGD(0.01, scope="local", adaptive=True),
    "meta": sdl.optim.MetaOptimize(base="SGDm", meta="Adam", blocks="layerwise"),
    "meta per weight": sdl.optim.MetaOptimize(base="AdamW", meta="RMSProp", blocks="weightwise"),
    "plain meta per weight": sdl.optim.MetaOptimize(0.01, 1e-3, base="SGD", meta="SGD", blocks="weightwise"),
    "nidbd": sdl.optim.NIDBD(0.01, 1e-3), "wild nidbd": sdl.optim.NIDBD(0.3, 1.0),
    "lively nidbd": sdl.optim.NIDBD(0.01, 5e-3, normalizer_decay=0.99, epsilon=1e-6),
    "rmsprop": sdl.optim.RMSprop(0.01), "adamw": sdl.optim.AdamW(0.01),
}.items():
    for dtype in ("float32", "float64"):
        learner = sdl.Learner(
            sdl.MLP(12, [20, 9], 3), "huber", optimizer,
            sdl.plasticity.ContinualBackprop(1e-3, maturity=20), dtype=dtype,
        )
        rejected = 0
        for i, (x, y) in enumerate(zip(xs, ys)):
            if i % 500 == 499 and "meta" not in name and name != "adamw":  # with decay every value is looked at, and no bound is followed
                learner.hyperparameters["weight_decay"] = 0.0 if i % 1000 < 500 else 1e-3
            try:
                learner.step(x, y)
            except ValueError:
                rejected += 1
        print(name, dtype, rejected, learner.steps, learner.state_hash())
"""


def test_spikes_up_to_overflow_end_with_the_same_bits_on_every_set() -> None:
    expected = python(SPIKES, "scalar")
    assert expected.returncode == 0, expected.stderr
    assert len(expected.stdout.splitlines()) == 42
    for isa in VECTOR_SETS:
        done = python(SPIKES, isa)
        assert done.returncode == 0, done.stderr
        assert done.stdout == expected.stdout, isa


# Where a product within an update overflows although the update itself is small, an epsilon rounds to 0, a trace ends
# with the sign of a zero, or a mean square was written below 0: whether a kernel looks at every value must change nothing.
CORNERS = """
import json
import numpy as np, streamdl as sdl

def meta(a, theta, kappa=0.0):
    return sdl.optim.MetaOptimize(
        a, theta, weight_decay=kappa, base="SGD", meta="SGD", blocks="weightwise")

ones, none = np.ones(2), np.zeros(12)
spike = [((1, 0), none), ((1e14, 0), -1e12 * np.eye(12)[0]), ((1e-20, 0), none), ((1, 1), none), ((1, 0), none)]
cases = {
    "meta": (meta(1.0, 0.0), [1e19, 0], spike),
    "idbd": (sdl.optim.IDBD(1.0, 0.0), [1e19, 0], spike),
    "nidbd": (sdl.optim.NIDBD(1.0, 0.0), [1e19, 0], spike),
    "decayed weight": (meta(1e-36, 1e-3, 1e36), [1e3, 1e3], [(ones, none + 1)] * 3),
    "decayed trace": (meta(1e4, 1e-3, 1e38), [0, 0], [(ones, none)] * 3),
    "rmsprop": (sdl.optim.RMSprop(0.01, epsilon=1e-50), [0, 0], [(ones, none)] * 3),
    "adam": (sdl.optim.Adam(0.01, epsilon=1e-50), [0, 0], [(ones, none)] * 3),
    "zero": (sdl.optim.NIDBD(1.0, 1e-3), [2, 2], [((1, 0), none + 1)] * 2 + [((0, 1), none + 5)]),
    "negative mean_square": (sdl.optim.RMSprop(0.01), [1, 1], [(ones, none)] * 3),
    "negative second_moment": (sdl.optim.Adam(0.01), [1, 1], [(ones, none)] * 3),
    "negative normalizer": (sdl.optim.NIDBD(0.01, 1e-3), [1, 1], [(ones, none)] * 3),
}
found = {}
for name, (optimizer, weights, examples) in cases.items():
    for outputs, dtype in [(1, "float32"), (12, "float32"), (1, "float64"), (12, "float64")]:
        learner = sdl.Learner(
            sdl.MLP(2, [], outputs, bias=False), loss="squared_error", optimizer=optimizer, seed=0, dtype=dtype)
        learner.parameters["0.weight"][...] = 0
        learner.parameters["0.weight"][:, 0] = weights
        if name.startswith("negative "):
            learner.state["0.weight." + name.removeprefix("negative ")][0, 0] = -1
        for x, y in examples:
            try:
                learner.step(np.array(x, dtype), y[:outputs].astype(dtype))
            except ValueError:
                pass  # refused as an overflow, by all sets or by none: `steps` is part of the state
        finite = all(np.isfinite(v).all() for v in learner.state.values())
        found[f"{name} {outputs} {dtype}"] = [learner.state_hash(), learner.cancelled, bool(finite)]
print(json.dumps(found))
"""


def corners(isa: str) -> dict[str, list[Any]]:
    done = python(CORNERS, isa)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[Any]] = json.loads(done.stdout)
    return found


def test_corners_are_finite_and_the_same_bits_on_every_set() -> None:
    expected = corners("scalar")
    assert all(finite for _, _, finite in expected.values())
    assert all(n > 0 for case, (_, n, _) in expected.items() if case.startswith("negative"))
    for isa in VECTOR_SETS:
        assert corners(isa) == expected, isa


@pytest.mark.parametrize(
    "optimizer",
    [
        sdl.optim.Autostep(1.0, 0.1),
        sdl.optim.NormalizedIDBD(1.0, meta_step_size=0.1),
        sdl.optim.UPGD(0.1, 0.9, noise=0.0, scope="local"),
        sdl.optim.UPGD(0.1, 0.9, noise=0.0, scope="local", adaptive=True),
    ],
    ids=str,
)
def test_long_rows_are_short_rows_side_by_side(optimizer: sdl.optim.Optimizer) -> None:
    """Of rules that compare a unit's weights, each output of a single layer is on its own."""
    inputs, outputs, steps, parts = 30, 2100, 40, 30
    random = np.random.default_rng(5)
    xs, ys = random.normal(size=(steps, inputs)), random.normal(size=(steps, outputs))
    xs *= random.uniform(size=xs.shape) < 0.6

    def learned(w: NDArray[np.float64], ys: NDArray[np.float64]) -> sdl.Learner:
        learner = sdl.Learner(
            sdl.MLP(inputs, [], ys.shape[1], bias=False), "squared_error", optimizer
        )
        learner.parameters["0.weight"][...] = w
        learner.step_many(xs, ys)
        return learner

    w = random.normal(size=(inputs, outputs)) / 10
    whole = learned(w, ys)
    pieces = np.split(np.arange(outputs), parts)
    for at, piece in ((at, learned(w[:, at], ys[:, at])) for at in pieces):
        for name, values in piece.state.items():
            if name.startswith("0."):
                assert np.array_equal(values, whole.state[name][..., at]), f"{name}, outputs {at}"
