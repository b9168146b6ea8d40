"""Descriptions of networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamdl import nn


@dataclass(frozen=True, init=False)
class Network:
    """A list of layers over `inputs` numbers: an int or a shape. Three axes are an image, (channels,
    rows, columns), for Conv2d and pools; a Linear takes any shape as it lies."""

    layers: tuple[nn.Layer, ...]
    inputs: int | tuple[int, ...]

    def __init__(self, layers: Sequence[nn.Layer], inputs: int | Sequence[int]) -> None:
        for i, layer in enumerate(layers):
            if not isinstance(layer, nn.Layer):
                raise ValueError(f"layers[{i}]: expected a layer of sdl.nn, got {layer!r}")
        if not any(isinstance(layer, nn.Linear | nn.SparseLinear) for layer in layers):
            raise ValueError("layers: expected at least one Linear or SparseLinear")
        shape = tuple(inputs) if isinstance(inputs, Sequence) else inputs
        for size in shape if isinstance(shape, tuple) else (shape,):
            nn._count("inputs", size)
        object.__setattr__(self, "layers", tuple(layers))
        object.__setattr__(self, "inputs", shape)

    def _spec(self) -> dict[str, Any]:
        shape = self.inputs if isinstance(self.inputs, tuple) else (self.inputs,)
        return {
            "inputs": [int(size) for size in shape],
            "layers": [layer._spec() for layer in self.layers],
        }


def MLP(
    inputs: int | Sequence[int],
    hidden: Sequence[int],
    outputs: int,
    activation: str = "relu",
    init: str = "kaiming_uniform",
    bias: bool = True,
    layer_norm: bool = False,
) -> Network:
    """A multi-layer perceptron: Linear, (layer norm without affine), activation; then a Linear output.

    hidden: widths of the hidden layers. activation: linear, relu, leaky_relu, elu, gelu, silu, tanh,
    sigmoid, softplus, ltu (1 above 0, else 0), crelu, fourier, prelu or adalin (of tanh). init: kaiming_uniform (gain sqrt(3 / fan in)), kaiming_normal,
    lecun_uniform, xavier_uniform, default (PyTorch's Linear), sparse or zeros. Raises ValueError naming
    the argument, its value and what is allowed.
    """
    layers: list[nn.Layer] = []
    for i, width in enumerate(hidden):
        nn._count(f"hidden[{i}]", width)
        layers.append(nn.Linear(width, bias, init))
        if layer_norm:
            layers.append(nn.LayerNorm(affine=False))
        layers.append(nn._between(activation))
    nn._between(activation)
    nn._count("outputs", outputs)
    layers.append(nn.Linear(outputs, bias, init))
    return Network(layers, inputs)
