"""Sparse layers beside the float64 reference, their edges on the move, and what they refuse."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import random_learners
import reference
import streamdl as sdl
from conformance.vectors import Report
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

LIMIT = 1e-9
nn = sdl.nn
METHODS = ["none", "SET", "RigL", "EdgeUtility"]


# ---------------------------------------------------------------------------- beside the reference


def outputs_of(description: dict[str, Any]) -> dict[int, int]:
    """Of sparse layers, by the numbers that they have in parameter names."""
    with_parameters = [
        layer for layer in description["layers"]
        if layer[0] in ("SparseLinear", "Linear") or layer == ["LayerNorm", True]
    ]  # fmt: skip
    return {i: layer[1] for i, layer in enumerate(with_parameters) if layer[0] == "SparseLinear"}


def targets_of(learner: sdl.Learner, index: int) -> Indices:
    return np.array(learner.state[f"{index}.targets"], np.int64)


@dataclass(frozen=True)
class Sparse(random_learners.Configuration):
    """A configuration whose reference gets the edges of streamdl's learner."""

    targets: dict[int, Indices] = field(default_factory=dict)

    def reference(self, initial: dict[str, Array]) -> reference.Learner:
        learner = super().reference(initial)
        layers = [
            layer for layer in learner.network.layers if isinstance(layer, reference.SparseLinear)
        ]
        for layer, targets in zip(layers, self.targets.values(), strict=True):
            layer.targets = targets.copy()
            layer.parameters["weight"] *= layer.mask  # judging moves all weights a little
        return learner


def dense(packed: Array, targets: Indices, outputs: int) -> Array:
    """(inputs, edges) as (inputs, outputs), 0 elsewhere."""
    full = np.zeros((len(packed), outputs))
    block = packed.shape[1] // targets.shape[1]
    columns = (targets[:, :, None] + np.arange(block)).reshape(packed.shape)
    np.put_along_axis(full, columns, packed, axis=1)
    return full


def densely(configuration: Sparse, learner: sdl.Learner, arrays: Any) -> dict[str, Array]:
    """Parameters, or something of each, with those of sparse layers as the reference has them."""
    outputs = outputs_of(configuration.network)
    result = {}
    for name, array in arrays.items():
        result[name] = np.array(array, np.float64)
        index = int(name.split(".")[0])
        if index in outputs and name.endswith(".weight"):
            result[name] = dense(result[name], targets_of(learner, index), outputs[index])
    return result


def draw_network(random: np.random.Generator, outputs: int) -> dict[str, Any]:
    layers: list[list[Any]] = []
    for _ in range(random.integers(1, 4)):
        block = int(random.choice([1, 16], p=[0.7, 0.3]))
        width = int(random.integers(3, 40)) if block == 1 else 16 * int(random.integers(2, 4))
        edges = int(random.integers(1, width // block + 1)) * block
        layers += [["SparseLinear", width, None, edges, block, bool(random.uniform() < 0.8)]]
        if random.uniform() < 0.2 and width > 3:
            layers += [["LayerNorm", bool(random.integers(2))]]
        layers += [[str(random.choice(["ReLU", "ReLU", "Tanh", "LeakyReLU", "Softplus"]))]]
    if random.uniform() < 0.3:
        edges = int(random.integers(1, outputs + 1))
        layers += [["SparseLinear", outputs, None, edges, 1, True]]
    else:
        layers += [["Linear", outputs]]
    return {"kind": "network", "inputs": int(random.integers(2, 20)), "layers": layers}


def draw_methods(
    kind: str, random: np.random.Generator, of_one_output: bool
) -> list[dict[str, Any]]:
    methods: list[dict[str, Any]] = []
    if random.uniform() < 0.15:
        methods.append({"name": "ShrinkAndPerturb", "shrink": 0.002, "noise": 0.0})
    if random.uniform() < 0.2 and not of_one_output:
        methods.append({"name": "L2Init", "strength": float(random.uniform(0.001, 0.05))})
    if random.uniform() < 0.2:
        methods.append({"name": "WeightClipping", "bound": float(random.uniform(0.8, 2.5))})
    if kind != "none":
        period, fraction = int(random.choice([1, 3, 7])), float(random.choice([0.05, 0.3, 1.0]))
        decay = {"decay": 0.9} if kind == "EdgeUtility" else {}
        methods.append({"name": kind, "period": period, "fraction": fraction} | decay)
    random.shuffle(methods)
    return methods


def pair(kind: str, seed: int) -> tuple[Sparse, sdl.Learner, reference.Learner]:
    random = np.random.default_rng([23, METHODS.index(kind), seed])
    optimizer = random_learners.OPTIMIZERS[seed % len(random_learners.OPTIMIZERS)]
    for _ in range(random_learners.REDRAWS):
        plain = random_learners.draw(optimizer, random)
        single = optimizer in random_learners.OF_ONE_OUTPUT
        outputs = 1 if single else int(random.integers(2, 13))
        network = draw_network(random, outputs)
        xs = random.normal(size=(random_learners.STEPS, network["inputs"]))
        xs[random.uniform(size=xs.shape) < 0.4] = 0.0
        ys: NDArray[Any] = random.normal(size=(len(xs), outputs))
        if plain.loss == "cross_entropy":
            ys = random.integers(outputs, size=len(xs))
        elif plain.loss == "binary_cross_entropy":
            ys = (ys > 0).astype(np.float64)
        methods = draw_methods(kind, random, single)
        drawn = Sparse(
            network, plain.loss, plain.optimizer, methods, xs, ys, bool(random.integers(2)), seed
        )
        learner = drawn.streamdl()
        targets = {index: targets_of(learner, index) for index in outputs_of(network)}
        configuration = Sparse(
            network, plain.loss, plain.optimizer, methods, xs, ys, drawn.pairs, seed, targets
        )
        initial = densely(configuration, learner, learner.parameters)
        if random_learners.is_well_conditioned(configuration, initial):
            return configuration, learner, configuration.reference(initial)
    raise AssertionError(f"no well-conditioned configuration for {kind}, seed {seed}")


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("kind", METHODS)
def test_agrees_with_the_reference(kind: str, seed: int) -> None:
    configuration, learner, truth = pair(kind, seed)
    report = Report(str(configuration))
    indices = list(configuration.targets)
    for method in truth.plasticity:
        if isinstance(method, reference.sparse.Rewiring):

            def grow(layer: int, j: int, targets: Indices, dropped: list[int]) -> list[int]:
                # streamdl has taken this step already
                now = targets_of(learner, indices[layer])[j]
                moved = np.flatnonzero(now != targets)
                report.require(f"slots moved of {layer}, {j}", list(moved), sorted(dropped))
                report.require("edges that were there", set(now[moved]) & set(targets), set())
                return [int(k) for k in now[dropped]]

            method.grow = grow
    for step in range(random_learners.STEPS):
        y = configuration.ys[step]
        loss, expected = (
            learner.step(configuration.x(step), y),
            truth.step(configuration.xs[step], y),
        )
        report.compare(f"loss {step}", loss, expected, LIMIT)
        report.compare(f"output {step}", learner.output, truth.output, LIMIT)
        report.check()
    layers = [layer for layer in truth.network.layers if isinstance(layer, reference.SparseLinear)]
    for index, layer in zip(indices, layers, strict=True):
        report.compare(f"{index}.targets", targets_of(learner, index), layer.targets, 0.0)
    got = densely(configuration, learner, learner.parameters)
    for name, w in truth.parameters.items():
        report.compare("parameters/" + name, got[name], w, LIMIT)
    sizes = densely(configuration, learner, learner.step_sizes)
    for name, expected_sizes in truth.step_sizes.items():
        index = int(name.split(".")[0])
        if index in indices and name.endswith("weight"):
            expected_sizes = expected_sizes * layers[indices.index(index)].mask
        report.compare("step_sizes/" + name, sizes[name], expected_sizes, LIMIT)
    for method in truth.plasticity:
        if isinstance(method, reference.EdgeUtility):
            for index, layer, u in zip(indices, layers, method.u, strict=True):
                held = dense(
                    np.array(learner.state[f"{index}.weight.edge_utility"]),
                    layer.targets,
                    layer.outputs,
                )
                report.compare(f"{index}.utility", held, u, LIMIT)
    report.check()


@pytest.mark.parametrize("block", [1, 16])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "idbd", "autostep"])
def test_minibatches_agree_with_the_reference(optimizer: str, block: int) -> None:
    rules: dict[str, dict[str, Any]] = {
        "sgd": {"name": "SGD", "step_size": 0.1, "weight_decay": 0.01},
        "momentum": {"name": "SGD", "step_size": 0.03, "momentum": 0.9},
        "adam": {"name": "Adam", "step_size": 0.01, "epsilon": 1e-6},
        "idbd": {"name": "IDBD", "step_size": 0.05, "meta_step_size": 0.01},
        "autostep": {"name": "Autostep", "step_size": 0.5, "meta_step_size": 0.01, "tau": 100.0},
    }
    edges = {1: (7, 5), 16: (16, 32)}[block]
    layers = [
        ["SparseLinear", 48, None, edges[0], block], ["ReLU"],
        ["SparseLinear", 32, None, edges[1], block], ["ReLU"], ["Linear", 5],
    ]  # fmt: skip
    random = np.random.default_rng(3)
    network = {"kind": "network", "inputs": 9, "layers": layers}
    xs = random.normal(size=(40, 9))
    xs[random.uniform(size=xs.shape) < 0.5] = 0
    ys = random.normal(size=(40, 5))
    drawn = Sparse(network, "huber", rules[optimizer], [], xs, ys, False, 5)
    learner = drawn.streamdl()
    targets = {index: targets_of(learner, index) for index in (0, 1)}
    configuration = Sparse(network, "huber", rules[optimizer], [], xs, ys, False, 5, targets)
    truth = configuration.reference(densely(configuration, learner, learner.parameters))
    report = Report(str(configuration))
    for first in range(0, 40, 4):
        batch = slice(first, first + 4)
        loss = learner.step_minibatch(xs[batch], ys[batch])
        report.compare("loss", loss, truth.step_minibatch(list(xs[batch]), list(ys[batch])), LIMIT)
    got = densely(configuration, learner, learner.parameters)
    for name, w in truth.parameters.items():
        report.compare(name, got[name], w, LIMIT)
    report.check()


# ---------------------------------------------------------------------------- edges


def network(outputs: int = 48, inputs: int = 30, **arguments: Any) -> sdl.Network:
    layers = [nn.SparseLinear(outputs, **arguments), nn.ReLU(), nn.SparseLinear(64, edges=16, block=16),
              nn.ReLU(), nn.Linear(3)]  # fmt: skip
    return sdl.Network(layers, inputs)


def build(
    net: sdl.Network, *plasticity: sdl.plasticity.Plasticity, **arguments: Any
) -> sdl.Learner:
    arguments = {"optimizer": sdl.optim.SGD(0.01)} | arguments
    return sdl.Learner(net, "squared_error", plasticity=list(plasticity), **arguments)


def check_edges(learner: sdl.Learner, index: int, outputs: int, block: int) -> None:
    targets = np.sort(targets_of(learner, index), axis=1)
    assert np.all(targets % block == 0) and targets.min() >= 0 and targets.max() < outputs
    assert np.all(np.diff(targets, axis=1) > 0), "two edges of a unit lead to the same"


@pytest.mark.parametrize(("block", "edges"), [(1, 1), (1, 7), (1, 48), (16, 16), (16, 48)])
def test_first_edges_are_distinct_and_evenly_drawn(block: int, edges: int) -> None:
    seen = np.zeros(48 // block)
    for seed in range(20):
        learner = build(network(edges=edges, block=block, inputs=100), seed=seed)
        check_edges(learner, 0, 48, block)
        seen += np.bincount(targets_of(learner, 0).ravel() // block, minlength=48 // block)
    share = edges / 48
    spread = np.sqrt(2000 * share * (1 - share)) + 1e-12
    assert np.all(np.abs(seen - 2000 * share) <= 5 * spread), seen


@pytest.mark.parametrize("method", ["SET", "RigL", "EdgeUtility"])
@pytest.mark.parametrize("block", [1, 16])
def test_edges_move_and_stay_distinct(method: str, block: int) -> None:
    random = np.random.default_rng(1)
    learner = build(network(edges=16, block=block), getattr(sdl.plasticity, method)(5, 0.3))
    xs, ys = random.normal(size=(200, 30)), random.normal(size=(200, 3))
    first = [targets_of(learner, index) for index in (0, 1)]
    learner.step_many(xs, ys)
    for index, outputs, size in (0, 48, block), (1, 64, 16):
        check_edges(learner, index, outputs, size)
        assert np.mean(first[index] != targets_of(learner, index)) > 0.15


def test_random_growth_reaches_every_free_target_alike() -> None:
    counts = np.zeros(48)
    for seed in range(300):
        learner = build(network(edges=6), sdl.plasticity.SET(1, 0.5), seed=seed)
        before = targets_of(learner, 0)
        learner.step(np.ones(30), np.zeros(3))
        after = targets_of(learner, 0)
        counts += np.bincount(after[after != before], minlength=48)
    expected = counts.sum() / 48
    assert counts.sum() == 300 * 30 * 3
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected)), counts


def test_rows_take_turns_and_silent_ones_wait_for_rigl() -> None:
    for method in ("SET", "RigL"):
        learner = build(network(edges=6), getattr(sdl.plasticity, method)(7, 0.3))
        for t in range(1, 20):
            x = np.ones(30)
            x[t % 2 :: 2] = 0
            before = targets_of(learner, 0)
            learner.step(x, np.ones(3))
            moved = np.flatnonzero(np.any(before != targets_of(learner, 0), axis=1))
            due = [j for j in range(30) if j % 7 == t % 7 and (method == "SET" or x[j] != 0)]
            assert list(moved) == due, f"{method}, update {t}"


def test_a_full_layer_is_a_dense_one_and_has_nowhere_to_move() -> None:
    random = np.random.default_rng(2)
    xs, ys = random.normal(size=(60, 30)), random.normal(size=(60, 3))
    layers = [nn.SparseLinear(48, density=1.0), nn.ReLU(), nn.Linear(3)]
    sparse = build(sdl.Network(layers, 30), sdl.plasticity.SET(1, 0.5), dtype="float64")
    full = build(sdl.MLP(30, [48], 3), dtype="float64")
    for name, w in sparse.parameters.items():
        full.parameters[name][...] = w  # edges start in the order of their targets
    np.testing.assert_allclose(sparse.step_many(xs, ys), full.step_many(xs, ys), rtol=1e-9)
    np.testing.assert_allclose(
        sparse.parameters["0.weight"], full.parameters["0.weight"], atol=1e-12
    )
    assert np.array_equal(targets_of(sparse, 0), np.tile(np.arange(48), (30, 1)))


def test_wide_rows_from_far_caches_add_up() -> None:
    random = np.random.default_rng(4)
    for block, threads in itertools.product((1, 16), (1, 2)):
        layers = [nn.SparseLinear(1600, density=0.2, block=block), nn.ReLU(), nn.Linear(300)]
        learner = build(sdl.Network(layers, 700), dtype="float64", threads=threads)
        w = dense(np.array(learner.parameters["0.weight"]), targets_of(learner, 0), 1600)
        x = random.normal(size=700) * (random.uniform(size=700) < 0.4)
        h = np.maximum(x @ w, 0)
        v = np.array(learner.parameters["1.weight"])
        np.testing.assert_allclose(learner.predict(x), h @ v, rtol=0, atol=1e-12)
        y = random.normal(size=300)
        learner.step(x, y)
        below = (v @ (h @ v - y)) * (h > 0)
        now = dense(np.array(learner.parameters["0.weight"]), targets_of(learner, 0), 1600)
        expected = w - 0.01 * np.outer(x, below) * (w != 0)
        np.testing.assert_allclose(now, expected, rtol=0, atol=1e-12)


# ---------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outputs": 0, "edges": 1}, "outputs.*0"),
        ({"outputs": 20, "edges": 16, "block": 16}, "outputs.*multiple of block.*20"),
        ({"outputs": 32, "edges": 20, "block": 16}, "edges.*multiple of block.*20"),
        ({"outputs": 8, "edges": 9}, "edges.*8.*9"),
        ({"outputs": 8, "edges": 0}, "edges.*at least 1.*0"),
        ({"outputs": 8}, "either density or edges"),
        ({"outputs": 8, "density": 0.5, "edges": 4}, "either density or edges"),
        ({"outputs": 8, "density": 0.0}, "density.*above 0.*0.0"),
        ({"outputs": 8, "density": float("nan")}, "density.*nan"),
        ({"outputs": 8, "edges": 4, "block": 2}, "block: expected 1 or 16, got 2"),
        ({"outputs": 8, "edges": 4, "init": "best"}, "init.*best"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nn.SparseLinear(**arguments)


def test_density_is_a_number_of_edges_one_at_least() -> None:
    assert nn.SparseLinear(2000, density=0.1).edges_per_input == 200
    assert nn.SparseLinear(2000, density=0.1, block=16).edges_per_input == 192
    assert nn.SparseLinear(100, density=1e-6).edges_per_input == 1


@pytest.mark.parametrize("init", ["sparse", "signs"])
def test_inits_of_dense_layers_are_refused(init: str) -> None:
    with pytest.raises(ValueError, match="SparseLinear.init"):
        build(network(edges=3, init=init))


@pytest.mark.parametrize(
    "method",
    [
        sdl.plasticity.ContinualBackprop(), sdl.plasticity.ReDo(),
        sdl.plasticity.SelfNormalizedReset(), sdl.plasticity.Imprinting(),
        sdl.plasticity.ContinuousContinualBackprop(0.1), sdl.plasticity.SelectiveWeightReinit(0.1, 10),
        sdl.plasticity.ShrinkAndPerturb(0.1, 0.1, toward="fresh"),
    ],
    ids=lambda method: type(method).__name__,
)  # fmt: skip
def test_methods_that_look_for_incoming_edges_are_refused(
    method: sdl.plasticity.Plasticity,
) -> None:
    with pytest.raises(ValueError, match=f"{type(method).__name__}.*incoming edges"):
        build(network(edges=3), method)


@pytest.mark.parametrize("method", ["SET", "RigL", "EdgeUtility"])
def test_methods_that_move_edges_want_some(method: str) -> None:
    with pytest.raises(ValueError, match=f"{method}.*SparseLinear.*none"):
        build(sdl.MLP(4, [5], 3), getattr(sdl.plasticity, method)())


def test_what_needs_incoming_edges_is_refused() -> None:
    learner = build(network(edges=3))
    with pytest.raises(ValueError, match="incoming edges"):
        learner.regenerate(1, 0)
    sparse_outputs = build(sdl.Network([nn.SparseLinear(3, edges=2)], 4))
    with pytest.raises(ValueError, match="incoming edges"):
        sparse_outputs.reset_outputs()
    for method in (sdl.plasticity.RigL(), sdl.plasticity.EdgeUtility()):
        with pytest.raises(ValueError, match="step_minibatch.*single examples"):
            build(network(edges=3), method).step_minibatch(np.ones((2, 30)), np.ones((2, 3)))


def test_targets_are_to_be_read_only() -> None:
    learner = build(network(edges=3))
    view = learner.state["0.targets"]
    assert view.dtype == np.int32 and view.shape == (30, 3)
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 47
    with pytest.raises(ValueError, match="WRITEABLE"):
        view.flags.writeable = True


@pytest.mark.parametrize("bad", [-1, 48, 2**31 - 1, "twice", "within a block"])
def test_a_checkpoint_whose_edges_lead_nowhere_is_refused(bad: Any, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    learner = build(
        network(
            edges=16 if bad == "within a block" else 3, block=16 if bad == "within a block" else 1
        )
    )
    path = tmp_path / "learner"
    learner.save(path)
    with pytest.importorskip("safetensors").safe_open(path, framework="np") as file:
        metadata = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}
    targets = arrays["0.targets"]
    targets[4, 0] = {"twice": targets[4, -1], "within a block": 5}.get(bad, bad)
    if bad == "twice":
        targets[4, 1] = targets[4, 0]
    del metadata["streamdl.checksum"]
    safetensors.save_file(arrays, path, metadata)
    with pytest.raises(ValueError, match="edge leads nowhere|checksum"):
        sdl.Learner.load(path)
