"""The same networks and losses in torch float64, written for its autograd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
functional = torch.nn.functional

ACTIVATIONS: dict[str, Any] = {
    "linear": lambda a: a,
    "relu": torch.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": lambda a: functional.softplus(a, threshold=700),  # its default is a shortcut
}


def leaves(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Copies of streamdl's parameters that collect gradients."""
    return {
        name: torch.tensor(np.array(w, dtype=np.float64), requires_grad=True)
        for name, w in parameters.items()
    }


def outputs(weights: Mapping[str, Any], network: Mapping[str, Any], xs: Any) -> Any:
    """(examples, outputs) of an MLP given by the arguments of `sdl.MLP`."""
    h = torch.as_tensor(np.asarray(xs, dtype=np.float64))
    depth = len(network["hidden"])
    for k in range(depth + 1):
        h = h @ weights[f"{k}.weight"]
        if network["bias"]:
            h = h + weights[f"{k}.bias"]
        if k < depth:
            if network["layer_norm"]:
                h = functional.layer_norm(h, h.shape[-1:], eps=1e-5)
            h = ACTIVATIONS[network["activation"]](h)
    return h


def mean_loss(output: Any, ys: Any, loss: str) -> Any:
    """The mean over the examples of the loss, summed over the outputs."""
    n = len(output)
    if loss == "cross_entropy":
        return functional.cross_entropy(output, torch.as_tensor(np.asarray(ys)))
    target = torch.as_tensor(np.asarray(ys, dtype=np.float64)).reshape(output.shape)
    if loss == "squared_error":
        return 0.5 * ((output - target) ** 2).sum() / n
    if loss == "huber":
        return functional.huber_loss(output, target, reduction="sum") / n
    assert loss == "binary_cross_entropy"
    return functional.binary_cross_entropy_with_logits(output, target, reduction="sum") / n
