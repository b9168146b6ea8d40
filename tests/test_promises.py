"""What every learner promises, whatever its optimizer, plasticity method, layers and precision."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamdl as sdl
from learners import INPUTS, NETWORKS, OPTIMIZERS, PLASTICITY, TABLE, Case

STEPS = 60
each_learner = pytest.mark.parametrize("case", TABLE, ids=str)
LOOKED_AT = [case for case in TABLE if case.may_be_looked_at]


def after(case: Case, steps: int = STEPS, seed: int = 7) -> sdl.Learner:
    """The learner after `steps` examples."""
    learner = case.build(seed)
    learner.step_many(*case.examples(steps))
    return learner


def future(case: Case, learner: sdl.Learner, steps: int = STEPS) -> tuple[str, bytes]:
    """What a learner does with the next examples: its hash and its losses."""
    losses = learner.step_many(*case.examples(steps, seed=2))
    return learner.state_hash(), losses.tobytes()


def weights(learner: sdl.Learner) -> dict[str, np.ndarray[Any, Any]]:
    return {name: np.array(w) for name, w in learner.parameters.items()}


def differ(one: sdl.Learner, other: sdl.Learner) -> bool:
    return any(not np.array_equal(w, other.parameters[name]) for name, w in one.parameters.items())


# ---------------------------------------------------------------------------- seeds and steps


@each_learner
def test_the_seed_decides(case: Case) -> None:
    assert after(case).state_hash() == after(case).state_hash()
    assert differ(case.build(7), case.build(8)), "the first weights do not depend on the seed"
    # The same weights under another seed: only what is drawn later differs.
    one, other = case.build(7), case.build(7)
    other.state["seed"][...] = 8
    for learner in (one, other):
        learner.step_many(*case.examples(STEPS))
    assert differ(one, other) == case.draws


@each_learner
def test_step_many_is_many_steps(case: Case) -> None:
    one, many = case.build(), case.build()
    xs, ys = case.examples(STEPS)
    losses, outputs = many.step_many(xs, ys, outputs=True)
    assert losses.shape == (STEPS,) and losses.dtype == case.dtype
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        before = one.predict(x) if case.may_be_looked_at else None
        loss = one.step(x, int(y) if case.loss == "cross_entropy" else y)
        assert losses[i] == np.dtype(case.dtype).type(loss), f"loss of step {i}"
        assert np.array_equal(outputs[i], one.output), f"output of step {i}"
        drops = any(isinstance(layer, sdl.nn.Dropout) for layer in NETWORKS[case.network].layers)
        if before is not None and not drops:
            assert np.array_equal(before, one.output), f"prediction before step {i}"
    assert one.state_hash() == many.state_hash()
    assert one.steps == many.steps == STEPS


# ---------------------------------------------------------------------------- copies


@each_learner
def test_a_loaded_learner_continues_bit_for_bit(case: Case, tmp_path: Path) -> None:
    learner = after(case)
    learner.save(tmp_path / "learner.safetensors")
    loaded = sdl.Learner.load(tmp_path / "learner.safetensors")
    assert loaded.state_hash() == learner.state_hash()
    assert loaded.steps == STEPS
    assert future(case, loaded) == future(case, learner)
    assert loaded.replacements == learner.replacements
    loaded.save(tmp_path / "again.safetensors")
    learner.save(tmp_path / "learner.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (
        tmp_path / "learner.safetensors"
    ).read_bytes()


COPIES: dict[str, Callable[[sdl.Learner], sdl.Learner]] = {
    "clone": lambda learner: learner.clone(),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda learner: pickle.loads(pickle.dumps(learner)),
}


@each_learner
def test_copies_are_independent_and_have_the_same_future(case: Case) -> None:
    learner = after(case)
    now = learner.state_hash()
    for name, make in COPIES.items():
        twin = make(learner)
        assert type(twin) is type(learner) and twin.state_hash() == now, name
        seen = future(case, twin)
        assert learner.state_hash() == now, f"the {name}'s steps changed the original"
        assert not differ(learner.clone(), learner)
        assert seen == future(case, make(learner)), f"the {name}s of one learner part"
    kept = learner.clone()
    expected = future(case, learner)
    assert kept.state_hash() == now, "the original's steps changed its copy"
    assert future(case, kept) == expected


@each_learner
def test_safetensors_reads_the_file(case: Case, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    learner = after(case)
    learner.save(tmp_path / "learner.safetensors")
    with safetensors.safe_open(tmp_path / "learner.safetensors", framework="np") as file:
        assert sorted(file.keys()) == sorted(learner.state)
        for name, array in learner.state.items():
            read = file.get_tensor(name)
            assert read.dtype == array.dtype and read.shape == array.shape, name
            assert read.tobytes() == np.ascontiguousarray(array).tobytes(), name
        assert json.loads(file.metadata()["streamdl.spec"])["loss"] == case.loss


# ---------------------------------------------------------------------------- looking


def look(case: Case, learner: sdl.Learner) -> list[Any]:
    x = case.examples(1, seed=3)[0]
    seen: list[Any] = [learner.state_hash(), learner.steps, learner.output.sum(), repr(learner)]
    seen += [float(np.sum(view)) for view in learner.state.values()]
    seen += [float(np.sum(sizes)) for sizes in learner.step_sizes.values()]
    seen += [learner.predict(x[0]), learner.predict_many(x), learner.replacements]
    seen += [learner.utilities, learner.ages, dict(learner.hyperparameters), learner.cancelled]
    return [*seen, pickle.dumps(learner)]


@pytest.mark.parametrize("case", LOOKED_AT, ids=str)
def test_looking_changes_no_bit_of_the_future(case: Case) -> None:
    watched, alone = case.build(), case.build()
    xs, ys = case.examples(STEPS)
    held = watched.state if TABLE.index(case) % 2 else {}  # some watchers never let go
    views = [held[name] for name in held]
    for i in range(STEPS):
        look(case, watched)
        watched.step_many(xs[i : i + 1], ys[i : i + 1])
        if i % 7 == 0:
            look(case, watched)
    alone.step_many(xs, ys)
    assert watched.state_hash() == alone.state_hash()
    assert len(views) == len(held)
    del views
    assert future(case, watched) == future(case, alone)


# ---------------------------------------------------------------------------- writing


def loaded_copy(learner: sdl.Learner, path: Path) -> sdl.Learner:
    learner.save(path)
    return sdl.Learner.load(path)


@each_learner
def test_a_write_through_a_view_is_seen_by_the_next_step(case: Case, tmp_path: Path) -> None:
    learner, unwritten = after(case), after(case)
    xs, ys = case.examples(STEPS, seed=2)
    seen = xs + np.dtype(case.dtype).type(0.5)
    for name in learner.parameters:
        before, old = learner.predict_many(seen), weights(learner)[name]
        learner.parameters[name][...] += np.linspace(-0.12, 0.15, old.size).reshape(old.shape)
        assert np.array_equal(unwritten.parameters[name], old), name
        assert not np.array_equal(before, learner.predict_many(seen)), (
            f"predict does not see {name}"
        )
    twin = loaded_copy(learner, tmp_path / "written")
    clone = learner.clone()
    after_it = future(case, learner)
    assert after_it == future(case, twin), "the written learner and its checkpoint part"
    assert after_it == future(case, clone), "the written learner and its clone part"
    assert after_it != future(case, unwritten)


@each_learner
def test_a_view_that_is_kept_stays_live(case: Case, tmp_path: Path) -> None:
    learner = after(case)
    view = learner.parameters["0.weight" if case.network != "norm_first" else "1.weight"]
    xs, ys = case.examples(6, seed=2)
    for i in range(6):
        learner.step_many(xs[i : i + 1], ys[i : i + 1])
        view[i % len(view)] = 0.25 * i - 0.5
        twin = loaded_copy(learner, tmp_path / "kept")
    assert future(case, learner) == future(case, twin)


INCOMING = [case for case in TABLE if "adapta" in case.plasticity or "input" in case.plasticity]


@pytest.mark.parametrize("case", INCOMING, ids=str)
def test_sums_of_incoming_weights_are_rebuilt_after_a_write(case: Case) -> None:
    learner = after(case)
    first = 1 if case.network == "norm_first" else 0
    if case.network == "linear":
        assert not learner.utilities
        return
    learner.parameters[f"{first}.weight"][...] *= 3
    learner.step_many(*case.examples(1, seed=2))
    held = np.array(learner.state["ContinualBackprop.0.incoming_sum"])
    true = np.abs(learner.parameters[f"{first}.weight"]).sum(axis=0)
    np.testing.assert_allclose(held, true, rtol=1e-4 if case.dtype == "float32" else 1e-12)


@pytest.mark.parametrize("case", INCOMING, ids=str)
def test_a_write_and_a_rejected_example_leave_what_was_written(case: Case) -> None:
    learner = after(case)
    learner.parameters["0.weight"][...] *= 3
    now, twin = learner.state_hash(), learner.clone()
    with pytest.raises(ValueError):
        learner.step(np.full(INPUTS, np.nan), 0)
    assert learner.state_hash() == now
    assert future(case, learner) == future(case, twin)


# ---------------------------------------------------------------------------- hyper-parameters

# (optimizer, name): read only under another setting of the same rule, or only where a weight starts.
SILENT = {
    ("sgd", "nesterov"), ("sgd_decay", "nesterov"), ("upgd_local_adaptive", "corrected_max"),
    ("upgd_local_adaptive", "protecting"), ("adaptive_obgd", "step_size"), ("sig_idbd", "rate"), ("meta_scalar", "discount"),
    *itertools.product(["upgd"], ["beta1", "beta2", "epsilon"]),
    *itertools.product(
        ["hypergradient", "hypergradient_per_weight"], ["beta1", "beta2", "epsilon"]
    ),
    *itertools.product(["hypergradient_adam", "hypergradient_adam_per_weight"], ["momentum"]),
    *itertools.product(
        ["meta_scalar", "meta_layerwise", "meta_weightwise"],
        ["step_size", "momentum", "normalizer", "lion_beta", "meta_momentum", "meta_normalizer",
         "meta_lion_beta"],
    ),
    *(
        (name, "step_size") for name in OPTIMIZERS
        if name.startswith(("idbd", "nidbd", "normalized", "sig_idbd", "autostep", "hypergradient"))
    ),
}  # fmt: skip
OF_UNITS = (
    "ContinualBackprop", "ReDo", "SelfNormalizedReset", "Imprinting",
    "ContinuousContinualBackprop",
)  # fmt: skip
FLAGS = ("nesterov", "corrected_max", "protecting", "normalize_td_error")
REFUSED = {  # a value that needs other state, or that the rule has no use for
    ("sgd", "momentum"): "build a new learner",
    ("sgd_decay", "momentum"): "build a new learner",
    ("upgd_local_adaptive", "noise"): "build a new learner",
    ("adamw", "weight_decay"): "decoupled_weight_decay",
    ("obgd", "weight_decay"): "decoupled_weight_decay",
    ("adaptive_obgd", "weight_decay"): "decoupled_weight_decay",
}


NEW = {
    "ContinualBackprop.maturity": 2.0, "ContinualBackprop.max_per_step": 5.0, "ReDo.period": 4.0,
    "SelfNormalizedReset.minimum": 2.0, "ShrinkAndPerturb.period": 2.0,
    "HareAndTortoise.period": 4.0, "ContinuousContinualBackprop.period": 5.0, "NormalizeAndProject.period": 2.0,
    "SelectiveWeightReinit.period": 3.0, "epsilon": 3e-3, "SET.period": 2.0, "RigL.period": 2.0,
    "EdgeUtility.period": 2.0,
}  # fmt: skip
# They need not change who is regenerated, or which weights.
MAY_REST = (
    "ContinualBackprop.max_per_step", "SelfNormalizedReset.minimum", "ReDo.threshold",
    "Imprinting.surprise", "Imprinting.decay", "Imprinting.probability", "Imprinting.maturity",
    "Imprinting.fraction", "SelectiveWeightReinit.decay", "EdgeUtility.decay",
)  # fmt: skip


@each_learner
def test_a_written_hyperparameter_acts(case: Case, tmp_path: Path) -> None:
    start, unwritten = after(case), after(case)
    expected = future(case, unwritten)
    for name, old in start.hyperparameters.items():
        learner = start.clone()
        for bad in (-1.0, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=name.split(".")[-1]):
                learner.hyperparameters[name] = bad
        assert learner.state_hash() == start.state_hash()
        if (case.optimizer, name) in REFUSED:
            with pytest.raises(ValueError, match=REFUSED[case.optimizer, name]):
                learner.hyperparameters[name] = 0.5
            continue
        new = 1 - old if name in FLAGS else NEW.get(name, old * 0.75 if old else 1e-3)
        learner.hyperparameters[name] = new
        assert learner.hyperparameters[name] == new
        twin = loaded_copy(learner, tmp_path / "changed")
        seen = future(case, learner)
        assert seen == future(case, twin), name
        if (case.optimizer, name) in SILENT:
            continue
        if name in MAY_REST:
            continue
        if name.split(".")[0] in OF_UNITS and case.network == "linear":
            assert not differ(learner, unwritten), f"{name} acts without a hidden unit"
        elif name == "ContinualBackprop.decay":  # it may not change who is regenerated
            assert seen != expected, name
        else:
            assert differ(learner, unwritten), f"{name} = {new} changed nothing"


# ---------------------------------------------------------------------------- sparse inputs


@each_learner
def test_indices_and_values_in_any_order_are_the_dense_input(case: Case) -> None:
    dense, sparse = case.build(), case.build()
    xs, ys = case.examples(STEPS)
    xs[5] = 0
    random = np.random.default_rng(5)
    for i in range(STEPS):
        y = int(ys[i]) if case.loss == "cross_entropy" else ys[i]
        indices = random.permutation(np.flatnonzero(xs[i]))
        pair = (indices, xs[i][indices])
        assert np.array_equal(dense.predict(xs[i]), sparse.predict(pair)), f"prediction {i}"
        assert dense.step(xs[i], y) == sparse.step(pair, y), f"loss of step {i}"
        assert dense.state_hash() == sparse.state_hash(), f"step {i}"


def test_the_table_is_whole() -> None:
    assert {case.network for case in TABLE} == set(NETWORKS)
    assert {case.plasticity for case in TABLE} == set(PLASTICITY)
    regenerated = [after(case) for case in TABLE if PLASTICITY[case.plasticity][-1:]]
    assert sum(sum(learner.replacements) for learner in regenerated) > 100
