"""Networks from the descriptions in cases.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from reference.convolution import AvgPool2d, Conv2d, Flatten, MaxPool2d
from reference.features import AdaLin, CReLU, Fourier, InputNorm, OnlineNorm, PReLU
from reference.network import MLP, Activation, Dropout, Layer, LayerNorm, Linear, Network
from reference.sparse import SparseLinear

LAYERS: dict[str, Callable[..., Layer]] = {
    "Linear": Linear,
    "SparseLinear": SparseLinear,
    "LayerNorm": LayerNorm,
    "Dropout": Dropout,
    "Conv2d": Conv2d,
    "MaxPool2d": MaxPool2d,
    "AvgPool2d": AvgPool2d,
    "Flatten": Flatten,
    "CReLU": CReLU,
    "Fourier": Fourier,
    "PReLU": PReLU,
    "AdaLin": AdaLin,
    "OnlineNorm": OnlineNorm,
    "InputNorm": InputNorm,
    "ReLU": partial(Activation, "relu"),
    "LeakyReLU": partial(Activation, "leaky_relu"),
    "ELU": partial(Activation, "elu"),
    "GELU": partial(Activation, "gelu"),
    "SiLU": partial(Activation, "silu"),
    "Tanh": partial(Activation, "tanh"),
    "Sigmoid": partial(Activation, "sigmoid"),
    "Softplus": partial(Activation, "softplus"),
}


def network_of(description: Mapping[str, Any]) -> Network:
    """kind "mlp": the arguments of MLP; "network": `inputs` and `layers`, [name, arguments...]."""
    options = {key: value for key, value in description.items() if key != "kind"}
    if description["kind"] == "mlp":
        return MLP(**options)
    layers = [LAYERS[name](*arguments) for name, *arguments in options["layers"]]
    return Network(layers, options["inputs"])
