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
    """a = W^T x + b: a dense layer. `outputs` units; init as in `sdl.MLP`.

    sparsity: for init="sparse". threshold: for init="signs", random features of binary inputs
    (Sutton and Whitehead, 1993; Mahmood and Sutton, 2013): weights are -1 or 1, and the bias lets an
    `LTU` fire where more than this share of its inputs is as the weights' signs say.
    """

    outputs: int
    bias: bool = True
    init: str = "kaiming_uniform"
    sparsity: float = 0.9
    threshold: float = 0.6

    def __post_init__(self) -> None:
        _count("Linear.outputs", self.outputs)
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"Linear.threshold: expected 0 to 1, got {self.threshold!r}")
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
            "threshold": float(self.threshold),
        }


@dataclass(frozen=True)
class SparseLinear(Layer):
    """a_k = sum over the inputs j with an edge to k of w_jk x_j + b_k: few weights, at listed places.

    Each input has the same number of edges, `edges`, or about `density` (0 to 1) of the `outputs`;
    with block=16 they come in sixteens that lead to units next to each other, which is much faster,
    and outputs and edges are multiples of 16. Where they lead is drawn at the start, and moved by
    `sdl.plasticity.SET`, `RigL` and `EdgeUtility`. "<index>.weight" has the shape (inputs, edges);
    "<index>.targets" in `learner.state`, int32 and to be read only, holds the unit that each edge
    leads to, or with blocks the first unit of each. init as in `sdl.MLP` with fan in = inputs edges /
    outputs, without sparse and signs. Methods that regenerate units refuse it, as do
    `learner.regenerate` and `reset_outputs` beside it. Cost: edges of active inputs, and nothing for
    those that are 0. Source: Mocanu et al., "Scalable training of artificial neural networks with
    adaptive sparse connectivity inspired by network science", 2018; fixed slots per unit are ours.
    """

    outputs: int
    density: float | None = None
    edges: int | None = None
    block: int = 1
    bias: bool = True
    init: str = "kaiming_uniform"

    def __post_init__(self) -> None:
        _count("SparseLinear.outputs", self.outputs)
        _check("SparseLinear.init", self.init, INITS)
        if self.block not in (1, 16):
            raise ValueError(f"SparseLinear.block: expected 1 or 16, got {self.block!r}")
        if self.outputs % self.block:
            raise ValueError(
                f"SparseLinear.outputs: expected a multiple of block, got {self.outputs}"
            )
        if (self.density is None) == (self.edges is None):
            raise ValueError("SparseLinear: expected either density or edges")
        if self.density is not None and not 0 < self.density <= 1:
            raise ValueError(
                f"SparseLinear.density: expected above 0 and at most 1, got {self.density!r}"
            )
        if self.edges is not None:
            _count("SparseLinear.edges", self.edges)
            if self.edges > self.outputs or self.edges % self.block:
                raise ValueError(
                    "SparseLinear.edges: expected a multiple of block and at most "
                    f"{self.outputs}, got {self.edges}"
                )

    @property
    def edges_per_input(self) -> int:
        """How many edges leave each input."""
        if self.edges is not None:
            return int(self.edges)
        assert self.density is not None
        return max(1, round(self.density * self.outputs / self.block)) * self.block

    def _spec(self) -> dict[str, Any]:
        return {
            "kind": "sparse_linear",
            "outputs": int(self.outputs),
            "edges": self.edges_per_input,
            "block": int(self.block),
            "bias": bool(self.bias),
            "init": self.init,
        }


@dataclass(frozen=True)
class Conv2d(Layer):
    """a_kp = sum_i W_ik x_p,i + b_k: cross-correlation, the kernel not flipped, no padding.

    x_p are the inputs of the window at position p, by channel, row and column; an incomplete window
    at the edge is dropped. `channels` go out; `kernel` rows and columns of a window; `stride` between
    windows. Weights have the shape (channels in, kernel, kernel, channels out); init as in `sdl.MLP`
    with fan in = channels in kernel^2. Cost: all weights at every position.
    """

    channels: int
    kernel: int
    stride: int = 1
    bias: bool = True
    init: str = "kaiming_uniform"
    sparsity: float = 0.9

    def __post_init__(self) -> None:
        for name in ("channels", "kernel", "stride"):
            _count(f"Conv2d.{name}", getattr(self, name))
        _check("Conv2d.init", self.init, INITS)
        if not 0 <= self.sparsity <= 1:
            raise ValueError(f"Conv2d.sparsity: expected 0 to 1, got {self.sparsity!r}")

    def _spec(self) -> dict[str, Any]:
        return {
            "kind": "conv2d",
            "channels": int(self.channels),
            "kernel": int(self.kernel),
            "stride": int(self.stride),
            "bias": bool(self.bias),
            "init": self.init,
            "sparsity": float(self.sparsity),
        }


@dataclass(frozen=True)
class _Pool2d(Layer):
    kernel: int
    stride: int | None = None

    def __post_init__(self) -> None:
        _count(f"{type(self).__name__}.kernel", self.kernel)
        if self.stride is not None:
            _count(f"{type(self).__name__}.stride", self.stride)

    def _pool(self, kind: str) -> dict[str, Any]:
        stride = self.kernel if self.stride is None else self.stride
        return {"kind": kind, "kernel": int(self.kernel), "stride": int(stride)}


@dataclass(frozen=True)
class MaxPool2d(_Pool2d):
    """The largest of every window of kernel x kernel; ties go to the first in row order.

    stride: between windows, None for the kernel. An incomplete window at the edge is dropped.
    """

    def _spec(self) -> dict[str, Any]:
        return self._pool("max_pool2d")


@dataclass(frozen=True)
class AvgPool2d(_Pool2d):
    """The mean of every window of kernel x kernel; stride and edge as in MaxPool2d."""

    def _spec(self) -> dict[str, Any]:
        return self._pool("avg_pool2d")


@dataclass(frozen=True)
class Flatten(Layer):
    """An image as a vector: channel, row, column."""

    def _spec(self) -> dict[str, Any]:
        return {"kind": "flatten"}


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
LTU = _activation("ltu")


@dataclass(frozen=True)
class CReLU(Layer):
    """(max(a, 0), max(-a, 0)): two features of every unit, all first ones before all second ones.

    Of each pair at least one is silent. Methods that regenerate units refuse it. O(units). Source:
    Shang et al., "Understanding and improving convolutional neural networks via concatenated
    rectified linear units", 2016.
    """

    def _spec(self) -> dict[str, Any]:
        return {"kind": "crelu"}


@dataclass(frozen=True)
class Fourier(Layer):
    """(sin a, cos a): two features of every unit, all sines before all cosines.

    One of the two always has a slope of at least sqrt(1/2). Methods that regenerate units refuse it.
    O(units). Source: Lewandowski et al., "Plastic learning with deep Fourier features", 2024.
    """

    def _spec(self) -> dict[str, Any]:
        return {"kind": "fourier"}


@dataclass(frozen=True)
class PReLU(Layer):
    """max(a, 0) + weight min(a, 0): a rectifier that learns one slope per unit, "<index>.weight".

    start: the first slopes. O(units). Source: He et al., "Delving deep into rectifiers", 2015; with
    one slope per unit it is what adaptive linearity (AdaLin) comes to with rectifiers (Rohani et al.,
    "Preserving plasticity in continual learning with adaptive linearity injection", 2025).
    """

    start: float = 0.25

    def __post_init__(self) -> None:
        if not abs(self.start) <= 1e30:
            raise ValueError(f"PReLU.start: expected a number, got {self.start!r}")

    def _spec(self) -> dict[str, Any]:
        return {"kind": "prelu", "start": float(self.start)}


@dataclass(frozen=True)
class AdaLin(Layer):
    """h(a) + weight a g, g = cos(pi/2 |h'(a)| / max |h'|): an activation that learns to be more linear where it is flat.

    One weight per unit, "<index>.weight", that begins at `start`; no gradient goes through the gate g. activation: by
    name, any but ltu, which is flat everywhere; with relu this is PReLU, with linear the identity. O(units), two
    transcendental functions each. Source: Rohani et al., "Preserving plasticity in continual learning with adaptive
    linearity injection", 2025, without a first value of the weights, which is ours.
    """

    activation: str = "tanh"
    start: float = 0.0

    def __post_init__(self) -> None:
        _check(
            "AdaLin.activation",
            self.activation,
            tuple(a for a in _core.activations() if a != "ltu"),
        )
        if not abs(self.start) <= 1e30:
            raise ValueError(f"AdaLin.start: expected a number, got {self.start!r}")

    def _spec(self) -> dict[str, Any]:
        return {"kind": "adalin", "name": self.activation, "start": float(self.start)}


@dataclass(frozen=True)
class LayerNorm(Layer):
    """z = (a - mean) / sqrt(variance + 1e-5), biased variance; with affine, gain z + shift."""

    affine: bool = True

    def _spec(self) -> dict[str, Any]:
        return {"kind": "layer_norm", "affine": bool(self.affine)}


@dataclass(frozen=True)
class OnlineNorm(Layer):
    """y = (x - mean) / sqrt(variance + 1e-5), by the statistics of each unit over the examples before.

    mean and variance follow the stream with `decay`; the gradient is steered, over time, to be
    orthogonal to y and of mean 0, with `control_decay` (both 0 to below 1): with q the gradient at
    y, p = q - (1 - control_decay) v y; g = p / sqrt(variance + 1e-5) - (1 - control_decay) u; then
    v += p y, u += g. affine: weight y + bias goes out. mean, variance, u and v are in
    `learner.state`. Without the scaling of whole layers that the authors combine it with; refuses
    `step_minibatch`. O(units). Source: Chiley et al., "Online normalization for training neural
    networks", 2019.
    """

    affine: bool = True
    decay: float = 0.999
    control_decay: float = 0.99

    def __post_init__(self) -> None:
        for name in ("decay", "control_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"OnlineNorm.{name}: expected at least 0 and below 1, got {getattr(self, name)!r}"
                )

    def _spec(self) -> dict[str, Any]:
        return {
            "kind": "online_norm",
            "affine": bool(self.affine),
            "decay": float(self.decay),
            "control_decay": float(self.control_decay),
        }


@dataclass(frozen=True)
class InputNorm(Layer):
    """y = (x - mean) / sqrt(variance + epsilon), by each input's statistics so far, x among them.

    With t examples, x the last: r = max(1 - decay, 1 / t);  variance = (1 - r)(variance + r (x -
    mean)^2);  mean += r (x - mean);  then y. Plain means at first, decaying ones from 1 / (1 - decay)
    examples on; decay=1: plain ones for ever. |y| is at most sqrt(1 / r - 1), so that an input that
    was always 0 does no harm when it comes. The first layer of a network; what it keeps moves with
    `step`, not with `predict`, which counts its x in and forgets it. mean, variance and count are in
    `learner.state`; refuses `step_minibatch`. decay: 0 to 1. epsilon: above 0. O(inputs).
    `OnlineNorm(affine=False)` in this place goes by the examples before, from mean 0 and variance 1.
    Source: Welford, 1962; the normaliser of streaming agents (Elsayed et al., 2024) with biased
    variance and a decay. Javed's robust adaptive linear learners put one before IDBD, of which we
    know no more: this is our reading.
    """

    decay: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        if not 0 <= self.decay <= 1:
            raise ValueError(f"InputNorm.decay: expected 0 to 1, got {self.decay!r}")
        if not 0 < self.epsilon <= 1e30:
            raise ValueError(f"InputNorm.epsilon: expected above 0, got {self.epsilon!r}")

    def _spec(self) -> dict[str, Any]:
        return {
            "kind": "input_norm",
            "decay": float(self.decay),
            "epsilon": float(self.epsilon),
        }


@dataclass(frozen=True)
class Dropout(Layer):
    """0 with probability `rate`, else h / (1 - rate); the identity in predictions."""

    rate: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"Dropout.rate: expected at least 0 and below 1, got {self.rate!r}")

    def _spec(self) -> dict[str, Any]:
        return {"kind": "dropout", "rate": float(self.rate)}


_OF_PAIRS = {"crelu": CReLU, "fourier": Fourier, "prelu": PReLU, "adalin": AdaLin}


def _between(name: str) -> Layer:
    """The activation of an MLP, by name."""
    return _OF_PAIRS[name]() if name in _OF_PAIRS else Activation(name)
