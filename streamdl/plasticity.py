"""Methods that keep a network able to learn."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from streamdl import _core


def _within(field: str, value: float, low: float, high: float, high_open: bool = False) -> None:
    if not (low <= value and (value < high if high_open else value <= high)):
        end = ")" if high_open else "]"
        raise ValueError(f"{field}: expected a number in [{low:g}, {high:g}{end}, got {value!r}")


@dataclass(frozen=True)
class Plasticity:
    """Base of all methods."""

    def _spec(self) -> dict[str, Any]:
        return {"name": type(self).__name__, **asdict(self)}


@dataclass(frozen=True)
class ContinualBackprop(Plasticity):
    """Regenerates the least useful mature units: u = decay u + (1 - decay) y, lowest u / (1 - decay^age) first.

    replacement_rate (rho): fraction of mature units reborn per step, [0, 1]. maturity (m): steps before
    a unit may be replaced. decay (eta): of utilities, [0, 1). utility: contribution, weight, adaptation,
    zero_contribution, adaptable_contribution or feature_by_input. max_per_step: at most so many units of
    a layer per step (None: all that are due). transfer_bias: hand the unit's mean output to the next bias.
    Source: Dohare et al., 2024. Cost: O(units).
    """

    replacement_rate: float = 1e-4
    maturity: float = 100
    decay: float = 0.99
    utility: str = "contribution"
    max_per_step: int | None = None
    transfer_bias: bool = False

    def __post_init__(self) -> None:
        _within("ContinualBackprop.replacement_rate", self.replacement_rate, 0, 1)
        _within("ContinualBackprop.maturity", self.maturity, 0, float("inf"), True)
        _within("ContinualBackprop.decay", self.decay, 0, 1, True)
        allowed = _core.utilities()
        if self.utility not in allowed:
            raise ValueError(
                f"ContinualBackprop.utility: {self.utility!r} is not known; expected one of {', '.join(allowed)}"
            )
        if self.max_per_step is not None and self.max_per_step < 1:
            raise ValueError(
                f"ContinualBackprop.max_per_step: expected at least 1 or None, got {self.max_per_step!r}"
            )

    def _spec(self) -> dict[str, Any]:
        spec = super()._spec()
        spec["replacement_rate"] = float(self.replacement_rate)
        spec["maturity"] = float(self.maturity)
        spec["decay"] = float(self.decay)
        spec["max_per_step"] = float(self.max_per_step or 0)
        return spec


@dataclass(frozen=True)
class ShrinkAndPerturb(Plasticity):
    """After every update w = (1 - shrink) w + noise N(0, 1), biases too.

    shrink: [0, 1]; noise: standard deviation, at least 0. Source: Ash and Adams, 2020, in the per-update
    form of Dohare et al., 2024. Cost: one normal draw per weight.
    """

    shrink: float
    noise: float

    def __post_init__(self) -> None:
        _within("ShrinkAndPerturb.shrink", self.shrink, 0, 1)
        _within("ShrinkAndPerturb.noise", self.noise, 0, float("inf"), True)

    def _spec(self) -> dict[str, Any]:
        return {
            "name": "ShrinkAndPerturb",
            "shrink": float(self.shrink),
            "noise": float(self.noise),
        }
