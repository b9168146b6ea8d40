"""The compiled engine repeats the recorded runs, by `step`, by `step_many`, in both precisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import streamdl as sdl
from conformance.vectors import CASES, Report, arguments, arrays
from descriptions import network_of

SUPERVISED = [case for case in CASES if case["kind"] == "supervised"]
MINIBATCH = [case for case in CASES if case["kind"] == "minibatch"]
LIMITS = {"float64": 1e-9, "float32": 1e-4}
FLOAT32_STEPS = 200  # beyond, single precision has drifted by itself


def with_precisions(cases: list[dict[str, Any]]) -> list[Any]:
    """Every case in float64, and in float32 where the recording says that it may be judged."""
    return [
        pytest.param(case, dtype, id=f"{case['name']}-{dtype}")
        for case in cases
        for dtype in LIMITS
        if dtype == "float64" or case["float32"]
    ]


def build(case: dict[str, Any], dtype: str) -> sdl.Learner:
    """The learner that a case describes, with the recorded initial parameters."""
    optimizer = getattr(sdl.optim, case["optimizer"]["name"])
    learner = sdl.Learner(
        network_of(case["network"]),
        loss=case["loss"],
        optimizer=optimizer(**arguments(case["optimizer"], "name")),
        plasticity=[
            getattr(sdl.plasticity, p["name"])(**arguments(p, "name")) for p in case["plasticity"]
        ],
        dtype=dtype,
    )
    z = arrays(case["file"])
    expected = {key.removeprefix("initial/") for key in z if key.startswith("initial/")}
    assert set(learner.parameters) == expected
    for name in learner.parameters:
        learner.parameters[name][...] = z["initial/" + name]
    return learner


def judge(
    case: dict[str, Any], dtype: str, learner: sdl.Learner, losses: Any, outputs: Any
) -> None:
    """Compare everything that the recording holds of a finished run."""
    report = Report(f"{case['name']} {dtype}")
    z, limit = arrays(case["file"]), LIMITS[dtype]
    steps = case["steps"] if dtype == "float64" else min(case["steps"], FLOAT32_STEPS)
    report.compare("losses", np.asarray(losses)[:steps], z["losses"][:steps], limit)
    if z["outputs"].size:
        report.compare("outputs", np.asarray(outputs)[:steps], z["outputs"][:steps], limit)
    if steps == case["steps"]:
        for name in learner.parameters:
            report.compare("final/" + name, learner.parameters[name], z["final/" + name], limit)
            if (key := "step_sizes/" + name) in z:
                report.compare(key, learner.step_sizes[name], z[key], limit)
        for layer in range(len(learner.utilities)):
            key = f"state/ContinualBackprop.{layer}."
            report.compare(key + "corrected", learner.utilities[layer], z[key + "corrected"], limit)
            report.compare(key + "age", learner.ages[layer], z[key + "age"], 0.0)
            report.compare(
                key + "replacements", learner.replacements[layer], z[key + "replacements"], 0.0
            )
    report.check()


def copy_draws(case: dict[str, Any], learner: sdl.Learner, step: int) -> None:
    """Exactly the recorded units are newborn after this step; give them the recorded weights."""
    z = arrays(case["file"])
    rows = np.flatnonzero(z["draws/step"] == step)
    expected = sorted((int(z["draws/layer"][k]), int(z["draws/unit"][k])) for k in rows)
    newborn = [
        (layer, int(unit))
        for layer, ages in enumerate(learner.ages)
        for unit in np.flatnonzero(np.asarray(ages) == 0)
    ]
    report = Report(case["name"])
    report.require(f"regenerated after step {step}", newborn, expected)
    report.check()  # a wrong unit makes all that follows meaningless
    for k in rows:
        layer, unit, weights = z["draws/layer"][k], z["draws/unit"][k], z["draws/weights"][k]
        learner.parameters[f"{layer}.weight"][:, unit] = weights[~np.isnan(weights)]


@pytest.mark.parametrize(("case", "dtype"), with_precisions(SUPERVISED))
def test_step(case: dict[str, Any], dtype: str) -> None:
    z, learner = arrays(case["file"]), build(case, dtype)
    losses, outputs = [], []
    for step, (x, y) in enumerate(zip(z["xs"], z["ys"], strict=True), start=1):
        losses.append(learner.step(x, y))
        outputs.append(np.array(learner.output))
        if "draws/step" in z:
            copy_draws(case, learner, step)
    assert learner.steps == case["steps"]
    judge(case, dtype, learner, losses, outputs)


# Runs with draws cannot be stopped by `step_many` to write the recorded weights.
WITHOUT_DRAWS = [case for case in SUPERVISED if "draws/step" not in arrays(case["file"])]


@pytest.mark.parametrize(("case", "dtype"), with_precisions(WITHOUT_DRAWS))
def test_step_many(case: dict[str, Any], dtype: str) -> None:
    z, learner = arrays(case["file"]), build(case, dtype)
    losses, outputs = learner.step_many(z["xs"], z["ys"], outputs=True)
    judge(case, dtype, learner, losses, outputs)


@pytest.mark.parametrize(("case", "dtype"), with_precisions(SUPERVISED))
def test_step_many_is_many_steps(case: dict[str, Any], dtype: str) -> None:
    """Bit for bit, also where units are regenerated."""
    z, one_by_one, at_once = arrays(case["file"]), build(case, dtype), build(case, dtype)
    losses = [one_by_one.step(x, y) for x, y in zip(z["xs"], z["ys"], strict=True)]
    assert np.array_equal(np.asarray(losses), np.asarray(at_once.step_many(z["xs"], z["ys"])))
    assert one_by_one.state_hash() == at_once.state_hash()


@pytest.mark.parametrize(("case", "dtype"), with_precisions(MINIBATCH))
def test_step_minibatch(case: dict[str, Any], dtype: str) -> None:
    z, learner = arrays(case["file"]), build(case, dtype)
    losses = [learner.step_minibatch(xs, ys) for xs, ys in zip(z["xs"], z["ys"], strict=True)]
    assert learner.steps == z["xs"].shape[0] * z["xs"].shape[1]
    judge(case, dtype, learner, losses, None)
