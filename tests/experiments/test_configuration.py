"""Configurations: what `--set` reads and what it refuses."""

from __future__ import annotations

import dataclasses

import pytest
from streamdl.experiments import EXPERIMENTS, UsageError, find


def test_settings_are_read_by_the_type_of_their_key() -> None:
    config = find("permuted-digits").configure(
        ["tasks=2", "methods=backprop,l2", "step_size=3e-3", "hidden=8,4", "dtype=float64"]
    )
    assert (config.tasks, config.methods, config.step_size) == (2, ("backprop", "l2"), (0.003,))
    assert config.as_dict()["hidden"] == [8, 4] and config.dtype == "float64"
    sweep = find("permuted-digits").configure(["step_size=0.01,3e-3,0.001"])
    assert sweep.step_size == (0.01, 0.003, 0.001)


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=list(EXPERIMENTS))
def test_every_default_can_be_set_to_itself(experiment) -> None:  # type: ignore[no-untyped-def]
    words = []
    for key, value in dataclasses.asdict(experiment.configuration).items():
        text = ",".join(map(str, value)) if isinstance(value, tuple) else value
        words.append(f"{key}={text}")
    assert experiment.configure(words) == experiment.configuration
    assert {"tasks", "methods", "step_size"} <= {word.partition("=")[0] for word in words}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("lr=1", "no key 'lr'; there are tasks, methods, step_size"),
        ("tasks", "--set tasks: expected key=value"),
        ("tasks=many", "--set tasks=many: expected a whole number"),
        ("tasks=0", "tasks: expected at least 1, got 0"),
        ("weight_decay=fast", "--set weight_decay=fast: expected a number"),
        ("step_size=0.1,fast", "--set step_size=0.1,fast: expected numbers separated by commas"),
        ("step_size=", "step_size: expected at least one number, got none"),
        ("step_size=0.1,0.2,0.10", "step_size: a number comes twice in 0.1,0.2,0.1"),
        ("hidden=8,x", "--set hidden=8,x: expected whole numbers separated by commas"),
        ("methods=", "methods: expected at least one name"),
        ("methods=l2,l2", "methods: a name comes twice"),
        ("methods=adam", "has backprop, l2, shrink-and-perturb, continual-backprop; got 'adam'"),
    ],
)
def test_a_bad_setting_is_refused_in_one_line(setting: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find("permuted-digits").configure([setting])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_experiment_brings_a_hint() -> None:
    with pytest.raises(UsageError, match="did you mean permuted-mnist"):
        find("permuted-minst")
    with pytest.raises(UsageError, match="there are permuted-digits, permuted-mnist"):
        find("xyz")
