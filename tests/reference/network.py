"""Networks as chains of layers, each of which states its value and its full Jacobian.

With J[i, k] = d output_k / d input_i written out, the two backward passes need no derivation:
the back-propagated error is delta_in = J delta_out, the diagonal sensitivity s_in = J^2 s_out
with the entries squared. Values pass from layer to layer as flat vectors; images are flat in the
order channel, row, column, and only their layers think of them as more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shape = tuple[int, ...]  # of one example between two layers: (units,) or (channels, rows, columns)

_erf: Callable[[Array], Array] = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(a: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0.0, -a)))


def _normal_cumulative(a: Array) -> Array:
    return 0.5 * (1.0 + _erf(a / math.sqrt(2.0)))


def _normal_density(a: Array) -> Array:
    return np.exp(-0.5 * a * a) / math.sqrt(2.0 * math.pi)


# name: value h(a) and slope dh/da. At a = 0 relu and leaky_relu have their left slopes.
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "linear": (lambda a: a.copy(), lambda a: np.ones_like(a)),
    "relu": (lambda a: np.maximum(a, 0.0), lambda a: np.where(a > 0, 1.0, 0.0)),
    "leaky_relu": (lambda a: np.where(a > 0, a, 0.01 * a), lambda a: np.where(a > 0, 1.0, 0.01)),
    "elu": (
        lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0.0))),
        lambda a: np.where(a > 0, 1.0, np.exp(np.minimum(a, 0.0))),
    ),
    "gelu": (
        lambda a: a * _normal_cumulative(a),
        lambda a: _normal_cumulative(a) + a * _normal_density(a),
    ),
    "silu": (
        lambda a: a * _sigmoid(a),
        lambda a: _sigmoid(a) * (1.0 + a * _sigmoid(-a)),
    ),
    "tanh": (np.tanh, lambda a: 1.0 - np.tanh(a) ** 2),
    "sigmoid": (_sigmoid, lambda a: _sigmoid(a) * _sigmoid(-a)),
    "softplus": (lambda a: np.logaddexp(0.0, a), _sigmoid),
}


class Layer:
    """One step of the chain; a subclass without parameters defines `forward` and `jacobian`."""

    parameters: dict[str, Array]
    fan_in: float | None = None  # weights into one unit, where the layer mixes units

    def build(self, shape: Shape) -> Shape:
        """Allocate the parameters for inputs of a shape; the shape of the outputs."""
        self.parameters = {}
        return shape

    def forward(self, x: Array) -> Array:
        raise NotImplementedError

    def jacobian(self) -> Array:
        """J[i, k] = d output_k / d input_i at the input of the last `forward`."""
        raise NotImplementedError

    def back(self, delta: Array) -> Array:
        """dL/d(input) that learning goes by, from delta = dL/d(output)."""
        return np.asarray(self.jacobian() @ delta)

    def learned(self) -> None:
        """The update is done."""

    def present(self, parameter: str) -> Array | float:
        """1 for weights that there are, 0 for places without an edge."""
        return 1.0

    def gradients(self, delta: Array) -> dict[str, Array]:
        """dL/dw of the layer's parameters, from delta = dL/d(output)."""
        return {}

    def sensitivities(self, s: Array) -> dict[str, Array]:
        """The diagonal d of the layer's parameters, from the outputs' s: slopes squared."""
        return {}


def one_axis(layer: Layer, shape: Shape) -> int:
    """The number of inputs of a layer that takes no images."""
    if len(shape) != 1:
        raise ValueError(f"{type(layer).__name__} takes no inputs of shape {shape}: Flatten first")
    return shape[0]


class Linear(Layer):
    """a = W^T x + b. Row j of W holds the outgoing weights of source unit j."""

    def __init__(self, outputs: int, bias: bool = True) -> None:
        self.outputs, self.bias = outputs, bias

    def build(self, shape: Shape) -> Shape:
        self.fan_in = inputs = one_axis(self, shape)
        self.parameters = {"weight": np.zeros((inputs, self.outputs))}
        if self.bias:
            self.parameters["bias"] = np.zeros(self.outputs)
        return (self.outputs,)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.parameters["weight"] + self.parameters.get("bias", 0.0)

    def jacobian(self) -> Array:
        return self.parameters["weight"]

    def gradients(self, delta: Array) -> dict[str, Array]:
        gradients = {"weight": np.outer(self.x, delta), "bias": delta.copy()}
        return {name: gradients[name] for name in self.parameters}

    def sensitivities(self, s: Array) -> dict[str, Array]:
        sensitivities = {"weight": np.outer(self.x**2, s), "bias": s.copy()}
        return {name: sensitivities[name] for name in self.parameters}


class LayerNorm(Layer):
    """x_hat = (x - mean) / sqrt(var + 1e-5), biased variance; affine: weight * x_hat + bias."""

    epsilon = 1e-5

    def __init__(self, affine: bool = True) -> None:
        self.affine = affine

    def build(self, shape: Shape) -> Shape:
        inputs = one_axis(self, shape)
        self.parameters = {}
        if self.affine:
            self.parameters = {"weight": np.ones(inputs), "bias": np.zeros(inputs)}
        return shape

    def forward(self, x: Array) -> Array:
        self.sigma = math.sqrt(np.mean((x - x.mean()) ** 2) + self.epsilon)
        self.x_hat = (x - x.mean()) / self.sigma
        weight, bias = self.parameters.get("weight", 1.0), self.parameters.get("bias", 0.0)
        return np.asarray(weight * self.x_hat + bias)

    def jacobian(self) -> Array:
        n = len(self.x_hat)
        normalise = (np.eye(n) - 1.0 / n - np.outer(self.x_hat, self.x_hat) / n) / self.sigma
        return np.asarray(normalise * self.parameters.get("weight", 1.0))

    def gradients(self, delta: Array) -> dict[str, Array]:
        return {"weight": self.x_hat * delta, "bias": delta.copy()} if self.affine else {}

    def sensitivities(self, s: Array) -> dict[str, Array]:
        return {"weight": self.x_hat**2 * s, "bias": s.copy()} if self.affine else {}


class Activation(Layer):
    """h(a), unit by unit."""

    def __init__(self, name: str) -> None:
        self.value, self.slope = ACTIVATIONS[name]

    def forward(self, x: Array) -> Array:
        self.a = x
        return self.value(x)

    def jacobian(self) -> Array:
        return np.diag(self.slope(self.a))


class Dropout(Layer):
    """Multiplication by a mask of 0 and 1 / (1 - rate), which the caller passes in."""

    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate
        self.mask: Array | None = None

    def forward(self, x: Array) -> Array:
        self.used = np.ones_like(x) if self.mask is None else self.mask
        return x * self.used

    def jacobian(self) -> Array:
        return np.diag(self.used)


class Network:
    """A chain of layers. `parameters` are named "<index>.weight", "<index>.bias", counting only
    layers that have parameters."""

    def __init__(self, layers: Sequence[Layer], inputs: int | Sequence[int]) -> None:
        self.layers = list(layers)
        self.parameters: dict[str, Array] = {}
        self.names: list[dict[str, str]] = []  # per layer: short name -> full name
        shape: Shape = (inputs,) if isinstance(inputs, int) else tuple(inputs)
        index = 0
        for layer in self.layers:
            shape = layer.build(shape)
            self.names.append({short: f"{index}.{short}" for short in layer.parameters})
            self.parameters |= {f"{index}.{s}": w for s, w in layer.parameters.items()}
            index += bool(layer.parameters)
        self.outputs = math.prod(shape)
        # Hidden layer l: the units between the l-th and the next Linear.
        self.linears = [k for k, layer in enumerate(self.layers) if isinstance(layer, Linear)]
        self.hidden = [
            (self.names[k], self.names[after])
            for k, after in zip(self.linears, self.linears[1:], strict=False)
        ]

    def forward(self, x: Array, masks: Sequence[Array] = ()) -> Array:
        """The output; `masks` are those of the Dropout layers in order (none: no dropout)."""
        remaining = list(masks)
        x = x.reshape(-1)
        for layer in self.layers:
            if isinstance(layer, Dropout):
                layer.mask = remaining.pop(0) if masks else None
            x = layer.forward(x)
        return x

    def activations(self) -> list[Array]:
        """What each hidden layer handed to the next Linear in the last `forward`."""
        linears = [self.layers[k] for k in self.linears]
        return [layer.x for layer in linears[1:] if isinstance(layer, Linear)]

    def gradients(self, delta: Array, learning: bool = False) -> dict[str, Array]:
        """dL/dw of every parameter, from delta = dL/d(output); with `learning`, what is learned by,
        which differs where a layer steers it."""
        result: dict[str, Array] = {}
        for layer, names in zip(reversed(self.layers), reversed(self.names), strict=True):
            result |= {names[short]: g for short, g in layer.gradients(delta).items()}
            delta = layer.back(delta) if learning else layer.jacobian() @ delta
        return result

    def diagonal_sensitivities(self, s: Array) -> dict[str, Array]:
        """The diagonal d of every parameter, from s_k = c_k at the outputs."""
        result: dict[str, Array] = {}
        for layer, names in zip(reversed(self.layers), reversed(self.names), strict=True):
            result |= {names[short]: d for short, d in layer.sensitivities(s).items()}
            s = layer.jacobian() ** 2 @ s
        return result

    def exact_sensitivities(self, c: Array) -> dict[str, Array]:
        """d = sum over outputs k of c_k (d output_k / dw)^2: one backward pass per output."""
        result = {name: np.zeros_like(w) for name, w in self.parameters.items()}
        for k, c_k in enumerate(c):
            for name, slope in self.gradients(np.eye(len(c))[k]).items():
                result[name] += c_k * slope**2
        return result


class MLP(Network):
    """Hidden layers of Linear, layer norm without affine where asked, activation; then Linear."""

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        activation: str = "relu",
        bias: bool = True,
        layer_norm: bool = False,
    ) -> None:
        layers: list[Layer] = []
        for width in hidden:
            layers.append(Linear(width, bias=bias))
            if layer_norm:
                layers.append(LayerNorm(affine=False))
            layers.append(Activation(activation))
        super().__init__([*layers, Linear(outputs, bias=bias)], inputs)
