"""Layers: small immutable descriptions that `sdl.Network` strings together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamdl import _core

INITS = tuple(_core.inits())


def _check(field: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{field}: {value!r} is not known; expected one of {', '.join(allowed)}")


def _count(field: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 1:
        raise ValueError(f"{field}: expected a whole number of at least 1, got {value!r}")
    number: int = value.__index__()
    if number >= 2**31:
        raise ValueError(f"{field}: {number} is too large")
    return number


@dataclass(frozen=True)
class Layer:
    """Base of all layers."""

    def _spec(self) -> dict[str, Any]:
        raise TypeError(f"{type(self).__name__} is not a layer of its own")


@dataclass(frozen=True)
class Linear(Layer):
    """a = W^T x + b: a dense layer. `outputs` units; init as in `sdl.MLP`; sparsity for init="sparse"."""

    outputs: int
    bias: bool = True
    init: str = "kaiming_uniform"
    sparsity: float = 0.9

    def __post_init__(self) -> None:
        _count("Linear.outputs", self.outputs)
        _check("Linear.init", self.init, INITS)
        if not 0 <= self.sparsity <= 1:
            raise ValueError(f"Linear.sparsity: expected 0 to 1, got {self.sparsity!r}")

    def _spec(self) -> dict[str, Any]:
        return {
            "kind": "linear",
            "outputs": int(self.outputs),
            "bias": bool(self.bias),
            "init": self.init,
            "sparsity": float(self.sparsity),
        }


@dataclass(frozen=True)
class Activation(Layer):
    """h = f(a), by name: see `sdl.MLP(activation=...)`."""

    name: str

    def __post_init__(self) -> None:
        _check("activation", self.name, tuple(_core.activations()))

    def _spec(self) -> dict[str, Any]:
        return {"kind": "activation", "name": self.name}


def _activation(name: str) -> Any:
    def make() -> Activation:
        return Activation(name)

    make.__name__ = name
    make.__doc__ = f"The activation {name}."
    return make


ReLU = _activation("relu")
LeakyReLU = _activation("leaky_relu")
ELU = _activation("elu")
GELU = _activation("gelu")
SiLU = _activation("silu")
Tanh = _activation("tanh")
Sigmoid = _activation("sigmoid")
Softplus = _activation("softplus")


@dataclass(frozen=True)
class LayerNorm(Layer):
    """z = (a - mean) / sqrt(variance + 1e-5), biased variance; with affine, gain z + shift."""

    affine: bool = True

    def _spec(self) -> dict[str, Any]:
        return {"kind": "layer_norm", "affine": bool(self.affine)}


@dataclass(frozen=True)
class Dropout(Layer):
    """0 with probability `rate`, else h / (1 - rate); the identity in predictions."""

    rate: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"Dropout.rate: expected at least 0 and below 1, got {self.rate!r}")

    def _spec(self) -> dict[str, Any]:
        return {"kind": "dropout", "rate": float(self.rate)}
