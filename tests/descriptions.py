"""Networks from descriptions, as cases.json and the drawn configurations hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamdl as sdl


def network_of(description: Mapping[str, Any]) -> sdl.Network:
    """kind "mlp": the arguments of MLP; "network": `inputs` and `layers`, [name, arguments...]."""
    options = {key: value for key, value in description.items() if key != "kind"}
    if description["kind"] == "mlp":
        return sdl.MLP(**options)
    layers = [getattr(sdl.nn, name)(*arguments) for name, *arguments in options["layers"]]
    return sdl.Network(layers, options["inputs"])
