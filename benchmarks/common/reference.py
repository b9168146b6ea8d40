"""The float64 losses that a correct competitor must print: slow, obvious NumPy."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import workloads
from benchmarks.common.compiled import cache_folder
from benchmarks.common.workloads import Workload

Array = npt.NDArray[np.float64]

# rule -> (momentum, weight decay): what `replay` knows beyond plain SGD.
RULES = {"sgd": (0.0, 0.0), "momentum": (0.9, 0.0), "weight_decay": (0.0, 1e-4)}


def losses(workload: Workload, rule: str, examples_per_update: int, updates: int) -> Array:
    """Mean loss before each of the first `updates` updates, each from so many examples."""
    momentum, decay = RULES[rule]
    weights = [w.astype(np.float64) for w in workload.weights]
    biases = [b.astype(np.float64) for b in workload.biases]
    parameters = [*weights, *biases]
    velocities = [np.zeros_like(p) for p in parameters]
    found = np.empty(updates)
    for index, (xs, ys) in enumerate(_batches(workload, examples_per_update, updates)):
        found[index], gradients = _gradients(workload, weights, biases, xs, ys)
        for parameter, velocity, gradient in zip(parameters, velocities, gradients, strict=True):
            velocity *= momentum
            velocity += gradient + decay * parameter
            parameter -= workload.step_size * velocity
    return found


def _batches(workload: Workload, size: int, updates: int) -> Iterable[tuple[Array, Array]]:
    xs, ys = workload.examples
    for index in range(updates):
        picked = np.arange(index * size, (index + 1) * size) % workload.count
        yield xs[picked].astype(np.float64), ys[picked]


def _gradients(
    workload: Workload, weights: list[Array], biases: list[Array], xs: Array, ys: Array
) -> tuple[float, list[Array]]:
    """The mean loss and its gradients, weights first, then biases."""
    activations = [xs]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        activations.append(np.maximum(activations[-1] @ w + b, 0.0))
    output = activations[-1] @ weights[-1] + biases[-1]
    if workload.classification:
        shifted = output - output.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        delta = exponentials / exponentials.sum(axis=1, keepdims=True)
        rows = np.arange(len(ys))
        loss = float(np.mean(-np.log(delta[rows, ys.astype(int)])))
        delta[rows, ys.astype(int)] -= 1.0
    else:
        delta = output - ys
        loss = float(np.mean(0.5 * (delta**2).sum(axis=1)))
    delta /= len(xs)
    weight_gradients: list[Array] = []
    bias_gradients: list[Array] = []
    for index in reversed(range(len(weights))):
        weight_gradients.insert(0, activations[index].T @ delta)
        bias_gradients.insert(0, delta.sum(axis=0))
        if index:
            delta = (delta @ weights[index].T) * (activations[index] > 0)
    return loss, weight_gradients + bias_gradients


def cached_losses(workload: Workload, rule: str, examples_per_update: int, updates: int) -> Array:
    """`losses`, kept on disk: every worker of a scenario asks for the same ones."""
    digest = hashlib.sha256(repr((workload, rule, examples_per_update, updates)).encode())
    for module in (__file__, workloads.__file__):
        digest.update(Path(module).read_bytes())
    file = cache_folder() / f"losses-{digest.hexdigest()[:16]}.npy"
    if file.is_file():
        return np.asarray(np.load(file), np.float64)
    found = losses(workload, rule, examples_per_update, updates)
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".npy", delete=False) as scratch:
        np.save(scratch, found)
    Path(scratch.name).replace(file)
    return found
