"""Numbers below the smallest normal one are 0 inside, whatever the host process has set; outside, nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import streamdl as sdl
import torch

TINY = float(np.finfo(np.float32).tiny)
# What of each decays quickly enough to come by the denormals within the examples of a test.
RULES: dict[str, Any] = {
    "momentum": lambda: sdl.optim.SGD(0.01, momentum=0.5),
    "adam": lambda: sdl.optim.Adam(0.01, beta1=0.5, beta2=0.5),
    "rmsprop": lambda: sdl.optim.RMSprop(0.01, decay=0.5),
    "nidbd": lambda: sdl.optim.NIDBD(0.01, meta_step_size=1e-3, normalizer_decay=0.5),
    "intentional": lambda: sdl.optim.Intentional(discount=0.5, trace_decay=1.0, beta2=0.5),
    "meta_optimize": lambda: sdl.optim.MetaOptimize(
        base="AdamW", meta="Adam", blocks="weightwise", momentum=0.5, normalizer=0.5
    ),
}


def learner(rule: str, **settings: Any) -> sdl.Learner:
    return sdl.Learner(
        sdl.MLP(9, [12], 1), loss="squared_error", optimizer=RULES[rule](), seed=1, **settings
    )


def taught(made: sdl.Learner, examples: int, silent: int) -> sdl.Learner:
    """Learns from some examples of all inputs, then from some in which half of the inputs are 0."""
    rng = np.random.default_rng(0)
    for i in range(examples + silent):
        x = rng.standard_normal(9).astype(np.float32)
        if i >= examples:
            x[:5] = 0
        made.step(x, np.float32(x.sum()))
    return made


def smallest(made: sdl.Learner) -> float:
    """The smallest size of a number of the state that is not 0."""
    sizes = [np.abs(a[a != 0]) for a in map(np.asarray, made.state.values()) if a.dtype == "f4"]
    return float(min(size.min() for size in sizes if size.size))


@pytest.fixture
def host_flushes() -> Iterator[None]:
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor has no such setting")
    yield
    torch.set_flush_denormal(False)


def host_keeps_denormals() -> bool:
    return bool(np.float32(TINY) / np.float32(2) != 0)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("silent", [120, 130, 140])
def test_what_decays_ends_at_zero(rule: str, silent: int) -> None:
    made = taught(learner(rule), 20, silent)
    assert smallest(made) >= TINY


@pytest.mark.parametrize("rule", RULES)
def test_settings_of_the_host_change_no_bit(rule: str, host_flushes: None) -> None:
    made = taught(learner(rule), 20, 140)
    assert not host_keeps_denormals()
    torch.set_flush_denormal(False)
    assert taught(learner(rule), 20, 140).state_hash() == made.state_hash()
    assert host_keeps_denormals()


@pytest.mark.parametrize("rule", ["momentum", "rmsprop", "nidbd"])
def test_rows_that_wait_come_by_in_the_same_way(rule: str) -> None:
    """Whoever looks at a state brings its rows up to date, outside of any step."""
    looked = learner(rule, silent_rows="lazy")
    taught(looked, 20, 130)
    looked.state_hash()
    assert looked.state_hash() == taught(learner(rule), 20, 130).state_hash()


@pytest.mark.parametrize("rule", ["TD", "TrueOnlineTD", "TIDBD", "AutoTIDBD", "SwiftTD"])
def test_traces_end_at_zero(rule: str, host_flushes: None) -> None:
    def taught_agent() -> Any:
        rng = np.random.default_rng(0)
        learned = {} if rule in ("TD", "TrueOnlineTD") else {"meta_step_size": 1e-3}
        agent = getattr(sdl.rl, rule)(40, 0.01, discount=0.5, trace_decay=1.0, **learned)
        for i in range(145):
            x = rng.standard_normal(40).astype(np.float32)
            if i > 20:
                x[::2] = 0
            agent.step(x, 1.0)
        return agent

    flushed = taught_agent()
    torch.set_flush_denormal(False)
    agent = taught_agent()
    assert agent.state_hash() == flushed.state_hash()
    assert smallest(agent) >= TINY
    assert host_keeps_denormals()
