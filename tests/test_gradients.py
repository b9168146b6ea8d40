"""Gradients of 1,000 random networks against torch's autograd, both in float64.

A gradient is read from one SGD step: with step size 1 it is the parameters before minus after.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import streamdl as sdl  # noqa: E402
import torch_networks  # noqa: E402

LOSSES = ("squared_error", "cross_entropy", "binary_cross_entropy", "huber")
CHUNKS, NETWORKS = 20, 50
LIMIT = 1e-12
# Reading w - (w - g) costs half an ulp of w, 1e-16: smaller gradients cannot be read to 1e-12.
SMALLEST = 1e-3


def draw(random: np.random.Generator) -> tuple[dict[str, Any], str, Any, Any]:
    """Arguments of `sdl.MLP`, a loss, an input and a target."""
    loss = str(random.choice(LOSSES))
    network: dict[str, Any] = {
        "inputs": int(random.integers(1, 41)),
        "hidden": [int(n) for n in random.integers(1, 41, size=random.integers(0, 5))],
        "outputs": int(random.integers(2 if loss == "cross_entropy" else 1, 41)),
        "activation": str(random.choice(list(torch_networks.ACTIVATIONS))),
        "bias": bool(random.integers(2)),
        "layer_norm": bool(random.integers(2)),
    }
    x = random.normal(size=network["inputs"])
    if random.integers(2):
        x[random.uniform(size=len(x)) < 0.7] = 0.0
    if loss == "cross_entropy":
        return network, loss, x, int(random.integers(network["outputs"]))
    y = random.normal(size=network["outputs"])
    return network, loss, x, (y > 0).astype(float) if loss == "binary_cross_entropy" else y


def torch_gradients(parameters: Any, network: Any, loss: str, x: Any, y: Any) -> dict[str, Any]:
    weights = torch_networks.leaves(parameters)
    output = torch_networks.outputs(weights, network, x[None])
    torch_networks.mean_loss(output, np.asarray(y)[None], loss).backward()
    return {
        name: np.zeros(tuple(w.shape)) if w.grad is None else w.grad.numpy()
        for name, w in weights.items()
    }


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_gradients_agree_with_autograd(chunk: int) -> None:
    random = np.random.default_rng([7, chunk])
    judged, redrawn, worst = 0, 0, 0.0
    while judged < NETWORKS:
        network, loss, x, y = draw(random)
        learner = sdl.Learner(
            sdl.MLP(**network),
            loss=loss,
            optimizer=sdl.optim.SGD(step_size=1.0),
            seed=int(random.integers(2**31)),
            dtype="float64",
        )
        for name, w in learner.parameters.items():  # biases that are not 0
            if name.endswith("bias"):
                w[...] = 0.1 * random.normal(size=w.shape)
        before = {name: np.array(w) for name, w in learner.parameters.items()}
        expected = torch_gradients(before, network, loss, x, y)
        scale = max(float(np.max(np.abs(g))) for g in expected.values())
        if scale < SMALLEST:
            redrawn += 1
            assert redrawn < NETWORKS, "hardly a network has a gradient"
            continue
        as_pairs = not x.all() and random.integers(2)
        indices = np.flatnonzero(x)
        learner.step((indices, x[indices]) if as_pairs else x, y)
        for name, g in expected.items():
            got = before[name] - learner.parameters[name]
            error = float(np.max(np.abs(got - g))) / scale
            worst = max(worst, error)
            assert error <= LIMIT, (
                f"chunk {chunk}, network {judged} {network}, {loss}, {name}: "
                f"max |difference| / max |g| = {error:.3g}"
            )
        judged += 1
    print(f"worst max |difference| / max |g| of {judged} networks: {worst:.3g}")
